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
docker.io/*) printf '%s\n' "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/docker.io/${image#docker.io/}" ;;
quay.io/*) printf '%s\n' "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/quay/${image#quay.io/}" ;;
*) printf '%s\n' "$1" ;;
esac
