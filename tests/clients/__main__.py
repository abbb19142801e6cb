"""`make clients`: what `ptc kit` makes, unchanged, in the hands of the real containerd and Skopeo.

They pull in a network namespace that has loopback alone. There a logging TLS server is ECR, under ECR's own host name, and
all upstreams. Podman and Buildah are tried too where they are installed.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

# What .ci/run takes for a step that this machine cannot do.
SKIP = 77
# The Debian packages of what is needed.
NEEDED = {"containerd": "containerd", "ctr": "containerd", "skopeo": "skopeo", "openssl": "openssl", "unshare": "util-linux"}
# An own network, own mounts, and processes that end with the first of them.
NAMESPACES = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def skip(why):
    print(f"skipped: {why}")
    return SKIP


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--ptc", type=Path, required=True, help="the program that makes the kit")
    options = options.parse_args()
    if os.geteuid() != 0:
        return skip("only root can give the clients a network of their own")
    missing = sorted({package for program, package in NEEDED.items() if not shutil.which(program)})
    if missing:
        return skip(f"not installed: {', '.join(missing)}")
    if subprocess.run([*NAMESPACES, "true"], check=False).returncode != 0:
        return skip("no network namespace can be made here")
    story = Path(__file__).with_name("story.py")
    return subprocess.run([*NAMESPACES, sys.executable, "-B", story, options.ptc.resolve()], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
