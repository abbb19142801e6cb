#!/usr/bin/env python3
"""Checks that a bootstrap starts on provided.al2023, from the ELF file alone, so that any machine can check any architecture.

Usage: check_bootstrap.py [--budget] ARCH BOOTSTRAP (ARCH is arm64 or x86_64). Prints what it found; exits 1 if it would not
start, and with --budget also if it is too large. (Not without: what deflate makes of a file depends on the machine's zlib, and
nobody's deployment is to fail for it.)
"""

import hashlib
import io
import struct
import sys
import zipfile

# What the runtime's Amazon Linux 2023 ships. (AL2023 release notes: glibc 2.34.)
GLIBC = (2, 34)
LIBRARIES = {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libgcc_s.so.1"}
# e_machine, and the loader of the architecture's glibc.
ARCHITECTURES = {"arm64": (183, "/lib/ld-linux-aarch64.so.1"), "x86_64": (62, "/lib64/ld-linux-x86-64.so.2")}
# The budgets of docs/performance.md, in bytes, of the file and of its zip: all of it is loaded at a cold start.
BUDGETS = {"arm64": (8_200_000, 3_260_000), "x86_64": (8_200_000, 4_000_000)}

PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_GNU_STACK = 1, 2, 3, 0x6474E551
DT_NEEDED, DT_STRTAB, DT_VERNEED, DT_VERNEEDNUM = 1, 5, 0x6FFFFFFE, 0x6FFFFFFF
SHT_SYMTAB = 2


class Elf:
    """A 64-bit little-endian ELF file: its header, and the parts that a loader reads."""

    def __init__(self, data):
        if data[:6] != b"\x7fELF\x02\x01":
            sys.exit("not a 64-bit little-endian ELF file")
        self.data = data
        self.machine, = struct.unpack_from("<H", data, 18)
        program, sections = struct.unpack_from("<QQ", data, 32)
        size, count, section_size, section_count = struct.unpack_from("<HHHH", data, 54)
        # type, flags, offset, virtual address, size in the file
        self.segments = [struct.unpack_from("<IIQQ8xQ", data, program + i * size) for i in range(count)]
        self.has_symbols = any(
            struct.unpack_from("<I", data, sections + i * section_size + 4)[0] == SHT_SYMTAB for i in range(section_count)
        )
        self.names = self.offset(self.dynamic(DT_STRTAB)[0])

    def segment(self, kind):
        return next((segment for segment in self.segments if segment[0] == kind), None)

    def offset(self, address):
        """Where in the file an address is loaded from."""
        for kind, _, offset, start, size in self.segments:
            if kind == PT_LOAD and start <= address < start + size:
                return offset + address - start
        sys.exit(f"the address {address:#x} is not in the file")

    def text(self, offset):
        return self.data[offset : self.data.index(b"\0", offset)].decode()

    def interpreter(self):
        segment = self.segment(PT_INTERP)
        return self.text(segment[2]) if segment else None

    def dynamic(self, tag):
        """The values of a tag in the dynamic section."""
        segment = self.segment(PT_DYNAMIC)
        if segment is None:
            sys.exit("statically linked: there is nothing to check, and it is not what the Makefile builds")
        entries = struct.iter_unpack("<qQ", self.data[segment[2] : segment[2] + segment[4]])
        return [value for found, value in entries if found == tag]

    def libraries(self):
        return {self.text(self.names + name) for name in self.dynamic(DT_NEEDED)}

    def versions(self):
        """The symbol versions that it needs, as GLIBC_2.34."""
        if not self.dynamic(DT_VERNEED):
            return set()
        needed, entry = set(), self.offset(self.dynamic(DT_VERNEED)[0])
        for _ in range(self.dynamic(DT_VERNEEDNUM)[0]):
            count, _, first, following = struct.unpack_from("<2xHIII", self.data, entry)
            version = entry + first
            for _ in range(count):
                name, after = struct.unpack_from("<8xII", self.data, version)
                needed.add(self.text(self.names + name))
                version += after
            entry += following
        return needed


def newest_glibc(versions):
    numbers = [version.removeprefix("GLIBC_") for version in versions if version.startswith("GLIBC_")]
    odd = [number for number in numbers if not number.replace(".", "").isdigit()]
    if odd:
        sys.exit(f"needs private symbols of glibc: {', '.join(odd)}")
    return max((tuple(map(int, number.split("."))) for number in numbers), default=(0, 0))


def zipped(data):
    """About what `sam package` uploads."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bootstrap", data)
    return len(archive.getvalue())


def main(arch, path, within_budget):
    machine, loader = ARCHITECTURES[arch]
    most_bytes, most_zipped = BUDGETS[arch]
    with open(path, "rb") as file:
        data = file.read()
    elf, zip_size = Elf(data), zipped(data)
    glibc = newest_glibc(elf.versions())
    strangers = elf.libraries() - LIBRARIES - {loader.rsplit("/", 1)[1]}
    stack = elf.segment(PT_GNU_STACK)
    wrong = [
        said
        for is_wrong, said in [
            (elf.machine != machine, f"is for machine {elf.machine}, not {arch}"),
            (glibc > GLIBC, f"needs glibc {glibc[0]}.{glibc[1]}, and provided.al2023 has {GLIBC[0]}.{GLIBC[1]}"),
            (elf.interpreter() != loader, f"is loaded by {elf.interpreter()}, not {loader}"),
            (strangers, f"needs libraries that provided.al2023 may not have: {', '.join(sorted(strangers))}"),
            (elf.has_symbols, "is not stripped"),
            (stack is None or stack[1] & 1, "has an executable stack"),
            (within_budget and len(data) > most_bytes, f"has {len(data):,} bytes, more than {most_bytes:,}"),
            (within_budget and zip_size > most_zipped, f"has {zip_size:,} bytes when zipped, more than {most_zipped:,}"),
        ]
        if is_wrong
    ]
    sizes = f"{len(data):,} bytes of {most_bytes:,}, {zip_size:,} zipped of {most_zipped:,}"
    print(f"{path}: {arch}, glibc {glibc[0]}.{glibc[1]}, {sizes}")
    print(f"sha256 {hashlib.sha256(data).hexdigest()}")
    if wrong:
        sys.exit("\n".join(f"{path} {said}" for said in wrong))


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--budget"]
    if len(arguments) != 2 or arguments[0] not in ARCHITECTURES:
        sys.exit(__doc__)
    try:
        main(*arguments, within_budget="--budget" in sys.argv)
    except OSError as error:
        sys.exit(f"{arguments[1]}: {error.strerror}")
    except (struct.error, IndexError, ValueError):
        sys.exit(f"{arguments[1]} is cut off, or not what it looks like")
