//! What `ptc kit` makes, against golden files in `tests/kit/`, and each format by a reader of its own.
//! `BLESS=1` rewrites the golden files.

mod cases;
mod mirrors;
mod policies;
mod rewriting;
mod signing_in;

use harness::has;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap::ValueEnum as _;

use cases::{china, every, fallback, legacy};
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
            readme.contains(&format!("- `{}`: {}.", artefact.path, artefact.title)),
            "{}",
            artefact.path
        );
        for sentence in artefact.caveats.iter().chain(&artefact.notes) {
            assert!(readme.contains(sentence), "{sentence}");
        }
    }
    let mut made: Vec<ArtefactKind> = case.kit.iter().map(|artefact| artefact.part).collect();
    made.dedup();
    assert_eq!(made, ArtefactKind::value_variants(), "in the order of the kit");
}

#[test]
fn the_page_about_the_kit_has_every_file_with_its_word() {
    let page = fs::read_to_string("../../docs/kit.md").unwrap();
    for artefact in every().kit.iter().skip(1) {
        let path = match artefact.part {
            ArtefactKind::Containerd => "containerd/<host>/hosts.toml",
            _ => &artefact.path,
        };
        let row = format!("| `{path}` | `{}` |", artefact.part);
        assert!(page.contains(&row), "{row}");
    }
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
    assert_eq!(mirrors, 15);
}

#[test]
fn whatever_has_a_way_back_to_the_upstream_says_what_it_risks() {
    let kit = fallback();
    for artefact in &kit.kit {
        assert!(artefact.content.contains("the node's ECR token"), "{}", artefact.path);
        assert!(artefact.content.contains("valid for 12 hours"), "{}", artefact.path);
    }
    has(
        kit.content(ArtefactKind::Readme),
        &format!("**Made with `--fallback`**: {}.", Fallback::RISK),
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
        assert!(notes.contains("public.ecr.aws has no mirror on nodes"), "{notes}");
        has(&notes, "`dockerhub-again` has the same upstream as `dockerhub`");
        has(&notes, "registry.k8s.io/ingress-nginx/... (`k8s/ingress-nginx`)");
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
