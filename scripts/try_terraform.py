#!/usr/bin/env python3
"""deploy/terraform: is it HCL, does each name stand for something, and does it make of the template what it should?

`terraform validate` says so where the provider can be fetched. Otherwise an HCL parser reads the files, and Terraform, if it is
here, evaluates what needs no provider: the parameters, and the packaged template. Usage: try_terraform.py (needs python-hcl2).
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import hcl2

ROOT = Path(__file__).resolve().parents[1]
MODULE = ROOT / "deploy/terraform"
GIVEN = {
    "artifact_bucket": "artifacts", "function_zip": "function.zip", "uploader_arns": ["a", "b"], "max_deletions": 3,
    "dashboard": False, "passable_roles": [], "config_key": "r.yaml",
}
PARAMETERS = {"UploaderArns": "a,b", "MaxDeletions": "3", "Dashboard": "false", "PassableRoles": "", "ConfigKey": "r.yaml"}
SHOWN = 'output "parameters" {\n  value = local.parameters\n}\n\noutput "packaged" {\n  value = local.packaged\n}\n'


def declared(files):
    """Everything that can be referred to, as it is written in a reference."""
    names = set()
    for parsed in files.values():
        for block in parsed.get("variable", []):
            names |= {f"var.{name.strip(chr(34))}" for name in block}
        for block in parsed.get("locals", []):
            names |= {f"local.{name}" for name in block if not name.startswith("__")}
        for kind, prefix in (("resource", ""), ("data", "data.")):
            for block in parsed.get(kind, []):
                for type_of, named in block.items():
                    names |= {f"{prefix}{type_of}.{name}".replace('"', "") for name in named if not name.startswith("__")}
    return names


def referred(text):
    bare = re.sub(r"#.*", "", text)
    bare = re.sub(r'^\s*(description|error_message)\s*=.*$', "", bare, flags=re.MULTILINE)
    return set(re.findall(r"\b(?:data\.aws_\w+\.\w+|(?<!data\.)aws_\w+\.\w+|var\.\w+|local\.\w+)", bare))


def parsed():
    files = {path: hcl2.loads(path.read_text()) for path in sorted(MODULE.glob("*.tf"))}
    known, used = declared(files), set().union(*(referred(path.read_text()) for path in files))
    if missing := sorted(used - known):
        sys.exit(f"nothing declares {', '.join(missing)}")
    if idle := sorted(name for name in known - used if name.startswith(("var.", "local."))):
        sys.exit(f"nothing uses {', '.join(idle)}")
    print(f"{len(files)} files parsed; {len(used)} names refer to something")


def terraform(folder, *arguments):
    done = subprocess.run(["terraform", f"-chdir={folder}", *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def must(folder, *arguments):
    status, out, err = terraform(folder, *arguments)
    if status:
        sys.exit(f"terraform {' '.join(arguments)}: {out}{err}")
    return out


def copy(top, names):
    """The module in a tree of its own, with the template where it looks for it."""
    module = top / "deploy/terraform"
    module.mkdir(parents=True)
    shutil.copy(ROOT / "template.yaml", top)
    for name in names:
        shutil.copy(MODULE / name, module)
    return module


def evaluated(top):
    module = copy(top, ["variables.tf", "parameters.tf", "package.tf"])
    (module / "function.zip").write_bytes(b"zip")
    (module / "shown.tf").write_text(SHOWN)
    (module / "given.auto.tfvars.json").write_text(json.dumps(GIVEN))
    must(module, "init", "-backend=false", "-input=false")
    must(module, "plan", "-input=false", "-out=plan")
    values = json.loads(must(module, "show", "-json", "plan"))["planned_values"]["outputs"]
    if values["parameters"]["value"] != PARAMETERS:
        sys.exit(f"the parameters are {values['parameters']['value']}, and not {PARAMETERS}")
    packaged, template = values["packaged"]["value"], (ROOT / "template.yaml").read_text()
    place = re.findall(r"\n      CodeUri: (s3://artifacts/ecr-pull-through-sync/[0-9a-f]{64}\.zip)\n", packaged)
    if len(place) != 1 or packaged.replace(place[0], ".") != template:
        sys.exit(f"packaging changed more of the template than the place of its code, {place}")
    print("evaluated: the parameters and the packaged template")


def main():
    parsed()
    if not shutil.which("terraform"):
        print("there is no terraform here: nothing was evaluated or validated")
        return
    must(MODULE, "fmt", "-check", "-diff")
    with tempfile.TemporaryDirectory() as folder:
        evaluated(Path(folder) / "evaluated")
        module = copy(Path(folder) / "validated", [path.name for path in MODULE.glob("*.tf")])
        status, out, err = terraform(module, "init", "-backend=false", "-input=false", "-no-color")
        if status and "Failed to query available provider packages" in err:
            print("the provider cannot be fetched from here: not validated")
            return
        if status:
            sys.exit(f"terraform init: {out}{err}")
        print(must(module, "validate", "-no-color").strip())


if __name__ == "__main__":
    main()
