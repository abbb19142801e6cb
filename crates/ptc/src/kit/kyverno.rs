//! `kyverno.yaml`: a ClusterPolicy that rewrites the images of pods (Kyverno's "Mutate Rules").
//!
//! Each step of the policy is a regular expression that an image must match as a whole, and what it becomes. No image
//! matches two, so their order is no matter, and none matches what a step has written, so rewriting twice changes
//! nothing. The expressions have no backslash in them: how many of those survive YAML, JSON and JMESPath depends on who
//! reads. JSON patches by index leave the order of the containers alone, which a merge by name does not promise.

use std::fmt::Write as _;

use super::route::{LIBRARY, Route};
use super::{Artefact, ArtefactKind, Source, sentences};

const CAVEATS: &[&str] = &[
    "For Kyverno up to 1.19: 1.17 deprecated ClusterPolicy, and its removal was planned for 1.20. Where `kubectl get crd clusterpolicies.kyverno.io` finds nothing, use mirrors.",
    "Pods are rewritten as they are made, their controllers are not. An operator that makes pods by itself and compares them (CloudNativePG does) sees a change it did not make and may replace them for ever: label such pods or their namespaces `ecr-pull-through: disabled`.",
    "An image with a digest is left as it is: ECR cannot import one by digest, so its first pull would fail (aws/containers-roadmap#2837). So is an image whose registry the file does not have.",
    "What is rewritten has no way back to the upstream. Where the node lacks the rights of `puller-policy.json`, or the cache fails, pods do not start: try it in one namespace first, and keep Kyverno's own images out of it.",
    "Policies that demand certain registries or signatures see the rewritten name.",
];

/// A pod's lists of containers that are new when the pod is.
const NEW_WITH_THE_POD: [&str; 2] = ["containers", "initContainers"];

/// One rewriting of images.
struct Step {
    about: String,
    from: String,
    to: String,
    unless: Option<String>,
}

pub(super) fn artefacts(source: &Source<'_>) -> Vec<Artefact> {
    let routes = &source.routes;
    let steps: Vec<Step> = routes.routes.iter().flat_map(steps).collect();
    let mut content = format!("{HEAD}{EXCEPT}");
    for list in NEW_WITH_THE_POD {
        for step in &steps {
            content.push_str(&foreach(step, list, ""));
        }
    }
    content.push_str(EPHEMERAL);
    content.push_str(EXCEPT);
    for step in &steps {
        content.push_str(&foreach(step, "ephemeralContainers", ONLY_NEW));
    }
    vec![Artefact {
        part: ArtefactKind::Kyverno,
        path: "kyverno.yaml".into(),
        title: "Policy that rewrites the images of new pods".into(),
        caveats: sentences(CAVEATS),
        notes: routes.notes.clone(),
        content,
    }]
}

const HEAD: &str = r#"apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: ecr-pull-through
  annotations:
    policies.kyverno.io/title: Pull through ECR
    policies.kyverno.io/subject: Pod
    policies.kyverno.io/description: Images of cached registries are pulled through ECR.
    # Only pods: what makes them keeps the names it has.
    pod-policies.kyverno.io/autogen-controllers: none
spec:
  background: false
  rules:
    - name: rewrite-images
      match:
        any:
          - resources:
              kinds: [Pod]
              operations: [CREATE]
"#;

const EXCEPT: &str = r"      exclude:
        any:
          - resources:
              selector:
                matchLabels:
                  ecr-pull-through: disabled
          - resources:
              namespaceSelector:
                matchLabels:
                  ecr-pull-through: disabled
      mutate:
        foreach:
";

const EPHEMERAL: &str = r"    # Debugging adds containers to a pod that runs; those that it has cannot be changed any more.
    - name: rewrite-ephemeral-images
      match:
        any:
          - resources:
              kinds: [Pod]
              operations: [UPDATE]
";

const ONLY_NEW: &str = r#"                - key: "{{ element.name }}"
                  operator: AnyNotIn
                  value: "{{ request.oldObject.spec.ephemeralContainers[].name || `[]` }}"
"#;

fn steps(route: &Route<'_>) -> Vec<Step> {
    let base = &route.base;
    // What is in front of the path, in every way it may be written.
    let host = if route.has_library() {
        let names = [route.host].into_iter().chain(route.aliases.iter().copied());
        let names: Vec<String> = names.map(|name| format!("{}/", literal(name))).collect();
        format!("(?:{})?", names.join("|"))
    } else {
        format!("{}/", literal(route.host))
    };
    let front = match route.under {
        Some(under) => format!("{host}{}/", literal(under)),
        None => host.clone(),
    };
    let others = route
        .taken
        .iter()
        .map(|taken| taken.path)
        .chain(route.elsewhere.iter().copied());
    let mut beginnings: Vec<String> = others.map(|path| format!("{front}{}/", literal(path))).collect();
    let is_whole_hub = route.has_library() && route.under.is_none();
    if is_whole_hub {
        // The first part of a name that has neither `.` nor `:` is no host, but for this one.
        beginnings.push("localhost/".to_owned());
    }
    let mut steps = vec![Step {
        about: if is_whole_hub {
            format!("{}: all but official images", route.host)
        } else {
            route.source()
        },
        from: if is_whole_hub {
            format!("^{front}([a-z0-9_-]+/[^@]+)$")
        } else {
            format!("^{front}([^@]+)$")
        },
        to: format!("{base}/$1"),
        unless: unless(&beginnings),
    }];
    // Another registry may have that name for itself.
    let is_taken = route.under.is_none() && route.taken.iter().any(|taken| taken.path == LIBRARY);
    if let Some(official) = route.official_images().filter(|_| !is_taken) {
        steps.push(Step {
            about: format!("{}: official images", route.host),
            from: format!("^{host}([^/@]+)$"),
            to: format!("{official}/$1"),
            unless: None,
        });
    }
    steps
}

fn unless(beginnings: &[String]) -> Option<String> {
    match beginnings {
        [] => None,
        [one] => Some(format!("^{one}")),
        many => Some(format!("^(?:{})", many.join("|"))),
    }
}

/// An expression that matches a host or a path literally.
fn literal(text: &str) -> String {
    text.replace('.', "[.]")
}

fn foreach(step: &Step, list: &str, only: &str) -> String {
    let Step {
        about,
        from,
        to,
        unless,
    } = step;
    let mut text = format!(
        r#"          # {about}
          - list: "request.object.spec.{list} || `[]`"
            preconditions:
              all:
                - key: "{{{{ regex_match('{from}', element.image) }}}}"
                  operator: Equals
                  value: true
"#
    );
    if let Some(unless) = unless {
        // Writing to a string cannot fail.
        _ = write!(
            text,
            r#"                - key: "{{{{ regex_match('{unless}', element.image) }}}}"
                  operator: Equals
                  value: false
"#
        );
    }
    text.push_str(only);
    _ = write!(
        text,
        r#"            patchesJson6902: |-
              - op: replace
                path: "/spec/{list}/{{{{ elementIndex }}}}/image"
                value: "{{{{ regex_replace_all('{from}', element.image, '{to}') }}}}"
"#
    );
    text
}
