//! Mirrors of those who sign in by ECR's own host, and Renovate: each format read as its program does, over the images of
//! the table.

use ptc::kit::ArtefactKind;
use serde_json::Value;

use super::OWN;
use super::cases::{china, every, fallback, legacy};
use super::rewriting::TABLE;

/// An image's full name without its tag, as Docker's reference grammar has it, or nothing where it is one with a digest.
fn full_name(image: &str) -> Option<String> {
    if image.contains('@') {
        return None;
    }
    let name = match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    };
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
        _ => ("docker.io", name),
    };
    let host = if host == "index.docker.io" { "docker.io" } else { host };
    Some(match path {
        one if host == "docker.io" && !one.contains('/') => format!("{host}/library/{one}"),
        path => format!("{host}/{path}"),
    })
}

/// The images of the table that a mirror can serve, with what is pulled instead. To a mirror `registry-1.docker.io` is
/// another host than `docker.io`.
fn images() -> impl Iterator<Item = (String, Option<String>)> {
    TABLE
        .iter()
        .filter(|(image, _)| !image.starts_with("registry-1."))
        .filter_map(|(image, pulled)| {
            let pulled = pulled.map(|path| match path.rsplit_once(':') {
                Some((name, tag)) if !tag.contains('/') => format!("{OWN}/{name}"),
                _ => format!("{OWN}/{path}"),
            });
            Some((full_name(image)?, pulled))
        })
}

/// What containers-registries.conf(5) says of an image: the places that are asked, in their order, none where it is
/// blocked.
fn places(conf: &toml::Table, image: &str) -> Vec<String> {
    let text = |table: &toml::Value, key: &str| table.get(key).map(|value| value.as_str().unwrap().to_owned());
    let prefix = |registry: &toml::Value| text(registry, "prefix").or_else(|| text(registry, "location")).unwrap();
    let registries = conf["registry"].as_array().unwrap();
    let fits = registries.iter().filter(|registry| {
        image
            .strip_prefix(&prefix(registry))
            .is_some_and(|rest| rest.starts_with('/'))
    });
    let Some(registry) = fits.max_by_key(|registry| prefix(registry).len()) else {
        return vec![image.to_owned()];
    };
    if registry.get("blocked").is_some() {
        return Vec::new();
    }
    let rest = image.strip_prefix(&prefix(registry)).unwrap();
    let mirrors = registry
        .get("mirror")
        .map_or(&[][..], |mirrors| mirrors.as_array().unwrap());
    let all = mirrors.iter().chain([registry]);
    all.map(|place| format!("{}{rest}", text(place, "location").unwrap()))
        .collect()
}

fn conf(text: &str) -> toml::Table {
    let conf: toml::Table = text.parse().unwrap();
    // Podman warns of two of one prefix, and takes the last.
    let registries = conf["registry"].as_array().unwrap();
    let mut prefixes: Vec<String> = registries
        .iter()
        .map(|registry| {
            registry
                .get("prefix")
                .unwrap_or_else(|| &registry["location"])
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let all = prefixes.len();
    prefixes.sort();
    prefixes.dedup();
    assert_eq!(prefixes.len(), all);
    conf
}

#[test]
fn podman_and_its_kin_ask_ecr_alone_for_what_the_table_says() {
    let case = every();
    let conf = conf(case.content(ArtefactKind::Registries));
    let hosts: Vec<&str> = case
        .kit
        .iter()
        .filter_map(|a| a.path.strip_prefix("containerd/")?.split('/').next())
        .collect();
    for (image, pulled) in images() {
        let places = places(&conf, &image);
        match pulled {
            Some(pulled) => assert_eq!(places, [pulled], "{image}"),
            // From the wrong upstream, or of a host that the file does not have.
            None if hosts.contains(&image.split('/').next().unwrap()) => assert!(places.is_empty(), "{image}"),
            None if image.starts_with("docker.io/") => panic!("{image}"),
            None => assert_eq!(places, [image]),
        }
    }
}

#[test]
fn without_the_option_nothing_but_ecr_is_asked() {
    for case in [legacy(), every(), china()] {
        let conf = conf(case.content(ArtefactKind::Registries));
        for registry in conf["registry"].as_array().unwrap() {
            let own = registry["location"].as_str().unwrap().starts_with(case.own());
            let blocked = registry.get("blocked").and_then(toml::Value::as_bool) == Some(true);
            assert!(own || blocked, "{registry:?}");
            assert!(registry.get("mirror").is_none(), "{registry:?}");
        }
    }
}

#[test]
fn with_the_option_the_upstream_comes_last() {
    let conf = conf(fallback().content(ArtefactKind::Registries));
    let mut mirrored = 0;
    for (image, pulled) in images() {
        let places = places(&conf, &image);
        assert_eq!(places.last(), Some(&image));
        if let Some(pulled) = pulled {
            assert_eq!(places, [pulled, image]);
            mirrored += 1;
        }
    }
    assert!(mirrored > 10);
}

/// Where BuildKit asks for a mirror (`newMirrorRegistryHost`): `/v2`, then the mirror's path.
fn asks(mirror: &str) -> String {
    match mirror.split_once('/') {
        Some((host, path)) => format!("https://{host}/v2/{path}"),
        None => format!("https://{mirror}/v2"),
    }
}

#[test]
fn buildkit_asks_where_containerd_does() {
    for case in [legacy(), every(), china()] {
        let file: toml::Table = case.content(ArtefactKind::Buildkit).parse().unwrap();
        let registries = file["registry"].as_table().unwrap();
        let mirrors = case
            .kit
            .iter()
            .filter(|artefact| artefact.part == ArtefactKind::Containerd);
        let mut same = 0;
        for mirror in mirrors {
            let host = mirror.path.split('/').nth(1).unwrap();
            let hosts: toml::Table = mirror.content.parse().unwrap();
            let asked: Vec<&String> = hosts["host"].as_table().unwrap().keys().collect();
            let buildkit = registries[host]["mirrors"].as_array().unwrap();
            let buildkit: Vec<String> = buildkit.iter().map(|mirror| asks(mirror.as_str().unwrap())).collect();
            assert_eq!(buildkit.iter().collect::<Vec<_>>(), asked, "{host}");
            same += 1;
        }
        // It signs in by the host it asks, so ECR Public's images come through it too.
        let public = usize::from(registries.contains_key("public.ecr.aws"));
        assert_eq!(registries.len(), same + public);
        assert_eq!(public, usize::from(case.name != "china"));
    }
}

/// The aliases in the order of the text: Renovate takes the first that fits.
fn aliases(text: &str) -> Vec<(String, String)> {
    let (_, rest) = text.split_once("\"registryAliases\": {").unwrap();
    let (map, _) = rest.split_once('}').unwrap();
    let pair = |line: &str| {
        let (name, upstream) = line.trim().trim_end_matches(',').split_once(": ").unwrap();
        let text = |quoted: &str| quoted.trim_matches('"').to_owned();
        (text(name), text(upstream))
    };
    map.trim().lines().map(pair).collect()
}

#[test]
fn renovate_looks_a_cached_image_up_at_its_upstream() {
    let case = every();
    let text = case.content(ArtefactKind::Renovate);
    let aliases = aliases(text);
    let mut looked_up = 0;
    for (image, pulled) in images() {
        let Some(pulled) = pulled else { continue };
        let found = aliases.iter().find_map(|(name, upstream)| {
            let rest = pulled.strip_prefix(name.as_str())?.strip_prefix('/')?;
            Some(format!("{upstream}/{rest}"))
        });
        // An alias for `ROOT` would be one for the account's own images.
        let root = image.starts_with("111122223333.dkr.ecr.us-east-1");
        assert_eq!(found, (!root).then(|| image.clone()), "{pulled}");
        looked_up += 1;
    }
    assert!(looked_up > 10);
    // The second registry of a host has images too.
    assert!(aliases.contains(&(format!("{OWN}/dockerhub-again"), "docker.io".to_owned())));
    // A pinned new version would be pulled by digest for the first time.
    let config: Value = serde_json::from_str(text).unwrap();
    let rule = &config["packageRules"][0];
    assert_eq!(rule["pinDigests"], false);
    let names = rule["matchDepNames"].as_array().unwrap();
    assert_eq!(names.len(), aliases.len());
    assert!(names.contains(&format!("{OWN}/k8s/**").into()));
    assert!(case.notes(ArtefactKind::Renovate).contains("`ROOT` has no alias"));
}
