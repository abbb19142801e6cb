#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test may panic
//! Queues as their users and Lambda's poller see them.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{LARGEST_MESSAGE, Sqs, query_error, type_of};
use crate::api::{ApiError, CallContext};

const ACCOUNT: &str = "111122223333";
const ENDPOINT: &str = "http://127.0.0.1:9324";

struct World {
    sqs: Sqs,
    cx: CallContext,
}

fn url(name: &str) -> String {
    format!("{ENDPOINT}/{ACCOUNT}/{name}")
}

impl World {
    fn new() -> Self {
        let now = "2026-11-23T05:00:00Z".parse().unwrap();
        let cx = CallContext {
            account: ACCOUNT.into(),
            region: "eu-west-1".into(),
            partition: "aws".into(),
            now,
        };
        Self {
            sqs: Sqs::new(ENDPOINT),
            cx,
        }
    }

    /// With a queue and its dead-letter queue.
    fn with_pair(max_receive_count: u64) -> Self {
        let mut world = Self::new();
        let urls = world.sqs.create_pair(&world.cx, "work", max_receive_count);
        assert_eq!(urls, (url("work"), url("work-dlq")));
        world
    }

    fn call(&mut self, op: &str, input: &Value) -> Result<Value, String> {
        let answer = self.sqs.call(&self.cx, op, input);
        answer.map_err(|error| format!("{}: {}", error.code, error.message))
    }

    fn must(&mut self, op: &str, input: &Value) -> Value {
        self.call(op, input)
            .unwrap_or_else(|error| panic!("{op} {input}: {error}"))
    }

    fn refused(&mut self, op: &str, input: &Value, part: &str) {
        match self.call(op, input) {
            Ok(answer) => panic!("{op} {input} was not refused: {answer}"),
            Err(error) => assert!(error.contains(part), "{op} {input}: {error}"),
        }
    }

    fn wait(&mut self, seconds: i64) {
        self.cx.now += SignedDuration::from_secs(seconds);
    }

    fn send(&mut self, body: &str) -> Value {
        self.must("SendMessage", &json!({"QueueUrl": url("work"), "MessageBody": body}))
    }

    /// Bodies of up to ten messages, and their handles.
    fn receive(&mut self, queue: &str) -> Vec<(String, String)> {
        let got = self.must(
            "ReceiveMessage",
            &json!({"QueueUrl": url(queue), "MaxNumberOfMessages": 10}),
        );
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let messages = got["Messages"].as_array().into_iter().flatten();
        messages
            .map(|message| (text(&message["Body"]), text(&message["ReceiptHandle"])))
            .collect()
    }

    fn bodies(&mut self, queue: &str) -> Vec<String> {
        self.receive(queue).into_iter().map(|(body, _)| body).collect()
    }

    fn delete(&mut self, handle: &str) {
        self.must(
            "DeleteMessage",
            &json!({"QueueUrl": url("work"), "ReceiptHandle": handle}),
        );
    }

    fn attribute(&mut self, queue: &str, name: &str) -> Value {
        let got = self.must(
            "GetQueueAttributes",
            &json!({"QueueUrl": url(queue), "AttributeNames": [name]}),
        );
        got["Attributes"][name].clone()
    }
}

#[test]
fn a_queue_through_its_life() {
    let mut world = World::new();
    let create = json!({"QueueName": "work", "Attributes": {"VisibilityTimeout": "20"}});
    assert_eq!(world.must("CreateQueue", &create), json!({"QueueUrl": url("work")}));
    world.must("CreateQueue", &create);
    world.must("CreateQueue", &json!({"QueueName": "work"}));
    let other = json!({"QueueName": "work", "Attributes": {"VisibilityTimeout": "20", "DelaySeconds": "1"}});
    world.refused(
        "CreateQueue",
        &other,
        "QueueNameExists: A queue already exists with the same name and a different value for attribute DelaySeconds",
    );
    world.wait(5);
    world.must(
        "SetQueueAttributes",
        &json!({"QueueUrl": url("work"), "Attributes": {"MaximumMessageSize": "2048"}}),
    );
    let all = world.must(
        "GetQueueAttributes",
        &json!({"QueueUrl": url("work"), "AttributeNames": ["All"]}),
    );
    let expected = json!({
        "ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "0",
        "ApproximateNumberOfMessagesNotVisible": "0", "CreatedTimestamp": "1795410000", "DelaySeconds": "0",
        "LastModifiedTimestamp": "1795410005", "MaximumMessageSize": "2048", "MessageRetentionPeriod": "345600",
        "QueueArn": format!("arn:aws:sqs:eu-west-1:{ACCOUNT}:work"), "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true", "VisibilityTimeout": "20",
    });
    assert_eq!(all, json!({"Attributes": expected}));
    assert_eq!(
        world.must("GetQueueAttributes", &json!({"QueueUrl": url("work")})),
        json!({})
    );
    assert_eq!(
        world.must("GetQueueUrl", &json!({"QueueName": "work"})),
        json!({"QueueUrl": url("work")})
    );

    world.must("DeleteQueue", &json!({"QueueUrl": url("work")}));
    world.refused(
        "GetQueueUrl",
        &json!({"QueueName": "work"}),
        "QueueDoesNotExist: The specified queue does not exist.",
    );
    world.refused("DeleteQueue", &json!({"QueueUrl": url("work")}), "QueueDoesNotExist");
    world.refused("CreateQueue", &create, "QueueDeletedRecently: You must wait 60 seconds");
    world.wait(60);
    world.must("CreateQueue", &create);
}

#[test]
fn lists_have_pages_only_where_they_are_asked_for() {
    let mut world = World::new();
    assert_eq!(world.must("ListQueues", &json!({})), json!({}));
    for name in ["a1", "a2", "a3", "b"] {
        world.must("CreateQueue", &json!({"QueueName": name}));
    }
    let all = world.must("ListQueues", &json!({"QueueNamePrefix": "a"}));
    assert_eq!(all, json!({"QueueUrls": [url("a1"), url("a2"), url("a3")]}));
    let first = world.must("ListQueues", &json!({"QueueNamePrefix": "a", "MaxResults": 2}));
    assert_eq!(first["QueueUrls"], json!([url("a1"), url("a2")]));
    let next = json!({"QueueNamePrefix": "a", "MaxResults": 2, "NextToken": first["NextToken"]});
    assert_eq!(world.must("ListQueues", &next), json!({"QueueUrls": [url("a3")]}));
}

#[test]
fn a_message_is_hidden_while_it_is_in_flight_and_comes_back_until_it_is_deleted() {
    let mut world = World::with_pair(10);
    world.send("a");
    let first = world.receive("work").remove(0).1;
    assert_eq!(world.bodies("work").len(), 0);
    assert_eq!(world.attribute("work", "ApproximateNumberOfMessagesNotVisible"), "1");
    world.wait(29);
    assert_eq!(world.bodies("work").len(), 0);
    world.wait(1);
    let second = world.receive("work").remove(0).1;
    assert_ne!(first, second);
    // An old handle is accepted, and does nothing.
    world.delete(&first);
    let change = |handle: &str, seconds: i64| json!({"QueueUrl": url("work"), "ReceiptHandle": handle, "VisibilityTimeout": seconds});
    world.refused(
        "ChangeMessageVisibility",
        &change(&first, 0),
        "InvalidParameterValueException: Value",
    );
    world.must("ChangeMessageVisibility", &change(&second, 60));
    world.wait(59);
    assert_eq!(world.bodies("work").len(), 0);
    world.refused(
        "ChangeMessageVisibility",
        &change(&second, 43_200),
        "Total VisibilityTimeout for the message is beyond",
    );
    world.must("ChangeMessageVisibility", &change(&second, 0));
    assert_eq!(world.attribute("work", "ApproximateNumberOfMessages"), "1");
    // The timeout is over, but nobody has received it since: the handle is still good.
    world.delete(&second);
    world.delete(&second);
    assert_eq!(world.bodies("work").len(), 0);
    world.refused(
        "ChangeMessageVisibility",
        &change(&second, 0),
        "Message does not exist or is not available",
    );
    world.refused(
        "DeleteMessage",
        &json!({"QueueUrl": url("work"), "ReceiptHandle": "x"}),
        "ReceiptHandleIsInvalid",
    );
}

#[test]
fn delays_and_retention_follow_the_accounts_clock() {
    let mut world = World::with_pair(10);
    world.must(
        "SendMessage",
        &json!({"QueueUrl": url("work"), "MessageBody": "late", "DelaySeconds": 900}),
    );
    assert_eq!(world.bodies("work").len(), 0);
    assert_eq!(world.attribute("work", "ApproximateNumberOfMessagesDelayed"), "1");
    world.wait(900);
    assert_eq!(world.bodies("work"), ["late"]);
    world.wait(345_600 - 901);
    assert_eq!(world.bodies("work"), ["late"]);
    world.wait(1);
    assert_eq!(world.sqs.messages(&world.cx, &url("work")).len(), 1);
    world.wait(60);
    assert_eq!(world.bodies("work").len(), 0);
    assert_eq!(world.sqs.messages(&world.cx, &url("work")).len(), 0);
}

#[test]
fn a_message_received_too_often_goes_to_the_dead_letter_queue() {
    let mut world = World::with_pair(2);
    let id = world.send("poison")["MessageId"].clone();
    for _ in 0..2 {
        assert_eq!(world.bodies("work"), ["poison"]);
        world.wait(30);
    }
    assert_eq!(world.sqs.messages(&world.cx, &url("work-dlq")).len(), 0);
    world.send("fine");
    assert_eq!(world.bodies("work"), ["fine"]);
    let dead = world.must(
        "ReceiveMessage",
        &json!({"QueueUrl": url("work-dlq"), "MessageSystemAttributeNames": ["All"]}),
    );
    let message = &dead["Messages"][0];
    assert_eq!(
        (&message["MessageId"], &message["Attributes"]["ApproximateReceiveCount"]),
        (&id, &json!("3"))
    );
    assert_eq!(
        message["Attributes"]["DeadLetterQueueSourceArn"],
        format!("arn:aws:sqs:eu-west-1:{ACCOUNT}:work")
    );
    // A dead-letter queue that is gone kills nothing.
    world.must("DeleteQueue", &json!({"QueueUrl": url("work-dlq")}));
    for _ in 0..3 {
        world.wait(30);
        assert_eq!(world.bodies("work"), ["fine"]);
    }
}

#[test]
fn neither_order_nor_a_single_delivery_is_promised() {
    let mut world = World::with_pair(1);
    for body in ["1", "2", "3"] {
        world.send(body);
    }
    world.sqs.newest_first = true;
    assert_eq!(world.bodies("work"), ["3", "2", "1"]);
    world.wait(30);
    world.bodies("work");
    assert_eq!(world.sqs.messages(&world.cx, &url("work-dlq")).len(), 3);

    let mut world = World::with_pair(1);
    world.sqs.duplicates = true;
    world.send("twice");
    let (first, second) = (world.receive("work"), world.receive("work"));
    assert_eq!((first[0].0.as_str(), second[0].0.as_str()), ("twice", "twice"));
    assert_eq!(world.bodies("work").len(), 0);
    // Deleting one delivery does not undo the other, and a duplicate alone makes no dead letter.
    world.delete(&first[0].1);
    assert_eq!(world.sqs.messages(&world.cx, &url("work")).len(), 1);
    assert_eq!(world.sqs.messages(&world.cx, &url("work-dlq")).len(), 0);
}

#[test]
fn sums_are_those_of_aws_and_only_what_was_asked_for_comes_along() {
    let mut world = World::with_pair(10);
    let attributes = json!({
        "Hello": {"DataType": "String", "StringValue": "There"},
        "General": {"DataType": "String", "StringValue": "Kenobi"},
        "Help.Me": {"DataType": "String", "StringValue": "Me"},
    });
    // Recorded on live AWS: LocalStack's snapshot of test_receive_message_message_attribute_names_filters.
    let sent = world.must(
        "SendMessage",
        &json!({"QueueUrl": url("work"), "MessageBody": "msg", "MessageAttributes": attributes}),
    );
    assert_eq!(sent["MD5OfMessageBody"], "6e2baaf3b97dbeef01c0043275f9a0e7");
    assert_eq!(sent["MD5OfMessageAttributes"], "4c360f3fdafd970e05fae2f149d997f5");
    let mut asked = |names: Value, system: Value| {
        let input = json!({"QueueUrl": url("work"), "MessageAttributeNames": names, "AttributeNames": system, "VisibilityTimeout": 0});
        world.must("ReceiveMessage", &input)["Messages"][0].clone()
    };
    let plain = asked(json!([]), json!([]));
    let mut names: Vec<&String> = plain.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["Body", "MD5OfBody", "MessageId", "ReceiptHandle"]);
    for every in ["All", "*", ".*"] {
        let all = asked(json!([every]), json!([]));
        assert_eq!(
            (&all["MessageAttributes"], &all["MD5OfMessageAttributes"]),
            (&attributes, &sent["MD5OfMessageAttributes"])
        );
    }
    let prefix = asked(json!(["Hel.*"]), json!([]));
    assert_eq!(prefix["MD5OfMessageAttributes"], "83fee93c1bcd8b9a5a923ffacdc636c7");
    let some = asked(
        json!(["Help.*", "None"]),
        json!(["SentTimestamp", "ApproximateReceiveCount"]),
    );
    assert_eq!(
        some["MessageAttributes"],
        json!({"Help.Me": {"DataType": "String", "StringValue": "Me"}})
    );
    assert_eq!(
        some["Attributes"],
        json!({"ApproximateReceiveCount": "6", "SentTimestamp": "1795410000000"})
    );

    // The same source, test_send_message_with_binary_attributes.
    let bytes = "dHJhY2VwYXJlbnQeMDAtNzc0MDYyZDZjMzcwODFhNWEwYjliNWI4OGUzMDYyN2MtMmQyNDgyMjExZjY0ODlkYS0wMQ==";
    let binary = json!({"attr1": {"DataType": "Binary", "BinaryValue": bytes}});
    let sent = world.must(
        "SendMessage",
        &json!({"QueueUrl": url("work"), "MessageBody": "test", "MessageAttributes": binary}),
    );
    assert_eq!(sent["MD5OfMessageAttributes"], "8cbe4db156db8a94db8b801b7addb984");
}

#[test]
fn a_batch_fails_as_a_whole_or_entry_by_entry() {
    let mut world = World::with_pair(10);
    let batch = |entries: Value| json!({"QueueUrl": url("work"), "Entries": entries});
    let entry = |id: &str, body: &str| json!({"Id": id, "MessageBody": body});
    let many: Vec<Value> = (0..11).map(|n| entry(&n.to_string(), "x")).collect();
    let half = "x".repeat(524_288);
    let table = [
        (json!([]), "EmptyBatchRequest"),
        (
            json!(many),
            "TooManyEntriesInBatchRequest: Maximum number of entries per request are 10. You have sent 11.",
        ),
        (json!([entry("a:b", "x")]), "InvalidBatchEntryId"),
        (json!([entry(&"a".repeat(81), "x")]), "InvalidBatchEntryId"),
        (
            json!([entry("a", "x"), entry("a", "y")]),
            "BatchEntryIdsNotDistinct: Id a repeated.",
        ),
        (
            json!([entry("a", &half), entry("b", &half), entry("c", "x")]),
            "BatchRequestTooLong: Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
        ),
        (json!([{"Id": "a"}]), "MissingRequiredParameterException"),
    ];
    for (entries, expected) in table {
        world.refused("SendMessageBatch", &batch(entries), expected);
    }
    assert_eq!(world.bodies("work").len(), 0);

    world.must(
        "SetQueueAttributes",
        &json!({"QueueUrl": url("work"), "Attributes": {"MaximumMessageSize": "1024"}}),
    );
    let entries = json!([
        entry("good", "x"),
        entry("control", "\u{1}"),
        entry("long", &"x".repeat(1025))
    ]);
    let sent = world.must("SendMessageBatch", &batch(entries));
    assert_eq!(sent["Successful"][0]["Id"], "good");
    assert_eq!(sent["Successful"].as_array().map(Vec::len), Some(1));
    assert_eq!(sent["Failed"][0]["Code"], "InvalidMessageContents");
    let long = json!({
        "Id": "long", "Code": "InvalidParameterValue", "SenderFault": true,
        "Message": "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes.",
    });
    assert_eq!(sent["Failed"][1], long);

    let handle = world.receive("work").remove(0).1;
    let delete = batch(json!([{"Id": "1", "ReceiptHandle": handle}, {"Id": "2", "ReceiptHandle": "x"}]));
    let deleted = world.must("DeleteMessageBatch", &delete);
    assert_eq!(
        (&deleted["Successful"], &deleted["Failed"][0]["Code"]),
        (&json!([{"Id": "1"}]), &json!("ReceiptHandleIsInvalid"))
    );
    assert_eq!(world.sqs.messages(&world.cx, &url("work")).len(), 0);
}

#[test]
fn what_sqs_refuses_is_refused() {
    let mut world = World::with_pair(10);
    let send = |members: Value| {
        let mut input = json!({"QueueUrl": url("work"), "MessageBody": "x"});
        input
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        input
    };
    let attribute = |name: &str, value: Value| send(json!({"MessageAttributes": {name: value}}));
    let text = |value: &str| json!({"DataType": "String", "StringValue": value});
    let create = |attributes: Value| json!({"QueueName": "new", "Attributes": attributes});
    let redrive = |policy: Value| create(json!({"RedrivePolicy": policy.to_string()}));
    let dlq = format!("arn:aws:sqs:eu-west-1:{ACCOUNT}:work-dlq");
    let big = usize::try_from(LARGEST_MESSAGE).unwrap();
    let eleven: serde_json::Map<String, Value> = (0..11).map(|n| (format!("a{n}"), text("x"))).collect();
    let table = [
        (
            "SendMessage",
            json!({"QueueUrl": url("work")}),
            "MissingRequiredParameterException: The request must contain the parameter MessageBody.",
        ),
        (
            "SendMessage",
            send(json!({"MessageBody": ""})),
            "MissingRequiredParameterException: The request must contain the parameter MessageBody.",
        ),
        ("SendMessage", send(json!({"MessageBody": 7})), "SerializationException"),
        (
            "SendMessage",
            send(json!({"MessageBody": "a\u{b}b"})),
            "InvalidMessageContents: Invalid binary character '#xB' was found in the message body",
        ),
        (
            "SendMessage",
            send(json!({"MessageBody": "a\u{ffff}"})),
            "InvalidMessageContents",
        ),
        ("SendMessage", send(json!({"MessageBody": "x".repeat(big)})), ""),
        (
            "SendMessage",
            send(json!({"MessageBody": "x".repeat(big + 1)})),
            "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
        ),
        (
            "SendMessage",
            send(json!({"MessageBody": "x".repeat(big - 7), "MessageAttributes": {"k": text("xx")}})),
            "Message must be shorter",
        ),
        (
            "SendMessage",
            send(json!({"DelaySeconds": 901})),
            "Value 901 for parameter DelaySeconds is invalid.",
        ),
        (
            "SendMessage",
            send(json!({"MessageAttributes": eleven})),
            "Number of message attributes [11]",
        ),
        (
            "SendMessage",
            attribute("ErrorDetails", text("")),
            "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'String'.",
        ),
        (
            "SendMessage",
            attribute("a", json!({"DataType": "Number", "StringValue": "seven"})),
            "to a number",
        ),
        (
            "SendMessage",
            attribute("a", json!({"DataType": "Number", "StringValue": "inf"})),
            "to a number",
        ),
        (
            "SendMessage",
            attribute("a", json!({"DataType": "Number.int", "StringValue": "7"})),
            "",
        ),
        (
            "SendMessage",
            attribute("a", json!({"DataType": "Text", "StringValue": "7"})),
            "is invalid",
        ),
        (
            "SendMessage",
            attribute(
                "a",
                json!({"DataType": "String", "StringValue": "7", "BinaryValue": "eA=="}),
            ),
            "must use StringValue",
        ),
        (
            "SendMessage",
            attribute("a", text("\u{8}")),
            "InvalidParameterValueException",
        ),
        ("SendMessage", attribute("AWS.x", text("x")), "reserved"),
        ("SendMessage", attribute("x.", text("x")), "periods"),
        ("SendMessage", attribute("a b", text("x")), "attribute name"),
        (
            "SendMessage",
            send(json!({"MessageGroupId": "g"})),
            "NotImplemented: local-aws does not implement MessageGroupId",
        ),
        ("SendMessage", send(json!({"Body": "g"})), "Unknown member"),
        (
            "SendMessage",
            json!({"QueueUrl": "work", "MessageBody": "x"}),
            "InvalidAddress",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": url("none"), "MessageBody": "x"}),
            "QueueDoesNotExist",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": url("work").replace(ACCOUNT, "999988887777"), "MessageBody": "x"}),
            "QueueDoesNotExist",
        ),
        (
            "ReceiveMessage",
            json!({"QueueUrl": url("work"), "MaxNumberOfMessages": 11}),
            "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
        ),
        (
            "ReceiveMessage",
            json!({"QueueUrl": url("work"), "MaxNumberOfMessages": 0}),
            "MaxNumberOfMessages",
        ),
        (
            "ReceiveMessage",
            json!({"QueueUrl": url("work"), "WaitTimeSeconds": 21}),
            "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
        ),
        (
            "ReceiveMessage",
            json!({"QueueUrl": url("work"), "VisibilityTimeout": 43_201}),
            "VisibilityTimeout",
        ),
        (
            "ReceiveMessage",
            json!({"QueueUrl": url("work"), "AttributeNames": ["Sender"]}),
            "InvalidAttributeName: Unknown Attribute Sender.",
        ),
        (
            "CreateQueue",
            json!({"QueueName": "a b"}),
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        ),
        ("CreateQueue", json!({"QueueName": "a.fifo"}), "NotImplemented"),
        (
            "CreateQueue",
            json!({"QueueName": "new", "tags": {"a": "b"}}),
            "NotImplemented",
        ),
        (
            "CreateQueue",
            create(json!({"VisibilityTimeout": "43201"})),
            "InvalidAttributeValue",
        ),
        (
            "CreateQueue",
            create(json!({"VisibilityTimeout": "soon"})),
            "InvalidAttributeValue",
        ),
        (
            "CreateQueue",
            create(json!({"VisibilityTimeout": 30})),
            "SerializationException",
        ),
        (
            "CreateQueue",
            create(json!({"QueueArn": "x"})),
            "Unknown Attribute QueueArn.",
        ),
        (
            "CreateQueue",
            create(json!({"Nonsense": "x"})),
            "Unknown Attribute Nonsense.",
        ),
        ("CreateQueue", create(json!({"KmsMasterKeyId": "x"})), "NotImplemented"),
        ("CreateQueue", redrive(json!("x")), "not a valid JSON map"),
        (
            "CreateQueue",
            redrive(json!({"maxReceiveCount": 3})),
            "does not contain mandatory attribute: deadLetterTargetArn",
        ),
        (
            "CreateQueue",
            redrive(json!({"deadLetterTargetArn": dlq})),
            "does not contain mandatory attribute: maxReceiveCount",
        ),
        (
            "CreateQueue",
            redrive(json!({"deadLetterTargetArn": dlq, "maxReceiveCount": 1001})),
            "valid values are from 1 to 1000 both inclusive",
        ),
        (
            "CreateQueue",
            redrive(json!({"deadLetterTargetArn": format!("{dlq}x"), "maxReceiveCount": 3})),
            "Dead letter target does not exist.",
        ),
        (
            "CreateQueue",
            redrive(json!({"deadLetterTargetArn": dlq, "maxReceiveCount": "3"})),
            "",
        ),
        ("ListQueues", json!({"MaxResults": 1001}), "MaxResults"),
        ("StartMessageMoveTask", json!({}), "UnknownOperationException"),
        ("PurgeQueue", json!({"QueueUrl": url("work")}), ""),
        (
            "PurgeQueue",
            json!({"QueueUrl": url("work")}),
            "PurgeQueueInProgress: Only one PurgeQueue operation on work is allowed every 60 seconds.",
        ),
    ];
    for (op, input, expected) in table {
        match expected {
            "" => drop(world.must(op, &input)),
            part => world.refused(op, &input, part),
        }
    }
    assert_eq!(
        world.attribute("new", "RedrivePolicy"),
        format!(r#"{{"deadLetterTargetArn":"{dlq}","maxReceiveCount":3}}"#)
    );
    world.must(
        "SetQueueAttributes",
        &json!({"QueueUrl": url("new"), "Attributes": {"RedrivePolicy": ""}}),
    );
    assert_eq!(world.attribute("new", "RedrivePolicy"), Value::Null);
}

#[test]
fn an_error_has_a_code_of_its_shape_and_one_of_the_query_protocol() {
    let forms = |code: &str, status: u16| {
        let error = ApiError {
            code: code.to_owned(),
            message: String::new(),
            status,
        };
        (type_of(code), query_error(&error))
    };
    let table = [
        (
            "QueueDoesNotExist",
            400,
            "com.amazonaws.sqs#QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue;Sender",
        ),
        (
            "QueueNameExists",
            400,
            "com.amazonaws.sqs#QueueNameExists",
            "QueueAlreadyExists;Sender",
        ),
        (
            "InvalidBatchEntryId",
            400,
            "com.amazonaws.sqs#InvalidBatchEntryId",
            "AWS.SimpleQueueService.InvalidBatchEntryId;Sender",
        ),
        (
            "ReceiptHandleIsInvalid",
            400,
            "com.amazonaws.sqs#ReceiptHandleIsInvalid",
            "ReceiptHandleIsInvalid;Sender",
        ),
        (
            "InternalFailure",
            500,
            "com.amazon.coral.service#InternalFailure",
            "InternalFailure;Receiver",
        ),
    ];
    for (code, status, body, header) in table {
        assert_eq!(forms(code, status), (body.to_owned(), header.to_owned()));
    }
}

#[test]
fn lambdas_poller_takes_and_finishes_work() {
    let mut world = World::with_pair(2);
    assert_eq!(world.sqs.take_work(&world.cx, &url("work"), 10), None);
    let attributes = json!({
        "Weeks": {"DataType": "Number", "StringValue": "6"}, "Raw": {"DataType": "Binary", "BinaryValue": "eA=="},
    });
    let sent = world.must(
        "SendMessage",
        &json!({"QueueUrl": url("work"), "MessageBody": "{}", "MessageAttributes": attributes}),
    );
    world.send("second");
    world.wait(1);
    let event = world.sqs.take_work(&world.cx, &url("work"), 1).unwrap();
    let handle = event["Records"][0]["receiptHandle"].clone();
    let expected = json!({
        "messageId": sent["MessageId"], "receiptHandle": handle, "body": "{}",
        "attributes": {
            "ApproximateReceiveCount": "1", "SentTimestamp": "1795410000000", "SenderId": "AROALOCALAWSEXAMPLE01:local-aws",
            "ApproximateFirstReceiveTimestamp": "1795410001000",
        },
        "messageAttributes": {
            "Weeks": {"stringValue": "6", "stringListValues": [], "binaryListValues": [], "dataType": "Number"},
            "Raw": {"binaryValue": "eA==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
        },
        "md5OfMessageAttributes": sent["MD5OfMessageAttributes"], "md5OfBody": "99914b932bd37a50b983c5e7c90ae93b",
        "eventSource": "aws:sqs", "eventSourceARN": format!("arn:aws:sqs:eu-west-1:{ACCOUNT}:work"), "awsRegion": "eu-west-1",
    });
    assert_eq!(event, json!({"Records": [expected]}));

    world.sqs.finish_work(&world.cx, &event, false);
    let again = world.sqs.take_work(&world.cx, &url("work"), 10).unwrap();
    let counts: Vec<&Value> = again["Records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["attributes"]["ApproximateReceiveCount"])
        .collect();
    assert_eq!(counts, ["2", "1"]);
    // The first event's handle is old by now.
    world.sqs.finish_work(&world.cx, &event, true);
    world.sqs.finish_work(&world.cx, &again, false);
    assert_eq!(world.bodies("work"), ["second"]);
    let dead = world.sqs.messages(&world.cx, &url("work-dlq"));
    assert_eq!(
        (dead.len(), &dead[0]["receiveCount"], &dead[0]["visible"]),
        (1, &json!(2), &json!(true))
    );
    let event = world.sqs.take_work(&world.cx, &url("work-dlq"), 10).unwrap();
    world.sqs.finish_work(&world.cx, &event, true);
    assert_eq!(world.sqs.messages(&world.cx, &url("work-dlq")), Vec::<Value>::new());
}
