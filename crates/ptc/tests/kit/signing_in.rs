//! How nodes sign in: the kubelet's credential provider, and user data, whose script is run here.

use harness::{has, lacks};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ptc::kit::{ArtefactKind, Fallback};
use serde_json::{Value, json};

use super::cases::{Case, china, every, legacy};

const PROVIDER: &str = "kubelet/credential-provider.yaml";
const USER_DATA: &str = "kubelet/nodeadm-user-data.txt";

/// The hosts that have a mirror of containerd.
fn mirrored(case: &Case) -> BTreeSet<String> {
    let mirrors = case
        .kit
        .iter()
        .filter(|artefact| artefact.part == ArtefactKind::Containerd);
    mirrors
        .map(|mirror| mirror.path.split('/').nth(1).unwrap().to_owned())
        .collect()
}

fn match_images(case: &Case) -> Vec<String> {
    let config: Value = serde_yaml::from_str(case.file(PROVIDER)).unwrap();
    let images = config["providers"][0]["matchImages"].as_array().unwrap();
    images.iter().map(|image| image.as_str().unwrap().to_owned()).collect()
}

/// Whether the kubelet asks the provider for images of a host: part by part, of which each may have wildcards
/// (`URLsMatch` in the kubelet's `credentialprovider`).
fn matches(pattern: &str, host: &str) -> bool {
    let (pattern, host): (Vec<&str>, Vec<&str>) = (pattern.split('.').collect(), host.split('.').collect());
    let part = |(pattern, host): (&&str, &&str)| *pattern == "*" || pattern == host;
    pattern.len() == host.len() && pattern.iter().zip(&host).all(part)
}

#[test]
fn the_kubelet_signs_in_for_the_hosts_that_have_a_mirror_and_for_no_other() {
    for case in [legacy(), every(), china()] {
        let (mirrored, images) = (mirrored(&case), match_images(&case));
        for host in &mirrored {
            assert!(images.iter().any(|image| matches(image, host)), "{}: {host}", case.name);
        }
        assert!(
            images.iter().any(|image| matches(image, case.own())),
            "{}: ECR itself",
            case.name
        );
        // A host without its mirror would be given the node's ECR token.
        for image in &images {
            let ecr = image.starts_with("*.dkr") || ["public.ecr.aws", "ecr-public.aws.com"].contains(&image.as_str());
            assert!(ecr || mirrored.contains(image), "{}: {image}", case.name);
        }
        assert!(!mirrored.contains("public.ecr.aws"), "its credential is another one");
    }
}

#[test]
fn the_credential_provider_is_as_the_kubelet_reads_it() {
    let config: Value = serde_yaml::from_str(legacy().file(PROVIDER)).unwrap();
    assert_eq!(config["apiVersion"], "kubelet.config.k8s.io/v1");
    assert_eq!(config["kind"], "CredentialProviderConfig");
    let [provider] = &config["providers"].as_array().unwrap()[..] else {
        panic!("{config}")
    };
    // The name of the binary.
    assert_eq!(provider["name"], "ecr-credential-provider");
    assert_eq!(provider["apiVersion"], "credentialprovider.kubelet.k8s.io/v1");
    assert_eq!(provider["defaultCacheDuration"], "0s");
    assert_eq!(
        provider["env"],
        json!([{"name": "AWS_REGION", "value": "eu-central-1"}])
    );
}

/// The parts of the user data: their kinds and texts.
fn parts(user_data: &str) -> Vec<(String, String)> {
    let (head, body) = user_data.split_once("\n\n").unwrap();
    assert!(head.starts_with("MIME-Version: 1.0\n"), "{head}");
    let boundary = head.split_once("boundary=\"").unwrap().1.trim_end_matches('"');
    let (body, end) = body.split_once(&format!("\n--{boundary}--")).unwrap();
    assert_eq!(end, "\n");
    let parts = format!("\n{body}");
    let between = format!("\n--{boundary}\n");
    let parts = parts.split(&between).skip(1);
    let part = |part: &str| {
        let (head, text) = part.split_once("\n\n").unwrap();
        let kind = head.strip_prefix("Content-Type: ").unwrap().split(';').next().unwrap();
        (kind.to_owned(), text.to_owned())
    };
    parts.map(part).collect()
}

/// Runs the script of the user data with another root.
fn run(case: &Case, root: &Path) -> bool {
    let script = &parts(case.file(USER_DATA))[0].1;
    let script = ["/etc/", "/run/"].iter().fold(script.clone(), |script, top| {
        script.replace(top, &format!("{}{top}", root.display()))
    });
    Command::new("bash").args(["-c", &script]).status().unwrap().success()
}

fn root(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("user-data").join(name);
    _ = fs::remove_dir_all(&root);
    // nodeadm's image has it.
    fs::create_dir_all(root.join("etc/eks/image-credential-provider")).unwrap();
    root
}

#[test]
fn the_user_data_makes_the_files_of_the_kit() {
    for case in [legacy(), every(), china()] {
        let root = root(case.name);
        assert!(run(&case, &root), "{}", case.name);
        let toml = |text: &str| text.parse::<toml::Table>().unwrap();
        for host in mirrored(&case) {
            let made = fs::read_to_string(root.join(format!("etc/containerd/certs.d/{host}/hosts.toml"))).unwrap();
            let kit = case.file(&format!("containerd/{host}/hosts.toml"));
            assert_eq!(toml(&made), toml(kit), "{host}");
        }
        let made = fs::read_dir(root.join("etc/containerd/certs.d")).unwrap().count();
        assert_eq!(made, mirrored(&case).len());
        let yaml = |text: &str| serde_yaml::from_str::<Value>(text).unwrap();
        let made = fs::read_to_string(root.join("etc/eks/image-credential-provider/pull-through.yaml")).unwrap();
        assert_eq!(yaml(&made), yaml(case.file(PROVIDER)));
    }
}

#[test]
fn without_every_mirror_the_kubelet_is_told_of_no_sign_in() {
    let (case, root) = (legacy(), root("broken"));
    // The last mirror cannot be written.
    fs::create_dir_all(root.join("etc/containerd/certs.d")).unwrap();
    fs::write(root.join("etc/containerd/certs.d/registry.gitlab.com"), "").unwrap();
    assert!(!run(&case, &root));
    assert!(root.join("etc/containerd/certs.d/docker.io/hosts.toml").is_file());
    let told = "etc/eks/image-credential-provider/pull-through.yaml";
    assert!(!root.join(told).exists());
    // And the kubelet, which is told of that very file, does not start without it.
    let parts = parts(case.file(USER_DATA));
    let kinds: Vec<&str> = parts.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["text/x-shellscript", "application/node.eks.aws"]);
    let mut node: Value = serde_yaml::from_str(&parts[1].1).unwrap();
    let containerd = node["spec"].as_object_mut().unwrap().remove("containerd").unwrap();
    assert_eq!(
        node,
        json!({
            "apiVersion": "node.eks.aws/v1alpha1",
            "kind": "NodeConfig",
            "spec": {"kubelet": {"flags": [format!("--image-credential-provider-config=/{told}")]}},
        })
    );
    // Of a list of folders the transfer service reads none.
    let settings: toml::Table = containerd["config"].as_str().unwrap().parse().unwrap();
    let registry = &settings["plugins"]["io.containerd.grpc.v1.cri"]["registry"];
    assert_eq!(registry["config_path"].as_str(), Some("/etc/containerd/certs.d"));
}

/// The SOCI snapshotter reads no mirrors, so a node that has it must not sign in for their hosts.
#[test]
fn a_node_whose_snapshotter_reads_no_mirrors_does_not_sign_in() {
    let case = legacy();
    for (gates, runs) in [
        (r#"{"FastImagePull":true}"#, false),
        (r#"{"FastImagePull":false,"InstanceIdNodeName":true}"#, true),
    ] {
        let root = root(if runs { "no-soci" } else { "soci" });
        // What nodeadm has read of all parts, before the script runs.
        fs::create_dir_all(root.join("run/eks/nodeadm")).unwrap();
        let read = format!(r#"{{"spec":{{"cluster":{{"name":"c"}},"featureGates":{gates}}}}}"#);
        fs::write(root.join("run/eks/nodeadm/config.json"), read).unwrap();
        assert_eq!(run(&case, &root), runs, "{gates}");
        let told = root.join("etc/eks/image-credential-provider/pull-through.yaml");
        assert_eq!(told.exists(), runs, "{gates}");
    }
}

#[test]
fn karpenter_has_the_same_user_data() {
    for case in [legacy(), every(), china()] {
        let class: Value = serde_yaml::from_str(case.file("kubelet/karpenter-user-data.yaml")).unwrap();
        assert_eq!(
            class,
            json!({"spec": {"userData": case.file(USER_DATA)}}),
            "{}",
            case.name
        );
    }
}

#[test]
fn user_data_that_no_instance_takes_says_so() {
    let name = |n: usize| format!("registry-{n:02}.{}.example.com", ["a-rather-long-name"; 8].join("."));
    let yaml: String = (0..50)
        .map(|n| {
            format!(
                "mirror-{n:02}:\n  registry: {}\n  allow_unlisted_upstream: true\n",
                name(n)
            )
        })
        .collect();
    let case = Case::of("long", yaml, "eu-central-1", Fallback::Never);
    let notes = case.notes(ArtefactKind::Kubelet);
    assert!(notes.contains("EC2 takes 16384"), "{notes}");
    assert!(!every().notes(ArtefactKind::Kubelet).contains("EC2 takes"));
}

#[test]
fn nodes_that_may_ask_the_upstream_do_not_sign_in_for_it() {
    let yaml = fs::read_to_string("tests/kit/every.yaml").unwrap();
    let case = Case::of("fallback", yaml, "eu-central-1", Fallback::Upstream);
    assert!(case.kit.iter().all(|artefact| artefact.part != ArtefactKind::Kubelet));
    assert!(case.content(ArtefactKind::Readme).contains("So `kubelet` is left out"));
}

#[test]
fn an_upstream_in_another_region_is_named() {
    let notes = every().notes(ArtefactKind::Kubelet);
    has(&notes, "For 111122223333.dkr.ecr.us-east-1.amazonaws.com the kubelet's");
    lacks(&notes, "For 444455556666.dkr.ecr.eu-central-1.amazonaws.com");
}
