#!/usr/bin/env python3
"""Finds what template.yaml has and the documentation does not, and the other way round.

Every parameter has a row in the table of docs/deploy.md, with its default, and every output is named there. Every alarm
has a section in docs/operations.md that bears the end of its name, and its metric stands there.
Usage: template_docs.py TEMPLATE DOCS_FOLDER (needs cfn-lint, offline).
"""

import re
import sys
from pathlib import Path

from cfnlint.decode import cfn_yaml


def difference(what, in_template, in_docs):
    """One line for everything that only one side has."""
    missing = [f"{what} {name} is in no row or heading of the documentation" for name in sorted(in_template - in_docs)]
    return missing + [f"{what} {name} is documented, but not in the template" for name in sorted(in_docs - in_template)]


def default(parameter):
    """A default as the table writes it."""
    value = str(parameter["Default"])
    return f"`{value}`" if value else "none"


def alarms_of(template):
    """The end of each alarm's name, and its metric."""
    alarms = [body["Properties"] for body in template["Resources"].values() if body["Type"] == "AWS::CloudWatch::Alarm"]
    prefix = "${AWS::StackName}-"
    return {alarm["AlarmName"]["Fn::Sub"].removeprefix(prefix): alarm["MetricName"] for alarm in alarms}


def problems(template, deploy, operations):
    """Everything that does not fit, as sentences."""
    parameters = {name: default(body) for name, body in template["Parameters"].items()}
    table = re.search(r"^## Parameters\n(.*?)^## ", deploy, re.MULTILINE | re.DOTALL).group(1)
    rows = dict(re.findall(r"^\| `([A-Za-z]+)` \| ([^|]+) \|", table, re.MULTILINE))
    found = difference("the parameter", set(parameters), set(rows))
    for name in sorted(set(parameters) & set(rows)):
        if parameters[name] != rows[name]:
            found.append(f"the default of {name} is {parameters[name]}, and docs/deploy.md says {rows[name]}")
    found += [f"docs/deploy.md does not name the output {name}" for name in template["Outputs"] if f"`{name}`" not in deploy]
    alarms = alarms_of(template)
    sections = dict(re.findall(r"^### `([a-z-]+)`\n(.*?)(?=^##|\Z)", operations, re.MULTILINE | re.DOTALL))
    found += difference("the alarm", set(alarms), set(sections))
    for name in sorted(set(alarms) & set(sections)):
        if f"`{alarms[name]}`" not in sections[name]:
            found.append(f"the section {name} of docs/operations.md does not name the metric {alarms[name]}")
    return found


def main(path, docs):
    template = cfn_yaml.load(path)
    deploy, operations = ((Path(docs) / name).read_text() for name in ("deploy.md", "operations.md"))
    found = problems(template, deploy, operations)
    if found:
        sys.exit("\n".join(found))
    print(f"{len(template['Parameters'])} parameters and {len(alarms_of(template))} alarms are documented")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
