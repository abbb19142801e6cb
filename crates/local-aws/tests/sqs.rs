//! SQS on the wire, and what `LocalAws` offers to play Lambda's poller.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod common;

use common::{aws, call, send, signed};
use local_aws::{Fault, Options};
use serde_json::json;
use std::time::Duration;

#[test]
fn an_error_comes_with_both_of_its_codes() {
    let aws = aws(Options::default());
    let answer = call(&aws, "sqs", "GetQueueUrl", &json!({"QueueName": "nothing"})).unwrap();
    assert_eq!(
        (answer.status, &answer.json()["__type"]),
        (400, &json!("com.amazonaws.sqs#QueueDoesNotExist"))
    );
    assert_eq!(
        answer.header("x-amzn-query-error"),
        Some("AWS.SimpleQueueService.NonExistentQueue;Sender")
    );
    assert_eq!(answer.header("content-type"), Some("application/x-amz-json-1.0"));
    assert_eq!(answer.json()["message"], "The specified queue does not exist.");
    let log = aws.calls();
    assert_eq!(
        (log[0].subject.as_str(), log[0].error.as_deref()),
        ("nothing", Some("QueueDoesNotExist"))
    );
}

#[test]
fn it_is_signed_for_sqs_and_speaks_json_1_0() {
    let aws = aws(Options::default());
    let ask = |service: &str, kind: &str| {
        let authorization = signed("AKIDTEST", service);
        let headers = [
            ("authorization", authorization.as_str()),
            ("x-amz-target", "AmazonSQS.ListQueues"),
            ("content-type", kind),
        ];
        send(&aws, "POST", "/", &headers, "{}").unwrap()
    };
    assert_eq!(ask("sqs", "application/x-amz-json-1.0").status, 200);
    let elsewhere = ask("ecr", "application/x-amz-json-1.0");
    let code = "com.amazon.coral.service#InvalidSignatureException";
    assert_eq!((elsewhere.status, &elsewhere.json()["__type"]), (403, &json!(code)));
    assert_eq!(ask("sqs", "application/x-amz-json-1.1").status, 404);
}

#[test]
fn a_function_is_fed_by_its_queue() {
    let aws = aws(Options::default());
    let (work, dead) = aws.create_queue_pair("work", 1);
    assert_eq!(work, format!("{}/123456789012/work", aws.endpoint()));
    let entries = json!([{"Id": "1", "MessageBody": "a"}, {"Id": "2", "MessageBody": "b"}]);
    let sent = call(
        &aws,
        "sqs",
        "SendMessageBatch",
        &json!({"QueueUrl": work, "Entries": entries}),
    )
    .unwrap();
    assert_eq!(sent.status, 200);
    let event = aws.take_work(&work, 1).unwrap();
    assert_eq!(event["Records"][0]["body"], "a");
    aws.finish_work(&event, true);
    // A function that fails leaves its message to the visibility timeout.
    assert_eq!(aws.take_work(&work, 10).unwrap()["Records"][0]["body"], "b");
    assert_eq!(aws.take_work(&work, 10), None);
    aws.advance(Duration::from_secs(30));
    assert_eq!(aws.take_work(&work, 10), None);
    let messages = aws.messages(&dead);
    assert_eq!(
        (messages.len(), &messages[0]["body"], &messages[0]["receiveCount"]),
        (1, &json!("b"), &json!(1))
    );
    assert!(aws.messages(&work).is_empty());
    aws.with_sqs(|sqs| sqs.newest_first = true);
    aws.reset();
    assert_eq!(aws.take_work(&work, 10), None);
}

#[test]
fn it_throttles_and_denies_in_its_own_words() {
    let aws = aws(Options::default());
    let (url, _) = aws.create_queue_pair("work", 3);
    aws.fault(Fault::on("sqs", "SendMessage").times(1).throttle());
    aws.fault(Fault::on("sqs", "SendMessage").times(1).access_denied());
    let send = || {
        let answer = call(
            &aws,
            "sqs",
            "SendMessage",
            &json!({"QueueUrl": url, "MessageBody": "x"}),
        )
        .unwrap();
        (answer.status, answer.header("x-amzn-query-error").map(str::to_owned))
    };
    assert_eq!(send(), (400, Some("RequestThrottled;Sender".to_owned())));
    assert_eq!(send(), (403, Some("AccessDenied;Sender".to_owned())));
    assert_eq!(send(), (200, None));
    aws.fault(Fault::on("sqs", "SendMessage").rate(0));
    assert_eq!(send(), (400, Some("RequestThrottled;Sender".to_owned())));
}
