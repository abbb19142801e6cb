#!/usr/bin/env python3
"""Finds dependency cycles in template.yaml, as CloudFormation would when it is too late.

cfn-lint and `sam validate --lint` look at the template before SAM has made roles, rules and permissions of it, so they
miss the cycles those close. Usage: template_cycles.py TEMPLATE (needs aws-sam-translator and cfn-lint, offline).
"""

import re
import sys
from unittest.mock import Mock

from cfnlint.decode import cfn_yaml
from samtranslator.translator.transform import transform


def references(value):
    """Every logical id that a value refers to, through Ref, GetAtt, Sub or DependsOn."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in ("Ref", "Condition") and isinstance(inner, str):
                yield inner
            elif key == "DependsOn":
                yield from [inner] if isinstance(inner, str) else inner
            elif key == "Fn::GetAtt":
                yield inner.split(".")[0] if isinstance(inner, str) else inner[0]
            elif key == "Fn::Sub":
                text = inner if isinstance(inner, str) else inner[0]
                yield from re.findall(r"\$\{([A-Za-z0-9]+)[.}]", text)
            yield from references(inner)


def cycle(graph):
    """The first cycle of the graph, as a list of nodes."""
    done = set()

    def visit(node, path):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        for other in sorted(graph[node]):
            found = visit(other, path + [node])
            if found:
                return found
        done.add(node)
        return None

    return next(filter(None, (visit(node, []) for node in sorted(graph))), None)


def main(path):
    template = cfn_yaml.load(path)
    # The uploaded code: its place is of no interest here.
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    policies = Mock()
    policies.load.return_value = {}
    resources = transform(template, {}, policies)["Resources"]
    graph = {name: {other for other in references(body) if other in resources} for name, body in resources.items()}
    found = cycle(graph)
    if found:
        sys.exit("template.yaml has a dependency cycle: " + " -> ".join(found))
    print(f"no cycle among {len(graph)} resources and {sum(map(len, graph.values()))} references")


if __name__ == "__main__":
    main(sys.argv[1])
