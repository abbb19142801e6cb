//! An account that is as the file says needs nothing; one difference makes one step, and the step names it.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::account::{Binding, CONFIGURED, CURRENT, FILE_PENDING, Secret, Snapshot, VersionValue};
use config::Credential;
use config::{Context, read};

const FILE: &str = "
hub: {registry: docker.io, username: bot, accessToken: token-a, tags: {team: platform}}
quay: {registry: quay.io}
other: {registry: 111122223333.dkr.ecr.eu-west-1.amazonaws.com, custom_role_arn: 'arn:aws:iam::123456789012:role/pull'}
";

fn home() -> Home {
    Home {
        account: "123456789012".into(),
        region: "eu-west-1".into(),
        partition: "aws".into(),
    }
}

fn settings() -> Settings {
    let lookup = |name: &str| match name {
        "CONFIG_BUCKET" => Some("bucket".to_owned()),
        "OWNER" => Some("stack".to_owned()),
        "TEMPLATE_ROLE_ARN" => Some("arn:aws:iam::123456789012:role/templates".to_owned()),
        _ => None,
    };
    Settings::from_lookup(lookup).unwrap()
}

/// Of a file that was uploaded at second 100.
fn scope<'a>(home: &'a Home, settings: &'a Settings) -> Scope<'a> {
    Scope {
        home,
        settings,
        uploaded: Timestamp::from_second(100).unwrap(),
    }
}

fn file(text: &str) -> File {
    let home = home();
    let context = Context {
        account: Some(home.account),
        region: Some(home.region),
        partition: home.partition,
        template_role: true,
        resource_tags: BTreeMap::new(),
    };
    read(text.as_bytes(), &context).unwrap()
}

fn credential(token: &str) -> VersionValue {
    VersionValue::Credential(Credential::new("bot".to_owned().into(), token.to_owned().into()))
}

/// The account right after the file was applied to an empty one.
fn in_sync() -> Account {
    let file = file(FILE);
    let mut account = Account {
        snapshot: Snapshot::default(),
        ..Account::default()
    };
    account
        .secret_states
        .insert("hub".into(), SecretState::Absent("ecr-pullthroughcache/hub".into()));
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ecr-pullthroughcache/hub-AbCdEf";
    for step in plan(
        &file,
        &account,
        scope(&home(), &settings()),
        &DeletionBounds {
            limit: 1.into(),
            ..DeletionBounds::default()
        },
    )
    .registries
    .into_iter()
    .flat_map(|plan| plan.steps)
    {
        match step.operation {
            Operation::CreateTemplate(template) => _ = account.snapshot.templates.insert(step.id, template),
            Operation::CreateRule(target) => {
                let mut rule = target.rule;
                rule.credential_arn = target.with_new_secret.then(|| arn.to_owned());
                account.snapshot.rules.insert(step.id, rule);
            }
            Operation::CreateSecret(new) => {
                let labels = BTreeSet::from([CURRENT.to_owned(), CONFIGURED.to_owned()]);
                let secret = Secret {
                    arn: arn.into(),
                    name: new.name,
                    description: new.description,
                    tags: new.tags,
                    customer_key: None,
                    scheduled_for_deletion: false,
                    labels: BTreeMap::from([("v1".to_owned(), labels)]),
                    policy: Some(crate::policy::secret_policy(&home())),
                    values: BTreeMap::from([("v1".to_owned(), credential("token-a"))]),
                    created: BTreeMap::new(),
                    rotated: None,
                    next_rotation: None,
                    binding: Binding::Tag,
                    foreign_rule: None,
                };
                account
                    .secret_states
                    .insert("hub".into(), SecretState::Found(Box::new(secret)));
            }
            Operation::PutSecretPolicy { .. } => {}
            other => panic!("an empty account needs no {other:?}"),
        }
    }
    account
}

/// The steps, a line each; a plan that is not to be carried out begins with why.
fn steps(text: &str, account: &Account) -> Vec<String> {
    let mut lines = Vec::new();
    for plan in plan(
        &file(text),
        account,
        scope(&home(), &settings()),
        &DeletionBounds {
            limit: 1.into(),
            ..DeletionBounds::default()
        },
    )
    .registries
    {
        match &plan.verdict {
            Verdict::Go => {}
            Verdict::Held(cause) => lines.push(format!("{} held: {}", plan.registry, &cause.message[..24])),
            Verdict::Refused { id, .. } => lines.push(format!("{} refused: {id}", plan.registry)),
        }
        lines.extend(plan.steps.iter().map(|step| {
            format!(
                "{} {:?} {:?} {}",
                plan.registry,
                step.action,
                step.resource,
                step.fields.join(" ")
            )
        }));
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

fn secret(account: &mut Account) -> &mut Secret {
    match account.secret_states.get_mut("hub") {
        Some(SecretState::Found(secret)) => secret,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_account_in_sync_needs_nothing() {
    assert_eq!(steps(FILE, &in_sync()), Vec::<String>::new());
}

type Edit = fn(&mut Account);

/// One change to the account, and the one step it makes.
fn edits() -> [(Edit, &'static str); 21] {
    fn template<'a>(account: &'a mut Account, name: &str) -> &'a mut crate::account::TemplateSpec {
        &mut account.snapshot.templates.get_mut(name).unwrap().spec
    }
    fn rule<'a>(account: &'a mut Account, name: &str) -> &'a mut Rule {
        account.snapshot.rules.get_mut(name).unwrap()
    }
    [
        (|a| drop(a.snapshot.rules.remove("quay")), "quay Create Rule"),
        (|a| drop(a.snapshot.templates.remove("quay")), "quay Create Template"),
        (
            |a| template(a, "quay").description.clear(),
            "quay Adopt Template description",
        ),
        (
            |a| template(a, "quay").applied_for.clear(),
            "quay Update Template applied_for",
        ),
        (
            |a| template(a, "quay").lifecycle_policy.clear(),
            "quay Update Template lifecycle_policy",
        ),
        (
            |a| template(a, "quay").repository_policy.clear(),
            "quay Update Template repository_policy",
        ),
        (
            |a| template(a, "quay").mutability = "IMMUTABLE".into(),
            "quay Update Template image_tag_mutability",
        ),
        (
            |a| _ = template(a, "quay").exclusion_filters.insert("v*".into()),
            "quay Update Template image_tag_mutability_exclusion_filters",
        ),
        (
            |a| template(a, "quay").encryption_type = "KMS".into(),
            "quay Update Template encryption_configuration",
        ),
        (|a| template(a, "hub").tags.clear(), "hub Update Template tags"),
        (
            |a| template(a, "hub").custom_role_arn = None,
            "hub Update Template custom_role_arn",
        ),
        (
            |a| rule(a, "quay").upstream_prefix = Some("x".into()),
            "quay Replace Rule upstream_repository_prefix",
        ),
        (
            |a| rule(a, "hub").upstream_url = "ghcr.io".into(),
            "hub Replace Rule registry",
        ),
        (
            |a| rule(a, "hub").credential_arn = Some("arn:other".into()),
            "hub Update Rule secret",
        ),
        (|a| rule(a, "hub").credential_arn = None, "hub Replace Rule secret"),
        (
            |a| rule(a, "other").custom_role_arn = Some("arn:other".into()),
            "other Update Rule custom_role_arn",
        ),
        (
            |a| rule(a, "quay").custom_role_arn = Some("arn:other".into()),
            "quay Replace Rule custom_role_arn",
        ),
        (|a| secret(a).description.clear(), "hub Update Secret description"),
        (|a| drop(secret(a).tags.remove("team")), "hub Update Secret tags"),
        (
            |a| drop(secret(a).tags.remove(crate::ownership::OWNER_TAG)),
            "hub Adopt Secret tags",
        ),
        (|a| secret(a).policy = None, "hub Create SecretPolicy"),
    ]
}

#[test]
fn each_difference_is_one_step() {
    for (edit, line) in edits() {
        let mut account = in_sync();
        edit(&mut account);
        assert_eq!(steps(FILE, &account), [line]);
    }
}

fn planned(text: &str, account: &Account) -> Plan {
    plan(
        &file(text),
        account,
        scope(&home(), &settings()),
        &DeletionBounds {
            limit: 1.into(),
            ..DeletionBounds::default()
        },
    )
}

fn sum(plan: &Plan) -> String {
    checksum(plan, Sum::default(), &home())
}

#[test]
fn each_field_that_differs_is_shown_as_it_is_and_as_it_is_to_be() {
    for (edit, line) in edits() {
        let mut account = in_sync();
        edit(&mut account);
        let steps = planned(FILE, &account)
            .registries
            .into_iter()
            .flat_map(|plan| plan.steps);
        for step in steps {
            let shown: Vec<&str> = step.diff.iter().map(|difference| difference.field.as_ref()).collect();
            if matches!(step.action, Action::Update | Action::Adopt | Action::Replace) {
                assert_eq!(shown, step.fields, "{line}");
            }
            assert!(
                !shown.is_empty() && step.diff.iter().all(|d| d.old != d.new),
                "{line}: {:?}",
                step.diff
            );
        }
    }
}

#[test]
fn a_checksum_is_that_of_one_plan_alone_and_knows_no_token() {
    let mut sums = BTreeSet::from([sum(&planned(FILE, &in_sync()))]);
    for (n, (edit, line)) in edits().into_iter().enumerate() {
        let mut account = in_sync();
        edit(&mut account);
        let before = sum(&planned(FILE, &account));
        sums.insert(before.clone());
        assert_eq!(sums.len(), n + 2, "{line}");
        // What AWS only writes otherwise is the same plan.
        for template in account.snapshot.templates.values_mut() {
            let policy = &mut template.spec.repository_policy;
            *policy = policy.replace("arn:aws:iam::123456789012:root", "123456789012");
        }
        assert_eq!(sum(&planned(FILE, &account)), before, "{line}");
    }
    let (b, c) = (FILE.replace("token-a", "token-b"), FILE.replace("token-a", "token-c"));
    let changed = planned(&b, &in_sync());
    assert_eq!(sum(&changed), sum(&planned(&c, &in_sync())));
    assert!(sums.insert(sum(&changed)), "a changed token is a change");
    assert!(!format!("{changed:?}").contains("token-b"));
    let elsewhere = Home {
        region: "eu-central-1".into(),
        ..home()
    };
    assert!(sums.insert(checksum(&changed, Sum::default(), &elsewhere)));
}

/// What the versions hold and carry, and when they were put -> what the file's credential needs, which is `token-a` and was
/// uploaded at second 100.
#[test]
fn the_three_way_rule() {
    let (c, k, p) = (CURRENT, CONFIGURED, FILE_PENDING);
    let (put, label, drop) = (
        ["hub Update Secret value"],
        ["hub Label Secret CONFIGURED"],
        ["hub Label Secret FILE_PENDING"],
    );
    type Versions<'a> = &'a [(&'a str, &'a str, i64, &'a [&'a str])];
    let cases: [(&str, Versions<'_>, &[&str]); 25] = [
        ("nothing changed", &[("v0", "token-a", 1, &[c, k])], &[]),
        (
            "rotated since",
            &[("v0", "token-a", 1, &[k]), ("v1", "token-r", 2, &[c])],
            &[],
        ),
        (
            "rotated after the upload",
            &[("v0", "token-a", 1, &[k]), ("v1", "token-r", 101, &[c])],
            &[],
        ),
        ("the file changed", &[("v0", "token-z", 1, &[c, k])], &put),
        (
            "rotated, then changed",
            &[("v0", "token-z", 1, &[k]), ("v1", "token-r", 99, &[c])],
            &put,
        ),
        (
            "changed, then rotated",
            &[("v0", "token-z", 1, &[k]), ("v1", "token-r", 101, &[c])],
            &label,
        ),
        (
            "rotated in the second of the upload",
            &[("v0", "token-z", 1, &[k]), ("v1", "token-r", 100, &[c])],
            &label,
        ),
        (
            "already current",
            &[("v0", "token-z", 1, &[k]), ("v1", "token-a", 2, &[c])],
            &label,
        ),
        (
            "already current, and put after the upload",
            &[("v0", "token-z", 1, &[k]), ("v1", "token-a", 101, &[c])],
            &label,
        ),
        ("a secret without our label", &[("v0", "token-a", 1, &[c])], &label),
        ("no version yet", &[], &put),
        (
            "died before the move",
            &[("v0", "token-z", 1, &[c, k]), ("file-1-on-v0", "token-a", 100, &[p])],
            &put,
        ),
        (
            "died before the move, then rotated",
            &[
                ("v0", "token-z", 1, &[k]),
                ("file-1-on-v0", "token-a", 100, &[p]),
                ("v2", "token-r", 101, &[c]),
            ],
            &label,
        ),
        (
            "the same by the ids alone",
            &[
                ("v0", "token-z", 1, &[k]),
                ("file-1-on-v0", "token-a", 1, &[p]),
                ("v2", "token-r", 1, &[c]),
            ],
            &label,
        ),
        (
            "died before the move, then the file went back",
            &[("v0", "token-a", 1, &[c, k]), ("file-1-on-v0", "token-z", 99, &[p])],
            &drop,
        ),
        (
            "somebody else's use of the label",
            &[("v0", "token-z", 1, &[c, k]), ("v1", "token-a", 2, &[p])],
            &put,
        ),
        (
            "died before CONFIGURED moved, then the file went back",
            &[("v0", "token-a", 1, &[k]), ("file-1-on-v0", "token-z", 99, &[c])],
            &put,
        ),
        (
            "the same by the ids alone",
            &[("v0", "token-a", 1, &[k]), ("file-1-on-v0", "token-z", 1, &[c])],
            &put,
        ),
        (
            "overtaken: the run over an older file made its value current and died",
            &[
                ("file-0-on-v0", "token-z", 1, &[k]),
                ("file-1-on-0", "token-y", 99, &[c]),
                ("file-2-on-0", "token-a", 101, &[p]),
            ],
            &put,
        ),
        (
            "an older value of the file was made current by hand",
            &[
                ("file-1-on-v0", "token-a", 2, &[k]),
                ("file-0-on-nothing-before", "token-z", 1, &[c]),
            ],
            &[],
        ),
        (
            "the same by the ids alone",
            &[
                ("file-1-on-0", "token-a", 1, &[k]),
                ("file-0-on-nothing-before", "token-z", 1, &[c]),
            ],
            &[],
        ),
        (
            "an older value of the file was made current by hand before the file's new one could be",
            &[
                ("file-0-on-nothing-before", "token-y", 1, &[c]),
                ("file-1-on-0", "token-z", 2, &[k]),
                ("file-2-on-1", "token-a", 100, &[p]),
            ],
            &label,
        ),
        (
            "a value of the file, put after the upload of this one by a run that died",
            &[("v0", "token-z", 1, &[k]), ("file-1-on-v0", "token-y", 101, &[c])],
            &put,
        ),
        (
            "moved on, and its pending label is still there",
            &[("v0", "token-a", 1, &[k]), ("file-1-on-v0", "token-z", 2, &[c, p])],
            &put,
        ),
        (
            "rotated, and something was on its way",
            &[("v0", "token-a", 1, &[k]), ("v1", "token-r", 2, &[c, p])],
            &drop,
        ),
    ];
    for (what, versions, expected) in cases {
        let mut account = in_sync();
        let secret = secret(&mut account);
        secret.labels.clear();
        secret.values.clear();
        for (id, token, second, labels) in versions {
            secret.labels.insert(
                (*id).to_owned(),
                labels.iter().map(|label| (*label).to_owned()).collect(),
            );
            secret.values.insert((*id).to_owned(), credential(token));
            secret
                .created
                .insert((*id).to_owned(), Timestamp::from_second(*second).unwrap());
        }
        assert_eq!(steps(FILE, &account), expected, "{what}");
    }
}

/// AWS tells when a secret was rotated last, also where its current version is older.
#[test]
fn a_rotation_after_the_upload_stands_by_the_secrets_date_too() {
    for (rotated, expected) in [(99, "hub Update Secret value"), (100, "hub Label Secret CONFIGURED")] {
        let mut account = in_sync();
        let secret = secret(&mut account);
        secret.values.insert("v1".into(), credential("token-z"));
        secret.rotated = Some(Timestamp::from_second(rotated).unwrap());
        assert_eq!(steps(FILE, &account), [expected]);
    }
}

#[test]
fn a_foreign_rule_elsewhere_is_held_and_its_steps_are_shown() {
    let mut account = in_sync();
    account.snapshot.templates.remove("quay");
    account.snapshot.rules.get_mut("quay").unwrap().upstream_url = "public.ecr.aws".into();
    let held = [
        "quay held: a rule that is not ours",
        "quay Create Template",
        "quay Replace Rule registry",
    ];
    assert_eq!(steps(FILE, &account), held);
    let allowed = FILE.replace("quay.io", "quay.io, take_over: true");
    assert_eq!(
        steps(&allowed, &account),
        ["quay Create Template", "quay Replace Rule registry"]
    );
}

#[test]
fn what_aws_does_to_documents_is_no_drift() {
    let mut account = in_sync();
    for template in account.snapshot.templates.values_mut() {
        let spec = &mut template.spec;
        spec.repository_policy = spec
            .repository_policy
            .replace("arn:aws:iam::123456789012:root", "123456789012");
        spec.lifecycle_policy = spec
            .lifecycle_policy
            .replace("\"tagStatus\"", "\"storageClass\":\"standard\",\"tagStatus\"");
    }
    assert_eq!(steps(FILE, &account), Vec::<String>::new());
}
