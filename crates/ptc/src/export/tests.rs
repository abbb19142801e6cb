//! Whatever a file can say comes back from the account it made; whatever an account holds makes a file that is
//! accepted.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use config::{Context, CredentialSource, File};
use ecr_pull_through_sync::account::{Account, Rule, Secret, SecretState, Template, TemplateSpec};
use ecr_pull_through_sync::plan::{DeletionBounds, Operation, Plan, Scope, plan};

fn home() -> Home {
    Home::of("123456789012", "eu-west-1")
}

fn settings() -> Settings {
    let lookup = |name: &str| match name {
        "OWNER" => Some("stack".to_owned()),
        "TEMPLATE_ROLE_ARN" => Some("arn:aws:iam::123456789012:role/templates".to_owned()),
        "RESOURCE_TAGS" => Some("cost=1,of=all".to_owned()),
        _ => None,
    };
    Settings::from_env_for_cli(lookup).unwrap()
}

fn read(text: &str) -> Result<File, config::Rejected> {
    let context = Context {
        resource_tags: settings().resource_tags,
        ..home().context()
    };
    config::read(text.as_bytes(), &context)
}

fn arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:{name}-AbCdEf")
}

/// The secrets of a file, all of which are there.
fn secret_states(file: &File) -> BTreeMap<String, SecretState> {
    let secret_state = |credential: &CredentialSource| match credential {
        CredentialSource::Secret(id) => SecretState::Found(Box::new(Secret {
            arn: if id.starts_with("arn:") { id.clone() } else { arn(id) },
            name: id.clone(),
            description: String::new(),
            tags: BTreeMap::new(),
            customer_key: None,
            scheduled_for_deletion: false,
            labels: BTreeMap::new(),
            policy: None,
            values: BTreeMap::new(),
            created: BTreeMap::new(),
            rotated: None,
            next_rotation: None,
            binding: ecr_pull_through_sync::account::Binding::Tag,
            foreign_rule: None,
        })),
        _ => SecretState::NotNeeded,
    };
    file.registries
        .iter()
        .map(|registry| (registry.name.clone(), secret_state(&registry.credential)))
        .collect()
}

/// What a run over a file that is uploaded now is to do.
fn planned(file: &File, account: &Account) -> Plan {
    plan(
        file,
        account,
        Scope {
            home: &home(),
            settings: &settings(),
            uploaded: jiff::Timestamp::now(),
        },
        &DeletionBounds::default(),
    )
}

/// The account that a file makes of an empty one.
fn applied(file: &File) -> Account {
    let mut account = Account {
        secret_states: secret_states(file),
        ..Account::default()
    };
    let plan = planned(file, &account);
    for step in plan.registries.into_iter().flat_map(|plan| plan.steps) {
        match step.operation {
            Operation::CreateTemplate(template) => _ = account.snapshot.templates.insert(step.id, template),
            Operation::CreateRule(target) => _ = account.snapshot.rules.insert(step.id, target.rule),
            other => panic!("an empty account needs no {other:?}"),
        }
    }
    account
}

fn exported(snapshot: &Snapshot, names: &BTreeMap<String, String>) -> Exported {
    let draft = Draft::new(snapshot, names, &home(), &settings()).unwrap();
    let account = Account {
        snapshot: snapshot.clone(),
        secret_states: secret_states(draft.file()),
        ..Account::default()
    };
    draft.finish(&account, &home(), &settings())
}

/// What YAML would read as something else than a text, or not at all, if it were not in quotes.
const TEXTS: [&str; 16] = [
    "yes",
    "No",
    "null",
    "none",
    "true",
    "010",
    "1e3",
    "0x1F",
    "1.0",
    "2026-01-01",
    "-",
    "=",
    "@x",
    "a: b",
    "ü",
    "",
];

const NAMES: [&str; 14] = [
    "yes",
    "no",
    "null",
    "true",
    "010",
    "1e3",
    "2026-01-01",
    "registries",
    "tags",
    "defaults",
    "x-y",
    "a/b",
    "a/b/c",
    "ROOT",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(&TEXTS[..]).prop_map(str::to_owned),
        "[ -~]{1,20}"
    ]
}

/// A lifecycle policy, all rules of which count images.
fn lifecycle() -> impl Strategy<Value = Value> {
    let rule = (
        proptest::option::of(text()),
        1u32..100,
        proptest::option::of("[a-z0-9.]{1,9}"),
    );
    let policy = proptest::collection::vec(rule, 1..4).prop_map(|rules| {
        let rules = rules.into_iter().enumerate().map(|(n, (description, count, pattern))| {
            let mut selection = json!({"tagStatus": "tagged", "countType": "imageCountMoreThan", "countNumber": count});
            selection["tagPatternList"] = json!([pattern.unwrap_or_else(|| "*".to_owned())]);
            // A null field is an absent one.
            json!({
                "rulePriority": n + 1, "description": description, "selection": selection,
                "action": {"type": "expire"},
            })
        });
        json!({"rules": rules.collect::<Vec<_>>()})
    });
    prop_oneof![1 => Just(Value::Null), 1 => Just(json!("none")), 3 => policy]
}

fn registry() -> impl Strategy<Value = Value> {
    let upstream = prop_oneof![
        Just(json!({"registry": "quay.io"})),
        Just(json!({"registry": "docker.io", "secret": "ecr-pullthroughcache/a"})),
        Just(json!({"registry": "acme.azurecr.io", "secret": arn("ecr-pullthroughcache/b")})),
        Just(json!({"registry": "new.example.com", "allow_unlisted_upstream": true})),
        Just(json!({"registry": "444455556666.dkr.ecr.us-east-1.amazonaws.com",
            "custom_role_arn": "arn:aws:iam::123456789012:role/pull"})),
    ];
    let readers = proptest::collection::vec(
        proptest::sample::select(&["111122223333", "arn:aws:iam::444455556666:role/ci", "123456789012"][..]),
        0..3,
    );
    let more = prop_oneof![
        Just(json!({})),
        Just(json!({"repository_read_access": {"organizations": ["o-abcdefghij", "o-bbbbbbbbbb"]}})),
        Just(json!({"repository_read_access": {"organizations": [], "services": ["omics.amazonaws.com"]}})),
    ];
    let mutability = prop_oneof![
        Just(json!({})),
        Just(json!({"image_tag_mutability": "IMMUTABLE"})),
        Just(json!({"image_tag_mutability": "MUTABLE_WITH_EXCLUSION",
            "image_tag_mutability_exclusion_filters": ["v*", "010", "-"]})),
    ];
    let encryption = prop_oneof![
        Just(json!({})),
        Just(json!({"encryption_configuration": {"encryption_type": "AES256"}})),
        Just(json!({"encryption_configuration": {"encryption_type": "KMS_DSSE",
            "kms_key": "arn:aws:kms:eu-west-1:123456789012:key/1"}})),
    ];
    let tags = proptest::collection::btree_map(
        "[a-zA-Z0-9=_.:+@ -]{2,9}|cost|yes|010",
        "[a-zA-Z0-9=_.:+@ -]{0,9}",
        0..4,
    );
    (upstream, readers, more, mutability, lifecycle(), encryption, tags).prop_map(
        |(mut registry, readers, more, mutability, lifecycle, encryption, tags)| {
            let fields = registry.as_object_mut().unwrap();
            fields.insert("repository_read_access_arns".into(), json!(readers));
            fields.insert("lifecycle_policy".into(), lifecycle);
            fields.insert("tags".into(), json!(tags));
            for more in [more, mutability, encryption] {
                fields.extend(more.as_object().unwrap().clone());
            }
            registry
        },
    )
}

fn registries() -> impl Strategy<Value = BTreeMap<String, Value>> {
    proptest::collection::btree_map(
        proptest::sample::select(&NAMES[..]).prop_map(str::to_owned),
        registry(),
        1..6,
    )
}

/// A document that may be anything.
fn document() -> impl Strategy<Value = String> {
    let access = config::ReadAccess {
        principals: vec!["111122223333".into()],
        organizations: vec!["o-abcdefghij".into()],
        ..Default::default()
    };
    let ours = ecr_pull_through_sync::policy::repository_policy(&home(), &access);
    prop_oneof![
        text(),
        Just(String::new()),
        Just(ours),
        lifecycle().prop_map(|policy| policy.to_string()),
        Just(r#"{"rules":[{"rulePriority":-1,"selection":[],"x":{"y":null}}],"z":1.5}"#.to_owned()),
    ]
}

fn foreign_rule() -> impl Strategy<Value = Rule> {
    let host = prop_oneof![Just("quay.io".to_owned()), Just("ghcr.io".to_owned()), text()];
    (
        host,
        proptest::option::of(text()),
        proptest::option::of(text()),
        proptest::option::of(text()),
    )
        .prop_map(|(upstream_url, upstream_prefix, secret, custom_role_arn)| Rule {
            prefix: String::new(),
            upstream_url,
            upstream_prefix,
            credential_arn: secret.map(|name| arn(&format!("ecr-pullthroughcache/{name}"))),
            custom_role_arn,
        })
}

fn foreign_template() -> impl Strategy<Value = TemplateSpec> {
    let owner = prop_oneof![
        text(),
        Just(ecr_pull_through_sync::ownership::template_description("a", "stack")),
        Just(ecr_pull_through_sync::ownership::template_description(
            "a",
            "other\n# x: {registry: quay.io}"
        )),
    ];
    let tags = proptest::collection::btree_map(text(), text(), 0..3);
    (owner, text(), document(), document(), tags, any::<bool>()).prop_map(
        |(description, word, repository_policy, lifecycle_policy, tags, cached)| TemplateSpec {
            description,
            applied_for: cached.then(|| "PULL_THROUGH_CACHE".to_owned()).into_iter().collect(),
            encryption_type: word.clone(),
            kms_key: Some(word.clone()),
            tags,
            mutability: word.clone(),
            exclusion_filters: BTreeSet::from([word]),
            repository_policy,
            lifecycle_policy,
            custom_role_arn: None,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn what_a_file_made_comes_back_and_a_plan_of_it_is_empty(registries in registries()) {
        let file = match read(&json!(registries).to_string()) {
            Ok(file) => file,
            // Not everything that is drawn is a file: the trailing space of a text, two names that are one.
            Err(rejected) => return Err(TestCaseError::reject(rejected.to_string())),
        };
        let account = applied(&file);
        let found = account.secret_states.values().filter_map(|secret_state| match secret_state {
            SecretState::Found(secret) if !secret.name.starts_with("arn:") => Some((secret.arn.clone(), secret.name.clone())),
            _ => None,
        });
        let exported = exported(&account.snapshot, &found.collect());
        prop_assert_eq!(&exported.remarks, &BTreeMap::new(), "{}", exported.yaml);
        prop_assert_eq!(exported.notes, Vec::<String>::new());
        let again = read(&exported.yaml).unwrap();
        prop_assert_eq!(again.registries.len(), registries.len());
        let told = |file: &File| file.warnings.iter().map(|warning| warning.message.clone()).collect::<BTreeSet<_>>();
        prop_assert!(told(&again).is_subset(&told(&file)), "{}", exported.yaml);
        let plan = planned(&again, &Account { secret_states: secret_states(&again), ..account });
        for registry in plan.registries {
            prop_assert!(registry.steps.is_empty(), "{:?}\n{}", registry, exported.yaml);
        }
    }

    #[test]
    fn whatever_an_account_holds_the_file_is_accepted(
        rules in proptest::collection::btree_map(prop_oneof![text(), "[a-z]{1,3}/?"], foreign_rule(), 0..5),
        templates in proptest::collection::vec(foreign_template(), 5),
    ) {
        let mut snapshot = Snapshot::default();
        for ((prefix, rule), spec) in rules.into_iter().zip(templates) {
            snapshot.templates.insert(prefix.clone(), Template { prefix: prefix.clone(), spec });
            snapshot.rules.insert(prefix.clone(), Rule { prefix, ..rule });
        }
        let exported = exported(&snapshot, &BTreeMap::new());
        let names: Vec<&String> = exported.registries.keys().collect();
        match read(&exported.yaml) {
            Ok(file) => prop_assert_eq!(file.registries.iter().map(|r| &r.name).collect::<Vec<_>>(), names),
            Err(rejected) => prop_assert!(names.is_empty(), "{}\n{}", rejected, exported.yaml),
        }
        for prefix in snapshot.rules.keys() {
            let refused = exported.notes.iter().any(|note| note.contains("stands in the file as a comment"));
            prop_assert!(exported.registries.contains_key(prefix) || refused, "{prefix} is lost");
        }
    }
}
