#!/usr/bin/env python3
"""The files of a release, made from what was built.

    release_files.py function ARCH FOLDER       the bootstrap of `make build` as a zip, and its SBOM
    release_files.py ptc TARGET FOLDER          the program in the folder's wheel as an archive, for `cargo binstall` and tar
    release_files.py complete FOLDER TAG URL    is every file there, and of this version? Then SHA256SUMS is written

The same input makes the same bytes: no times and no owners.
"""

import gzip
import hashlib
import io
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURES = ["arm64", "x86_64"]
# What `rustc` calls the machines, and how their wheels' names end.
TARGETS = {
    "x86_64-unknown-linux-gnu": "manylinux_2_28_x86_64.whl",
    "aarch64-unknown-linux-gnu": "manylinux_2_28_aarch64.whl",
    "x86_64-apple-darwin": "macosx_*_x86_64.whl",
    "aarch64-apple-darwin": "macosx_*_arm64.whl",
}


def manifest(path):
    return tomllib.loads((ROOT / path).read_text())


def archive_name(target):
    """As `cargo binstall` asks for it."""
    url = manifest("crates/ptc/Cargo.toml")["package"]["metadata"]["binstall"]["pkg-url"]
    return url.rpartition("/")[2].replace("{ target }", target)


def function(arch, folder):
    folder.mkdir(parents=True, exist_ok=True)
    built = ROOT / "target/lambda/ecr-pull-through-sync"
    entry = zipfile.ZipInfo("bootstrap")
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o755 << 16
    with zipfile.ZipFile(folder / f"ecr-pull-through-sync-{arch}.zip", "w") as file:
        file.writestr(entry, (built / "bootstrap").read_bytes())
    (folder / f"ecr-pull-through-sync-{arch}.cdx.json").write_bytes((built / "bootstrap.cdx.json").read_bytes())


def ptc(target, folder):
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        (program,) = (name for name in file.namelist() if name.endswith(".data/scripts/ptc"))
        files = [("ptc", 0o755, file.read(program))]
    files += [(name, 0o644, (ROOT / name).read_bytes()) for name in ("LICENSE-APACHE", "LICENSE-MIT")]
    with (folder / archive_name(target)).open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as zipped:
        with tarfile.open(fileobj=zipped, mode="w") as archive:
            for name, mode, content in files:
                entry = tarfile.TarInfo(name)
                entry.mode, entry.size = mode, len(content)
                archive.addfile(entry, io.BytesIO(content))


def complete(folder, tag, url):
    version = manifest("Cargo.toml")["workspace"]["package"]["version"]
    wanted = [f"ecr-pull-through-sync-{arch}.{ending}" for arch in ARCHITECTURES for ending in ("zip", "cdx.json")]
    wanted += [archive_name(target) for target in TARGETS]
    wanted += [f"ecr_ptc-{version}-py3-none-{ending}" for ending in TARGETS.values()]
    problems = [f"{pattern} is missing" for pattern in wanted if not list(folder.glob(pattern))]
    if tag != f"v{version}":
        problems.append(f"the tag is {tag}, and Cargo.toml says {version}")
    hook = manifest("pyproject.toml")["project"]["dependencies"]
    if hook != [f"ecr-ptc=={version}"]:
        problems.append(f"pyproject.toml wants {hook}, not {version}")
    repository = manifest("crates/ptc/Cargo.toml")["package"].get("repository")
    if repository != url:
        problems.append(f"`repository` in crates/ptc/Cargo.toml is {repository}, and not {url}, where archives will be looked for")
    if problems:
        sys.exit("\n".join(problems))
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(sums))


def main(arguments):
    match arguments:
        case ["function", arch, folder] if arch in ARCHITECTURES:
            function(arch, Path(folder))
        case ["ptc", target, folder] if target in TARGETS:
            ptc(target, Path(folder))
        case ["complete", folder, tag, url]:
            complete(Path(folder), tag, url)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
