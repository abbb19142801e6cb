//! Every call for existing repositories, over HTTP against `local-aws`, through the throttle.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::stack::{TestStack, quick};
use ecr_pull_through_sync::account::{AwsError, PreviewStatus, Reader, Writer};
use ecr_pull_through_sync::throttle::Throttle;
use ecr_pull_through_sync::timing::{Deadline, Timing};
use local_aws::{Fault, Options};
use serde_json::{Value, json};

const NAME: &str = "public/nginx/nginx";
const ARN: &str = "arn:aws:ecr:eu-west-1:123456789012:repository/public/nginx/nginx";

/// Keeps one image.
fn keep_one() -> String {
    json!({"rules": [{
        "rulePriority": 1,
        "description": "Keep the last image",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
        "action": {"type": "expire"},
    }]})
    .to_string()
}

fn read_policy() -> String {
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
        "Action": "ecr:BatchGetImage",
    }]})
    .to_string()
}

/// An account with one repository, of two images, that was made by a pull.
struct Account {
    stack: TestStack,
    throttle: Throttle,
    deadline: Deadline,
}

impl Account {
    async fn with(options: Options) -> Self {
        let stack = TestStack::with(options, &[]).await;
        let rule = json!({"ecrRepositoryPrefix": "public", "upstreamRegistryUrl": "public.ecr.aws"});
        stack.aws.call("ecr", "CreatePullThroughCacheRule", rule).unwrap();
        for tag in ["1.26", "1.27"] {
            stack.aws.pull(&format!("{NAME}:{tag}")).unwrap();
        }
        let deadline = Deadline::in_time(Duration::from_secs(120), &quick());
        let timing = Timing {
            longest_wait: Duration::from_millis(10),
            ..quick()
        };
        Self {
            stack,
            throttle: Throttle::new(&timing),
            deadline,
        }
    }

    fn reader(&self) -> &Reader {
        &self.stack.app.reader
    }

    fn writer(&self) -> &Writer {
        &self.stack.app.writer
    }

    /// Makes a call in its lane; throttled three times first.
    async fn call<T, F>(&self, operation: &'static str, call: impl Fn() -> F) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        self.stack.aws.fault(Fault::on("ecr", operation).times(3).throttle());
        self.stack.aws.clear_calls();
        let result = self.throttle.call(operation, &self.deadline, call).await;
        let calls: Vec<String> = self.stack.aws.calls().into_iter().map(|call| call.operation).collect();
        assert_eq!(calls, [operation; 4], "the SDK makes no calls of its own accord");
        result
    }
}

#[tokio::test(start_paused = true)]
async fn repositories_come_in_pages_and_by_name() {
    let account = Account::with(Options {
        page_size: Some(1),
        ..Options::default()
    })
    .await;
    account
        .stack
        .aws
        .call("ecr", "CreateRepository", json!({"repositoryName": "team/app"}))
        .unwrap();
    let reader = account.reader();
    let (first, token) = account
        .call("DescribeRepositories", || reader.repositories_page(None))
        .await
        .unwrap();
    let (second, end) = account
        .call("DescribeRepositories", || reader.repositories_page(token.as_deref()))
        .await
        .unwrap();
    let names: Vec<&str> = first
        .iter()
        .chain(&second)
        .map(|repository| repository.name.as_str())
        .collect();
    assert_eq!(names, [NAME, "team/app"]);
    assert_eq!(end, None);

    let wanted = [NAME.to_owned(), "team/app".to_owned()];
    let named = account
        .call("DescribeRepositories", || reader.repositories_named(&wanted))
        .await
        .unwrap();
    assert_eq!(
        named
            .iter()
            .map(|repository| repository.name.clone())
            .collect::<Vec<_>>(),
        wanted
    );
    let gone = [NAME.to_owned(), "gone".to_owned()];
    let error = account
        .call("DescribeRepositories", || reader.repositories_named(&gone))
        .await
        .unwrap_err();
    assert!(
        error.is("RepositoryNotFoundException") && !error.is_transient(),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_put_is_read_back() {
    let account = Account::with(Options::default()).await;
    let (reader, writer) = (account.reader(), account.writer());

    assert_eq!(
        account
            .call("GetLifecyclePolicy", || reader.lifecycle_policy(NAME))
            .await,
        Ok(None)
    );
    let text = keep_one();
    account
        .call("PutLifecyclePolicy", || writer.put_lifecycle_policy(NAME, &text))
        .await
        .unwrap();
    let read = account
        .call("GetLifecyclePolicy", || reader.lifecycle_policy(NAME))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&read).unwrap(),
        serde_json::from_str::<Value>(&text).unwrap()
    );

    assert_eq!(
        account
            .call("GetRepositoryPolicy", || reader.repository_policy(NAME))
            .await,
        Ok(None)
    );
    let text = read_policy();
    account
        .call("SetRepositoryPolicy", || writer.set_repository_policy(NAME, &text))
        .await
        .unwrap();
    let read = account
        .call("GetRepositoryPolicy", || reader.repository_policy(NAME))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&read).unwrap(),
        serde_json::from_str::<Value>(&text).unwrap()
    );

    let filters = BTreeSet::from(["latest".to_owned(), "dev-*".to_owned()]);
    let put = || writer.put_mutability(NAME, "IMMUTABLE_WITH_EXCLUSION", &filters);
    account.call("PutImageTagMutability", put).await.unwrap();
    let (all, _) = reader.repositories_page(None).await.unwrap();
    assert_eq!(all[0].mutability, "IMMUTABLE_WITH_EXCLUSION");
    assert_eq!(all[0].exclusion_filters, filters);
    writer.put_mutability(NAME, "MUTABLE", &BTreeSet::new()).await.unwrap();
    let (all, _) = reader.repositories_page(None).await.unwrap();
    assert_eq!(
        (all[0].mutability.as_str(), all[0].exclusion_filters.len()),
        ("MUTABLE", 0)
    );

    let tags = BTreeMap::from([
        ("team".to_owned(), "platform".to_owned()),
        ("empty".to_owned(), String::new()),
    ]);
    account
        .call("TagResource", || writer.tag_repository(ARN, &tags))
        .await
        .unwrap();
    assert_eq!(
        account
            .call("ListTagsForResource", || reader.repository_tags(ARN))
            .await,
        Ok(tags)
    );

    let error = writer.put_lifecycle_policy("gone", &keep_one()).await.unwrap_err();
    assert!(error.is("RepositoryNotFoundException"), "{error}");
}

#[tokio::test]
async fn a_preview_tells_what_a_policy_would_do() {
    let account = Account::with(Options::default()).await;
    let reader = account.reader();
    let text = keep_one();
    account
        .call("StartLifecyclePolicyPreview", || reader.start_preview(NAME, &text))
        .await
        .unwrap();
    let again = reader.start_preview(NAME, &text).await.unwrap_err();
    assert!(again.is("LifecyclePolicyPreviewInProgressException"), "{again}");

    let mut preview = account
        .call("GetLifecyclePolicyPreview", || reader.preview(NAME, None))
        .await
        .unwrap();
    assert_eq!((preview.status, preview.expiring), (PreviewStatus::InProgress, None));
    while preview.status == PreviewStatus::InProgress {
        preview = reader.preview(NAME, None).await.unwrap();
    }
    assert_eq!(preview.status, PreviewStatus::Complete);
    assert_eq!((preview.expiring, preview.archiving), (Some(1), Some(0)));
    assert_eq!((preview.listed_expiring, preview.listed_archiving), (1, 0));
    assert_eq!(
        (preview.tags.as_slice(), preview.next.as_deref()),
        (["1.26".to_owned()].as_slice(), None)
    );
    assert_eq!(
        serde_json::from_str::<Value>(&preview.text).unwrap(),
        serde_json::from_str::<Value>(&text).unwrap()
    );

    account
        .stack
        .aws
        .with_ecr(|ecr| ecr.failing_previews.insert(NAME.to_owned()));
    reader.start_preview(NAME, &text).await.unwrap();
    while preview.status != PreviewStatus::Failed {
        preview = reader.preview(NAME, None).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn calls_for_many_repositories_all_end_well_while_aws_throttles_now_and_then() {
    let account = Account::with(Options::default()).await;
    for skip in [0, 40, 90] {
        account
            .stack
            .aws
            .fault(Fault::on("ecr", "GetLifecyclePolicy").skip(skip).times(5).throttle());
    }
    let one = || account.reader().lifecycle_policy(NAME);
    let all = (0..100).map(|_| account.throttle.call("GetLifecyclePolicy", &account.deadline, one));
    let all = futures_util::future::join_all(all).await;
    assert!(all.iter().all(Result::is_ok));
}
