#!/bin/sh
# Prints the name under which an image is pulled through ECR: sh image.sh nginx:1.27
set -eu
if [ $# -ne 1 ]; then
    echo "usage: image.sh IMAGE" >&2
    exit 1
fi
image=$1

# ECR cannot import an image by its digest.
case $image in
*@*)
    printf '%s\n' "$image"
    exit 0
    ;;
esac

# The name in full, as Docker understands it.
case $image in
*/*) ;;
*) image=docker.io/library/$image ;;
esac
case ${image%%/*} in
*.* | *:* | localhost) ;;
*) image=docker.io/$image ;;
esac
case $image in
index.docker.io/* | registry-1.docker.io/*) image=docker.io/${image#*/} ;;
esac
case $image in
docker.io/*/*) ;;
docker.io/*) image=docker.io/library/${image#*/} ;;
esac

case $image in
444455556666.dkr.ecr.eu-central-1.amazonaws.com/base/*) printf '%s\n' "111122223333.dkr.ecr.eu-central-1.amazonaws.com/base-images/${image#444455556666.dkr.ecr.eu-central-1.amazonaws.com/base/}" ;;
444455556666.dkr.ecr.eu-central-1.amazonaws.com/*) printf '%s\n' "111122223333.dkr.ecr.eu-central-1.amazonaws.com/shared/${image#444455556666.dkr.ecr.eu-central-1.amazonaws.com/}" ;;
111122223333.dkr.ecr.us-east-1.amazonaws.com/dockerhub/*) printf '%s\n' "$1" ;;
111122223333.dkr.ecr.us-east-1.amazonaws.com/dockerhub-again/*) printf '%s\n' "$1" ;;
111122223333.dkr.ecr.us-east-1.amazonaws.com/ghcr.io/*) printf '%s\n' "$1" ;;
111122223333.dkr.ecr.us-east-1.amazonaws.com/quay.io/*) printf '%s\n' "$1" ;;
111122223333.dkr.ecr.us-east-1.amazonaws.com/k8s/*) printf '%s\n' "$1" ;;
111122223333.dkr.ecr.us-east-1.amazonaws.com/ecr-public/*) printf '%s\n' "$1" ;;
111122223333.dkr.ecr.us-east-1.amazonaws.com/gitlab/*) printf '%s\n' "$1" ;;
111122223333.dkr.ecr.us-east-1.amazonaws.com/chainguard/*) printf '%s\n' "$1" ;;
111122223333.dkr.ecr.us-east-1.amazonaws.com/azure/*) printf '%s\n' "$1" ;;
111122223333.dkr.ecr.us-east-1.amazonaws.com/k8s/ingress-nginx/*) printf '%s\n' "$1" ;;
111122223333.dkr.ecr.us-east-1.amazonaws.com/shared/*) printf '%s\n' "$1" ;;
111122223333.dkr.ecr.us-east-1.amazonaws.com/base-images/*) printf '%s\n' "$1" ;;
111122223333.dkr.ecr.us-east-1.amazonaws.com/newcomer/*) printf '%s\n' "$1" ;;
111122223333.dkr.ecr.us-east-1.amazonaws.com/*) printf '%s\n' "111122223333.dkr.ecr.eu-central-1.amazonaws.com/${image#111122223333.dkr.ecr.us-east-1.amazonaws.com/}" ;;
acme-edge.azurecr.io/*) printf '%s\n' "111122223333.dkr.ecr.eu-central-1.amazonaws.com/k8s/ingress-nginx/${image#acme-edge.azurecr.io/}" ;;
registry.example.com/*) printf '%s\n' "111122223333.dkr.ecr.eu-central-1.amazonaws.com/newcomer/${image#registry.example.com/}" ;;
registry.gitlab.com/*) printf '%s\n' "111122223333.dkr.ecr.eu-central-1.amazonaws.com/gitlab/${image#registry.gitlab.com/}" ;;
registry.k8s.io/ingress-nginx/*) printf '%s\n' "$1" ;;
registry.k8s.io/*) printf '%s\n' "111122223333.dkr.ecr.eu-central-1.amazonaws.com/k8s/${image#registry.k8s.io/}" ;;
acme.azurecr.io/*) printf '%s\n' "111122223333.dkr.ecr.eu-central-1.amazonaws.com/azure/${image#acme.azurecr.io/}" ;;
public.ecr.aws/*) printf '%s\n' "111122223333.dkr.ecr.eu-central-1.amazonaws.com/ecr-public/${image#public.ecr.aws/}" ;;
docker.io/*) printf '%s\n' "111122223333.dkr.ecr.eu-central-1.amazonaws.com/dockerhub/${image#docker.io/}" ;;
ghcr.io/*) printf '%s\n' "111122223333.dkr.ecr.eu-central-1.amazonaws.com/ghcr.io/${image#ghcr.io/}" ;;
quay.io/*) printf '%s\n' "111122223333.dkr.ecr.eu-central-1.amazonaws.com/quay.io/${image#quay.io/}" ;;
cgr.dev/*) printf '%s\n' "111122223333.dkr.ecr.eu-central-1.amazonaws.com/chainguard/${image#cgr.dev/}" ;;
*) printf '%s\n' "$1" ;;
esac
