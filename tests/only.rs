//! One file for many stacks: what `only` leaves to others is to this one as if the file did not name it.

use std::collections::BTreeSet;

use crate::files::{accepted, context};
use crate::stack::{
    self, BUCKET, LEGACY, Outcome, Report, STATUS_PAGE, State, TestStack, credential, hub, json_of, lines, messages,
    reason, scheduled, uploaded,
};
use config::{Code, Context, File, read};
use local_aws::{Fault, Options};
use serde_json::{Value, json};

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const QUAY: &str = "quay: {registry: quay.io}\n";

/// Account and Region of the stacks here, and others.
const HERE: &str = "{accounts: [\"123456789012\"], regions: [eu-west-1]}";
const THERE: &str = "{regions: [us-east-1, eu-central-2]}";

fn names(file: &File) -> Vec<&str> {
    file.registries.iter().map(|registry| registry.name.as_str()).collect()
}

fn elsewhere(file: &File) -> Vec<&str> {
    file.elsewhere.iter().map(String::as_str).collect()
}

fn codes(file: &File) -> Vec<Code> {
    file.warnings.iter().map(|warning| warning.code).collect()
}

#[test]
fn a_registry_is_where_account_and_region_both_fit() {
    // Of account 111122223333 in eu-central-1.
    let file = accepted(
        "zeta: {registry: quay.io, only: {accounts: ['444455556666']}}
alpha: {registry: quay.io, only: {regions: [eu-west-1, us-east-1]}}
everywhere: {registry: quay.io}
both: {registry: quay.io, only: {accounts: ['444455556666', '111122223333'], regions: [eu-central-1]}}
half: {registry: quay.io, only: {accounts: ['111122223333'], regions: [eu-west-1]}}
plain: {registry: quay.io, only: {accounts: [111122223333]}}
null: {registry: quay.io, only: null}
one: {registry: quay.io, only: {accounts: null, regions: [eu-central-1]}}
all: {registry: quay.io, only: all}
",
    );
    assert_eq!(names(&file), ["everywhere", "both", "plain", "null", "one", "all"]);
    assert_eq!(elsewhere(&file), ["alpha", "half", "zeta"]);
    assert!(file.unplaced.is_empty());
}

#[test]
fn an_account_id_without_quotes_is_its_text_whatever_yaml_makes_of_the_number() {
    let place = Context {
        account: Some("012345670123".into()),
        ..context()
    };
    for (written, is_here) in [
        ("012345670123", true),
        ("'012345670123'", true),
        ("!!str 012345670123", true),
        ("12345670123", false),
        ("1402433619", false),
    ] {
        let yaml = format!("quay: {{registry: quay.io, only: {{accounts: [{written}]}}}}");
        match read(yaml.as_bytes(), &place) {
            Ok(file) => assert_eq!(names(&file), if is_here { vec!["quay"] } else { vec![] }, "{written}"),
            Err(rejected) => {
                assert!(!is_here, "{written}: {rejected}");
                assert_eq!(rejected.errors[0].code, Code::BAD_ACCOUNT, "{written}: {rejected}");
            }
        }
    }
}

#[test]
fn a_registrys_own_replaces_that_of_the_defaults_whole() {
    let file = accepted(
        "registries:
  by-default: {registry: quay.io}
  nothing: {registry: quay.io, only: null}
  lifted: {registry: quay.io, only: all}
  region-alone: {registry: quay.io, only: {regions: [eu-central-1]}}
  another: {registry: quay.io, only: {accounts: ['777788889999']}}
defaults:
  only: {accounts: ['444455556666'], regions: [eu-central-1]}
",
    );
    assert_eq!(names(&file), ["lifted", "region-alone"]);
    assert_eq!(elsewhere(&file), ["another", "by-default", "nothing"]);
    let anchored = accepted(
        "x-eu: &eu {only: {regions: [eu-central-1]}}
registries:
  merged: {<<: *eu, registry: quay.io}
  over: {<<: *eu, registry: quay.io, only: {regions: [eu-west-1]}}
",
    );
    assert_eq!((names(&anchored), elsewhere(&anchored)), (vec!["merged"], vec!["over"]));
}

#[test]
fn a_region_that_this_release_does_not_know_is_a_warning_wherever_it_stands() {
    let file = accepted(
        "quay: {registry: quay.io, only: {regions: [eu-west-1, eu-wset-1]}}
k8s: {registry: registry.k8s.io, only: {regions: [eu-central-1, xx-new-12]}}
",
    );
    assert_eq!(codes(&file), [Code::UNKNOWN_REGION, Code::UNKNOWN_REGION]);
    let said: Vec<(Option<&str>, &str)> = file
        .warnings
        .iter()
        .map(|warning| (warning.registry.as_deref(), warning.message.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (
                Some("quay"),
                "this release knows no Region `eu-wset-1`; did you mean `eu-west-1`?"
            ),
            (Some("k8s"), "this release knows no Region `xx-new-12`"),
        ]
    );
}

/// What only holds in the account and Region that it is written for.
const OF_ANOTHER: &str = "
own: {registry: 111122223333.dkr.ecr.eu-central-1.amazonaws.com, only: &there {accounts: ['444455556666'], regions: [cn-north-1]}}
role: {registry: 777788889999.dkr.ecr.eu-west-1.amazonaws.com, custom_role_arn: 'arn:aws-cn:iam::444455556666:role/pull', only: *there}
same: {registry: 444455556666.dkr.ecr.eu-west-1.amazonaws.com, only: *there}
secret: {registry: docker.io, secret: 'arn:aws-cn:secretsmanager:cn-north-1:444455556666:secret:ecr-pullthroughcache/a-AbCdEf', only: *there}
key: {registry: quay.io, encryption_configuration: {encryption_type: KMS, kms_key: 'arn:aws-cn:kms:cn-north-1:444455556666:key/1234abcd'}, only: *there}
readers: {registry: quay.io, repository_read_access_arns: ['arn:aws-cn:iam::444455556666:root'], only: *there}
writes: {registry: docker.io, username: bot, accessToken: x, only: *there}
reads: {registry: docker.io, secret: ecr-pullthroughcache/writes}
";

#[test]
fn what_depends_on_the_stack_is_held_against_the_one_it_is_for() {
    let here = accepted(OF_ANOTHER);
    assert_eq!(names(&here), ["reads"]);
    assert_eq!(here.elsewhere.len(), 7);
    // A token that stands in the file, and a tag that would never move, are news where the registry is.
    assert_eq!(codes(&here), []);
    let there = Context {
        account: Some("444455556666".into()),
        region: Some("cn-north-1".into()),
        partition: "aws-cn".into(),
        template_role: false,
        ..context()
    };
    let codes: BTreeSet<Code> = match read(OF_ANOTHER.as_bytes(), &there) {
        Ok(_) => panic!("accepted"),
        Err(rejected) => rejected.errors.iter().map(|error| error.code).collect(),
    };
    let expected = [
        Code::ROLE_MISSING,
        Code::SECRET_OF_THIS_FILE,
        Code::TEMPLATE_ROLE_MISSING,
    ];
    // The role's upstream is a third account's; the other's own registry is in another Region, and needs none.
    assert_eq!(codes, BTreeSet::from(expected));
}

#[test]
fn tags_and_defaults_are_held_against_a_stack_where_a_registry_takes_them() {
    let no_role = Context {
        template_role: false,
        ..context()
    };
    let accepted = |yaml: &str| read(yaml.as_bytes(), &no_role).is_ok();
    let of_another =
        "custom_role_arn: 'arn:aws:iam::444455556666:role/pull', encryption_configuration: {encryption_type: KMS}";
    let file =
        |registries: &str, more: &str| format!("{{registries: {{{registries}}}, defaults: {{{of_another}}}{more}}}");
    let (own, none) = (
        "custom_role_arn: 'arn:aws:iam::111122223333:role/pull', encryption_configuration: {encryption_type: AES256}",
        "only: {regions: [us-east-1]}",
    );
    assert!(!accepted(&file("quay: {registry: quay.io}", "")));
    assert!(accepted(&file(&format!("quay: {{registry: quay.io, {none}}}"), "")));
    assert!(accepted(&file(
        &format!("quay: {{registry: quay.io, {none}}}"),
        ", tags: {a: b}"
    )));
    let ecr = "111122223333.dkr.ecr.us-east-1.amazonaws.com";
    let both = format!("quay: {{registry: quay.io, {none}}}, ecr: {{registry: {ecr}, {own}}}");
    assert!(read(file(&both, "").as_bytes(), &context()).is_ok());
    assert!(!accepted(&file(&both, ", tags: {a: b}")));
}

#[test]
fn fifty_are_for_one_stack_and_the_file_may_have_more() {
    let some = |n: usize, name: &str, only: &str| -> String {
        (0..n)
            .map(|n| format!("{name}-{n}: {{registry: quay.io{only}}}\n"))
            .collect()
    };
    let there = ", only: {regions: [us-east-1]}";
    let file = accepted(&format!("{}{}", some(50, "here", ""), some(60, "there", there)));
    assert_eq!((file.registries.len(), file.elsewhere.len()), (50, 60));
    let yaml = format!("{}{}", some(60, "there", there), some(51, "here", ""));
    let rejected = read(yaml.as_bytes(), &context()).unwrap_err();
    assert_eq!(
        (rejected.errors[0].code, rejected.errors[0].line),
        (Code::TOO_MANY_REGISTRIES, Some(111))
    );
    assert!(rejected.errors[0].message.contains("registry 51 of 51"), "{rejected}");
}

#[test]
fn warm_images_are_counted_and_told_apart_for_one_stack() {
    let images = |n: usize| (0..n).map(|n| format!("\"a{n}:1\", ")).collect::<String>();
    let there = "only: {regions: [us-east-1]}";
    // A longer prefix of another stack serves nothing here.
    let file = format!(
        "quay: {{registry: quay.io, warm: [\"team/app:1\", {}]}}
quay/team: {{registry: public.ecr.aws, {there}}}
others: {{registry: quay.io, warm: [{}], {there}}}
",
        images(150),
        images(150)
    );
    assert_eq!(elsewhere(&accepted(&file)), ["others", "quay/team"]);
    let codes: Vec<Code> = match read(file.replace(there, "only: all").as_bytes(), &context()) {
        Ok(_) => panic!("accepted"),
        Err(rejected) => rejected.errors.iter().map(|error| error.code).collect(),
    };
    assert_eq!(codes, [Code::IMAGE_OF_OTHER_REGISTRY, Code::TOO_MANY_IMAGES]);
    // Their form is that of everywhere.
    let twice = format!("others: {{registry: quay.io, warm: [\"a:1\", \"a:1\"], {there}}}\n");
    assert_eq!(
        read(twice.as_bytes(), &context()).unwrap_err().errors[0].code,
        Code::BAD_IMAGE
    );
}

#[test]
fn where_the_stack_is_not_known_what_may_be_here_is_held_to_its_form() {
    let nowhere = Context {
        account: None,
        region: None,
        ..context()
    };
    let file = read(OF_ANOTHER.as_bytes(), &nowhere).unwrap();
    assert_eq!((file.registries.len(), file.unplaced.len()), (8, 7));
    assert!(file.elsewhere.is_empty());
    // A token in the file is one for every stack.
    assert_eq!(codes(&file), [Code::PLAIN_TOKEN]);
    let region = Context {
        account: None,
        ..context()
    };
    let file = read(OF_ANOTHER.as_bytes(), &region).unwrap();
    assert_eq!((names(&file), file.elsewhere.len()), (vec!["reads"], 7));
    // 51 that may be for as many stacks are not too many for one.
    let many: String = (0..51)
        .map(|n| format!("quay-{n}: {{registry: quay.io, only: {{regions: [eu-west-1]}}}}\n"))
        .collect();
    assert_eq!(read(many.as_bytes(), &nowhere).unwrap().unplaced.len(), 51);
}

#[test]
fn a_hostile_only_ends() {
    // A mebibyte of Regions, each nearly one.
    let regions: String = (0..60_000).map(|n| format!("eu-wst-{n}, ")).collect();
    let yaml = format!("quay: {{registry: quay.io, only: {{regions: [{regions}]}}}}");
    assert!(read(yaml.as_bytes(), &context()).unwrap().warnings.len() == 101);
    let accounts = "'1111-2222-3333', ".repeat(55_000);
    let yaml = format!("quay: {{registry: quay.io, only: {{accounts: [{accounts}]}}}}");
    assert_eq!(read(yaml.as_bytes(), &context()).unwrap_err().errors.len(), 101);
    // Each registry of a large file with the same list by an alias.
    let accounts: String = (0..100).map(|n| format!("{:012}, ", n + 1)).collect();
    let mut yaml = format!("a0: {{registry: quay.io, only: &o {{accounts: [{accounts}]}}}}\n");
    for n in 1..500 {
        yaml.push_str(&format!("a{n}: {{registry: quay.io, only: *o}}\n"));
    }
    match read(yaml.as_bytes(), &context()) {
        Ok(file) => assert_eq!(file.elsewhere.len(), 500),
        Err(rejected) => assert_eq!(rejected.errors[0].code, Code::BAD_ALIAS, "{rejected}"),
    }
}

/// The file of these stacks: one registry for this one, one for others.
fn two(only_of_hub: &str) -> String {
    format!(
        "dockerhub: {{registry: docker.io, username: acme-bot, accessToken: canary-docker-1, only: {only_of_hub}}}\n{QUAY}"
    )
}

#[tokio::test(start_paused = true)]
async fn what_is_for_other_stacks_is_named_and_nothing_is_made_of_it() {
    let stack = TestStack::new().await;
    let yaml = format!(
        "{}zeta: {{registry: ghcr.io, secret: ecr-pullthroughcache/z, only: {THERE}}}\n",
        two(THERE)
    );
    let report = stack.follow(&yaml).await;
    assert_eq!(report.outcome, Outcome::Changed);
    assert_eq!(report.message, "1 registry ready; 2 changes applied");
    assert_eq!(
        lines(&report),
        [
            "quay create template quay [] applied",
            "quay create rule quay [] applied"
        ]
    );
    let json = stack.status_json();
    assert_eq!(json["elsewhere"], json!(["dockerhub", "zeta"]));
    assert_eq!(json_of(&report)["elsewhere"], json["elsewhere"]);
    let keys: Vec<&String> = json["registries"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["quay"]);
    assert_eq!(json["pull_through_cache_urls"].as_object().unwrap().len(), 1);
    assert_eq!(json["warnings"], json!([]));
    let page = String::from_utf8(stack.aws.object(BUCKET, STATUS_PAGE).unwrap()).unwrap();
    assert!(
        page.contains("\n- for other stacks (\\`only\\`): dockerhub, zeta\n"),
        "{page}"
    );
    assert_eq!((stack.rule("dockerhub"), stack.secret(HUB)), (None, None));
    for event in [scheduled(), uploaded()] {
        let again = stack.send(event).await.unwrap();
        assert_eq!((again.outcome, again.elsewhere.len()), (Outcome::Converged, 2));
    }
    // A file without `only` says so too.
    stack.follow(QUAY).await;
    assert_eq!(stack.status_json()["elsewhere"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn what_becomes_others_has_left_and_comes_back() {
    let stack = TestStack::new().await;
    assert_eq!(stack.follow(&two(HERE)).await.registries.len(), 2);
    stack.upload(&two(THERE));
    let plan = stack.manual("plan").await;
    let message = plan.registries["dockerhub"].message.as_deref().unwrap();
    assert_eq!(message, "to be deleted: the file has it for other stacks (`only`)");
    let report = stack.send(uploaded()).await.unwrap();
    assert_eq!(
        lines(&report),
        [
            "dockerhub delete rule dockerhub [] applied".to_owned(),
            format!("dockerhub delete secret {HUB} [] applied"),
            "dockerhub delete template dockerhub [] applied".into(),
        ]
    );
    assert!(stack.is_going(HUB));
    let back = stack.follow(&two("all")).await;
    assert_eq!(back.outcome, Outcome::Changed);
    assert_eq!(lines(&back)[0], format!("dockerhub restore secret {HUB} [] applied"));
}

#[tokio::test(start_paused = true)]
async fn the_limit_holds_for_what_becomes_others() {
    let stack = TestStack::new().await;
    stack.follow(&format!("{LEGACY}{QUAY}")).await;
    let mut yaml = format!(
        "registries:\n  quay: {{registry: quay.io, only: all}}{}",
        LEGACY.replace('\n', "\n  ")
    );
    yaml.push_str(&format!("\ndefaults:\n  only: {THERE}\n"));
    stack.aws.clear_calls();
    let report = stack.follow(&yaml).await;
    assert_eq!((report.outcome, stack.writes()), (Outcome::Partial, vec![]));
    assert_eq!(
        report.elsewhere,
        BTreeSet::from(["dockerhub", "gitlab", "public-ecr"].map(str::to_owned))
    );
    let held = &report.registries["gitlab"];
    assert_eq!((held.state, &held.reason), (State::Held, &reason("limit")));
    let message = held.message.as_deref().unwrap();
    for part in [
        "3 registries left the file",
        "or this stack into their `only`",
        "max_deletions\": 3",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let raised = stack.follow(&format!("max_deletions: 3\n{yaml}")).await;
    assert_eq!((raised.outcome, raised.registries.len()), (Outcome::Changed, 1));
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_left_only_the_manual_action_deletes() {
    // Neither the setting nor the file.
    let stack = TestStack::with(Options::default(), &[("MAX_DELETIONS", "10")]).await;
    stack.follow(&two(HERE)).await;
    let nothing = format!(
        "max_deletions: 10\nregistries:\n  dockerhub: {{registry: docker.io, secret: ecr-pullthroughcache/x}}\n  quay: {{registry: quay.io}}\ndefaults:\n  only: {THERE}\n"
    );
    stack.aws.clear_calls();
    for event in [uploaded(), scheduled()] {
        stack.upload(&nothing);
        let report = stack.send(event).await.unwrap();
        assert_eq!((report.outcome, stack.writes()), (Outcome::Partial, vec![]));
        assert_eq!(json_of(&report)["elsewhere"], json!(["dockerhub", "quay"]));
        let held = &report.registries["dockerhub"];
        assert_eq!((held.state, &held.reason), (State::Held, &reason("limit")));
        let message = held.message.as_deref().unwrap();
        for part in [
            "nothing for this stack any more",
            "(dockerhub, quay)",
            "\"max_deletions\": 2}",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains("MAX_DELETIONS"), "no setting helps: {message}");
    }
    let too_few = stack
        .send(json!({"action": "apply", "max_deletions": 1}))
        .await
        .unwrap();
    assert_eq!((too_few.outcome, stack.writes()), (Outcome::Partial, vec![]));
    let message = too_few.registries["quay"].message.as_deref().unwrap();
    assert!(
        message.contains("\"max_deletions\": 2}") && !message.contains("MAX_DELETIONS"),
        "{message}"
    );
    let gone = stack
        .send(json!({"action": "apply", "max_deletions": 2}))
        .await
        .unwrap();
    assert_eq!(
        (gone.outcome, gone.registries.len()),
        (Outcome::Changed, 0),
        "{gone:#?}"
    );
    assert_eq!((stack.rule("quay"), stack.template("dockerhub")), (None, None));
    let after = stack.send(scheduled()).await.unwrap();
    assert_eq!(after.outcome, Outcome::Converged);
    assert_eq!(after.message, "0 registries ready; nothing had to change");
}

#[tokio::test(start_paused = true)]
async fn a_stack_for_which_the_file_has_nothing_converges() {
    let stack = TestStack::new().await;
    stack::make_rule(&stack.aws, "by-hand", "quay.io", None);
    stack.aws.clear_calls();
    let report = stack
        .follow(&format!("quay: {{registry: quay.io, only: {THERE}}}\n"))
        .await;
    assert_eq!((report.outcome, stack.writes()), (Outcome::Converged, vec![]));
    assert_eq!(stack.manual("validate").await.outcome, Outcome::Converged);
}

#[tokio::test(start_paused = true)]
async fn a_secret_counts_only_where_its_registry_is() {
    let stack = TestStack::new().await;
    stack.follow(&two("all")).await;
    // Another stack's registry names this one's secret, which does not keep it here.
    let other = format!("other: {{registry: docker.io, secret: {HUB}, only: {THERE}}}\n");
    let report = stack.follow(&format!("{QUAY}{other}")).await;
    assert!(stack.is_going(HUB), "{report:#?}");
    // Nor does its rotation concern this one.
    let name = "ecr-pullthroughcache/theirs";
    stack.make_secret(name, &credential("canary-docker-2"), json!([]));
    stack
        .follow(&format!(
            "{QUAY}other: {{registry: docker.io, secret: {name}, only: {THERE}}}\n"
        ))
        .await;
    stack.rotate(name, "canary-docker-3");
    let ignored = stack.send(stack.newest_rotation()).await.unwrap();
    assert_eq!(ignored.outcome, Outcome::Ignored, "{ignored:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_see_the_account_names_what_is_elsewhere() {
    let stack = TestStack::new().await;
    stack
        .aws
        .fault(Fault::on("ecr", "DescribePullThroughCacheRules").access_denied());
    let report = stack.follow(&two(THERE)).await;
    assert_eq!(json_of(&report)["elsewhere"], json!(["dockerhub"]), "{report:#?}");
}

#[tokio::test(start_paused = true)]
async fn mistakes_in_what_is_elsewhere_reject_the_file_in_every_stack() {
    let stack = TestStack::new().await;
    let report = stack
        .follow(&format!("{QUAY}hub: {{registry: docker.oi, only: {THERE}}}\n"))
        .await;
    assert_eq!((report.outcome, report.errors.len()), (Outcome::Rejected, 1));
    assert!(messages(&report.errors).contains("docker.oi"));
}

/// A status of a release before `only` is read.
#[test]
fn an_old_status_has_nothing_elsewhere() {
    let mut status = json!({
        "run_id": "run", "started_at": "2026-11-28T00:00:00Z", "finished_at": "2026-11-28T00:00:00Z",
        "last_success_at": null, "outcome": "partial", "mode": "apply", "message": "x",
        "trigger": {"kind": "schedule", "source": "x"}, "config": {}, "changes": [], "registries": {},
        "pull_through_cache_urls": {}, "errors": [], "warnings": [], "stats": {"aws_calls": 1, "duration_ms": 1},
    });
    let read = |status: &Value| serde_json::from_value::<Report>(status.clone()).unwrap();
    assert!(read(&status).elsewhere.is_empty());
    status["elsewhere"] = json!(["a"]);
    assert_eq!(read(&status).elsewhere.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rename_that_moves_to_another_stack_takes_nothing_along() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    // The new name is for others, so here the registry leaves, and nothing takes over its secret.
    let renamed = hub("canary-docker-1").replacen("dockerhub: {", &format!("hub: {{only: {THERE}, "), 1);
    let report = stack.follow(&format!("{renamed}{QUAY}")).await;
    assert_eq!(report.outcome, Outcome::Changed);
    assert!(stack.is_going(HUB) && stack.rule("hub").is_none());
}
