//! What pullers are allowed: their own policy, decided as IAM does, and the one of the registry for other accounts.

use harness::has;
use local_aws::iam::{Decision, Need, Policy};
use local_aws::{LocalAws, Options};
use ptc::kit::{ArtefactKind, Fallback};
use serde_json::{Value, json};

use super::cases::{Case, china, every, legacy};

const CACHED: [&str; 3] = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
];
const FIRST: [&str; 2] = ["ecr:BatchImportUpstreamImage", "ecr:CreateRepository"];

fn policy(case: &Case) -> Policy {
    let document: Value = serde_json::from_str(case.content(ArtefactKind::Iam)).unwrap();
    Policy::read("puller", &[("puller-policy".to_owned(), document)]).unwrap()
}

fn allows(policy: &Policy, action: &str, resource: &str, region: &str) -> bool {
    let context = [("aws:RequestedRegion".to_owned(), region.to_owned())].into();
    let need = Need {
        action: action.to_owned(),
        resource: resource.to_owned(),
        context,
    };
    matches!(policy.decide(&need), Decision::Allowed(_))
}

#[test]
fn a_puller_may_pull_under_the_prefixes_and_nowhere_else() {
    let policy = policy(&legacy());
    let repository = |arn: &str| format!("arn:aws:ecr:{arn}");
    for (arn, expected) in [
        ("eu-central-1:111122223333:repository/dockerhub/library/nginx", true),
        (
            "eu-central-1:111122223333:repository/public-ecr/amazonlinux/amazonlinux",
            true,
        ),
        ("eu-central-1:111122223333:repository/dockerhub", false),
        ("eu-central-1:111122223333:repository/dockerhub-other/app", false),
        ("eu-central-1:111122223333:repository/team/app", false),
        ("eu-west-1:111122223333:repository/dockerhub/library/nginx", false),
        ("eu-central-1:444455556666:repository/dockerhub/library/nginx", false),
    ] {
        for action in CACHED.into_iter().chain(FIRST) {
            assert_eq!(
                allows(&policy, action, &repository(arn), "eu-central-1"),
                expected,
                "{action} {arn}"
            );
        }
        for action in [
            "ecr:PutImage",
            "ecr:DeleteRepository",
            "ecr:TagResource",
            "ecr:SetRepositoryPolicy",
        ] {
            assert!(
                !allows(&policy, action, &repository(arn), "eu-central-1"),
                "{action} {arn}"
            );
        }
    }
    assert!(allows(&policy, "ecr:GetAuthorizationToken", "*", "eu-central-1"));
    assert!(!allows(&policy, "ecr:GetAuthorizationToken", "*", "us-east-1"));
    // Those who may pull only what is cached.
    let nginx = repository("eu-central-1:111122223333:repository/dockerhub/library/nginx");
    let cached = policy.without("PullForTheFirstTime");
    assert!(
        CACHED
            .iter()
            .all(|action| allows(&cached, action, &nginx, "eu-central-1"))
    );
    assert!(
        FIRST
            .iter()
            .all(|action| !allows(&cached, action, &nginx, "eu-central-1"))
    );
}

#[test]
fn the_registry_itself_is_every_repository_and_tags_are_only_where_the_file_has_them() {
    let (case, arn) = (every(), |name: &str| {
        format!("arn:aws:ecr:eu-central-1:111122223333:repository/{name}")
    });
    let policy = policy(&case);
    for name in ["dockerhub/library/nginx", "team/app", "app"] {
        assert!(
            FIRST
                .iter()
                .all(|action| allows(&policy, action, &arn(name), "eu-central-1")),
            "{name}"
        );
    }
    has(
        &case.notes(ArtefactKind::Iam),
        "covers all of the account's repositories",
    );
    assert!(allows(&policy, "ecr:TagResource", &arn("k8s/pause"), "eu-central-1"));
    assert!(!allows(&policy, "ecr:TagResource", &arn("team/app"), "eu-central-1"));
}

#[test]
fn another_partition_has_its_own_arns() {
    let policy = policy(&china());
    let quay = |partition: &str| format!("arn:{partition}:ecr:cn-north-1:111122223333:repository/quay/acme/app");
    assert!(allows(&policy, "ecr:BatchGetImage", &quay("aws-cn"), "cn-north-1"));
    assert!(!allows(&policy, "ecr:BatchGetImage", &quay("aws"), "cn-north-1"));
}

#[tokio::test]
async fn other_accounts_may_make_first_pulls_from_what_they_may_read() {
    let case = every();
    let policy: Value = serde_json::from_str(case.content(ArtefactKind::RegistryPolicy)).unwrap();
    let repository = |name: &str| format!("arn:aws:ecr:eu-central-1:111122223333:repository/{name}/*");
    let statements = policy["Statement"].as_array().unwrap();
    let granted: Vec<Value> = statements
        .iter()
        .map(|statement| json!([statement["Principal"], statement["Action"], statement["Resource"]]))
        .collect();
    assert_eq!(
        granted,
        [
            json!([{"AWS": ["arn:aws:iam::444455556666:root"]}, FIRST, [repository("ghcr.io"), repository("quay.io")]]),
            json!([{"AWS": ["arn:aws:iam::777788889999:role/ci"]}, FIRST, [repository("k8s")]]),
        ],
        "and nothing for this account's own role"
    );
    // ECR takes it as it is.
    let aws = LocalAws::start(Options::default()).await.unwrap();
    let text = case.content(ArtefactKind::RegistryPolicy);
    aws.call("ecr", "PutRegistryPolicy", json!({ "policyText": text }))
        .unwrap();
    // Nobody of another account, no policy.
    assert!(
        china()
            .kit
            .iter()
            .all(|artefact| artefact.part != ArtefactKind::RegistryPolicy)
    );
}

#[test]
fn a_policy_that_no_managed_policy_holds_says_so() {
    let yaml: String = (0..50)
        .map(|n| format!("quay-with-a-rather-long-nam-{n:02}:\n  registry: quay.io\n"))
        .collect();
    let case = Case::of("many", yaml, "eu-central-1", Fallback::Never);
    has(&case.notes(ArtefactKind::Iam), "a managed policy holds 6144");
    assert!(!legacy().notes(ArtefactKind::Iam).contains("managed policy holds"));
}
