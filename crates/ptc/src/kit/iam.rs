//! `puller-policy.json`: the identity policy of whoever pulls, no wider than the file.

use serde::Serialize;

use super::mapping::json;
use super::{Artefact, ArtefactKind, Source, sentences};
use config::{ROOT, Registry};
use ecr_pull_through_sync::home::Home;

const CAVEATS: &[&str] = &[
    "The first pull of an image needs more than pulling: without `ecr:BatchImportUpstreamImage` ECR says that the image is not found, without `ecr:CreateRepository` that the repository does not exist. AWS's `AmazonEC2ContainerRegistryPullOnly` lacks the second, `...ReadOnly` both.",
    "Attach it to the role that really pulls: of the node (EKS, Karpenter, kOps), the pod execution role (Fargate), the task execution role (ECS), the project (CodeBuild). A Lambda function cannot make the first pull of an image; one that is cached it can use.",
    "It is half of what another account's puller needs, where it can be made as it is. That one also has to stand in `repository_read_access_arns`, and, for first pulls, in the registry policy of this account (`registry-policy`).",
    "`TagWhatIsMade` is there for registries with tags. The stack's `ResourceTags` give them to every registry: let `ptc kit` know them, by `--stack` or in RESOURCE_TAGS.",
    "Take `PullForTheFirstTime` (and `TagWhatIsMade`) out for those who may pull only what is cached.",
];

/// What a managed policy may hold, white space not counted ("IAM and AWS STS quotas").
const MANAGED_POLICY: usize = 6_144;

/// What a first pull needs beside pulling.
pub(super) const FIRST_PULL: &[&str] = &["ecr:BatchImportUpstreamImage", "ecr:CreateRepository"];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

impl Policy {
    pub fn of(statement: Vec<Statement>) -> Self {
        Self {
            version: "2012-10-17",
            statement,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Statement {
    pub sid: String,
    pub effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<serde_json::Value>,
    pub action: &'static [&'static str],
    pub resource: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<serde_json::Value>,
}

pub(super) fn artefacts(source: &Source<'_>) -> Vec<Artefact> {
    let (registries, home) = (source.registries, source.home);
    let all: Vec<&Registry> = registries.iter().collect();
    let tagged: Vec<&Registry> = registries.iter().filter(|registry| !registry.tags.is_empty()).collect();
    let mut statement = vec![
        Statement {
            // Has no resource types.
            condition: Some(serde_json::json!({ "StringEquals": { "aws:RequestedRegion": home.region } })),
            ..allow("SignIn", &["ecr:GetAuthorizationToken"], vec!["*".to_owned()])
        },
        allow(
            "Pull",
            &[
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ],
            repositories(&all, home),
        ),
        allow("PullForTheFirstTime", FIRST_PULL, repositories(&all, home)),
    ];
    if !tagged.is_empty() {
        // Where the template has tags, ECR asks this of whoever pulls first.
        statement.push(allow(
            "TagWhatIsMade",
            &["ecr:TagResource"],
            repositories(&tagged, home),
        ));
    }
    let content = json(&Policy::of(statement));
    let mut notes = Vec::new();
    if registries.iter().any(|registry| registry.name == ROOT) {
        notes.push(
            "A registry is called `ROOT`, so any repository may be one of its images: the policy covers all of the account's repositories in the Region, the first pull's rights included.".to_owned(),
        );
    }
    let size = content.chars().filter(|c| !c.is_whitespace()).count();
    if size > MANAGED_POLICY {
        notes.push(format!(
            "The policy has {size} characters, and a managed policy holds {MANAGED_POLICY}: make one of each statement, or an inline policy of the role (10,240)."
        ));
    }
    vec![Artefact {
        part: ArtefactKind::Iam,
        path: "puller-policy.json".into(),
        title: "IAM policy of whoever pulls, first pulls included".into(),
        caveats: sentences(CAVEATS),
        notes,
        content,
    }]
}

fn allow(sid: &str, action: &'static [&'static str], resource: Vec<String>) -> Statement {
    Statement {
        sid: sid.to_owned(),
        effect: "Allow",
        principal: None,
        action,
        resource,
        condition: None,
    }
}

/// The repositories of some registries. One that another's pattern covers is not named again.
pub(super) fn repositories(registries: &[&Registry], home: &Home) -> Vec<String> {
    let covers = |wide: &str, name: &str| {
        wide != name && (wide == ROOT || name.strip_prefix(wide).is_some_and(|rest| rest.starts_with('/')))
    };
    let names = registries.iter().map(|registry| registry.name.as_str());
    let outer = names
        .clone()
        .filter(|name| !names.clone().any(|wide| covers(wide, name)));
    outer
        .map(|name| {
            home.repository_arn(&if name == ROOT {
                "*".to_owned()
            } else {
                format!("{name}/*")
            })
        })
        .collect()
}
