"""An independent client's look at local-aws: boto3, with AWS's own models, against the server binary.

    python boto3_smoke.py path/to/local-aws

Prints "N passed, 0 failed"; exit status 1 on any failure.
"""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["Error"]["Code"]
        assert found == code, f"{found} instead of {code}: {error}"
        return error.response
    raise AssertionError(f"not refused with {code}")


class Aws:
    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.s3, self.sm, self.ecr, self.sqs = (self.client(name) for name in ("s3", "secretsmanager", "ecr", "sqs"))

    def client(self, service, key="AKIDBOTO", region="eu-west-1"):
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=region, aws_access_key_id=key, aws_secret_access_key="x",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=2),
        )

    def admin(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}/_local-aws/{path}", data=data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


# ---- S3 ----


def make_bucket(aws, name, versioned=True):
    aws.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    if versioned:
        aws.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


@check
def an_object_comes_back_as_it_was_put(aws):
    make_bucket(aws, "plain")
    put = aws.s3.put_object(Bucket="plain", Key="a b+c/ü.yaml", Body=b"x: 1\n", ContentType="text/yaml", Metadata={"m": "n"})
    got = aws.s3.get_object(Bucket="plain", Key="a b+c/ü.yaml", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"x: 1\n"
    assert got["VersionId"] == put["VersionId"] and got["ETag"] == put["ETag"]
    assert got["ContentType"] == "text/yaml" and got["Metadata"] == {"m": "n"}
    assert got["ChecksumCRC32"] == put["ChecksumCRC32"]
    head = aws.s3.head_object(Bucket="plain", Key="a b+c/ü.yaml")
    assert head["ContentLength"] == 5 and head["LastModified"] == got["LastModified"]
    assert aws.s3.get_bucket_location(Bucket="plain")["LocationConstraint"] == "eu-west-1"
    aws.s3.head_bucket(Bucket="plain")
    assert aws.s3.get_bucket_versioning(Bucket="plain")["Status"] == "Enabled"


@check
def every_checksum_is_verified(aws):
    make_bucket(aws, "sums")
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        put = aws.s3.put_object(Bucket="sums", Key="k", Body=b"hello", ChecksumAlgorithm=algorithm)
        assert put[f"Checksum{algorithm}"]
    refused("BadDigest", aws.s3.put_object, Bucket="sums", Key="k", Body=b"hello", ChecksumCRC32="AAAAAA==")
    refused("BadDigest", aws.s3.put_object, Bucket="sums", Key="k", Body=b"hello", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    # An unseekable upload goes in aws-chunked pieces with the checksum behind it.
    aws.s3.put_object(Bucket="sums", Key="big", Body=b"z" * 200_000, ChecksumAlgorithm="CRC32")
    assert aws.s3.head_object(Bucket="sums", Key="big")["ContentLength"] == 200_000


@check
def conditions_hold(aws):
    make_bucket(aws, "conditions")
    put = aws.s3.put_object(Bucket="conditions", Key="k", Body=b"1", IfNoneMatch="*")
    refused("PreconditionFailed", aws.s3.put_object, Bucket="conditions", Key="k", Body=b"2", IfNoneMatch="*")
    refused("PreconditionFailed", aws.s3.put_object, Bucket="conditions", Key="k", Body=b"2", IfMatch='"0"')
    refused("NoSuchKey", aws.s3.put_object, Bucket="conditions", Key="new", Body=b"2", IfMatch='"0"')
    aws.s3.put_object(Bucket="conditions", Key="k", Body=b"2", IfMatch=put["ETag"])
    refused("PreconditionFailed", aws.s3.get_object, Bucket="conditions", Key="k", IfMatch=put["ETag"])
    newest = aws.s3.head_object(Bucket="conditions", Key="k")["ETag"]
    refused("304", aws.s3.get_object, Bucket="conditions", Key="k", IfNoneMatch=newest)


@check
def versions_and_delete_markers(aws):
    make_bucket(aws, "versions")
    ids = [aws.s3.put_object(Bucket="versions", Key="k", Body=body)["VersionId"] for body in (b"1", b"2")]
    marker = aws.s3.delete_object(Bucket="versions", Key="k")
    assert marker["DeleteMarker"]
    refused("NoSuchKey", aws.s3.get_object, Bucket="versions", Key="k")
    refused("405", aws.s3.head_object, Bucket="versions", Key="k", VersionId=marker["VersionId"])
    old = aws.s3.get_object(Bucket="versions", Key="k", VersionId=ids[0])
    assert old["Body"].read() == b"1"
    listed = aws.s3.list_object_versions(Bucket="versions", Prefix="k")
    assert [version["VersionId"] for version in listed["Versions"]] == ids[::-1]
    assert listed["DeleteMarkers"][0]["IsLatest"]
    aws.s3.delete_object(Bucket="versions", Key="k", VersionId=marker["VersionId"])
    assert aws.s3.get_object(Bucket="versions", Key="k")["Body"].read() == b"2"


@check
def lists_have_pages_and_folders(aws):
    make_bucket(aws, "lists", versioned=False)
    for key in ("a/1", "a/2", "b 1", "ü"):
        aws.s3.put_object(Bucket="lists", Key=key, Body=b"")
    pages = list(aws.s3.get_paginator("list_objects_v2").paginate(Bucket="lists", PaginationConfig={"PageSize": 3}))
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == ["a/1", "a/2", "b 1", "ü"]
    assert len(pages) == 2
    folders = aws.s3.list_objects_v2(Bucket="lists", Delimiter="/")
    assert folders["CommonPrefixes"] == [{"Prefix": "a/"}] and folders["KeyCount"] == 3
    versions = list(aws.s3.get_paginator("list_object_versions").paginate(Bucket="lists", PaginationConfig={"PageSize": 3}))
    assert sum(len(page["Versions"]) for page in versions) == 4 and len(versions) == 2


@check
def s3_refuses_as_aws_does(aws):
    make_bucket(aws, "refusals")
    refused("NoSuchBucket", aws.s3.get_object, Bucket="not-there", Key="k")
    refused("NoSuchKey", aws.s3.get_object, Bucket="refusals", Key="k")
    refused("404", aws.s3.head_object, Bucket="refusals", Key="k")
    refused("AccessDenied", aws.s3.get_object, Bucket="refusals", Key="k", ExpectedBucketOwner="999999999999")
    refused("BucketAlreadyOwnedByYou", make_bucket, aws=aws, name="refusals")
    refused("NotImplemented", aws.s3.get_object_tagging, Bucket="refusals", Key="k")
    refused("NotImplemented", aws.s3.put_object, Bucket="refusals", Key="k", Body=b"", StorageClass="GLACIER")
    refused("NotImplemented", aws.s3.list_buckets)
    refused("AuthorizationHeaderMalformed", aws.client("s3", region="us-west-2").get_object, Bucket="refusals", Key="k")


# ---- Secrets Manager ----

VALUE = json.dumps({"username": "u", "accessToken": "smoke-token"})


@check
def a_secret_lives_and_dies(aws):
    made = aws.sm.create_secret(Name="ecr-pullthroughcache/life", Description="d", Tags=[{"Key": "a", "Value": "b"}])
    assert re.fullmatch(r"arn:aws:secretsmanager:eu-west-1:123456789012:secret:ecr-pullthroughcache/life-\w{6}", made["ARN"])
    assert "VersionId" not in made
    empty = aws.sm.describe_secret(SecretId=made["ARN"])
    assert "VersionIdsToStages" not in empty and empty["Tags"] == [{"Key": "a", "Value": "b"}]
    refused("ResourceNotFoundException", aws.sm.get_secret_value, SecretId=made["ARN"])
    put = aws.sm.put_secret_value(SecretId=made["Name"], SecretString=VALUE, VersionStages=["AWSCURRENT", "CONFIGURED"])
    got = aws.sm.get_secret_value(SecretId=made["ARN"][:-7])
    assert got["SecretString"] == VALUE and got["VersionId"] == put["VersionId"]
    aws.sm.delete_secret(SecretId=made["ARN"], RecoveryWindowInDays=7)
    assert aws.sm.describe_secret(SecretId=made["ARN"])["DeletedDate"]
    refused("InvalidRequestException", aws.sm.get_secret_value, SecretId=made["ARN"])
    error = refused("InvalidRequestException", aws.sm.create_secret, Name=made["Name"])
    assert "already scheduled for deletion" in error["Error"]["Message"]
    assert aws.sm.restore_secret(SecretId=made["ARN"])["ARN"] == made["ARN"]
    aws.sm.delete_secret(SecretId=made["ARN"], ForceDeleteWithoutRecovery=True)
    refused("ResourceNotFoundException", aws.sm.describe_secret, SecretId=made["ARN"])
    assert aws.sm.create_secret(Name=made["Name"])["ARN"] != made["ARN"]


@check
def labels_move_by_the_rules(aws):
    name = "labels"
    first = aws.sm.create_secret(Name=name, SecretString="1")["VersionId"]
    second = aws.sm.put_secret_value(SecretId=name, SecretString="2", VersionStages=["FILE_PENDING"])["VersionId"]
    move = dict(SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=second)
    error = refused("InvalidParameterException", aws.sm.update_secret_version_stage, **move)
    assert "RemoveFromVersionId can't be empty" in error["Error"]["Message"]
    refused("InvalidParameterException", aws.sm.update_secret_version_stage, **move, RemoveFromVersionId=second)
    aws.sm.update_secret_version_stage(**move, RemoveFromVersionId=first)
    stages = aws.sm.describe_secret(SecretId=name)["VersionIdsToStages"]
    assert stages == {first: ["AWSPREVIOUS"], second: ["FILE_PENDING", "AWSCURRENT"]}
    refused("InvalidParameterException", aws.sm.update_secret_version_stage,
            SecretId=name, VersionStage="AWSCURRENT", RemoveFromVersionId=second)
    aws.sm.update_secret_version_stage(SecretId=name, VersionStage="FILE_PENDING", RemoveFromVersionId=second)
    third = aws.sm.update_secret(SecretId=name, SecretString="3", Description="new")["VersionId"]
    assert aws.sm.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")["SecretString"] == "2"
    assert aws.sm.get_secret_value(SecretId=name, VersionId=first)["SecretString"] == "1"
    refused("ResourceExistsException", aws.sm.put_secret_value, SecretId=name, SecretString="4", ClientRequestToken=third)
    moved = [e["detail"] for e in aws.admin("GET", "events") if e["source"] == "aws.secretsmanager" and e["detail"]["name"] == name]
    assert [(e["labelUpdated"], e["versionId"]) for e in moved] == [
        ("AWSCURRENT", first), ("FILE_PENDING", second), ("AWSCURRENT", second), ("AWSCURRENT", third)]
    assert len(aws.sm.list_secret_version_ids(SecretId=name, IncludeDeprecated=True)["Versions"]) == 3


@check
def binary_values_and_tags(aws):
    aws.sm.create_secret(Name="binary", SecretBinary=b"\x00\x01")
    assert aws.sm.get_secret_value(SecretId="binary")["SecretBinary"] == b"\x00\x01"
    aws.sm.tag_resource(SecretId="binary", Tags=[{"Key": "k", "Value": "v"}, {"Key": "l", "Value": ""}])
    aws.sm.untag_resource(SecretId="binary", TagKeys=["l"])
    assert aws.sm.describe_secret(SecretId="binary")["Tags"] == [{"Key": "k", "Value": "v"}]


@check
def policies_come_back_in_other_words(aws):
    aws.sm.create_secret(Name="policy", SecretString="1")
    statement = {"Resource": ["*"], "Action": "secretsmanager:GetSecretValue", "Principal": {"AWS": ["123456789012"]}, "Effect": "Allow"}
    policy = json.dumps({"Statement": [statement], "Version": "2012-10-17"})
    aws.sm.put_resource_policy(SecretId="policy", ResourcePolicy=policy, BlockPublicPolicy=True)
    text = aws.sm.get_resource_policy(SecretId="policy")["ResourcePolicy"]
    assert text != policy
    back = json.loads(text)["Statement"][0]
    assert back["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"} and back["Resource"] == "*"
    public = policy.replace('["123456789012"]', '"*"')
    refused("PublicPolicyException", aws.sm.put_resource_policy, SecretId="policy", ResourcePolicy=public, BlockPublicPolicy=True)
    refused("MalformedPolicyDocumentException", aws.sm.put_resource_policy, SecretId="policy", ResourcePolicy="{")
    assert aws.sm.validate_resource_policy(ResourcePolicy=policy)["PolicyValidationPassed"]
    assert not aws.sm.validate_resource_policy(ResourcePolicy=public)["PolicyValidationPassed"]
    aws.sm.delete_resource_policy(SecretId="policy")
    assert "ResourcePolicy" not in aws.sm.get_resource_policy(SecretId="policy")


@check
def secrets_are_listed(aws):
    for n in range(3):
        aws.sm.create_secret(Name=f"listed/{n}", SecretString="1", Tags=[{"Key": "owner", "Value": "me"}])
    aws.sm.delete_secret(SecretId="listed/0")
    filters = [{"Key": "name", "Values": ["listed/"]}, {"Key": "tag-key", "Values": ["owner"]}]
    names = lambda **more: [s["Name"] for page in aws.sm.get_paginator("list_secrets").paginate(
        Filters=filters, SortBy="name", SortOrder="asc", PaginationConfig={"PageSize": 1}, **more) for s in page["SecretList"]]
    assert names() == ["listed/1", "listed/2"]
    assert names(IncludePlannedDeletion=True) == ["listed/0", "listed/1", "listed/2"]
    refused("InvalidNextTokenException", aws.sm.list_secrets, NextToken="x")


# ---- SQS ----

ATTRIBUTES = {
    "Author": {"DataType": "String", "StringValue": "ü"},
    "Weeks": {"DataType": "Number.int", "StringValue": "6"},
    "Raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
}


@check
def a_batch_is_sent_received_and_deleted(aws):
    url = aws.sqs.create_queue(QueueName="work", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    assert aws.sqs.create_queue(QueueName="work")["QueueUrl"] == aws.sqs.get_queue_url(QueueName="work")["QueueUrl"] == url
    refused("QueueAlreadyExists", aws.sqs.create_queue, QueueName="work", Attributes={"DelaySeconds": "1"})
    # boto3 checks the MD5 of each body.
    entries = [{"Id": "a", "MessageBody": "one ü", "MessageAttributes": ATTRIBUTES}, {"Id": "b", "MessageBody": "two"},
               {"Id": "c", "MessageBody": "\x01"}]
    sent = aws.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in sent["Successful"]] == ["a", "b"]
    assert [(entry["Id"], entry["Code"]) for entry in sent["Failed"]] == [("c", "InvalidMessageContents")]
    got = aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"],
                                  MessageSystemAttributeNames=["All"], WaitTimeSeconds=20)["Messages"]
    assert [message["Body"] for message in got] == ["one ü", "two"]
    assert got[0]["MessageAttributes"] == ATTRIBUTES
    assert got[0]["MD5OfMessageAttributes"] == sent["Successful"][0]["MD5OfMessageAttributes"]
    assert got[0]["MessageId"] == sent["Successful"][0]["MessageId"]
    assert got[0]["Attributes"]["ApproximateReceiveCount"] == "1"
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    assert [counts[name] for name in names] == ["0", "2"]
    assert "Messages" not in aws.sqs.receive_message(QueueUrl=url)
    aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"])
    aws.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=got[1]["ReceiptHandle"], VisibilityTimeout=0)
    again = aws.sqs.receive_message(QueueUrl=url)["Messages"]
    assert [message["Body"] for message in again] == ["two"] and again[0]["ReceiptHandle"] != got[1]["ReceiptHandle"]
    deleted = aws.sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": "x", "ReceiptHandle": again[0]["ReceiptHandle"]}])
    assert deleted["Successful"] == [{"Id": "x"}] and "Failed" not in deleted
    assert aws.sqs.list_queues(QueueNamePrefix="wo")["QueueUrls"] == [url]


@check
def a_poison_message_is_redriven(aws):
    dead = aws.sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = aws.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    url = aws.sqs.create_queue(QueueName="alive", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    sent = aws.sqs.send_message(QueueUrl=url, MessageBody="poison", MessageAttributes=ATTRIBUTES)
    for _ in range(2):
        assert len(aws.sqs.receive_message(QueueUrl=url)["Messages"]) == 1
        aws.admin("POST", "advance", {"seconds": 30})
    assert "Messages" not in aws.sqs.receive_message(QueueUrl=url)
    letter, = aws.sqs.receive_message(QueueUrl=dead, AttributeNames=["All"], MessageAttributeNames=["We.*", "Raw"])["Messages"]
    assert letter["MessageId"] == sent["MessageId"] and letter["Attributes"]["ApproximateReceiveCount"] == "3"
    assert letter["Attributes"]["DeadLetterQueueSourceArn"].endswith(":alive")
    assert letter["MessageAttributes"] == {name: ATTRIBUTES[name] for name in ("Raw", "Weeks")}


@check
def sqs_refuses_as_aws_does(aws):
    # Codes of the query protocol, and exceptions by the names of their shapes.
    gone = refused("AWS.SimpleQueueService.NonExistentQueue", aws.sqs.get_queue_url, QueueName="none")
    assert gone["Error"]["QueryErrorCode"] == "QueueDoesNotExist" and gone["Error"]["Type"] == "Sender"
    try:
        aws.sqs.get_queue_url(QueueName="none")
        raise AssertionError("not refused")
    except aws.sqs.exceptions.QueueDoesNotExist:
        pass
    url = aws.sqs.create_queue(QueueName="refusals")["QueueUrl"]
    send = lambda **more: dict({"QueueUrl": url, "MessageBody": "x"}, **more)
    refused("MissingParameter", aws.sqs.send_message, **send(MessageBody=""))
    refused("InvalidMessageContents", aws.sqs.send_message, **send(MessageBody="\x00"))
    refused("InvalidParameterValue", aws.sqs.send_message, **send(MessageBody="x" * (1024 * 1024 + 1)))
    refused("InvalidParameterValue", aws.sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=11)
    refused("ReceiptHandleIsInvalid", aws.sqs.delete_message, QueueUrl=url, ReceiptHandle="x")
    refused("AWS.SimpleQueueService.EmptyBatchRequest", aws.sqs.send_message_batch, QueueUrl=url, Entries=[])
    refused("NotImplemented", aws.sqs.create_queue, QueueName="x.fifo", Attributes={"FifoQueue": "true"})
    refused("UnknownOperationException", aws.sqs.list_message_move_tasks, SourceArn="x")
    refused("InvalidSignatureException", aws.client("sqs", region="us-west-2").list_queues)
    aws.sqs.purge_queue(QueueUrl=url)
    refused("AWS.SimpleQueueService.PurgeQueueInProgress", aws.sqs.purge_queue, QueueUrl=url)
    aws.sqs.delete_queue(QueueUrl=url)
    refused("AWS.SimpleQueueService.QueueDeletedRecently", aws.sqs.create_queue, QueueName="refusals")


# ---- ECR, faults, the log ----


@check
def a_rule_is_made_proven_and_pulled_through(aws):
    arn = aws.sm.create_secret(Name="ecr-pullthroughcache/dockerhub", SecretString=VALUE)["ARN"]
    aws.ecr.create_repository_creation_template(prefix="dockerhub", appliedFor=["PULL_THROUGH_CACHE"])
    aws.ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix="dockerhub", upstreamRegistryUrl="registry-1.docker.io", upstreamRegistry="docker-hub", credentialArn=arn)
    assert not aws.ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="dockerhub")["isValid"]
    aws.admin("POST", "upstreams", {"host": "registry-1.docker.io", "username": "u", "token": "smoke-token"})
    assert aws.ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="dockerhub")["isValid"]
    pulled = aws.admin("POST", "pull", {"image": "dockerhub/library/nginx:1.27"})
    assert pulled["created"] and pulled["template"] == "dockerhub"
    refused("PullThroughCacheRuleAlreadyExistsException", aws.ecr.create_pull_through_cache_rule,
            ecrRepositoryPrefix="dockerhub", upstreamRegistryUrl="registry-1.docker.io", credentialArn=arn)
    assert len(aws.ecr.describe_pull_through_cache_rules()["pullThroughCacheRules"]) == 1


@check
def an_image_is_looked_at_and_fetched(aws):
    aws.ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="quay", upstreamRegistryUrl="quay.io")
    image = {"repositoryName": "quay/org/tool", "imageIds": [{"imageTag": "1"}]}
    refused("RepositoryNotFoundException", aws.ecr.describe_images, **image)
    fetched = aws.ecr.batch_get_image(**image)["images"][0]
    assert len(json.loads(fetched["imageManifest"])["manifests"]) == 2
    detail = aws.ecr.describe_images(**image)["imageDetails"][0]
    assert detail["imageDigest"] == fetched["imageId"]["imageDigest"] and detail["imageStatus"] == "ACTIVE"
    assert not any(call["write"] for call in aws.admin("GET", "calls") if call["operation"] == "DescribeImages")


@check
def what_a_role_may_do_is_simulated(aws):
    statement = {"Sid": "Pull", "Effect": "Allow", "Action": "ecr:BatchGetImage", "Resource": "*",
                 "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}}
    role = aws.admin("POST", "roles", {"name": "node", "policy": {"Version": "2012-10-17", "Statement": [statement]}})["arn"]
    # Without a Region of its own: IAM is signed for us-east-1.
    for iam in (aws.client("iam"), aws.client("iam", region="us-east-1")):
        simulate = lambda **more: iam.simulate_principal_policy(
            PolicySourceArn=role, ActionNames=["ecr:BatchGetImage", "ecr:CreateRepository"], **more)["EvaluationResults"]
        arn = "arn:aws:ecr:eu-west-1:123456789012:repository/quay/org/tool"
        outside = simulate(ResourceArns=[arn])
        assert [result["EvalDecision"] for result in outside] == ["implicitDeny", "implicitDeny"]
        assert outside[0]["ResourceSpecificResults"][0]["MissingContextValues"] == ["aws:SourceVpce"]
        key = {"ContextKeyName": "aws:SourceVpce", "ContextKeyType": "string", "ContextKeyValues": ["vpce-1"]}
        inside = simulate(ResourceArns=[arn], ContextEntries=[key])
        assert [result["EvalDecision"] for result in inside] == ["allowed", "implicitDeny"]
        assert inside[0]["MatchedStatements"][0]["SourcePolicyId"] == "policy"
        refused("NoSuchEntity", iam.simulate_principal_policy, PolicySourceArn=role + "s", ActionNames=["ecr:ListImages"])
        refused("InvalidAction", iam.list_roles)


@check
def faults_and_the_log(aws):
    aws.admin("DELETE", "calls")
    aws.admin("POST", "faults", {"service": "ecr", "operation": "*", "times": 1, "kind": "throttle"})
    refused("ThrottlingException", aws.ecr.describe_repositories)
    kind = {"error": {"code": "ConditionalRequestConflict", "message": "m", "status": 409}}
    aws.admin("POST", "faults", {"service": "s3", "operation": "PutObject", "times": 1, "kind": kind})
    make_bucket(aws, "faults")
    refused("ConditionalRequestConflict", aws.s3.put_object, Bucket="faults", Key="k", Body=b"")
    aws.admin("POST", "faults", {"service": "secretsmanager", "operation": "CreateSecret", "times": 1, "kind": "reset_after"})
    try:
        aws.sm.create_secret(Name="lost-answer")
        raise AssertionError("the answer was not lost")
    except ClientError as error:
        raise AssertionError("the answer was not lost") from error
    except Exception as error:
        assert "onnection" in str(error) or "closed" in str(error), error
    aws.sm.describe_secret(SecretId="lost-answer")
    aws.client("ecr", key="AKIDOTHER").describe_repositories()
    calls = aws.admin("GET", "calls")
    assert [(c["operation"], c["error"]) for c in calls[:1]] == [("DescribeRepositories", "ThrottlingException")]
    assert calls[-1]["principal"] == "AKIDOTHER" and not calls[-1]["write"]
    assert any(c["error"] == "local-aws:reset" and c["subject"] == "lost-answer" and c["write"] for c in calls)


# ---- KMS ----


@check
def a_key_decrypts_what_it_encrypted_under_the_same_context(aws):
    kms = aws.client("kms")
    arn = aws.admin("POST", "keys", {"id": "one", "material": "AQ" + "A" * 41 + "="})["arn"]
    other = aws.admin("POST", "keys", {"id": "two", "material": "Ag" + "A" * 41 + "="})["arn"]
    context = {"app": "ptc", "stage": "test"}
    answer = kms.encrypt(KeyId=arn, Plaintext=b"secret", EncryptionContext=context)
    assert answer["KeyId"] == arn
    blob = answer["CiphertextBlob"]
    for key in ({}, {"KeyId": arn}, {"KeyId": "one"}):
        answer = kms.decrypt(CiphertextBlob=blob, EncryptionContext=context, **key)
        assert (answer["Plaintext"], answer["KeyId"]) == (b"secret", arn)
    refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=blob)
    refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=blob[:-1], EncryptionContext=context)
    refused("IncorrectKeyException", kms.decrypt, CiphertextBlob=blob, EncryptionContext=context, KeyId=other)
    refused("NotFoundException", kms.encrypt, KeyId="three", Plaintext=b"x")
    refused("NotImplemented", kms.decrypt, CiphertextBlob=blob, EncryptionContext=context, DryRun=True)
    aws.admin("POST", "keys", {"id": "one", "material": "AQ" + "A" * 41 + "=", "enabled": False})
    refused("DisabledException", kms.decrypt, CiphertextBlob=blob, EncryptionContext=context)
    aws.admin("POST", "faults", {"service": "kms", "operation": "*", "times": 1, "kind": "throttle"})
    refused("ThrottlingException", kms.encrypt, KeyId=other, Plaintext=b"x")
    assert not any(call["write"] for call in aws.admin("GET", "calls"))


@check
def the_unsigned_and_the_unknown_are_refused(aws):
    def post(target):
        headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
        try:
            urllib.request.urlopen(urllib.request.Request(aws.endpoint, data=b"{}", headers=headers))
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["__type"]

    assert post("AmazonEC2ContainerRegistry_V20150921.DescribeRepositories") == (403, "MissingAuthenticationTokenException")
    error = refused("UnknownOperationException", aws.ecr.describe_registry)
    assert "local-aws" in error["Error"]["Message"]
    refused("UnknownOperationException", aws.sm.get_random_password)
    refused("UnknownOperationException", aws.client("kms").list_keys)


def main():
    server = subprocess.Popen([sys.argv[1], "--port", "0"], stdout=subprocess.PIPE, text=True)
    failed = 0
    try:
        aws = Aws(re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline()).group())
        for function in CHECKS:
            aws.admin("POST", "reset")
            try:
                function(aws)
            except Exception as error:
                failed += 1
                where = error.__traceback__.tb_next or error.__traceback__
                print(f"FAILED {function.__name__} (line {where.tb_lineno}): {type(error).__name__} {error}")
    finally:
        server.terminate()
        server.wait()
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
