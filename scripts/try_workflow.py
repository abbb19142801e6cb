#!/usr/bin/env python3
"""Runs the last step of the example workflow with a ptc that is made up, once for each way an upload can end.

The job must be green only where `ptc upload --wait` ends with status 0, and its summary shows what ptc printed in any case.
Usage: try_workflow.py WORKFLOW (needs PyYAML and bash).
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

PTC = """#!/bin/sh
[ "$*" = "upload registries.yaml --wait --stack STACK" ] || { echo "unexpected: $*" >&2; exit 9; }
echo "what the run did"
exit %d
"""


def run(script, status):
    """Whether the job ends green, and what its summary says."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "ptc").write_text(PTC % status)
        (home / "ptc").chmod(0o755)
        summary = home / "summary.md"
        environment = {"PATH": f"{home}:{os.environ['PATH']}", "GITHUB_STEP_SUMMARY": str(summary)}
        # As GitHub runs a step without a shell of its own.
        ran = subprocess.run(["bash", "-e", "-c", script], cwd=home, env=environment, capture_output=True, text=True)
        if "unexpected" in ran.stderr:
            sys.exit(f"the step calls ptc in a way that is not known here: {ran.stderr}")
        return ran.returncode == 0, summary.read_text()


def main(workflow):
    jobs = yaml.safe_load(Path(workflow).read_text())["jobs"]
    script = jobs["upload"]["steps"][-1]["run"]
    wrong = 0
    for status in (0, 1, 3):
        green, summary = run(script, status)
        if green != (status == 0) or "what the run did" not in summary:
            print(f"after status {status} of ptc: the job is {'green' if green else 'red'}, its summary {summary!r}")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
