"""The story that `make e2e` tells, chapter by chapter."""

import json

from botocore.exceptions import ClientError

from account import HOSTS, SECRETS, TOKENS, USER, denied
from progress import wait_for
from stack import code_sha256, rewritten, zip_of

ROTATED = "00000000-0000-0000-0000-00000000e2e1"


def variables(ministack, local_aws):
    """What a function finds by itself in AWS: where the services are, and whom to trust."""
    return {
        "AWS_ENDPOINT_URL_ECR": local_aws.endpoint, "AWS_ENDPOINT_URL_SECRETS_MANAGER": local_aws.endpoint,
        "AWS_ENDPOINT_URL_S3": ministack.endpoint, "AWS_ENDPOINT_URL_SQS": ministack.endpoint,
        "SSL_CERT_FILE": ministack.certificate,
    }


class Story:
    def __init__(self, progress, stack, account, bootstrap, root, architecture):
        self.progress, self.stack, self.account, self.bootstrap = progress, stack, account, bootstrap
        self.template, self.file = root / "template.yaml", root / "examples" / "registries.yaml"
        # With tags, so that the templates name the stack's own role.
        self.parameters = {"Architecture": architecture, "LogLevel": "TRACE", "ResourceTags": "from=e2e"}
        self.outputs, self.last = {}, None

    def tell(self):
        # Without the first two, none of the others can do anything.
        begun = self.chapter("1. The template is deployed, by a change set as `sam deploy` makes it", self.deploy)
        if not begun or not self.chapter("2. A file is uploaded, and the account follows", self.upload):
            return
        self.chapter("3. A token is rotated, and the function has ECR prove the new one", self.rotation)
        self.chapter("4. A message of the work queue starts a run", self.work)
        self.chapter("5. An event that keeps failing ends in the failure queue", self.failure)
        self.chapter("6. Somebody deletes a rule by hand, and the schedule repairs it", self.schedule)
        self.chapter("7. The log", self.log)
        self.chapter("8. The stack is deleted, and pulls go on", self.deletion)

    def chapter(self, title, work):
        """One chapter; where it fails, what the function said last."""
        if self.progress.chapter(title, work):
            return True
        try:
            said = self.account.log(self.outputs["LogGroup"])
            self.progress.note(f"the last that the function said: {said[-1][:500]}")
        except (ClientError, LookupError):
            self.progress.note("the function said nothing, or its log is gone")
        return False

    def run(self, kind, seconds=60):
        """Waits for the next run that such a trigger starts."""
        self.last = self.account.wait_for_run(self.outputs["StatusLocation"], kind, self.last, seconds)
        self.progress.note(f"{self.last['outcome']}: {self.last['message']} ({self.last['stats']['duration_ms']} ms)")
        return self.last

    def outcome(self, status, wanted):
        self.progress.check(f"the run ended {wanted}", status["outcome"] == wanted, json.dumps(status))

    def deploy(self):
        check, note, not_possible = self.progress.check, self.progress.note, self.progress.not_possible
        added = variables(self.account.ministack, self.account.local_aws)
        template, conditions = rewritten(self.template.read_text())
        note("left out of the template: nothing")
        note(f"rewritten in it: {conditions} conditions, from Fn::Join, which ministack misreads there, to Fn::Select")
        note("put into it: the code's place in S3, and these variables of the function")
        for name, value in added.items():
            note(f"  {name}={value}")
        note("parameters: " + " ".join(f"{name}={value}" for name, value in self.parameters.items()))
        zipped = zip_of(self.bootstrap)
        self.stack.package(template, zipped, added)
        changes = self.stack.deploy(self.parameters, "CREATE")
        resources = self.stack.resources()
        states = {one["ResourceStatus"] for one in resources.values()}
        types = {one["ResourceType"] for one in resources.values()}
        check(f"{len(resources)} resources of {len(types)} types are made",
              states == {"CREATE_COMPLETE"} and len(resources) == len(changes), states)
        self.outputs = self.stack.outputs()
        function = self.stack.lambda_.get_function_configuration(FunctionName=self.outputs["FunctionName"])
        check(f"the function is the zip that was uploaded ({len(zipped):,} bytes)",
              function["CodeSha256"] == code_sha256(zipped))
        not_possible("UploaderArns. To ministack aws:PrincipalArn of a role's session is the session and not, as in "
                     "AWS, the role, so the bucket's policy would deny the function its file")
        not_possible("whether Lambda, EventBridge and Scheduler may do what they do. They do it without asking the "
                     "function's and the queue's policies or the schedule's role")
        not_possible("Amazon Linux. The bootstrap runs on this machine's system (`make build` checks what it needs)")

    def upload(self):
        check, account = self.progress.check, self.account
        for registry in ("dockerhub", "gitlab"):
            account.accept(registry, TOKENS[registry])
        file = {"Bucket": self.outputs["ConfigBucket"], "Key": "registries.yaml"}
        uploader = account.user("uploader", "s3:PutObject")
        uploader.put_object(**file, Body=self.file.read_bytes())
        check("who may write the file may not read it: IAM is enforced", denied(uploader.get_object, **file))
        status = self.run("s3-upload")
        check("EventBridge brought S3's event", status["trigger"]["source"] == "eventbridge:aws.s3", status["trigger"])
        self.outcome(status, "changed")
        check("ECR has the rules of the file", account.rules() == HOSTS, account.rules())
        templates = account.templates()
        check("and their templates", set(templates) == set(HOSTS), sorted(templates))
        role = self.outputs["TemplateRoleArn"]
        roles = {one["customRoleArn"] for one in templates.values() if "customRoleArn" in one}
        check("which name the stack's own role", roles == {role}, roles)
        values = {registry: account.secret(registry) for registry in SECRETS}
        wanted = {name: {"username": USER, "accessToken": TOKENS[name]} for name in SECRETS}
        check("Secrets Manager has the credentials", values == wanted)
        check("which ECR proved", {status["registries"][name]["credential"] for name in SECRETS} == {"valid"})
        image = "dockerhub/library/nginx:1.27"
        check(f"{image} can be pulled", account.pull(image) == "dockerhub/library/nginx")

    def rotation(self):
        check, account = self.progress.check, self.account
        name = SECRETS["dockerhub"]
        account.accept("dockerhub", TOKENS["rotated"])
        value = json.dumps({"username": USER, "accessToken": TOKENS["rotated"]})
        put = dict(SecretId=name, SecretString=value, ClientRequestToken=ROTATED)
        account.secrets.put_secret_value(**put)
        # EventBridge is ministack's, so the event has to come from ministack's Secrets Manager: PutEvents takes no
        # aws.* source, here as in AWS. The secret that ECR reads is the one above, with the same name and version.
        self.progress.note("the same rotation in ministack's Secrets Manager, whose event EventBridge delivers")
        twin = account.ministack.client("secretsmanager")
        twin.create_secret(Name=name)
        twin.put_secret_value(**put)
        status = self.run("secret-rotation")
        check("the event is Secrets Manager's own", status["trigger"]["source"] == "eventbridge:aws.secretsmanager",
              status["trigger"])
        check("the run speaks of the secret, the version and its verdict", status["message"].startswith(
            f"secret {name}, version {ROTATED} (Secret Label Updated): valid"), status["message"])
        check("and left the rotated value alone", account.secret("dockerhub")["accessToken"] == TOKENS["rotated"])

    def work(self):
        check, account = self.progress.check, self.account
        account.sqs.send_message(QueueUrl=self.outputs["WorkQueueUrl"], MessageBody='{"work": {}}')
        self.outcome(self.run("work"), "converged")
        wait_for("the end of the message", lambda: self.empty("WorkQueueUrl"), 20)
        check("the message is gone, and not among the dead letters", self.empty("WorkDeadLettersUrl") is True)

    def empty(self, output):
        depth = self.account.depth(self.outputs[output])
        return True if depth == 0 else f"{depth} messages in {self.outputs[output]}"

    def failure(self):
        check, account = self.progress.check, self.account
        account.local_aws.send("POST", "/_local-aws/faults",
                               {"service": "ecr", "operation": "*", "times": 1_000_000, "kind": "throttle"})
        try:
            event = {"action": "apply"}
            self.stack.lambda_.invoke(FunctionName=self.outputs["FunctionName"], InvocationType="Event",
                                      Payload=json.dumps(event).encode())
            record = account.wait_for_message(self.outputs["FailureQueueUrl"], 180)
        finally:
            account.local_aws.send("DELETE", "/_local-aws/faults")
        check("the record holds the event", record["requestPayload"] == event, record)
        error = record["responsePayload"]
        self.progress.note(f"{error['errorType']}: {error['errorMessage'][:160]}")
        check("and says why: RunIncomplete", error["errorType"] == "RunIncomplete", error)
        check("after all retries", record["requestContext"]["condition"] == "RetriesExhausted", record)
        failed = [line for line in self.logged("invocation failed") if line["error_type"] == "RunIncomplete"]
        check("of which there were two", len(failed) == 3, f"{len(failed)} runs failed")
        self.progress.not_possible("the minutes that AWS waits before it tries again (here 1 s and 2 s), and its count "
                                   "of the tries in the record (here always 3)")
        self.progress.not_possible("the same for an event that EventBridge or Scheduler brought, or cannot deliver. "
                                   "ministack retries none of theirs, and sends none to any queue")

    def logged(self, message):
        """Lines of the function's log with this message."""
        lines = [json.loads(line) for line in self.account.log(self.outputs["LogGroup"])]
        return [line for line in lines if line.get("message") == message]

    def schedule(self):
        check, account = self.progress.check, self.account
        account.ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix="public-ecr")
        often = {"Schedule": "cron(* * * * ? *)"}
        changes = self.stack.deploy(self.parameters | often, "UPDATE")
        changed = [one["ResourceChange"]["LogicalResourceId"] for one in changes]
        check(f"the stack is updated with {often}, which changes {changed}", changed == ["RepairSchedule"])
        check("and keeps its outputs, the bucket's name among them", self.stack.outputs() == self.outputs)
        status = self.run("schedule", 150)
        check("Scheduler sent it", status["trigger"]["source"] == "eventbridge:aws.scheduler", status["trigger"])
        self.outcome(status, "changed")
        check("the rule is back", account.rules() == HOSTS, account.rules())
        self.progress.not_possible("a deploy that converges by itself, since a rate fires when it is made. ministack's "
                                   "fires after its first interval")

    def log(self):
        check, group = self.progress.check, self.outputs["LogGroup"]
        lines = self.account.log(group)
        (self.account.ministack.log.parent / "function.log").write_text("\n".join(lines) + "\n")
        check(f"{len(lines)} lines of JSON in {group}",
              lines and all(isinstance(json.loads(line), dict) for line in lines))
        found = [name for name, token in TOKENS.items() if any(token in line for line in lines)]
        check("and no token in them", not found, found)
        runs = [line["trigger"] for line in self.logged("run finished")]
        once = {kind: runs.count(kind) for kind in ("s3-upload", "secret-rotation", "work")}
        check("upload, rotation and message started one run each, and the status objects none",
              set(once.values()) == {1}, once)
        self.progress.not_possible("metrics and alarms. ministack makes none of the log's lines, counts no errors of a "
                                   "custom runtime, and looks at alarms only when somebody puts a metric")

    def deletion(self):
        check, account = self.progress.check, self.account
        self.stack.delete()
        check("the function is gone", self.stack.lambda_.list_functions()["Functions"] == [])
        check("the rules, the templates and the secrets are still there",
              account.rules() == HOSTS and set(account.templates()) == set(HOSTS) and account.secret("gitlab"))
        image = "gitlab/group/project:1"
        check(f"{image} can be pulled", account.pull(image) == "gitlab/group/project")
        kept = account.s3.list_object_versions(Bucket=self.outputs["ConfigBucket"], Prefix="registries.yaml")
        check("the bucket and the file in it too", len(kept["Versions"]) == 1)
