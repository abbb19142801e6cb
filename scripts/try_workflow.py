#!/usr/bin/env python3
"""Runs the last step of the example workflow against a bucket that is made up, once for each way a run can end.

The job must be green after `converged` and `changed` alone, and only if the status is that of the very upload.
Usage: try_workflow.py WORKFLOW (needs PyYAML, bash and jq).
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

UPLOADED = "v2"
# put-object answers the version, `s3 cp` of the JSON gives what the function wrote, if it wrote anything.
AWS = """#!/bin/sh
case "$1 $2 $4" in
"s3api put-object "*) echo %s ;;
"s3 cp "*.json) [ -f written.json ] && cp written.json status.json ;;
"s3 cp "*.md) echo '# status' ;;
*) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""
CASES = [
    # What the function wrote, of which version, and whether the job may be green.
    ("converged", UPLOADED, True),
    ("changed", UPLOADED, True),
    ("rejected", UPLOADED, False),
    ("partial", UPLOADED, False),
    ("converged", "v1", False),
    (None, None, False),
]


def ends_green(script, outcome, version):
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name, text in [("aws", AWS % UPLOADED), ("sleep", "#!/bin/sh\n")]:
            (home / name).write_text(text)
            (home / name).chmod(0o755)
        if outcome:
            (home / "written.json").write_text(json.dumps({"outcome": outcome, "config": {"version_id": version}}))
        environment = {
            "PATH": f"{home}:{os.environ['PATH']}",
            "BUCKET": "bucket",
            "GITHUB_STEP_SUMMARY": str(home / "summary.md"),
        }
        # As GitHub runs a step without a shell of its own.
        ran = subprocess.run(["bash", "-e", "-c", script], cwd=home, env=environment, capture_output=True, text=True)
        if "unexpected" in ran.stderr:
            sys.exit(f"the step calls the AWS CLI in a way that is not known here: {ran.stderr}")
        return ran.returncode == 0


def main(workflow):
    jobs = yaml.safe_load(Path(workflow).read_text())["jobs"]
    script = jobs["upload"]["steps"][-1]["run"]
    wrong = [case for case in CASES if ends_green(script, *case[:2]) != case[2]]
    for outcome, version, green in wrong:
        print(f"after {outcome} of {version}, uploaded {UPLOADED}: the job must {'pass' if green else 'fail'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
