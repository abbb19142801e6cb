//! `ptc kit` as a command: what it prints, what it writes, and what it leaves alone.

use harness::{has, lacks};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const FILE: &str = "../../examples/registries.yaml";
const PLACE: [&str; 4] = ["--account", "111122223333", "--region", "eu-central-1"];

/// Runs `ptc kit` for an account that is named, so that AWS is not asked.
fn ptc(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ptc"));
    command
        .arg("kit")
        .args(args)
        .args(PLACE)
        .env_remove("RESOURCE_TAGS")
        .output()
        .unwrap()
}

#[test]
fn tags_of_the_stack_are_tags_of_every_registry() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ptc"));
    command
        .args(["kit", FILE, "--only", "iam"])
        .args(PLACE)
        .env("RESOURCE_TAGS", "team=platform");
    let policy: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let last = policy["Statement"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (last["Sid"].as_str(), last["Resource"].as_array().unwrap().len()),
        (Some("TagWhatIsMade"), 3)
    );
    let without = stdout(&ptc(&[FILE, "--only", "iam"]));
    assert!(!without.contains("TagWhatIsMade"), "{without}");
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("kit-command")
        .join(name);
    _ = fs::remove_dir_all(&folder);
    folder
}

#[test]
fn without_a_folder_it_tells_what_there_is_and_writes_nothing() {
    let output = ptc(&[FILE]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        stdout(&output),
        fs::read_to_string("tests/kit/legacy/README.md").unwrap()
    );
    assert!(stderr(&output).contains("--output DIR writes all of it; --only prints one of readme, mapping"));
}

#[test]
fn one_artefact_is_printed_alone_so_that_it_can_be_piped() {
    let output = ptc(&[FILE, "--only", "iam"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        stdout(&output),
        fs::read_to_string("tests/kit/legacy/puller-policy.json").unwrap()
    );
    // What does not fit is said beside it.
    let output = ptc(&[FILE, "--only", "containerd"]);
    assert!(
        stdout(&output).contains("/etc/containerd/certs.d/docker.io/hosts.toml"),
        "{output:?}"
    );
    has(&stderr(&output), "hosts.toml: public.ecr.aws has no mirror");
    let unknown = ptc(&[FILE, "--only", "nothing"]);
    assert_eq!(unknown.status.code(), Some(1));
    has(
        &stderr(&unknown),
        "possible values: readme, mapping, containerd, kubelet, registries, buildkit, kyverno, renovate, iam, registry-policy",
    );
}

#[test]
fn a_fallback_is_asked_for_and_says_what_it_risks() {
    let risk = "containerd posts the node's ECR token to the upstream's token endpoint";
    let output = ptc(&[FILE, "--fallback", "--only", "containerd"]);
    assert!(output.status.success(), "{output:?}");
    assert!(
        stdout(&output).contains("server = \"https://registry-1.docker.io\""),
        "{output:?}"
    );
    has(&stderr(&output), "warning: --fallback");
    has(&stderr(&output), risk);
    let without = ptc(&[FILE, "--only", "containerd"]);
    assert!(!stderr(&without).contains(risk), "{}", stderr(&without));
    lacks(&stdout(&without), "https://registry-1.docker.io");
    // It is wrapped.
    let help = stdout(&ptc(&["--help"]))
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    has(&help, "--fallback");
    has(&help, "posts the node's ECR token");
}

/// What keeps a registry out is said even where nothing is made that could say it.
#[test]
fn the_readme_says_why_nothing_fits() {
    let folder = folder("public");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("public.yaml");
    fs::write(&file, "public:\n  registry: public.ecr.aws\n").unwrap();
    let file = file.to_str().unwrap();
    let none = ptc(&[file, "--only", "containerd,kubelet"]);
    assert_eq!(none.status.code(), Some(1), "{none:?}");
    assert!(stderr(&none).contains("`--only readme` says why"), "{}", stderr(&none));
    let readme = stdout(&ptc(&[file, "--only", "readme"]));
    assert!(readme.contains("public.ecr.aws has no mirror on nodes"), "{readme}");
}

#[test]
fn programs_get_all_of_it_as_json() {
    let answer: Value = serde_json::from_slice(&ptc(&[FILE, "--json"]).stdout).unwrap();
    let artefacts = answer["artefacts"].as_array().unwrap();
    assert_eq!(artefacts.len(), 13);
    assert_eq!(
        (&artefacts[1]["part"], &artefacts[1]["path"]),
        (&"mapping".into(), &"mapping.json".into())
    );
    for artefact in artefacts {
        assert!(!artefact["content"].as_str().unwrap().is_empty());
        assert!(artefact["caveats"].is_array() && artefact["notes"].is_array() && artefact["title"].is_string());
    }
}

#[test]
fn a_folder_gets_the_files_and_a_second_run_changes_nothing() {
    let folder = folder("written");
    let output = ptc(&[FILE, "--output", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    let said = stdout(&output);
    assert_eq!(
        (said.lines().count(), said.matches("written    ").count()),
        (13, 13),
        "{said}"
    );
    let hosts = fs::read_to_string(folder.join("containerd/docker.io/hosts.toml")).unwrap();
    assert_eq!(
        hosts,
        fs::read_to_string("tests/kit/legacy/containerd/docker.io/hosts.toml").unwrap()
    );
    let again = stdout(&ptc(&[FILE, "-o", folder.to_str().unwrap()]));
    assert_eq!(again.matches("unchanged  ").count(), 13, "{again}");
    let json: Value = serde_json::from_slice(&ptc(&[FILE, "-o", folder.to_str().unwrap(), "--json"]).stdout).unwrap();
    assert_eq!(
        (
            json["written"].as_array().unwrap().len(),
            json["unchanged"].as_array().unwrap().len()
        ),
        (0, 13)
    );
}

#[test]
fn what_somebody_changed_is_overwritten_only_by_force_and_nothing_else_is_written_either() {
    let folder = folder("changed");
    fs::create_dir_all(&folder).unwrap();
    let map = folder.join("mapping.json");
    fs::write(&map, "mine").unwrap();
    let output = ptc(&[FILE, "--output", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("other text stands in"), "{}", stderr(&output));
    has(&stderr(&output), "mapping.json; --force overwrites it");
    assert_eq!(names(&folder), ["mapping.json"]);
    assert_eq!(fs::read_to_string(&map).unwrap(), "mine");
    assert!(
        ptc(&[FILE, "--output", folder.to_str().unwrap(), "--force"])
            .status
            .success()
    );
    assert_eq!(
        fs::read_to_string(&map).unwrap(),
        fs::read_to_string("tests/kit/legacy/mapping.json").unwrap()
    );
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_file_with_errors_makes_nothing() {
    let folder = folder("refused");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("bad.yaml");
    fs::write(
        &file,
        "hub:\n  registry: docker.io\n  username: me\n  acessToken: canary-token\nquay:\n  registry: quay.oi\n",
    )
    .unwrap();
    let output = ptc(&[file.to_str().unwrap(), "--output", folder.join("kit").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("bad.yaml:4:3: hub: unknown key"), "{said}");
    assert!(said.contains("bad.yaml:6:13: quay: ECR cannot cache"), "{said}");
    assert!(
        said.ends_with("bad.yaml has errors\n") && !said.contains("canary-token"),
        "{said}"
    );
    assert!(!folder.join("kit").exists());
    let json: Value = serde_json::from_slice(&ptc(&[file.to_str().unwrap(), "--json"]).stdout).unwrap();
    assert!(json["error"].as_str().unwrap().contains("nothing was made"), "{json}");
}

/// A folder with an outside beside it that nothing may touch.
#[cfg(unix)]
fn beside(name: &str) -> (PathBuf, PathBuf) {
    let base = folder(name);
    let (kit, outside) = (base.join("kit"), base.join("outside"));
    fs::create_dir_all(&kit).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("precious"), "mine").unwrap();
    (kit, outside)
}

#[cfg(unix)]
#[test]
fn no_link_leads_out_of_the_folder() {
    use std::os::unix::fs::symlink;
    for (n, (link, target)) in [
        ("puller-policy.json", "../outside/precious"),
        ("puller-policy.json", "../outside/new"),
        ("README.md", "/nonexistent/folder/file"),
        ("containerd", "../outside"),
        ("containerd", "../outside/new"),
        ("containerd/docker.io", "../../outside"),
        ("containerd/docker.io/hosts.toml", "../../../outside/precious"),
        // To another file of the kit: it is followed no more than the others.
        ("puller-policy.json", "mapping.json"),
    ]
    .into_iter()
    .enumerate()
    {
        let (kit, outside) = beside(&format!("links-{n}"));
        fs::create_dir_all(kit.join(link).parent().unwrap()).unwrap();
        symlink(target, kit.join(link)).unwrap();
        for force in [&[][..], &["--force"]] {
            let output = ptc(&[&[FILE, "--output", kit.to_str().unwrap()], force].concat());
            assert_eq!(
                output.status.code(),
                Some(1),
                "{link} to {target} {force:?}: {output:?}"
            );
            let said = stderr(&output);
            has(&said, &format!("{}: is a symbolic link", kit.join(link).display()));
            assert_eq!(names(&outside), ["precious"], "{link} to {target} {force:?}");
            assert_eq!(fs::read_to_string(outside.join("precious")).unwrap(), "mine");
            let first = link.split('/').next().unwrap();
            assert_eq!(names(&kit), [first], "nothing else is written either");
        }
    }
}

#[cfg(unix)]
#[test]
fn the_folder_that_was_named_may_be_a_link_but_not_to_nowhere() {
    use std::os::unix::fs::symlink;
    let (kit, outside) = beside("linked-folder");
    let link = kit.join("here");
    symlink(&outside, &link).unwrap();
    assert!(ptc(&[FILE, "--output", link.to_str().unwrap()]).status.success());
    assert!(outside.join("containerd/docker.io/hosts.toml").is_file());
    let nowhere = kit.join("nowhere");
    symlink(kit.join("new"), &nowhere).unwrap();
    let output = ptc(&[FILE, "--output", nowhere.to_str().unwrap(), "--force"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!kit.join("new").exists());
}

/// A reader of the old file keeps it whole, and a hard link to it is another name of that old one alone.
#[cfg(unix)]
#[test]
fn a_file_is_written_beside_and_renamed() {
    use std::os::unix::fs::PermissionsExt as _;
    let (kit, outside) = beside("renamed");
    fs::hard_link(outside.join("precious"), kit.join("puller-policy.json")).unwrap();
    fs::set_permissions(kit.join("puller-policy.json"), fs::Permissions::from_mode(0o754)).unwrap();
    assert!(
        ptc(&[FILE, "--output", kit.to_str().unwrap(), "--force"])
            .status
            .success()
    );
    assert_eq!(fs::read_to_string(outside.join("precious")).unwrap(), "mine");
    let policy = fs::read_to_string(kit.join("puller-policy.json")).unwrap();
    assert_eq!(
        policy,
        fs::read_to_string("tests/kit/legacy/puller-policy.json").unwrap()
    );
    let mode = |name: &str| fs::metadata(kit.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("puller-policy.json"), 0o754, "its permissions stay");
    // As any other new file: the temporary one is not its owner's alone.
    fs::write(kit.join("any"), "").unwrap();
    assert_eq!(mode("mapping.json"), mode("any"));
    assert!(
        names(&kit).iter().all(|name| !name.starts_with('.')),
        "{:?}",
        names(&kit)
    );
}
