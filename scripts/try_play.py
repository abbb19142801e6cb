#!/usr/bin/env python3
"""Plays with `make play` as its user would: runs the lines that it prints, as they are, and looks what it says to them.

Usage: try_play.py AWS (the command of the AWS CLI). Needs boto3, and a /proc to see which processes are left.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import boto3

PATIENCE = 60


class Play:
    """`make play` in a session of its own, as a terminal starts it, and what it has printed so far."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            ["make", "--no-print-directory", "play", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1, start_new_session=True)
        self.text, self.news = "", threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            with self.news:
                self.text += line
                self.news.notify_all()

    def wait_for(self, pattern, after=0):
        """Waits for a text, and returns where it ends and what it has in brackets."""
        with self.news:
            found = self.news.wait_for(lambda: re.compile(pattern).search(self.text, after), PATIENCE)
        if not found:
            raise SystemExit(f"{pattern!r} did not come; instead:\n{self.text[after:]}")
        return found

    def processes(self):
        """The command lines of all that runs in this session."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                # After the name in brackets: state, parent, group, session.
                state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(session) == self.process.pid and state != "Z":
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ").strip()
            except (FileNotFoundError, ProcessLookupError):
                pass
        return found

    def end(self, by):
        """Ends it, and fails if anything goes on running."""
        running = self.processes()
        check("the function runs", any("ecr-pull-through-sync" in command for command in running.values()))
        by()
        self.process.wait(PATIENCE)
        check(f"no process is left of {len(running)}", not self.processes(), self.processes())

    def ctrl_c(self):
        # A terminal sends it to every process in front.
        self.end(lambda: os.killpg(self.process.pid, signal.SIGINT))

    def terminate(self):
        self.end(lambda: os.kill(self.process.pid, signal.SIGTERM))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)


def check(what, holds, otherwise=""):
    if not holds:
        raise SystemExit(f"not so: {what}; {otherwise}")
    print(f"ok  {what}", flush=True)


def shell(home, export, line):
    """Runs a line that was printed, after the printed `export`, in a shell that has nothing of this process's AWS settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    kept |= {"PATH": f"{home}:{os.environ['PATH']}", "HOME": str(home), "NO_PROXY": "*"}
    ran = subprocess.run(["sh", "-c", f"{export}\n{line}"], env=kept, capture_output=True, text=True, timeout=PATIENCE)
    check(f"status 0: {line}", ran.returncode == 0, f"{ran.returncode}: {ran.stdout}{ran.stderr}")
    return ran.stdout


def printed(play, account, region):
    """The `export`, and the lines after it by what they begin with."""
    greeting = play.wait_for(rf"local-aws is account {account} in {region}, on (http://127\.0\.0\.1:\d+)\.")
    end = play.wait_for("Ctrl-C")
    lines = re.findall(r"^  (\S.*)$", play.text[greeting.end():end.start()], re.MULTILINE)
    export, upload, status, plan, rotate = lines
    for name, value in [("AWS_ENDPOINT_URL", greeting[1]), ("AWS_REGION", region), ("AWS_DEFAULT_REGION", region)]:
        check(f"{name} is exported", f" {name}={value} " in export, export)
    return greeting[1], export, upload, status, plan, rotate


def example(play, home):
    endpoint, export, upload, status, plan, rotate = printed(play, "123456789012", "eu-west-1")
    shell(home, export, upload)
    done = play.wait_for(r"(?s)=== Object Created registries\.yaml\n.*\nchanged: 3 registries ready")
    check("the function's log is there", '"message":"applied"' in done[0], done[0])
    check("ptc status shows the run", "3 registries ready" in shell(home, export, status))
    check("ptc plan has nothing to do", "nothing" in shell(home, export, plan).lower())

    before = len(play.text)
    shell(home, export, rotate)
    proven = play.wait_for(r"=== Secret Label Updated \S+/dockerhub[\s\S]*?\nchanged: (.*)", before)
    check("the rotated token is proven", "valid" in proven[1], proven[1])

    # What the upstream does not take, by another client.
    secrets = boto3.client("secretsmanager", endpoint_url=endpoint, region_name="eu-west-1",
                           aws_access_key_id="local", aws_secret_access_key="local")
    value = json.dumps({"username": "acme-bot", "accessToken": "of-another-house"})
    before = len(play.text)
    secrets.put_secret_value(SecretId="ecr-pullthroughcache/dockerhub", SecretString=value)
    refused = play.wait_for(r"=== Secret Label Updated [\s\S]*?\npartial: (.*)", before)
    check("a token that the upstream refuses is reported", "invalid" in refused[1], refused[1])
    check("and does not stand there", "of-another-house" not in play.text)

    before = len(play.text)
    play.process.stdin.write("\n")
    play.process.stdin.flush()
    play.wait_for(r"=== Scheduled Event[\s\S]*?\npartial: ", before)
    check("Enter is the schedule", True)
    play.ctrl_c()


def own_file(play, home):
    _, export, upload, status, _, rotate = printed(play, "111122223333", "eu-central-1")
    shell(home, export, upload)
    play.wait_for(r"=== Object Created registries\.yaml\n[\s\S]*\nchanged: 3 registries ready")
    before = len(play.text)
    shell(home, export, rotate)
    play.wait_for(r"=== Secret Label Updated \S+/hub[\s\S]*?: valid;", before)
    shell(home, export, status)
    play.terminate()


def main(aws):
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "aws").symlink_to(Path(aws).resolve())
        with Play() as play:
            example(play, home)
        with Play("FILE=tests/demo/another-account.yaml") as play:
            own_file(play, home)


if __name__ == "__main__":
    main(sys.argv[1])
