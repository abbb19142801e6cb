"""The same job in straightforward Python: what `make bench` holds the function against.

One registry after the other, as most people would write it: read the file, describe what is there, write what differs,
prove each credential, write the status. It is not deployed, and it leaves out what has no part in the measurement: races,
rotations, ownership, deletions, held and rejected files.
"""

import json
import os
import time

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = os.environ["CONFIG_BUCKET"]
KEY = os.environ.get("CONFIG_KEY", "registries.yaml")
OWNER = os.environ.get("OWNER", "bench")

# As Lambda's documentation advises: once, outside of the handler, so that warm invocations keep the connections.
config = Config(retries={"mode": "standard", "max_attempts": 5})
s3 = boto3.client("s3", config=config)
ecr = boto3.client("ecr", config=config)
secrets = boto3.client("secretsmanager", config=config)

READ_ACTIONS = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:DescribeImages",
    "ecr:DescribeRepositories",
    "ecr:GetDownloadUrlForLayer",
    "ecr:ListImages",
]
KEEP_THREE = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3},
            "action": {"type": "expire"},
        }
    ]
}
TEMPLATE_FIELDS = ["description", "imageTagMutability", "appliedFor"]


def handler(event, context):
    account = context.invoked_function_arn.split(":")[4]
    file = s3.get_object(Bucket=BUCKET, Key=KEY)
    registries = yaml.load(file["Body"].read(), Loader=yaml.CSafeLoader)
    rules = {rule["ecrRepositoryPrefix"]: rule for rule in pages("describe_pull_through_cache_rules")}
    templates = {template["prefix"]: template for template in pages("describe_repository_creation_templates")}

    changes = []
    for name, registry in registries.items():
        arn = keep_secret(name, registry, account, changes) if "accessToken" in registry else None
        keep_template(name, registry, account, templates.get(name), changes)
        keep_rule(name, registry, arn, rules.get(name), changes)

    states = {}
    for name, registry in registries.items():
        proof = prove(name) if "accessToken" in registry else {"isValid": True}
        states[name] = {"state": "ready" if proof["isValid"] else "failed", "upstream": registry["registry"]}

    report = {"outcome": "changed" if changes else "converged", "changes": changes, "registries": states}
    put_status("json", json.dumps(report, indent=2))
    put_status("md", "\n".join(f"- {name}: {state['state']}" for name, state in states.items()))
    return report


def pages(operation):
    for page in ecr.get_paginator(operation).paginate(PaginationConfig={"PageSize": 1000}):
        yield from page.get("pullThroughCacheRules", page.get("repositoryCreationTemplates", []))


def keep_secret(name, registry, account, changes):
    """Gives the secret's ARN."""
    secret_id = f"ecr-pullthroughcache/{name}"
    value = {"username": registry["username"], "accessToken": registry["accessToken"]}
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AllowAccountRead",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                "Action": "secretsmanager:GetSecretValue",
                "Resource": "*",
            }
        ],
    }
    try:
        current = secrets.get_secret_value(SecretId=secret_id)
    except secrets.exceptions.ResourceNotFoundException:
        created = secrets.create_secret(
            Name=secret_id,
            Description=f"{name} credentials",
            SecretString=json.dumps(value),
            Tags=[{"Key": "ecr-pull-through-sync:owner", "Value": OWNER}],
        )
        secrets.put_resource_policy(
            SecretId=created["ARN"], ResourcePolicy=json.dumps(policy), BlockPublicPolicy=True
        )
        changes.append(f"{name}: secret created")
        return created["ARN"]
    if json.loads(current["SecretString"]) != value:
        secrets.put_secret_value(SecretId=current["ARN"], SecretString=json.dumps(value))
        changes.append(f"{name}: secret updated")
    held = secrets.get_resource_policy(SecretId=current["ARN"]).get("ResourcePolicy")
    if held is None or json.loads(held) != policy:
        secrets.put_resource_policy(
            SecretId=current["ARN"], ResourcePolicy=json.dumps(policy), BlockPublicPolicy=True
        )
        changes.append(f"{name}: secret policy updated")
    return current["ARN"]


def keep_template(name, registry, account, found, changes):
    principals = sorted({*registry.get("repository_read_access_arns", []), f"arn:aws:iam::{account}:root"})
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "PrivateReadOnly", "Effect": "Allow", "Principal": {"AWS": principals}, "Action": READ_ACTIONS}
        ],
    }
    lifecycle = registry.get("lifecycle_policy", KEEP_THREE)
    wanted = {
        "prefix": name,
        "description": f"Pull through cache repository template for {name} artifacts",
        "appliedFor": ["PULL_THROUGH_CACHE"],
        "imageTagMutability": registry.get("image_tag_mutability", "MUTABLE"),
        "repositoryPolicy": json.dumps(policy),
        "lifecyclePolicy": json.dumps(lifecycle),
    }
    if found is None:
        ecr.create_repository_creation_template(**wanted)
        changes.append(f"{name}: template created")
    elif any(found.get(field) != wanted[field] for field in TEMPLATE_FIELDS) or not (
        same_document(found.get("repositoryPolicy"), policy) and same_document(found.get("lifecyclePolicy"), lifecycle)
    ):
        ecr.update_repository_creation_template(**wanted)
        changes.append(f"{name}: template updated")


def same_document(text, wanted):
    """Whether a document that AWS hands back says the same, in whatever order."""
    return text is not None and in_order(json.loads(text)) == in_order(wanted)


def in_order(value):
    if isinstance(value, dict):
        return {key: in_order(item) for key, item in value.items() if key != "description"}
    if isinstance(value, list):
        items = sorted((in_order(item) for item in value), key=json.dumps)
        return items[0] if len(items) == 1 else items
    return value


def keep_rule(name, registry, arn, found, changes):
    wanted = {"ecrRepositoryPrefix": name, "upstreamRegistryUrl": registry["registry"]}
    if arn:
        wanted["credentialArn"] = arn
    if found is None:
        create_rule(wanted)
        changes.append(f"{name}: rule created")
    elif found["upstreamRegistryUrl"] != wanted["upstreamRegistryUrl"]:
        ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix=name)
        create_rule(wanted)
        changes.append(f"{name}: rule replaced")
    elif found.get("credentialArn") != arn and arn:
        ecr.update_pull_through_cache_rule(ecrRepositoryPrefix=name, credentialArn=arn)
        changes.append(f"{name}: rule updated")


def create_rule(rule):
    """ECR takes some seconds to see a fresh secret."""
    for wait in (0.5, 1, 2, 4, 8):
        try:
            return ecr.create_pull_through_cache_rule(**rule)
        except ClientError as error:
            if error.response["Error"]["Code"] != "SecretNotFoundException":
                raise
            time.sleep(wait)
    return ecr.create_pull_through_cache_rule(**rule)


def prove(name):
    return ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix=name)


def put_status(extension, body):
    s3.put_object(Bucket=BUCKET, Key=f"status/{KEY}.{extension}", Body=body.encode())
