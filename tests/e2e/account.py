"""What is looked at and touched: the file and its status in S3, ECR and secrets in local-aws, the function's log."""

import json

from botocore.exceptions import ClientError

from progress import NotSo, wait_for

# Every one is searched for in the log at the end.
TOKENS = {"dockerhub": "dckr_pat_example", "gitlab": "glpat-example", "rotated": "dckr_pat_rotated"}
HOSTS = {"dockerhub": "registry-1.docker.io", "gitlab": "registry.gitlab.com", "public-ecr": "public.ecr.aws"}
SECRETS = {"dockerhub": "ecr-pullthroughcache/dockerhub", "gitlab": "ecr-pullthroughcache/gitlab"}
USER = "acme-bot"


class Account:
    def __init__(self, ministack, local_aws):
        self.ministack, self.local_aws = ministack, local_aws
        self.s3, self.sqs, self.logs, self.iam = (ministack.client(name) for name in ("s3", "sqs", "logs", "iam"))
        self.ecr, self.secrets = (local_aws.client(name) for name in ("ecr", "secretsmanager"))

    # ECR and secrets

    def rules(self):
        """Host by prefix."""
        pages = self.ecr.get_paginator("describe_pull_through_cache_rules").paginate()
        rules = [rule for page in pages for rule in page["pullThroughCacheRules"]]
        return {rule["ecrRepositoryPrefix"]: rule["upstreamRegistryUrl"] for rule in rules}

    def templates(self):
        """By prefix."""
        pages = self.ecr.get_paginator("describe_repository_creation_templates").paginate()
        return {one["prefix"]: one for page in pages for one in page["repositoryCreationTemplates"]}

    def secret(self, registry):
        value = self.secrets.get_secret_value(SecretId=SECRETS[registry])["SecretString"]
        return json.loads(value)

    def accept(self, registry, token):
        """The upstream takes this token from now on."""
        self.local_aws.send("POST", "/_local-aws/upstreams",
                            {"host": HOSTS[registry], "username": USER, "token": token})

    def pull(self, image):
        """What `docker pull` through the rules would do; the answer's repository."""
        return self.local_aws.send("POST", "/_local-aws/pull", {"image": image})["repository"]

    # The file and its status

    def status(self, location):
        """The status object, None before the first."""
        bucket, _, key = location.removeprefix("s3://").partition("/")
        try:
            return json.loads(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise

    def wait_for_run(self, location, kind, before, seconds=60):
        """The status of the first run after `before` that was started by such a trigger."""

        def look():
            status = self.status(location)
            if status is None:
                return "there is no status object"
            if status["run_id"] == (before or {}).get("run_id"):
                return "the status is the one from before"
            if status["trigger"]["kind"] != kind:
                return f"the last run was started by {status['trigger']}"
            return status

        return wait_for(f"a run started by {kind}", look, seconds)

    def user(self, name, *actions):
        """An S3 client of a new IAM user who may do this to every object."""
        self.iam.create_user(UserName=name)
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        self.iam.put_user_policy(UserName=name, PolicyName="s3", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [statement]}))
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return self.ministack.client("s3", key["AccessKeyId"], key["SecretAccessKey"])

    # Queues and log

    def depth(self, queue):
        """How many messages a queue holds, those being worked on included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)

    def wait_for_message(self, queue, seconds):
        def look():
            received = self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1).get("Messages")
            return json.loads(received[0]["Body"]) if received else "the queue is empty"

        return wait_for("a message in the failure queue", look, seconds)

    def log(self, group):
        """The function's own lines of the log group, without Lambda's."""
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        lines = [line for page in pages for event in page["events"] for line in event["message"].splitlines()]
        return [line for line in lines if not line.startswith(("START ", "END ", "REPORT ", "INIT_START"))]


def denied(call, **arguments):
    """Whether a call is refused for lack of a permission."""
    try:
        call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("AccessDenied", "403"):
            return True
        raise NotSo(f"refused, but not for a permission: {error}") from None
    return False
