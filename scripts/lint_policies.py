#!/usr/bin/env python3
"""Has cfn-lint read IAM policies: python scripts/lint_policies.py POLICY.json...

cfn-lint knows the grammar of identity policies and the actions there are, from AWS's own reference, but reads templates
only: the policies are put into one. Run it with the Python whose cfn-lint is to be used.
"""

import json
import pathlib
import subprocess
import sys
import tempfile


def main(paths: list[str]) -> int:
    if not paths:
        print(__doc__, file=sys.stderr)
        return 1
    resources = {}
    for number, path in enumerate(paths):
        document = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        resources[f"Policy{number}"] = {
            "Type": "AWS::IAM::ManagedPolicy",
            "Metadata": {"File": path},
            "Properties": {"PolicyDocument": document},
        }
    with tempfile.TemporaryDirectory() as folder:
        template = pathlib.Path(folder) / "policies.json"
        template.write_text(json.dumps({"Resources": resources}, indent=1), encoding="utf-8")
        command = pathlib.Path(sys.executable).parent / "cfn-lint"
        code = subprocess.run([command, template], check=False).returncode
    print(f"{len(paths)} policies: {'sound' if code == 0 else 'cfn-lint has objections'}")
    return 0 if code == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
