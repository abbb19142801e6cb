//! What `ptc kit` makes, against golden files in `tests/kit/`, and each format by a reader of its own.
//! `BLESS=1` rewrites the golden files.

mod cases;
mod rewriting;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use clap::ValueEnum as _;

use cases::{Case, china, every, fallback, legacy};
use local_aws::iam::{Decision, Need, Policy};
use ptc::kit::{ArtefactKind, Fallback};
use serde_json::Value;

/// The host of the registry in the first two cases.
const OWN: &str = "111122223333.dkr.ecr.eu-central-1.amazonaws.com";

#[test]
fn the_kit_is_as_its_golden_files_say() {
    let bless = std::env::var_os("BLESS").is_some();
    for case in [legacy(), every(), china(), fallback()] {
        let folder = Path::new("tests/kit").join(case.name);
        if bless {
            _ = fs::remove_dir_all(&folder);
            for artefact in &case.kit {
                let path = folder.join(&artefact.path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, &artefact.content).unwrap();
            }
        }
        let mut golden = BTreeMap::new();
        collect(&folder, &folder, &mut golden);
        let made: BTreeMap<String, String> = case.kit.iter().map(|a| (a.path.clone(), a.content.clone())).collect();
        assert_eq!(made.len(), case.kit.len(), "two artefacts have one path");
        assert_eq!(
            made.keys().collect::<Vec<_>>(),
            golden.keys().collect::<Vec<_>>(),
            "{}",
            case.name
        );
        for (path, text) in &made {
            assert!(golden[path] == *text, "{}/{path} is now:\n{text}", case.name);
        }
    }
}

fn collect(root: &Path, folder: &Path, into: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, into);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            into.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn no_credential_is_in_any_artefact() {
    for case in [legacy(), every(), china()] {
        // The file has them, so a kit that copied one would be caught.
        assert!(
            ["canary", "dckr_pat_example"]
                .iter()
                .any(|token| case.yaml.contains(token)),
            "{}",
            case.name
        );
        let all = serde_json::to_string(&case.kit).unwrap();
        for token in ["canary", "dckr_pat", "glpat", "acme-bot"] {
            assert!(!all.contains(token), "{} has {token}", case.name);
        }
    }
}

#[test]
fn every_artefact_says_what_its_users_must_know() {
    let case = every();
    let readme = case.content(ArtefactKind::Readme);
    for artefact in case.kit.iter().filter(|artefact| artefact.part != ArtefactKind::Readme) {
        assert!(!artefact.caveats.is_empty(), "{}", artefact.path);
        assert!(
            readme.contains(&format!("`{}`: {}.", artefact.path, artefact.title)),
            "{}",
            artefact.path
        );
        for sentence in artefact.caveats.iter().chain(&artefact.notes) {
            assert!(readme.contains(sentence), "{sentence}");
        }
    }
    let made = case.kit.iter().map(|artefact| artefact.part.as_str());
    let all = ArtefactKind::value_variants().iter().map(|part| part.as_str());
    assert_eq!(made.collect::<BTreeSet<_>>(), all.collect(), "a part is missing");
}

/// The URL containerd asks for a manifest (`core/remotes/docker`): without `override_path` the path has to end with
/// `/v2`, or gets it.
fn asks(endpoint: &str, override_path: bool, image: &str, tag: &str) -> String {
    let api = if override_path || endpoint.ends_with("/v2") {
        ""
    } else {
        "/v2"
    };
    format!("{endpoint}{api}/{image}/manifests/{tag}")
}

/// What containerd may ask for the images of a host, in its order, from a `hosts.toml`: each `[host]`, then the server.
/// What they are not given, they have as the registry has: a `/v2` is added, and all capabilities.
struct Asked {
    url: String,
    override_path: bool,
    capabilities: Vec<String>,
}

fn asked(hosts_toml: &str) -> Vec<Asked> {
    let file: toml::Table = hosts_toml.parse().unwrap();
    let asked = |url: &str, settings: &toml::Table| {
        let all = || ["pull", "resolve", "push"].map(str::to_owned).to_vec();
        let some = |list: &toml::Value| list.clone().try_into::<Vec<String>>().unwrap();
        Asked {
            url: url.to_owned(),
            override_path: settings
                .get("override_path")
                .and_then(toml::Value::as_bool)
                .unwrap_or_default(),
            capabilities: settings.get("capabilities").map_or_else(all, some),
        }
    };
    let hosts = file["host"].as_table().unwrap();
    let mut all: Vec<Asked> = hosts
        .iter()
        .map(|(url, settings)| asked(url, settings.as_table().unwrap()))
        .collect();
    // containerd 1.6 refuses a file with a server and no host, and asks the upstream itself.
    assert!(!all.is_empty(), "{hosts_toml}");
    // The settings of the server stand at the top. Without a server it is the upstream.
    all.push(asked(file["server"].as_str().unwrap(), &file));
    all
}

#[test]
fn without_the_option_no_mirror_asks_anybody_but_ecr() {
    let mut mirrors = 0;
    for case in [legacy(), every(), china()] {
        let own = format!("https://{}/v2", case.own());
        for mirror in case
            .kit
            .iter()
            .filter(|artefact| artefact.part == ArtefactKind::Containerd)
        {
            let all = asked(&mirror.content);
            assert_eq!(all.len(), 2, "{}", mirror.path);
            for asked in &all {
                // containerd answers whomever it asks with the node's ECR token.
                assert!(asked.url.starts_with(&own), "{}: {}", mirror.path, asked.url);
                assert_eq!(asked.url, all[0].url, "{}", mirror.path);
                assert!(asked.override_path, "{}: a second /v2", mirror.path);
                assert_eq!(asked.capabilities, ["pull", "resolve"], "{}", mirror.path);
            }
            mirrors += 1;
        }
        assert!(!case.content(ArtefactKind::Readme).contains("Made with `--fallback`"));
    }
    assert_eq!(mirrors, 17);
}

#[test]
fn whatever_has_a_way_back_to_the_upstream_says_what_it_risks() {
    let kit = fallback();
    for artefact in &kit.kit {
        assert!(artefact.content.contains("the node's ECR token"), "{}", artefact.path);
        assert!(artefact.content.contains("valid for 12 hours"), "{}", artefact.path);
    }
    assert!(
        kit.content(ArtefactKind::Readme)
            .contains(&format!("**Made with `--fallback`**: {}.", Fallback::RISK))
    );
}

#[test]
fn containerd_asks_ecr_for_the_repository_of_the_image() {
    let (kit, fallback) = (every(), fallback());
    // containerd has put `library/` in front of `nginx` already.
    for (host, image, repository) in [
        ("docker.io", "library/nginx", "dockerhub/library/nginx"),
        ("ghcr.io", "acme/app", "ghcr.io/acme/app"),
        ("registry.k8s.io", "pause", "k8s/pause"),
        (
            "444455556666.dkr.ecr.eu-central-1.amazonaws.com",
            "team/app",
            "shared/team/app",
        ),
        ("111122223333.dkr.ecr.us-east-1.amazonaws.com", "team/app", "team/app"),
    ] {
        let expected = format!("https://{OWN}/v2/{repository}/manifests/1.27");

        let path = format!("containerd/{host}/hosts.toml");
        for Asked { url, override_path, .. } in asked(kit.file(&path)) {
            assert_eq!(asks(&url, override_path, image, "1.27"), expected);
        }
        let with_fallback = asked(fallback.file(&path));
        let [mirror, server] = &with_fallback[..] else {
            panic!("{path}")
        };
        assert_eq!(asks(&mirror.url, mirror.override_path, image, "1.27"), expected);
        assert_eq!(mirror.capabilities, ["pull", "resolve"]);
        let upstream = if host == "docker.io" {
            "registry-1.docker.io"
        } else {
            host
        };
        assert_eq!(server.url, format!("https://{upstream}"));
    }
}

#[test]
fn a_part_of_an_upstream_has_no_mirror_and_the_first_of_two_registries_has_it() {
    for kit in [every(), fallback()] {
        let mirrors = kit
            .kit
            .iter()
            .filter(|artefact| artefact.part == ArtefactKind::Containerd);
        for mirror in mirrors {
            assert!(!mirror.content.contains("base-images"), "{}", mirror.path);
            assert!(!mirror.content.contains("dockerhub-again"), "{}", mirror.path);
        }
        let notes = kit.notes(ArtefactKind::Containerd);
        assert!(notes.contains("`base-images` serves a part of its upstream"), "{notes}");
        assert!(
            notes.contains("`dockerhub-again` has the same upstream as `dockerhub`"),
            "{notes}"
        );
        assert!(
            notes.contains("registry.k8s.io/ingress-nginx/... (`k8s/ingress-nginx`)"),
            "{notes}"
        );
        assert!(notes.contains("registry.example.com is not in our list"), "{notes}");
    }
}

#[test]
fn the_mapping_knows_every_name_of_a_host() {
    let kit = every();
    let mapping: Value = serde_json::from_str(kit.content(ArtefactKind::Mapping)).unwrap();
    for (host, base) in [
        ("docker.io", "dockerhub"),
        ("index.docker.io", "dockerhub"),
        ("registry-1.docker.io", "dockerhub"),
        ("quay.io", "quay.io"),
        ("444455556666.dkr.ecr.eu-central-1.amazonaws.com", "shared"),
        ("444455556666.dkr.ecr.eu-central-1.amazonaws.com/base", "base-images"),
    ] {
        assert_eq!(mapping["bases"][host], format!("{OWN}/{base}"), "{host}");
    }
    assert_eq!(mapping["bases"]["111122223333.dkr.ecr.us-east-1.amazonaws.com"], OWN);
    assert_eq!(
        mapping["upstreams"][0]["official_images"],
        format!("{OWN}/dockerhub/library")
    );
    let official = mapping["upstreams"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|u| u.get("official_images").is_some());
    assert_eq!(official.count(), 1, "only Docker Hub has official images");
}

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
    assert!(
        case.notes(ArtefactKind::Iam)
            .contains("covers all of the account's repositories")
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

#[test]
fn a_policy_that_no_managed_policy_holds_says_so() {
    let yaml: String = (0..50)
        .map(|n| format!("quay-with-a-rather-long-nam-{n:02}:\n  registry: quay.io\n"))
        .collect();
    let case = Case::of("many", yaml, "eu-central-1", "aws", Fallback::Never);
    assert!(
        case.notes(ArtefactKind::Iam).contains("a managed policy holds 6144"),
        "{}",
        case.notes(ArtefactKind::Iam)
    );
    assert!(!legacy().notes(ArtefactKind::Iam).contains("managed policy holds"));
}
