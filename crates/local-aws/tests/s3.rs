//! S3 over the wire.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod common;

use common::{Answer, aws, s3};
use local_aws::{LocalAws, Options};
use serde_json::json;

fn bucket(versioned: bool) -> LocalAws {
    let aws = aws(Options::default());
    aws.create_bucket("b", versioned);
    aws
}

fn code(answer: &Answer) -> (u16, &str) {
    let code = answer
        .body
        .split("<Code>")
        .nth(1)
        .and_then(|rest| rest.split('<').next());
    (answer.status, code.unwrap_or_default())
}

#[test]
fn an_object_has_an_etag_a_version_and_a_date() {
    let aws = bucket(true);
    let put = s3(
        &aws,
        "PUT",
        "/b/k",
        &[("content-type", "text/yaml"), ("x-amz-meta-who", "me")],
        "hello",
    );
    assert_eq!(put.header("etag"), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    let got = s3(&aws, "GET", "/b/k?x-id=GetObject", &[], "");
    assert_eq!((got.status, got.body.as_str()), (200, "hello"));
    assert_eq!(got.header("x-amz-version-id"), put.header("x-amz-version-id"));
    assert_eq!(
        (got.header("content-type"), got.header("x-amz-meta-who")),
        (Some("text/yaml"), Some("me"))
    );
    assert!(got.header("last-modified").is_some_and(|date| date.ends_with(" GMT")));
    assert_eq!(got.header("x-amz-checksum-crc64nvme"), None);
    let head = s3(&aws, "HEAD", "/b/k", &[("x-amz-checksum-mode", "ENABLED")], "");
    assert_eq!(
        (head.status, head.header("content-length"), head.body.as_str()),
        (200, Some("5"), "")
    );
    assert!(head.header("x-amz-checksum-crc64nvme").is_some());
}

#[test]
fn conditions_guard_reads_and_writes() {
    let aws = bucket(true);
    let none = ("if-none-match", "*");
    let first = s3(&aws, "PUT", "/b/k", &[none], "1");
    let etag = first.header("etag").unwrap();
    assert_eq!(
        code(&s3(&aws, "PUT", "/b/k", &[none], "2")),
        (412, "PreconditionFailed")
    );
    assert_eq!(
        code(&s3(&aws, "PUT", "/b/new", &[("if-match", etag)], "2")),
        (404, "NoSuchKey")
    );
    assert_eq!(s3(&aws, "PUT", "/b/k", &[("if-match", etag)], "2").status, 200);
    assert_eq!(
        code(&s3(&aws, "PUT", "/b/k", &[("if-match", etag)], "3")),
        (412, "PreconditionFailed")
    );
    assert_eq!(
        code(&s3(&aws, "PUT", "/b/k", &[("if-none-match", etag)], "3")),
        (501, "NotImplemented")
    );
    assert_eq!(aws.object("b", "k"), Some(b"2".to_vec()));

    assert_eq!(s3(&aws, "GET", "/b/k", &[("if-none-match", etag)], "").status, 200);
    assert_eq!(
        code(&s3(&aws, "GET", "/b/k", &[("if-match", etag)], "")),
        (412, "PreconditionFailed")
    );
    let newest = s3(&aws, "HEAD", "/b/k", &[], "");
    let unchanged = s3(
        &aws,
        "GET",
        "/b/k",
        &[("if-none-match", newest.header("etag").unwrap())],
        "",
    );
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
    s3(&aws, "DELETE", "/b/k", &[], "");
    assert_eq!(s3(&aws, "PUT", "/b/k", &[none], "4").status, 200);
}

#[test]
fn a_delete_marker_hides_the_versions_below_it() {
    let aws = bucket(true);
    let one = aws.put_object("b", "k", "1").unwrap();
    let two = aws.put_object("b", "k", "2").unwrap();
    let deleted = s3(&aws, "DELETE", "/b/k", &[], "");
    assert_eq!(
        (deleted.status, deleted.header("x-amz-delete-marker")),
        (204, Some("true"))
    );
    let gone = s3(&aws, "GET", "/b/k", &[], "");
    assert_eq!(
        (code(&gone), gone.header("x-amz-delete-marker")),
        ((404, "NoSuchKey"), Some("true"))
    );
    assert_eq!(s3(&aws, "GET", &format!("/b/k?versionId={one}"), &[], "").body, "1");
    let marker = deleted.header("x-amz-version-id").unwrap();
    assert_eq!(
        code(&s3(&aws, "GET", &format!("/b/k?versionId={marker}"), &[], "")),
        (405, "MethodNotAllowed")
    );
    assert_eq!(
        code(&s3(&aws, "GET", "/b/k?versionId=none", &[], "")),
        (404, "NoSuchVersion")
    );
    assert!(aws.objects("b").is_empty());
    s3(&aws, "DELETE", &format!("/b/k?versionId={marker}"), &[], "");
    s3(&aws, "DELETE", &format!("/b/k?versionId={two}"), &[], "");
    assert_eq!(aws.object("b", "k"), Some(b"1".to_vec()));
}

#[test]
fn without_versions_there_is_no_version_id_and_no_way_back() {
    let aws = bucket(false);
    assert_eq!(aws.put_object("b", "k", "1"), None);
    assert_eq!(s3(&aws, "PUT", "/b/k", &[], "2").header("x-amz-version-id"), None);
    assert_eq!(s3(&aws, "GET", "/b/k", &[], "").header("x-amz-version-id"), None);
    assert_eq!(s3(&aws, "DELETE", "/b/k", &[], "").status, 204);
    assert_eq!(s3(&aws, "DELETE", "/b/k", &[], "").status, 204);
    assert_eq!(aws.object("b", "k"), None);
}

#[test]
fn keys_are_taken_literally_after_decoding() {
    let aws = bucket(false);
    s3(&aws, "PUT", "/b/..%2F..%2Fetc/%C3%BC%20%2B", &[], "x");
    assert_eq!(aws.objects("b"), ["../../etc/ü +"]);
    let list = s3(&aws, "GET", "/b?list-type=2&encoding-type=url", &[], "");
    assert!(list.body.contains("<Key>../../etc/%C3%BC%20%2B</Key>"));
}

#[test]
fn what_is_not_implemented_is_refused_by_name() {
    let aws = bucket(false);
    aws.put_object("b", "k", "x");
    let refused = [
        s3(&aws, "GET", "/b/k", &[("range", "bytes=0-1")], ""),
        s3(&aws, "PUT", "/b/k", &[("x-amz-copy-source", "/b/l")], ""),
        s3(&aws, "GET", "/b?acl", &[], ""),
        s3(&aws, "POST", "/b?delete", &[], ""),
        s3(&aws, "GET", "/b/k?partNumber=1", &[], ""),
    ];
    for answer in refused {
        assert_eq!(code(&answer), (501, "NotImplemented"));
        assert!(answer.body.contains("local-aws does not implement"), "{}", answer.body);
    }
    assert_eq!(
        code(&s3(
            &aws,
            "GET",
            "/b/k",
            &[("x-amz-expected-bucket-owner", "999999999999")],
            ""
        )),
        (403, "AccessDenied")
    );
    let owner = [("x-amz-expected-bucket-owner", "123456789012")];
    assert_eq!(s3(&aws, "GET", "/b/k", &owner, "").status, 200);
}

#[test]
fn buckets_are_made_where_they_belong() {
    let aws = bucket(false);
    let constraint = |region: &str| {
        format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    assert_eq!(s3(&aws, "PUT", "/mine", &[], &constraint("eu-west-1")).status, 200);
    assert_eq!(
        code(&s3(&aws, "PUT", "/mine", &[], &constraint("eu-west-1"))),
        (409, "BucketAlreadyOwnedByYou")
    );
    assert_eq!(
        code(&s3(&aws, "PUT", "/other", &[], &constraint("us-west-2"))),
        (400, "IllegalLocationConstraintException")
    );
    assert_eq!(
        code(&s3(&aws, "PUT", "/other", &[], "<nonsense")),
        (400, "MalformedXML")
    );
    assert_eq!(
        code(&s3(&aws, "PUT", "/No", &[], &constraint("eu-west-1"))),
        (400, "InvalidBucketName")
    );
    assert!(
        s3(&aws, "GET", "/b?location", &[], "")
            .body
            .contains(">eu-west-1</LocationConstraint>")
    );
    assert_eq!(s3(&aws, "HEAD", "/b", &[], "").status, 200);
    assert_eq!(s3(&aws, "HEAD", "/none", &[], "").status, 404);
    let versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(s3(&aws, "PUT", "/b?versioning", &[], versioning).status, 200);
    assert!(aws.put_object("b", "k", "x").is_some());
}

#[test]
fn an_upload_raises_the_event_that_eventbridge_sends() {
    let aws = bucket(true);
    let id = aws.put_object("b", "dir/k v", "hello").unwrap();
    let events = aws.events();
    let event = &events[0];
    assert_eq!(
        (&event["detail-type"], &event["source"]),
        (&json!("Object Created"), &json!("aws.s3"))
    );
    assert_eq!(event["resources"], json!(["arn:aws:s3:::b"]));
    let object = &event["detail"]["object"];
    assert_eq!(
        (&object["key"], &object["size"], &object["version-id"]),
        (&json!("dir/k v"), &json!(5), &json!(id))
    );
    assert_eq!(object["etag"], "5d41402abc4b2a76b9719d911017c592");
}

#[test]
fn while_versioning_is_suspended_versions_are_called_null_and_replace_each_other() {
    let aws = bucket(true);
    let configuration =
        |status: &str| format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    let first = s3(&aws, "PUT", "/b/k", &[], "one")
        .header("x-amz-version-id")
        .map(str::to_owned)
        .unwrap();
    assert_eq!(
        s3(&aws, "PUT", "/b?versioning", &[], &configuration("Suspended")).status,
        200
    );
    assert!(
        s3(&aws, "GET", "/b?versioning", &[], "")
            .body
            .contains("<Status>Suspended</Status>")
    );
    for body in ["two", "three"] {
        assert_eq!(s3(&aws, "PUT", "/b/k", &[], body).header("x-amz-version-id"), None);
        let got = s3(&aws, "GET", "/b/k", &[], "");
        assert_eq!(
            (got.body.as_str(), got.header("x-amz-version-id")),
            (body, Some("null"))
        );
    }
    assert!(aws.events().last().unwrap()["detail"]["object"]["version-id"].is_null());
    let versions = s3(&aws, "GET", "/b?versions", &[], "").body;
    assert_eq!(versions.matches("<Version>").count(), 2, "{versions}");
    assert_eq!(s3(&aws, "GET", &format!("/b/k?versionId={first}"), &[], "").body, "one");
    // A marker takes the place of the version that has no id.
    assert_eq!(
        s3(&aws, "DELETE", "/b/k", &[], "").header("x-amz-version-id"),
        Some("null")
    );
    assert_eq!(code(&s3(&aws, "GET", "/b/k", &[], "")), (404, "NoSuchKey"));
    assert_eq!(
        s3(&aws, "PUT", "/b?versioning", &[], &configuration("Enabled")).status,
        200
    );
    assert_ne!(s3(&aws, "PUT", "/b/k", &[], "four").header("x-amz-version-id"), None);
}
