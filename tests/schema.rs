//! The JSON Schema accepts and refuses what the reader does.
//!
//! That good files are accepted is asserted where they are, in `tests/good_files.rs`: `files::accepted` asks the
//! schema too. Here are the examples, the bad files, and every way in which fields go together; values of single fields
//! are in `tests/schema_values.rs`.

use crate::files::cases::tables;
use crate::files::schema::{Validator, Verdict, agree};
use crate::files::{self, context};
use config::{Context, Rejected, read, schema};
use serde_json::{Value, json};

/// What a schema cannot say: cases of `tests/bad_files/`, by their titles, and why. Those that are no YAML for an
/// editor either are not in here.
const BEYOND: &[(&str, &str)] = &[
    ("an unknown tag", "JSON has no tags"),
    ("a tag of the wrong kind", "JSON has no tags"),
    ("a SOPS file", "what is encrypted is not looked at"),
    ("our own registry", "the account and Region"),
    ("another account without a role", "the account"),
    ("another account's role", "the account"),
    ("an ARN in another Region", "the Region"),
    ("an ARN in another account", "the account"),
    ("a key in another Region", "the Region"),
    ("a secret that another registry writes", "across registries"),
    ("images to be warm that a longer prefix serves", "across registries"),
    (
        "a source that this file writes, its own and another's",
        "across registries",
    ),
    ("a day with a source from the defaults", "the defaults"),
    ("KMS and no template role {no-role}", "TEMPLATE_ROLE_ARN"),
    ("tags and no template role {no-role}", "TEMPLATE_ROLE_ARN"),
    (
        "RESOURCE_TAGS and no template role {no-role} {resource-tags}",
        "RESOURCE_TAGS",
    ),
    ("RESOURCE_TAGS with AWS's prefix {bad-resource-tags}", "RESOURCE_TAGS"),
    ("the same priority twice", "across rules"),
    ("any is not last", "across rules"),
    ("any twice, untagged twice", "across rules"),
    ("the same list twice", "across rules"),
    (
        "half a credential in the defaults, and none to go with it",
        "a default can satisfy it",
    ),
    ("existing repositories of ROOT by default", "the defaults"),
    ("a secret that another registry writes, both here", "across registries"),
    ("an account id of another number system", "how a number is written"),
    (
        "a role of another account, by default, for a registry that is here",
        "the account",
    ),
];

#[test]
fn the_schema_is_one_of_draft_7() {
    let draft = Validator::of(json!({"$ref": "http://json-schema.org/draft-07/schema#"}));
    assert_eq!(draft.value(&schema()), Verdict::Accepted);
    assert_ne!(draft.value(&json!({"type": "text"})), Verdict::Accepted);
    assert_eq!(schema()["$schema"], "http://json-schema.org/draft-07/schema#");
}

#[test]
fn the_examples_are_accepted() {
    let validator = Validator::default();
    for path in ["examples/registries.yaml", "examples/complete.yaml"] {
        assert_eq!(
            validator.file(&std::fs::read_to_string(path).unwrap()),
            Verdict::Accepted,
            "{path}"
        );
    }
}

#[test]
fn the_bad_files_are_refused_but_for_what_a_schema_cannot_say() {
    let validator = Validator::default();
    let mut beyond = Vec::new();
    for (path, _, cases) in tables() {
        for case in cases {
            match validator.file(&case.yaml) {
                Verdict::Accepted => beyond.push(case.title),
                Verdict::Refused(_) => {}
                Verdict::NoYaml(error) => {
                    assert!(path.ends_with("1-text-and-yaml.txt"), "{}: {error}", case.title);
                }
            }
        }
    }
    beyond.sort();
    let mut listed: Vec<&str> = BEYOND.iter().map(|(title, _)| *title).collect();
    listed.sort_unstable();
    assert_eq!(beyond, listed, "accepted, and what is listed as beyond a schema");
}

#[test]
fn a_file_with_sops_s_metadata_is_not_looked_at_and_a_registry_named_sops_is() {
    let validator = Validator::default();
    let metadata = "sops: {mac: 'ENC[AES256_GCM,data:AA]', version: 3.9.0}";
    for file in [
        format!("hub: {{registry: 'ENC[AES256_GCM,data:AA]'}}\n{metadata}\n"),
        format!("registries: {{hub: {{registry: 'ENC[AES256_GCM,data:AA]'}}}}\n{metadata}\n"),
    ] {
        assert_eq!(validator.file(&file), Verdict::Accepted, "{file}");
    }
    assert!(agree(&validator, "sops: {registry: quay.io}\n"));
    assert!(!agree(&validator, "sops: {registry: quay.oi}\n"));
}

/// One of each column, in every way; empty ones are left out.
fn combinations(columns: &[&[&'static str]]) -> Vec<String> {
    let mut rows = vec![Vec::new()];
    for column in columns {
        rows = rows
            .iter()
            .flat_map(|row: &Vec<&str>| column.iter().map(|cell| [row.as_slice(), &[*cell]].concat()))
            .collect();
    }
    let joined = |row: Vec<&str>| {
        row.into_iter()
            .filter(|cell| !cell.is_empty())
            .collect::<Vec<_>>()
            .join(", ")
    };
    rows.into_iter().map(joined).collect()
}

/// What the reader may say of a registry beside `defaults` while the schema accepts it: what a default can satisfy or break.
const BEYOND_WITH_DEFAULTS: &[&str] = &[
    "is missing or null; write both, or `secret`, or neither",
    "needs a credential, and ECR refuses a rule without one",
    "needs `image_tag_mutability_exclusion_filters`",
    "`image_tag_mutability_exclusion_filters` does not go with",
    "ECR cannot cache `new.example.com`",
    "for `ROOT` every repository of the account would be meant",
];

/// Whether a file with `defaults` is good. The schema must accept it then; what else it accepts is listed.
fn agree_but_for_defaults(validator: &Validator, file: &str) -> bool {
    match (read(file.as_bytes(), &context()), validator.file(file)) {
        (Ok(_), verdict) => {
            assert_eq!(verdict, Verdict::Accepted, "accepted by the reader: {file}");
            true
        }
        (Err(_), Verdict::Refused(_)) => false,
        (Err(rejected), Verdict::Accepted) => {
            assert_beyond(&rejected, BEYOND_WITH_DEFAULTS, file);
            false
        }
        (Err(_), Verdict::NoYaml(error)) => panic!("{file}\n{error}"),
    }
}

/// Every error of a file that the schema accepts is one of these.
fn assert_beyond(rejected: &Rejected, beyond: &[&str], file: &str) {
    for error in &rejected.errors {
        let known = beyond.iter().any(|part| error.message.contains(part));
        assert!(known, "accepted by the schema: {error}\n{file}");
    }
}

/// Every registry with every default, in the wrapped form, and without any in the flat one. How many were good and bad.
fn agree_on_all(name: &str, registries: &[String], defaults: &[String]) -> (usize, usize) {
    let validator = Validator::default();
    let mut verdicts = Vec::new();
    for fields in registries {
        verdicts.push(agree(&validator, &format!("{name}: {{{fields}}}\n")));
        for defaults in defaults {
            let file = format!(
                "{{registries: {{{name}: {{{fields}}}, other: {{registry: quay.io}}}}, defaults: {{{defaults}}}}}\n"
            );
            verdicts.push(match defaults.as_str() {
                "" => agree(&validator, &file),
                _ => agree_but_for_defaults(&validator, &file),
            });
        }
    }
    let good = verdicts.iter().filter(|good| **good).count();
    (good, verdicts.len() - good)
}

/// So many were good and so many bad that both sides have been seen.
fn assert_both_seen((good, bad): (usize, usize), least: usize) {
    assert!(good >= least && bad >= least, "{good} good, {bad} bad");
}

#[test]
fn credentials_go_together_the_same_way() {
    let columns: [&[&str]; 3] = [
        &["", "username: bob", "username: null"],
        &["", "accessToken: x1"],
        &["", "secret: ecr-pullthroughcache/x", "secret: null"],
    ];
    let hosts: &[&str] = &[
        "registry: docker.io",
        "registry: quay.io",
        "registry: 111122223333.dkr.ecr.us-east-1.amazonaws.com",
        "registry: new.example.com, allow_unlisted_upstream: true",
    ];
    let registries = combinations(&[hosts, columns[0], columns[1], columns[2]]);
    assert_both_seen(agree_on_all("hub", &registries, &combinations(&columns)), 100);
}

#[test]
fn mutability_and_filters_go_together_the_same_way() {
    let columns: [&[&str]; 2] = [
        &[
            "",
            "image_tag_mutability: null",
            "image_tag_mutability: MUTABLE",
            "image_tag_mutability: IMMUTABLE",
            "image_tag_mutability: MUTABLE_WITH_EXCLUSION",
        ],
        &[
            "",
            "image_tag_mutability_exclusion_filters: null",
            "image_tag_mutability_exclusion_filters: [latest]",
        ],
    ];
    let registries = combinations(&[&["registry: quay.io"], columns[0], columns[1]]);
    // The other registry has no fields of its own, so it is bad wherever the defaults alone are.
    assert_both_seen(agree_on_all("quay", &registries, &combinations(&columns)), 40);
}

#[test]
fn only_is_taken_the_same_way() {
    let accounts: &[&str] = &[
        "",
        "accounts: null",
        "accounts: []",
        "accounts: ['111122223333']",
        "accounts: [111122223333, '012345678901']",
        "accounts: [11112222333]",
        "accounts: '111122223333'",
        "accounts: ['*']",
    ];
    let regions: &[&str] = &[
        "",
        "regions: null",
        "regions: []",
        "regions: [eu-central-1]",
        "regions: [eu-west-1, xx-new-9]",
        "regions: [eu-west-1a]",
        "regions: [EU-WEST-1]",
        "regions: [null]",
        "region: [eu-west-1]",
    ];
    let maps = combinations(&[accounts, regions])
        .into_iter()
        .map(|keys| format!("{{{keys}}}"));
    let words = ["null", "all", "All", "none", "true", "[]", "''", "[eu-west-1]"].map(str::to_owned);
    let only: Vec<String> = maps.chain(words).map(|value| format!("only: {value}")).collect();
    let registries: Vec<String> = only.iter().map(|only| format!("registry: quay.io, {only}")).collect();
    let defaults = [
        String::new(),
        only[0].clone(),
        "only: {regions: [us-east-1]}".to_owned(),
        "only: all".to_owned(),
    ];
    assert_both_seen(agree_on_all("quay", &registries, &defaults), 40);
}

#[test]
fn unlisted_hosts_are_let_pass_the_same_way() {
    let allowed: &[&str] = &[
        "",
        "allow_unlisted_upstream: null",
        "allow_unlisted_upstream: true",
        "allow_unlisted_upstream: false",
    ];
    let registries = combinations(&[&["registry: quay.io", "registry: new.example.com"], allowed]);
    assert_both_seen(agree_on_all("new", &registries, &combinations(&[allowed])), 10);
}

#[test]
fn what_is_for_private_ecr_and_what_is_not_for_root_goes_together_the_same_way() {
    let columns: [&[&str]; 3] = [
        &[
            "",
            "upstream_repository_prefix: base",
            "upstream_repository_prefix: null",
        ],
        &["", "custom_role_arn: 'arn:aws:iam::111122223333:role/pull'"],
        &[
            "",
            "existing_repositories: null",
            "existing_repositories: true",
            "existing_repositories: false",
            "existing_repositories: {include: ['*']}",
            "existing_repositories: {include: []}",
            "existing_repositories: {apply: [tags]}",
        ],
    ];
    let hosts: &[&str] = &[
        "registry: quay.io",
        "registry: 111122223333.dkr.ecr.us-east-1.amazonaws.com",
    ];
    let registries = combinations(&[hosts, columns[0], columns[1], columns[2]]);
    let existing: &[&str] = &[
        "",
        "existing_repositories: true",
        "existing_repositories: {include: ['*']}",
    ];
    let defaults = combinations(&[columns[1], existing]);
    assert_both_seen(agree_on_all("ROOT", &registries, &defaults), 100);
    assert_both_seen(agree_on_all("ecr", &registries, &defaults), 100);
}

#[test]
fn lifecycle_rules_go_together_the_same_way() {
    let validator = Validator::default();
    let selections = combinations(&[
        &["tagStatus: tagged", "tagStatus: untagged", "tagStatus: any"],
        &["", "tagPatternList: ['v*']"],
        &["", "tagPrefixList: [v]", "tagPrefixList: null"],
        &["", "storageClass: standard", "storageClass: archive"],
        &[
            "countType: imageCountMoreThan",
            "countType: sinceImagePushed",
            "countType: sinceImagePulled",
            "countType: sinceImageTransitioned",
        ],
        &["", "countUnit: days"],
        &["countNumber: 1"],
    ]);
    let actions = combinations(&[
        &["type: expire", "type: transition"],
        &[
            "",
            "targetStorageClass: standard",
            "targetStorageClass: archive",
            "targetStorageClass: null",
        ],
    ]);
    let (mut good, mut bad) = (0, 0);
    for selection in &selections {
        for action in &actions {
            let rule = format!("{{rulePriority: 1, selection: {{{selection}}}, action: {{{action}}}}}");
            let file = format!("quay: {{registry: quay.io, lifecycle_policy: {{rules: [{rule}]}}}}\n");
            *(if agree(&validator, &file) { &mut good } else { &mut bad }) += 1;
        }
    }
    assert_both_seen((good, bad), 50);
}

/// What the reader may say of a file that the schema accepts: as in `BEYOND`, for files that no table has.
const BEYOND_MESSAGES: &[&str] = &[
    "another rule has",
    "only one rule can have",
    "must come last",
    "is another account's registry",
    "must be a role of this account",
    // Which repositories are under a registry depends on its name.
    "matches nothing under",
];

/// What is put where something else was.
fn strangers() -> Vec<Value> {
    let texts = [
        "",
        "x",
        " x ",
        "a/b",
        "A",
        "*",
        "none",
        "docker.io",
        "quay.io",
        "MUTABLE",
        "IMMUTABLE_WITH_EXCLUSION",
        "AES256",
        "tagged",
        "untagged",
        "archive",
        "days",
        "sinceImagePushed",
        "transition",
        "ecr-pullthroughcache/x",
        "arn:aws:iam::123456789012:role/x",
        "123456789012",
    ];
    let others = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!([]),
        json!(["x"]),
        json!([null]),
        json!({}),
        json!({"x": "y"}),
        json!({"registry": "quay.io"}),
    ];
    texts.iter().map(|text| json!(text)).chain(others).collect()
}

/// A value with one thing changed, for everything that can be changed in it.
fn mutants(value: &Value) -> Vec<Value> {
    let mut all: Vec<Value> = strangers().into_iter().filter(|stranger| stranger != value).collect();
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let mut without = map.clone();
                let taken = without.remove(key).unwrap();
                all.push(json!(without));
                without.insert(format!("{key}s"), taken);
                all.push(json!(without));
                all.extend(mutants(inner).into_iter().map(|mutant| {
                    let mut map = map.clone();
                    map.insert(key.clone(), mutant);
                    json!(map)
                }));
            }
        }
        Value::Array(items) => {
            for (n, inner) in items.iter().enumerate() {
                all.extend(mutants(inner).into_iter().map(|mutant| {
                    let mut items = items.clone();
                    items[n] = mutant;
                    json!(items)
                }));
            }
        }
        _ => {}
    }
    all
}

#[test]
fn whatever_is_changed_in_the_complete_example_is_good_for_both_or_bad_for_both() {
    let validator = Validator::default();
    let place = Context {
        account: Some("123456789012".into()),
        region: Some("eu-west-1".into()),
        ..context()
    };
    let mut example = files::schema::as_json(&std::fs::read_to_string("examples/complete.yaml").unwrap()).unwrap();
    assert_eq!(validator.value(&example), Verdict::Accepted);
    // The anchors have been followed, so what they stand for need not be changed twice.
    example.as_object_mut().unwrap().retain(|key, _| !key.starts_with("x-"));
    example["registries"]["k8s"]
        .as_object_mut()
        .unwrap()
        .remove("lifecycle_policy")
        .unwrap();
    let (mut good, mut bad) = (0, 0);
    for mutant in mutants(&example) {
        let text = mutant.to_string();
        match (read(text.as_bytes(), &place), validator.value(&mutant)) {
            (Ok(_), Verdict::Accepted) => good += 1,
            (Err(_), Verdict::Refused(_)) => bad += 1,
            (Err(rejected), Verdict::Accepted) => {
                let beyond = [
                    BEYOND_MESSAGES,
                    if mutant.get("defaults").is_some() {
                        BEYOND_WITH_DEFAULTS
                    } else {
                        &[]
                    },
                ];
                assert_beyond(&rejected, &beyond.concat(), &text);
            }
            (Ok(_), verdict) => panic!("accepted by the reader: {verdict:?}\n{text}"),
            (Err(_), Verdict::NoYaml(error)) => panic!("{error}"),
        }
    }
    assert_both_seen((good, bad), 300);
}
