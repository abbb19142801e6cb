#!/usr/bin/env python3
"""Leave in a CycloneDX file what a package is really built from: trim_sbom.py FILE PACKAGE TARGET.

cargo-cyclonedx takes the features of all packages of the workspace together, and so lists crates that only `ptc` or the tests
bring along. It also writes the path of this checkout.
"""

import json
import os
import subprocess
import sys


def main():
    path, package, target = sys.argv[1:]
    tree = subprocess.run(
        ["cargo", "tree", "--locked", "--package", package, "--target", target, "--edges", "normal", "--prefix", "none",
         "--no-dedupe", "--format", "{p}"],
        check=True, capture_output=True, text=True,
    )
    # "name v1.2.3 (where from)"
    built = {tuple(line.split()[:2]) for line in tree.stdout.splitlines() if line}
    with open(path, encoding="utf-8") as file:
        bom = json.load(file)
    listed = bom["components"]
    bom["components"] = [part for part in listed if (part["name"], "v" + part["version"]) in built]
    known = {(part["name"], "v" + part["version"]) for part in listed + [bom["metadata"]["component"]]}
    if missing := built - known:
        sys.exit(f"{path} does not list {sorted(missing)}")
    refs = {part["bom-ref"] for part in bom["components"]} | {bom["metadata"]["component"]["bom-ref"]}
    bom["dependencies"] = [
        {**entry, "dependsOn": [ref for ref in entry["dependsOn"] if ref in refs]} if "dependsOn" in entry else entry
        for entry in bom["dependencies"]
        if entry["ref"] in refs
    ]
    print(json.dumps(bom, indent=2).replace(f"path+file://{os.getcwd()}", ""))


if __name__ == "__main__":
    main()
