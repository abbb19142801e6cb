#!/usr/bin/env python3
"""Makes docs/terminal.svg: what the real programs print in a terminal, over a playground.

Usage: screenshot.py AWS [--write] (AWS is the command of the AWS CLI). Without --write the committed picture is compared with what
is printed now. Needs rich, and what try_play.py needs.
"""

import difflib
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

import try_play

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs/terminal.svg"
WIDTH = 112
GOOD = """\
dockerhub:
  registry: docker.io
  username: acme-bot
  accessToken: dckr_pat_example
k8s:
  registry: registry.k8s.io
"""
BAD = GOOD.replace("registry.k8s.io", "https://registry.k8s.io").replace("username", "usrname")
SESSION = [
    (BAD, "ptc check registries.yaml"),
    (GOOD, "ptc plan registries.yaml"),
    (GOOD, "aws s3 cp --no-progress registries.yaml s3://my-registries/registries.yaml"),
    (GOOD, "ptc status"),
]
# What differs from one run to the next.
VARYING = [
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?"), "2026-11-20 10:11:12"),
    (re.compile(r"\b(just now|\d+ s ago)"), "3 s ago"),
    (re.compile(r"\b[\d.]+ m?s\b(?! ago)"), "0.8 s"),
    (re.compile(r"\bversion [0-9a-f]{32}\b"), "version 5ba77cebb5964e9b8b6975a071e5cead"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "0c5e9a3e-6d0b-4c55-9d0e-2f6f0c1b7a11"),
]


def in_a_terminal(line, environment, folder):
    """What a command prints to a terminal of this width. What it says of its progress is no part of the picture."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, WIDTH, 0, 0))
    with subprocess.Popen(["sh", "-c", line], env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=theirs,
                          stderr=subprocess.PIPE) as process:
        os.close(theirs)
        output = b""
        while True:
            try:
                some = os.read(ours, 65536)
            except OSError:  # Linux's way to say that the other side is closed.
                break
            if not some:
                break
            output += some
        os.close(ours)
        error = process.stderr.read().decode()
    if process.returncode not in (0, 1, 2) or not output:
        sys.exit(f"{line}: status {process.returncode}\n{error}")
    text = output.decode().replace("\r\n", "\n")
    for pattern, same in VARYING:
        text = pattern.sub(same, text)
    return text.rstrip("\n")


def session(aws):
    """The lines and their output, as a terminal shows them."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "bin").mkdir()
        (home / "registries.yaml").write_text(GOOD)
        with try_play.Play(f"FILE={home / 'registries.yaml'}") as play:
            shown = list(run_all(play, home, aws))
            play.ctrl_c()
    return "\n".join(shown)


def run_all(play, home, aws):
    for name, program in [("aws", aws), ("ptc", ROOT / "target/debug/ptc")]:
        (home / "bin" / name).symlink_to(Path(program).resolve())
    _, export, *_ = try_play.printed(play, "123456789012", "eu-west-1")
    environment = {"PATH": f"{home / 'bin'}:{os.environ['PATH']}", "HOME": str(home), "TERM": "xterm-256color", "NO_PROXY": "*"}
    environment |= dict(word.split("=", 1) for word in export.split()[1:])
    for file, line in SESSION:
        (home / "registries.yaml").write_text(file)
        yield f"\x1b[1m$ {line}\x1b[0m\n{in_a_terminal(line, environment, home)}\n"
        if line.startswith("aws"):
            play.wait_for("registries ready")


def picture(text):
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="standard", legacy_windows=False)
    console.print(Text.from_ansi(text), soft_wrap=False)
    # The reader's own font: nothing is fetched.
    form = re.sub(r"@font-face \{\{.*?\n    \}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace("Fira Code, monospace", "monospace")
    svg = console.export_svg(title="ptc", code_format=form, unique_id="terminal")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def main(aws, *options):
    made = picture(session(aws))
    if options == ("--write",):
        PICTURE.write_text(made)
        return
    committed = PICTURE.read_text() if PICTURE.exists() else ""
    if committed != made:
        words = lambda svg: re.sub(r"<[^>]*>", "", svg).replace("&#160;", " ").splitlines()
        print("\n".join(difflib.unified_diff(words(committed), words(made), "docs/terminal.svg", "now", lineterm="", n=0)))
        sys.exit(f"docs/terminal.svg is not what is printed: {sys.argv[0]} {aws} --write")


if __name__ == "__main__":
    main(*sys.argv[1:])
