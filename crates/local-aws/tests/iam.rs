//! A role's calls over HTTP: what its policy does not allow is refused as AWS refuses it, and nothing happens.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{aws, call, rule, s3};
use local_aws::iam::Policy;
use local_aws::{Fault, LocalAws, Options};
use serde_json::{Value, json};

/// The key that `common` signs with.
const KEY: &str = "AKIDTEST";

fn account(statements: Value) -> LocalAws {
    let aws = aws(Options::default());
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    aws.enforce(KEY, Policy::read("role", &[("P".into(), document)]).unwrap());
    aws.create_bucket("b", true);
    aws
}

fn allow(action: &str, resource: &str) -> Value {
    json!({"Sid": action.replace(':', ""), "Effect": "Allow", "Action": action, "Resource": resource})
}

#[test]
fn a_json_service_refuses_by_name_and_does_nothing() {
    let aws = account(json!([allow("ecr:Describe*", "*")]));
    assert_eq!(
        call(&aws, "ecr", "DescribePullThroughCacheRules", &json!({}))
            .unwrap()
            .status,
        200
    );
    let input = json!({"ecrRepositoryPrefix": "quay", "upstreamRegistryUrl": "quay.io"});
    let answer = call(&aws, "ecr", "CreatePullThroughCacheRule", &input).unwrap();
    assert_eq!(
        (answer.status, &answer.json()["__type"]),
        (400, &json!("AccessDeniedException"))
    );
    assert_eq!(
        answer.json()["message"],
        "User: arn:aws:sts::123456789012:assumed-role/role/ecr-pull-through-sync is not authorized to perform: \
         ecr:CreatePullThroughCacheRule on resource: * because no identity-based policy allows the \
         ecr:CreatePullThroughCacheRule action"
    );
    assert_eq!(
        aws.denied(),
        ["ecr:CreatePullThroughCacheRule needs ecr:CreatePullThroughCacheRule on *"]
    );
    assert_eq!(aws.calls()[1].error.as_deref(), Some("AccessDeniedException"));
    let rules = aws.call("ecr", "DescribePullThroughCacheRules", json!({})).unwrap();
    assert_eq!(rules["pullThroughCacheRules"], json!([]));
    let used = ["ecrDescribe*", "ecr:Describe*", "*"].map(str::to_owned);
    assert_eq!(aws.used_statements().into_iter().collect::<Vec<_>>(), [used.into()]);
}

#[test]
fn an_action_behind_the_call_is_asked_for_too() {
    let aws = account(json!([
        allow("ecr:*", "*"),
        allow("secretsmanager:GetSecretValue", "*")
    ]));
    let rule = rule(&aws, "hub", "t");
    let answer = call(&aws, "ecr", "CreatePullThroughCacheRule", &rule).unwrap();
    assert!(answer.body.contains("iam:CreateServiceLinkedRole"), "{}", answer.body);
    aws.call("ecr", "CreatePullThroughCacheRule", rule.clone()).unwrap();
    let update = json!({"ecrRepositoryPrefix": "hub", "credentialArn": rule["credentialArn"]});
    assert_eq!(
        call(&aws, "ecr", "UpdatePullThroughCacheRule", &update).unwrap().status,
        200
    );
}

#[test]
fn an_explicit_deny_says_so() {
    let deny = json!({"Sid": "No", "Effect": "Deny", "Action": "secretsmanager:List*", "Resource": "*"});
    let aws = account(json!([allow("secretsmanager:*", "*"), deny]));
    let answer = call(&aws, "secretsmanager", "ListSecrets", &json!({})).unwrap();
    assert!(
        answer.json()["Message"]
            .as_str()
            .unwrap()
            .ends_with("with an explicit deny in an identity-based policy")
    );
}

#[test]
fn s3_refuses_in_xml_and_hides_what_is_missing_from_those_who_may_not_list() {
    let aws = account(json!([allow("s3:GetObject", "arn:aws:s3:::b/k*")]));
    aws.put_object("b", "k", "content");
    assert_eq!(s3(&aws, "GET", "/b/k", &[], "").body, "content");
    let refused = s3(&aws, "PUT", "/b/k", &[], "other");
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("<Code>AccessDenied</Code>"), "{}", refused.body);
    assert!(
        refused.body.contains("s3:PutObject on resource: \"arn:aws:s3:::b/k\""),
        "{}",
        refused.body
    );
    assert_eq!(
        (
            s3(&aws, "GET", "/b/k2", &[], "").status,
            s3(&aws, "HEAD", "/b/k2", &[], "").status
        ),
        (403, 403)
    );
    assert_eq!(aws.denied().len(), 3);

    let aws = account(json!([
        allow("s3:GetObject", "arn:aws:s3:::b/*"),
        allow("s3:ListBucket", "arn:aws:s3:::b")
    ]));
    assert_eq!(
        (
            s3(&aws, "GET", "/b/k2", &[], "").status,
            s3(&aws, "HEAD", "/b/k2", &[], "").status
        ),
        (404, 404)
    );
    assert_eq!(aws.denied(), Vec::<String>::new());
}

#[test]
fn sqs_refuses_in_lower_case_with_both_of_its_codes() {
    let aws = account(json!([allow("sqs:GetQueueUrl", "*")]));
    aws.call("sqs", "CreateQueue", json!({"QueueName": "work"})).unwrap();
    let url = call(&aws, "sqs", "GetQueueUrl", &json!({"QueueName": "work"}))
        .unwrap()
        .json()["QueueUrl"]
        .clone();
    let answer = call(
        &aws,
        "sqs",
        "SendMessage",
        &json!({"QueueUrl": url, "MessageBody": "x"}),
    )
    .unwrap();
    let said = (answer.status, answer.header("x-amzn-query-error"));
    assert_eq!(said, (403, Some("AccessDenied;Sender")), "{}", answer.head);
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("sqs:sendmessage on resource: arn:aws:sqs:eu-west-1:123456789012:work "),
        "{message}"
    );
}

#[test]
fn other_keys_may_do_anything_and_a_reset_does_not_free_the_role() {
    let aws = account(json!([]));
    aws.enforce("AKIDOTHER", Policy::read("other", &[]).unwrap());
    aws.reset();
    assert_eq!(
        call(&aws, "ecr", "DescribePullThroughCacheRules", &json!({}))
            .unwrap()
            .status,
        400
    );
    assert_eq!(aws.denied().len(), 1);
    aws.reset();
    assert_eq!(aws.denied(), Vec::<String>::new());
    let free = common::aws(Options::default());
    free.enforce("AKIDOTHER", Policy::read("other", &[]).unwrap());
    assert_eq!(
        call(&free, "ecr", "DescribePullThroughCacheRules", &json!({}))
            .unwrap()
            .status,
        200
    );
}

#[test]
fn a_refused_call_meets_no_hook_and_no_fault() {
    let aws = account(json!([]));
    aws.fault(Fault::on("*", "*").times(1).server_error());
    aws.before("*", "*", 1, |aws| aws.create_bucket("from-the-hook", false));
    assert_eq!(
        call(&aws, "ecr", "DescribePullThroughCacheRules", &json!({}))
            .unwrap()
            .status,
        400
    );
    assert_eq!(aws.objects("from-the-hook"), Vec::<String>::new());
    let other = common::signed("AKIDOTHER", "ecr");
    let headers = [
        ("authorization", other.as_str()),
        (
            "x-amz-target",
            "AmazonEC2ContainerRegistry_V20150921.DescribePullThroughCacheRules",
        ),
        ("content-type", "application/x-amz-json-1.1"),
    ];
    assert_eq!(
        common::send(&aws, "POST", "/", &headers, "{}").unwrap().status,
        500,
        "the fault was not used up"
    );
}

#[test]
fn looking_a_function_up_needs_leave_and_asking_who_one_is_does_not() {
    let look = |aws: &LocalAws| {
        let key = common::signed(KEY, "lambda");
        let path = "/2015-03-31/functions/sync/configuration";
        common::send(aws, "GET", path, &[("authorization", &key)], "").unwrap()
    };
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:sync";
    let aws = account(json!([allow("lambda:GetFunctionConfiguration", arn)]));
    aws.deploy_function("sync", &[]);
    assert_eq!(look(&aws).status, 200);

    let aws = account(json!([allow("lambda:GetFunctionConfiguration", &format!("{arn}2"))]));
    aws.deploy_function("sync", &[]);
    let refused = look(&aws);
    assert_eq!(
        (refused.status, refused.header("x-amzn-errortype")),
        (403, Some("AccessDeniedException"))
    );
    assert_eq!(
        aws.denied(),
        [format!(
            "lambda:GetFunctionConfiguration needs lambda:GetFunctionConfiguration on {arn}"
        )]
    );
    let key = common::signed(KEY, "sts");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let body = "Action=GetCallerIdentity&Version=2011-06-15";
    assert_eq!(
        common::send(&aws, "POST", "/", &[("authorization", &key), form], body)
            .unwrap()
            .status,
        200
    );
}

/// IAM speaks the query protocol, and its lists are members of a member.
#[test]
fn what_a_role_may_do_can_be_asked_beforehand() {
    let aws = common::aws(Options::default());
    let pulls = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Pull", "Effect": "Allow", "Action": ["ecr:BatchGetImage", "ecr:CreateRepository"], "Resource": "*"},
        {"Sid": "NotHere", "Effect": "Deny", "Action": "ecr:CreateRepository", "Resource": "*"},
        {"Sid": "Inside", "Effect": "Allow", "Action": "ecr:ListImages", "Resource": "*",
         "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}},
    ]});
    let role = aws.put_role("node", &[("pulls".to_owned(), pulls)]).unwrap();
    let ask = |aws: &LocalAws, form: &str| {
        let key = common::signed(KEY, "iam");
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let form = format!("Action=SimulatePrincipalPolicy&Version=2010-05-08&{form}");
        common::send(aws, "POST", "/", &[("authorization", &key), kind], &form).unwrap()
    };
    let actions = "ActionNames.member.1=ecr:BatchGetImage&ActionNames.member.2=ecr:CreateRepository\
                   &ActionNames.member.3=ecr:ListImages";
    let answer = ask(
        &aws,
        &format!("PolicySourceArn={role}&{actions}&ResourceArns.member.1=arn:aws:ecr:eu-west-1:1:repository/a"),
    );
    // The order is the SDKs' concern: the first member of a response is its result.
    let root = "<SimulatePrincipalPolicyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><SimulatePrincipalPolicyResult>";
    assert!(answer.body.starts_with(root), "{}", answer.body);
    let between = |name: &str| -> Vec<String> {
        let tag = format!("<{name}>");
        let parts = answer.body.split(&tag).skip(1);
        parts.map(|part| part.split('<').next().unwrap().to_owned()).collect()
    };
    assert_eq!(
        between("EvalDecision"),
        ["allowed", "explicitDeny", "implicitDeny"],
        "{}",
        answer.body
    );
    let missing = "<EvalResourceDecision>implicitDeny</EvalResourceDecision>\
                   <EvalResourceName>arn:aws:ecr:eu-west-1:1:repository/a</EvalResourceName>\
                   <MissingContextValues><member>aws:SourceVpce</member></MissingContextValues>";
    assert!(answer.body.contains(missing), "{}", answer.body);
    let entry = "ContextEntries.member.1.ContextKeyName=aws:SourceVpce&ContextEntries.member.1.ContextKeyType=string\
                 &ContextEntries.member.1.ContextKeyValues.member.1=vpce-1";
    let inside = ask(
        &aws,
        &format!("PolicySourceArn={role}&ActionNames.member.1=ecr:ListImages&{entry}"),
    );
    assert!(
        inside.body.contains("<EvalDecision>allowed</EvalDecision>"),
        "{}",
        inside.body
    );

    let one = "ActionNames.member.1=ecr:ListImages";
    let other = "arn:aws:iam::123456789012:role/other";
    let foreign = "arn:aws:iam::444455556666:role/node";
    let session = "arn:aws:sts::123456789012:assumed-role/node/i-1";
    for (form, status, code) in [
        (format!("PolicySourceArn={other}&{one}"), 404, "NoSuchEntity"),
        (format!("PolicySourceArn={foreign}&{one}"), 403, "AccessDenied"),
        (format!("PolicySourceArn={session}&{one}"), 400, "InvalidInput"),
        (format!("PolicySourceArn={role}"), 400, "ValidationError"),
        (
            format!("PolicySourceArn={role}&ActionNames.member.1=List"),
            400,
            "InvalidInput",
        ),
        (
            format!("PolicySourceArn={role}&{one}&ResourceArns.member.1=x"),
            400,
            "InvalidInput",
        ),
        (
            format!("PolicySourceArn={role}&{one}&ResourceArns.member.1=*&ResourceArns.member.2=*"),
            501,
            "NotImplemented",
        ),
        (
            format!("PolicySourceArn={role}&{one}&CallerArn={role}"),
            501,
            "NotImplemented",
        ),
    ] {
        let refused = ask(&aws, &form);
        assert_eq!(refused.status, status, "{form}: {}", refused.body);
        assert!(
            refused.body.contains(&format!("<Code>{code}</Code>")),
            "{}",
            refused.body
        );
    }

    let aws = account(json!([allow("iam:SimulatePrincipalPolicy", other)]));
    assert_eq!(ask(&aws, &format!("PolicySourceArn={role}&{one}")).status, 403);
    assert_eq!(
        aws.denied(),
        [format!(
            "iam:SimulatePrincipalPolicy needs iam:SimulatePrincipalPolicy on {role}"
        )]
    );
}

#[test]
fn a_first_pull_needs_more_than_pulling() {
    let get = |aws: &LocalAws| {
        let input = json!({"repositoryName": "quay/org/image", "imageIds": [{"imageTag": "1"}]});
        common::call(aws, "ecr", "BatchGetImage", &input).unwrap().status
    };
    let actions = [
        "ecr:BatchGetImage",
        "ecr:BatchImportUpstreamImage",
        "ecr:CreateRepository",
    ];
    for allowed in 1..=actions.len() {
        let statements: Vec<Value> = actions[..allowed]
            .iter()
            .map(|action| allow(action, "arn:aws:ecr:eu-west-1:123456789012:repository/quay/*"))
            .collect();
        let aws = account(json!(statements));
        let rule = json!({"ecrRepositoryPrefix": "quay", "upstreamRegistryUrl": "quay.io"});
        aws.call("ecr", "CreatePullThroughCacheRule", rule).unwrap();
        assert_eq!(get(&aws) == 200, allowed == actions.len(), "{allowed}");
        // Once it is cached, the first is enough.
        aws.pull("quay/org/image:1").unwrap();
        assert_eq!(get(&aws), 200);
    }
}
