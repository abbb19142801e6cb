//! `image.sh`: where one image is pulled, for builds and scripts. The Docker daemon's mirrors take no path, so what
//! is built with it has to write other names.

use std::fmt::Write as _;

use super::route::{Route, Routes};
use super::{Artefact, Part, sentences};

const CAVEATS: &[&str] = &[
    "`docker build --build-arg BASE=\"$(sh image.sh nginx:1.27)\"`: for what the Docker daemon pulls, whose mirrors take no path. Sign in first (`aws ecr get-login-password`).",
    "Images with a digest, and those of registries that the file does not have, come out as they went in.",
];

const HEAD: &str = r#"#!/bin/sh
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
"#;

pub(super) fn artefact(routes: &Routes<'_>) -> Artefact {
    // A part of a host before the host, and what is hidden before both.
    let mut ordered: Vec<&Route<'_>> = routes.routes.iter().collect();
    ordered.sort_by_key(|route| std::cmp::Reverse(route.source().len()));
    let mut content = HEAD.to_owned();
    for route in ordered {
        let (source, base) = (route.source(), &route.base);
        // Writing to a string cannot fail.
        for taken in &route.taken {
            _ = writeln!(content, "{source}/{}/*) printf '%s\\n' \"$1\" ;;", taken.path);
        }
        _ = writeln!(content, "{source}/*) printf '%s\\n' \"{base}/${{image#{source}/}}\" ;;");
    }
    content.push_str("*) printf '%s\\n' \"$1\" ;;\nesac\n");
    Artefact {
        part: Part::Shell,
        path: "image.sh".into(),
        title: "Script: where an image is pulled".into(),
        caveats: sentences(CAVEATS),
        notes: routes.notes.clone(),
        content,
    }
}
