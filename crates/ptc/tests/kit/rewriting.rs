//! Images that are rewritten: a table for the Kyverno policy, whose expressions are run here.

use harness::has;
use ptc::kit::ArtefactKind;
use regex_lite::Regex;
use serde_json::Value;

use super::OWN;
use super::cases::{Case, every};

/// Image, and what is pulled instead, behind the registry's host; nothing where it stays as it is.
pub const TABLE: &[(&str, Option<&str>)] = &[
    ("nginx", Some("dockerhub/library/nginx")),
    ("nginx:1", Some("dockerhub/library/nginx:1")),
    ("library/nginx:1.27", Some("dockerhub/library/nginx:1.27")),
    ("grafana/grafana", Some("dockerhub/grafana/grafana")),
    ("grafana/grafana:11.0.0", Some("dockerhub/grafana/grafana:11.0.0")),
    ("docker.io/nginx", Some("dockerhub/library/nginx")),
    ("docker.io/library/nginx:1", Some("dockerhub/library/nginx:1")),
    (
        "docker.io/grafana/grafana:11.0.0",
        Some("dockerhub/grafana/grafana:11.0.0"),
    ),
    ("index.docker.io/nginx:1", Some("dockerhub/library/nginx:1")),
    (
        "registry-1.docker.io/grafana/grafana",
        Some("dockerhub/grafana/grafana"),
    ),
    ("bitnami/charts/nginx:1", Some("dockerhub/bitnami/charts/nginx:1")),
    ("ghcr.io/acme/app:v1", Some("ghcr.io/acme/app:v1")),
    ("ghcr.io/acme/app/deep", Some("ghcr.io/acme/app/deep")),
    (
        "quay.io/prometheus/node-exporter:v1.8.0",
        Some("quay.io/prometheus/node-exporter:v1.8.0"),
    ),
    ("registry.k8s.io/pause:3.10", Some("k8s/pause:3.10")),
    ("registry.k8s.io/coredns/coredns:v1", Some("k8s/coredns/coredns:v1")),
    (
        "public.ecr.aws/amazonlinux/amazonlinux:2023",
        Some("ecr-public/amazonlinux/amazonlinux:2023"),
    ),
    ("registry.gitlab.com/acme/app:1", Some("gitlab/acme/app:1")),
    ("cgr.dev/chainguard/static", Some("chainguard/chainguard/static")),
    ("acme.azurecr.io/app:1", Some("azure/app:1")),
    ("acme-edge.azurecr.io/app:1", Some("k8s/ingress-nginx/app:1")),
    ("registry.example.com/app:1", Some("newcomer/app:1")),
    (
        "444455556666.dkr.ecr.eu-central-1.amazonaws.com/team/app:1",
        Some("shared/team/app:1"),
    ),
    // A part of that host has a registry of its own.
    (
        "444455556666.dkr.ecr.eu-central-1.amazonaws.com/base/java:21",
        Some("base-images/java:21"),
    ),
    (
        "444455556666.dkr.ecr.eu-central-1.amazonaws.com/based/java:21",
        Some("shared/based/java:21"),
    ),
    // The registry itself has no path.
    (
        "111122223333.dkr.ecr.us-east-1.amazonaws.com/team/app:1",
        Some("team/app:1"),
    ),
    // Another registry's name hides these: ECR would take them from the wrong upstream.
    ("registry.k8s.io/ingress-nginx/controller:v1", None),
    ("111122223333.dkr.ecr.us-east-1.amazonaws.com/quay.io/app:1", None),
    // ECR cannot import by digest.
    ("nginx@sha256:4c0f", None),
    ("nginx:1@sha256:4c0f", None),
    ("ghcr.io/acme/app@sha256:4c0f", None),
    // Hosts that the file does not have.
    ("localhost/app", None),
    ("localhost:5000/app:1", None),
    ("registry:5000/app", None),
    ("gcr.io/distroless/static", None),
    ("mcr.microsoft.com/dotnet/runtime:9.0", None),
    // The dots of a host are dots.
    ("quayxio.example.com/app", None),
    ("ghcr.io.example.com/acme/app", None),
];

fn expected(row: &(&str, Option<&str>)) -> String {
    row.1.map_or_else(|| row.0.to_owned(), |path| format!("{OWN}/{path}"))
}

/// One `foreach` of the policy.
struct Step {
    list: String,
    /// Expressions over the image, and whether they have to match.
    conditions: Vec<(Regex, bool)>,
    /// Whether it is left out for containers that the pod had before.
    only_new: bool,
    from: Regex,
    to: String,
}

/// The arguments of a call `{{ function('a', element.image, 'b') }}`.
fn arguments(text: &str, function: &str) -> Option<Vec<String>> {
    let call = text
        .strip_prefix("{{ ")?
        .strip_suffix(") }}")?
        .strip_prefix(function)?
        .strip_prefix('(')?;
    Some(
        call.split(", ")
            .map(|argument| argument.trim_matches('\'').to_owned())
            .collect(),
    )
}

fn steps(rule: &Value) -> Vec<Step> {
    let foreach = rule["mutate"]["foreach"].as_array().unwrap();
    foreach.iter().map(|each| step(rule, each)).collect()
}

fn step(rule: &Value, each: &Value) -> Step {
    let list = each["list"].as_str().unwrap();
    let list = list
        .strip_prefix("request.object.spec.")
        .unwrap()
        .strip_suffix(" || `[]`")
        .unwrap()
        .to_owned();
    let (mut conditions, mut only_new) = (Vec::new(), false);
    for condition in each["preconditions"]["all"].as_array().unwrap() {
        let key = condition["key"].as_str().unwrap();
        match condition["operator"].as_str().unwrap() {
            "Equals" => {
                let arguments = arguments(key, "regex_match").unwrap();
                assert_eq!(arguments[1], "element.image");
                conditions.push((
                    Regex::new(&arguments[0]).unwrap(),
                    condition["value"].as_bool().unwrap(),
                ));
            }
            "AnyNotIn" => {
                assert_eq!(key, "{{ element.name }}");
                let old = condition["value"].as_str().unwrap();
                has(old, "request.oldObject.spec.ephemeralContainers[].name");
                only_new = true;
            }
            other => panic!("{} has the operator {other}", rule["name"]),
        }
    }
    let patches: Value = serde_yaml::from_str(each["patchesJson6902"].as_str().unwrap()).unwrap();
    assert_eq!(patches.as_array().unwrap().len(), 1);
    assert_eq!(patches[0]["op"], "replace");
    assert_eq!(patches[0]["path"], format!("/spec/{list}/{{{{ elementIndex }}}}/image"));
    let arguments = arguments(patches[0]["value"].as_str().unwrap(), "regex_replace_all").unwrap();
    assert_eq!(arguments[1], "element.image");
    Step {
        list,
        conditions,
        only_new,
        from: Regex::new(&arguments[0]).unwrap(),
        to: arguments[2].clone(),
    }
}

/// What the steps for one list make of an image: at most one applies, so that their order is no matter.
fn rewrite(steps: &[Step], list: &str, image: &str) -> String {
    let applies = |step: &&Step| {
        step.conditions
            .iter()
            .all(|(regex, wanted)| regex.is_match(image) == *wanted)
    };
    let applying: Vec<&Step> = steps.iter().filter(|step| step.list == list).filter(applies).collect();
    assert!(applying.len() <= 1, "{image} matches {} steps", applying.len());
    applying.first().map_or_else(
        || image.to_owned(),
        |step| step.from.replace_all(image, &step.to).into_owned(),
    )
}

fn policy(case: &Case) -> Value {
    let text = case.content(ArtefactKind::Kyverno);
    assert!(
        !text.contains('\\'),
        "how many backslashes survive depends on who reads"
    );
    serde_yaml::from_str(text).unwrap()
}

#[test]
fn kyverno_rewrites_images_as_the_table_says() {
    let policy = policy(&every());
    assert_eq!(policy["kind"], "ClusterPolicy");
    let rules = policy["spec"]["rules"].as_array().unwrap();
    let new_pods = steps(&rules[0]);
    let running_pods = steps(&rules[1]);
    for row in TABLE {
        let wanted = expected(row);
        for (steps, list) in [
            (&new_pods, "containers"),
            (&new_pods, "initContainers"),
            (&running_pods, "ephemeralContainers"),
        ] {
            assert_eq!(rewrite(steps, list, row.0), wanted, "{list}: {}", row.0);
            assert_eq!(
                rewrite(steps, list, &wanted),
                wanted,
                "{list}: {wanted} is rewritten twice"
            );
        }
    }
}

#[test]
fn kyverno_leaves_running_containers_and_whoever_says_so_alone() {
    let policy = policy(&every());
    let rules = policy["spec"]["rules"].as_array().unwrap();
    let operations = |rule: &Value| rule["match"]["any"][0]["resources"]["operations"].clone();
    // An update of a pod that rewrote an image would restart its container.
    assert_eq!(operations(&rules[0]), serde_json::json!(["CREATE"]));
    assert_eq!(operations(&rules[1]), serde_json::json!(["UPDATE"]));
    assert!(
        steps(&rules[1])
            .iter()
            .all(|step| step.only_new && step.list == "ephemeralContainers")
    );
    for rule in rules {
        let excluded = rule["exclude"]["any"].as_array().unwrap();
        assert_eq!(
            excluded[0]["resources"]["selector"]["matchLabels"]["ecr-pull-through"],
            "disabled"
        );
        assert_eq!(
            excluded[1]["resources"]["namespaceSelector"]["matchLabels"]["ecr-pull-through"],
            "disabled"
        );
    }
}
