#!/usr/bin/env python3
"""Uses what `make wheel` has built as others will: pip, pre-commit, tar, and the last check of a release.

Usage: try_release.py FOLDER PRE_COMMIT. Needs git, and an index of Python packages for pre-commit's own environment.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

import release_files

ROOT = release_files.ROOT
GOOD = (ROOT / "examples/complete.yaml").read_text()
BAD = "dockerhub:\n  registry: docker.oi\n"


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)


def check(what, holds, ran=None):
    if not holds:
        sys.exit(f"not so: {what}" + (f"\n{ran.stdout}{ran.stderr}" if ran else ""))
    print(f"ok  {what}", flush=True)


def wheel(dist, work):
    venv.create(work / "venv", with_pip=True)
    pip = run(work / "venv/bin/pip", "install", "--no-index", "--find-links", dist, "ecr-ptc")
    check("pip installs the wheel, and nothing else", pip.returncode == 0, pip)
    installed = work / "venv/bin/ptc"
    for name, text, status in [("good.yaml", GOOD, 0), ("bad.yaml", BAD, 1)]:
        (work / name).write_text(text)
        ran = run(installed, "check", work / name)
        check(f"ptc check of {name} ends with {status}", ran.returncode == status, ran)
    (archive,) = dist.glob("ptc-*.tar.gz")
    with tarfile.open(archive) as file:
        check("the archive has the same program", file.extractfile("ptc").read() == installed.read_bytes())
        check("and the licences", {"LICENSE-APACHE", "LICENSE-MIT"} <= set(file.getnames()))


def hook(dist, work, pre_commit):
    """A repository with one file, whose hook comes from this one."""
    repository = work / "repository"
    repository.mkdir()
    run("git", "init", "--quiet", repository)
    # As if the wheel were in the index. Nothing of the user's own pre-commit is touched.
    environment = os.environ | {"PIP_FIND_LINKS": str(dist), "PRE_COMMIT_HOME": str(work / "pre-commit")}
    for text, status in [(GOOD, 0), (BAD, 1)]:
        (repository / "registries.yaml").write_text(text)
        run("git", "add", ".", cwd=repository)
        ran = run(pre_commit, "try-repo", ROOT, "ptc-check", "--files", "registries.yaml", cwd=repository, env=environment)
        check(f"the hook ends with {status}", ran.returncode == status and "ptc check" in ran.stdout, ran)
    check("and says why", "did you mean `docker.io`" in ran.stdout, ran)


def complete(work):
    """Every file by its name; then each missing in turn, another tag, and another address."""
    version = release_files.manifest("Cargo.toml")["workspace"]["package"]["version"]
    read, url = release_files.manifest, "https://git.example.com/platform/copy"

    def with_repository(path):
        manifest = read(path)
        manifest.get("package", {})["repository"] = url
        return manifest

    release_files.manifest = with_repository
    folder = work / "release"
    folder.mkdir()
    names = [f"ecr-pull-through-sync-{arch}.{ending}" for arch in ("arm64", "x86_64") for ending in ("zip", "cdx.json")]
    for target in release_files.TARGETS:
        names += [f"ptc-{target}.tar.gz"]
    for platform in ("manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "macosx_10_12_x86_64", "macosx_11_0_arm64"):
        names += [f"ecr_ptc-{version}-py3-none-{platform}.whl"]
    for name in names:
        (folder / name).write_text(name)
    release_files.complete(folder, f"v{version}", url)
    sums = run("sha256sum", "--check", "SHA256SUMS", cwd=folder)
    check(f"{len(names)} files have their sums", sums.returncode == 0 and sums.stdout.count(": OK") == len(names), sums)

    def refused(tag=f"v{version}", url=url):
        try:
            release_files.complete(folder, tag, url)
        except SystemExit as why:
            return str(why)
        return ""

    for name in names:
        (folder / name).rename(work / "away")
        # The exact name, or the pattern of a wheel.
        check(f"{name} is missed", refused().endswith(" is missing") and refused().count("\n") == 0)
        (work / "away").rename(folder / name)
    check("another tag is refused", "v9.9.9" in refused(tag="v9.9.9"))
    check("another address is refused", "`repository`" in refused(url="https://git.example.com/other"))


def main(dist, pre_commit):
    dist, pre_commit = Path(dist).resolve(), Path(pre_commit).resolve()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        complete(work)
        wheel(dist, work)
        hook(dist, work, pre_commit)


if __name__ == "__main__":
    main(*sys.argv[1:])
