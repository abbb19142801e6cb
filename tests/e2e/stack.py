"""The stack: template.yaml and the zip, deployed by a change set as `sam deploy` does it."""

import base64
import hashlib
import io
import re
import zipfile

from progress import NotSo, wait_for
from servers import ACCOUNT, REGION


def zip_of(bootstrap):
    """What `sam package` makes of a folder with a bootstrap in it."""
    entry = zipfile.ZipInfo("bootstrap", (2026, 1, 1, 0, 0, 0))
    entry.external_attr = 0o100755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(entry, bootstrap.read_bytes())
    return packed.getvalue()


def replace_once(text, old, new):
    if text.count(old) != 1:
        raise NotSo(f"template.yaml has {old.strip()!r} {text.count(old)} times, and not once")
    return text.replace(old, new)


def packaged(text, code, environment):
    """The template with the place of its code, as `sam package` writes it, and with more variables."""
    text = replace_once(text, "\n      CodeUri: .\n", f"\n      CodeUri: {code}\n")
    heading = "\n      Environment:\n        Variables:\n"
    lines = "".join(f"          {name}: {value}\n" for name, value in environment.items())
    return replace_once(text, heading, heading + lines)


def rewritten(text):
    """The template with the conditions that ministack misreads in words that it knows, and how many those are.

    It takes whatever it does not know in a condition for true, Fn::Join among it. Fn::Select it knows.
    """
    text, count = re.subn(r'!Join \["", (!Ref \w+)\], ""', r'!Select [0, \1], ""', text)
    if not count:
        raise NotSo("no condition of template.yaml has Fn::Join any more: nothing needs to be rewritten here")
    return text, count


class Stack:
    def __init__(self, ministack, name="e2e", account=ACCOUNT, region=REGION):
        self.cloudformation, self.s3, self.lambda_ = (
            ministack.client(service, account, region=region) for service in ("cloudformation", "s3", "lambda"))
        self.name, self.region, self.address = name, region, ministack.endpoint
        self.artifacts, self.template_url = f"{name}-artifacts-{account}-{region}", None

    def package(self, template, zipped, environment):
        """Uploads zip and template, as `sam deploy --resolve-s3` does."""
        key = f"{self.name}/{hashlib.md5(zipped).hexdigest()}"
        # The first Region of all is named by naming none.
        place = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
        self.s3.create_bucket(Bucket=self.artifacts, **({"CreateBucketConfiguration": place} if place else {}))
        self.s3.put_object(Bucket=self.artifacts, Key=key, Body=zipped)
        body = packaged(template, f"s3://{self.artifacts}/{key}", environment)
        self.s3.put_object(Bucket=self.artifacts, Key=f"{key}.template", Body=body.encode())
        self.template_url = f"{self.address}/{self.artifacts}/{key}.template"

    def deploy(self, parameters, kind, capability="CAPABILITY_IAM"):
        """Makes and executes a change set; `kind` is CREATE or UPDATE. Returns what it changes."""
        change_set = self.cloudformation.create_change_set(
            StackName=self.name, ChangeSetName=f"e2e-{kind.lower()}", ChangeSetType=kind, TemplateURL=self.template_url,
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
            Capabilities=[capability])["Id"]
        changes = wait_for("the change set", lambda: self.changes(change_set), 60)
        self.cloudformation.execute_change_set(ChangeSetName=change_set, StackName=self.name)
        wait_for(f"{kind}_COMPLETE of the stack", lambda: self.done(f"{kind}_COMPLETE"), 120)
        return changes

    def changes(self, change_set):
        described = self.cloudformation.describe_change_set(ChangeSetName=change_set)
        if described["Status"] == "FAILED":
            raise NotSo(f"the change set failed: {described.get('StatusReason')}")
        return described["Changes"] if described["Status"] == "CREATE_COMPLETE" else described["Status"]

    def described(self):
        return self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]

    def done(self, wanted):
        status = self.described()["StackStatus"]
        if status == wanted:
            return True
        if not status.endswith("_IN_PROGRESS") or "ROLLBACK" in status:
            raise NotSo(f"the stack is {status}: {'; '.join(self.failures())}")
        return status

    def failures(self):
        events = self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
        return [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in failed]

    def resources(self):
        """By logical id."""
        pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        return {one["LogicalResourceId"]: one for page in pages for one in page["StackResourceSummaries"]}

    def outputs(self):
        return {output["OutputKey"]: output["OutputValue"] for output in self.described()["Outputs"]}

    def delete(self):
        identity = self.described()["StackId"]
        self.cloudformation.delete_stack(StackName=self.name)

        def gone():
            status = self.cloudformation.describe_stacks(StackName=identity)["Stacks"][0]["StackStatus"]
            if status == "DELETE_FAILED":
                raise NotSo(f"the stack cannot be deleted: {'; '.join(self.failures())}")
            return True if status == "DELETE_COMPLETE" else status

        wait_for("DELETE_COMPLETE of the stack", gone, 60)


def code_sha256(zipped):
    """The digest that Lambda gives for a zip."""
    return base64.b64encode(hashlib.sha256(zipped).digest()).decode()
