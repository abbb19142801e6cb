//! The file sets credentials and never undoes a rotation.

use crate::stack::{self, CredentialState, Outcome, State, TestStack, hub, lines, put_current, scheduled, token_id};
use local_aws::{Fault, Options};
use serde_json::{Value, json};

const HUB: &str = "ecr-pullthroughcache/dockerhub";

/// Makes a secret as somebody else would, and gives its ARN.
fn secret(stack: &TestStack, name: &str, token: &str, tags: Value) -> String {
    let value = json!({"username": "acme-bot", "accessToken": token}).to_string();
    let input = json!({"Name": name, "SecretString": value, "Tags": tags, "ClientRequestToken": token_id()});
    stack.aws.call("secretsmanager", "CreateSecret", input).unwrap()["ARN"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn rule(stack: &TestStack, prefix: &str, host: &str, arn: &str) {
    let input = json!({"ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": host, "credentialArn": arn});
    stack.aws.call("ecr", "CreatePullThroughCacheRule", input).unwrap();
}

fn owner(owner: &str) -> Value {
    json!([{"Key": "ecr-pull-through-sync:owner", "Value": owner}])
}

#[tokio::test(start_paused = true)]
async fn a_new_secret_holds_exactly_what_ecr_asks_for_with_labels_tags_and_policy() {
    let stack = TestStack::new().await;
    stack
        .follow(&format!(
            "tags: {{team: platform}}\nregistries:\n  {}",
            hub("canary-docker-1")
        ))
        .await;
    let value = stack
        .aws
        .call("secretsmanager", "GetSecretValue", json!({"SecretId": HUB}))
        .unwrap();
    assert_eq!(
        value["SecretString"],
        r#"{"username":"acme-bot","accessToken":"canary-docker-1"}"#
    );
    let labels = value["VersionStages"].as_array().unwrap();
    assert!(
        labels.contains(&json!("AWSCURRENT")) && labels.contains(&json!("CONFIGURED")),
        "{labels:?}"
    );
    let secret = stack.secret(HUB).unwrap();
    assert_eq!(secret["Description"], "dockerhub credentials");
    let tags = secret["Tags"].as_array().unwrap();
    assert!(tags.contains(&json!({"Key": "team", "Value": "platform"})));
    assert!(tags.contains(&owner("stack")[0]));
    let policy = stack
        .aws
        .call("secretsmanager", "GetResourcePolicy", json!({"SecretId": HUB}))
        .unwrap();
    let policy: Value = serde_json::from_str(policy["ResourcePolicy"].as_str().unwrap()).unwrap();
    let statement = policy["Statement"].get(0).unwrap_or(&policy["Statement"]);
    assert_eq!(statement["Sid"], "AllowAccountRead");
    assert_eq!(stack.rule("dockerhub").unwrap()["credentialArn"], secret["ARN"]);
}

/// The line of a value that is proven for the first time.
fn proven() -> String {
    format!("dockerhub label secret {HUB} [PROVEN] applied")
}

#[tokio::test(start_paused = true)]
async fn the_same_file_never_undoes_a_rotation() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.rotate(HUB, "canary-docker-2");
    assert_eq!(lines(&stack.send(scheduled()).await.unwrap()), [proven()]);
    for _ in 0..2 {
        stack.aws.clear_calls();
        let report = stack.follow(&hub("canary-docker-1")).await;
        assert_eq!(report.outcome, Outcome::Converged, "{report:#?}");
        assert_eq!(stack.writes(), Vec::<String>::new());
    }
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-2"));
    assert_eq!(stack.token(HUB, "CONFIGURED").as_deref(), Some("canary-docker-1"));
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_speaks_and_a_b_a_works() {
    for put_moves_current in [false, true] {
        let stack = TestStack::with(
            Options {
                put_moves_current,
                ..Options::default()
            },
            &[],
        )
        .await;
        stack.follow(&hub("canary-docker-1")).await;
        for token in ["canary-docker-2", "canary-docker-1", "canary-docker-3"] {
            let report = stack.follow(&hub(token)).await;
            assert_eq!(
                lines(&report),
                [format!("dockerhub update secret {HUB} [value] applied"), proven()]
            );
            for label in ["AWSCURRENT", "CONFIGURED"] {
                assert_eq!(stack.token(HUB, label).as_deref(), Some(token), "{label}");
            }
            assert_eq!(stack.token(HUB, "FILE_PENDING"), None);
            assert_eq!(stack.manual("plan").await.outcome, Outcome::Converged);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_says_what_is_current_already_only_moves_the_label() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.rotate(HUB, "canary-docker-2");
    let report = stack.follow(&hub("canary-docker-2")).await;
    assert_eq!(
        lines(&report),
        [format!("dockerhub label secret {HUB} [CONFIGURED] applied"), proven()]
    );
    assert_eq!(stack.token(HUB, "CONFIGURED").as_deref(), Some("canary-docker-2"));
}

#[tokio::test(start_paused = true)]
async fn a_rotation_between_look_and_move_stands() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack
        .aws
        .before("secretsmanager", "UpdateSecretVersionStage", 1, |aws| {
            put_current(aws, HUB, "canary-docker-3")
        });
    let report = stack.follow(&hub("canary-docker-2")).await;
    assert_eq!(
        stack.token(HUB, "AWSCURRENT").as_deref(),
        Some("canary-docker-3"),
        "{report:#?}"
    );
    assert_eq!(
        stack.token(HUB, "CONFIGURED").as_deref(),
        Some("canary-docker-2"),
        "the file has spoken"
    );
    assert!(
        report.changes[0]
            .note
            .as_deref()
            .unwrap()
            .contains("the rotation stands"),
        "{report:#?}"
    );
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_died_between_the_labels_is_finished_by_the_next() {
    for dies_at in 1..=3 {
        let stack = TestStack::new().await;
        stack.follow(&hub("canary-docker-1")).await;
        let dead = Fault::on("secretsmanager", "UpdateSecretVersionStage")
            .skip(dies_at - 1)
            .times(100);
        stack.aws.fault(dead.error("InternalServiceError", "dead", 500));
        stack.upload(&hub("canary-docker-2"));
        stack.send(stack::uploaded()).await.unwrap_err();
        stack.aws.clear_faults();
        let report = stack.send(scheduled()).await.unwrap();
        assert_ne!(report.outcome, Outcome::Partial, "{dies_at}: {report:#?}");
        for label in ["AWSCURRENT", "CONFIGURED"] {
            assert_eq!(
                stack.token(HUB, label).as_deref(),
                Some("canary-docker-2"),
                "{dies_at} {label}"
            );
        }
        assert_eq!(stack.manual("plan").await.outcome, Outcome::Converged, "{dies_at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotation_after_such_a_death_stands_too() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.aws.fault(
        Fault::on("secretsmanager", "UpdateSecretVersionStage")
            .times(100)
            .server_error(),
    );
    stack.upload(&hub("canary-docker-2"));
    stack.send(stack::uploaded()).await.unwrap_err();
    stack.aws.clear_faults();
    stack.aws.advance(std::time::Duration::from_secs(60));
    stack.rotate(HUB, "canary-docker-3");
    stack.send(scheduled()).await.unwrap();
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-3"));
    assert_eq!(stack.token(HUB, "CONFIGURED").as_deref(), Some("canary-docker-2"));
}

#[tokio::test(start_paused = true)]
async fn a_rule_keeps_the_legacy_modules_secret_and_it_is_only_tagged_and_labelled() {
    let stack = TestStack::new().await;
    let name = format!("{HUB}20240101120000000000000001");
    let arn = secret(&stack, &name, "canary-docker-1", json!([]));
    let describe = json!({"SecretId": arn, "Description": "dockerhub credentials"});
    stack.aws.call("secretsmanager", "UpdateSecret", describe).unwrap();
    rule(&stack, "dockerhub", "registry-1.docker.io", &arn);
    let report = stack.follow(&hub("canary-docker-1")).await;
    assert_eq!(
        lines(&report),
        [
            format!("dockerhub adopt secret {name} [tags] applied"),
            format!("dockerhub create secret_policy {name} [] applied"),
            format!("dockerhub label secret {name} [CONFIGURED] applied"),
            "dockerhub create template dockerhub [] applied".into(),
        ]
    );
    assert_eq!(stack.secret(HUB), None, "no twin");
    assert_eq!(stack.rule("dockerhub").unwrap()["credentialArn"], json!(arn));
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_secret_is_left_and_the_rule_moves_to_our_own() {
    let stack = TestStack::new().await;
    let arn = secret(
        &stack,
        "ecr-pullthroughcache/shared-by-ops",
        "canary-docker-2",
        json!([]),
    );
    rule(&stack, "dockerhub", "registry-1.docker.io", &arn);
    let before = stack.secret(&arn);
    let report = stack.follow(&hub("canary-docker-1")).await;
    assert_eq!(
        lines(&report).last().unwrap(),
        "dockerhub update rule dockerhub [secret] applied"
    );
    assert_eq!(stack.secret(&arn), before);
    assert_eq!(
        stack.rule("dockerhub").unwrap()["credentialArn"],
        stack.secret(HUB).unwrap()["ARN"]
    );
}

#[tokio::test(start_paused = true)]
async fn another_owners_secret_refuses_the_registry_and_nothing_of_it_is_written() {
    let stack = TestStack::new().await;
    let arn = secret(&stack, HUB, "canary-docker-1", owner("other-stack"));
    let before = stack.secret(&arn);
    let report = stack.follow(&hub("canary-docker-1")).await;
    assert_eq!(report.registries["dockerhub"].state, State::Failed);
    assert!(
        report.registries["dockerhub"]
            .message
            .as_deref()
            .unwrap()
            .contains("other-stack")
    );
    assert_eq!(stack.writes(), Vec::<String>::new());
    assert_eq!(stack.secret(&arn), before);
    let stack = TestStack::with(Options::default(), &[("TAKE_OVER_FROM", "other-stack")]).await;
    secret(&stack, HUB, "canary-docker-1", owner("other-stack"));
    let report = stack.follow(&hub("canary-docker-1")).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert!(
        stack.secret(HUB).unwrap()["Tags"]
            .as_array()
            .unwrap()
            .contains(&owner("stack")[0])
    );
}

#[tokio::test(start_paused = true)]
async fn a_secret_scheduled_for_deletion_is_restored_and_treated_like_any_other_in_the_same_run() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    let arn = stack.secret(HUB).unwrap()["ARN"].clone();
    stack
        .aws
        .call(
            "secretsmanager",
            "DeleteSecret",
            json!({"SecretId": HUB, "RecoveryWindowInDays": 7}),
        )
        .unwrap();
    let report = stack.follow(&hub("canary-docker-2")).await;
    assert_eq!(
        lines(&report),
        [
            format!("dockerhub restore secret {HUB} [] applied"),
            format!("dockerhub update secret {HUB} [value] applied"),
            proven(),
        ]
    );
    assert_eq!(stack.secret(HUB).unwrap()["ARN"], arn);
    assert_eq!(report.registries["dockerhub"].state, State::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_referenced_secret_is_used_and_never_written() {
    let stack = TestStack::new().await;
    let arn = secret(&stack, "ecr-pullthroughcache/ops", "canary-docker-1", json!([]));
    let before = stack.secret(&arn);
    for id in ["ecr-pullthroughcache/ops", arn.as_str()] {
        let report = stack
            .follow(&format!("dockerhub: {{registry: docker.io, secret: \"{id}\"}}\n"))
            .await;
        assert_eq!(
            report.registries["dockerhub"].credential,
            CredentialState::Valid,
            "{report:#?}"
        );
        assert_eq!(stack.rule("dockerhub").unwrap()["credentialArn"], json!(arn));
    }
    assert_eq!(stack.secret(&arn), before);
    let report = stack
        .follow("dockerhub: {registry: docker.io, secret: ecr-pullthroughcache/none}\n")
        .await;
    let message = report.registries["dockerhub"].message.as_deref().unwrap();
    assert!(
        message.contains("there is no secret ecr-pullthroughcache/none"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_own_secret_that_its_registry_stopped_using_is_deleted_with_the_seven_day_window() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    secret(&stack, "ecr-pullthroughcache/ops", "canary-docker-1", json!([]));
    let moved = "dockerhub: {registry: docker.io, secret: ecr-pullthroughcache/ops}\n";
    stack.upload(moved);
    let plan = stack.manual("plan").await;
    assert_eq!(
        lines(&plan).last().unwrap(),
        &format!("dockerhub delete secret {HUB} [] planned")
    );
    let report = stack.follow(moved).await;
    assert_eq!(
        lines(&report),
        [
            "dockerhub update rule dockerhub [secret] applied".into(),
            format!("dockerhub delete secret {HUB} [] applied")
        ]
    );
    assert!(stack.secret(HUB).unwrap()["DeletedDate"].is_number());
    assert_eq!(stack.manual("plan").await.outcome, Outcome::Converged);
}

#[tokio::test(start_paused = true)]
async fn an_own_secret_that_any_rule_still_uses_is_kept() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    let arn = stack.secret(HUB).unwrap()["ARN"].as_str().unwrap().to_owned();
    rule(&stack, "by-hand", "registry-1.docker.io", &arn);
    secret(&stack, "ecr-pullthroughcache/ops", "canary-docker-1", json!([]));
    stack
        .follow("dockerhub: {registry: docker.io, secret: ecr-pullthroughcache/ops}\n")
        .await;
    assert_eq!(stack.secret(HUB).unwrap()["DeletedDate"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_unknown_content_is_not_overwritten() {
    let stack = TestStack::new().await;
    let input = json!({"Name": HUB, "SecretString": "{\"user\": \"x\", \"password\": \"canary-other\"}"});
    stack.aws.call("secretsmanager", "CreateSecret", input).unwrap();
    let report = stack.follow(&hub("canary-docker-1")).await;
    assert_eq!(report.registries["dockerhub"].state, State::Failed);
    assert_eq!(stack.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn neither_other_keys_nor_binary_are_overwritten_in_a_secret_that_nobody_has_marked() {
    let more = json!({"username": "acme-bot", "accessToken": "canary-docker-2", "email": "x@y"}).to_string();
    for value in [json!({"SecretString": more}), json!({"SecretBinary": "Y2FuYXJ5"})] {
        let stack = TestStack::new().await;
        let mut input = value.clone();
        input["Name"] = json!(HUB);
        stack.aws.call("secretsmanager", "CreateSecret", input).unwrap();
        let before = stack.version(HUB, "AWSCURRENT");
        let report = stack.follow(&hub("canary-docker-1")).await;
        assert_eq!(report.registries["dockerhub"].state, State::Failed, "{report:#?}");
        let message = report.registries["dockerhub"].message.as_deref().unwrap();
        assert!(message.contains("exactly username and accessToken"), "{message}");
        assert_eq!((stack.writes(), stack.version(HUB, "AWSCURRENT")), (Vec::new(), before));
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_secret_of_ours_the_file_speaks_over_anything_and_what_was_there_is_kept_and_told() {
    for owned_by in ["stack", "old-stack"] {
        let stack = TestStack::with(Options::default(), &[("TAKE_OVER_FROM", "old-stack")]).await;
        let other = r#"{"user": "x", "password": "canary-other"}"#;
        let input = json!({"Name": HUB, "SecretString": other, "Tags": owner(owned_by)});
        stack.aws.call("secretsmanager", "CreateSecret", input).unwrap();
        let unusable = stack.version(HUB, "AWSCURRENT");
        let report = stack.follow(&hub("canary-docker-1")).await;
        assert_eq!(report.registries["dockerhub"].state, State::Ready, "{report:#?}");
        assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-1"));
        assert_eq!(stack.version(HUB, "AWSPREVIOUS"), unusable);
        let changes = report.changes;
        let put = changes.iter().find(|change| change.fields == ["value"]).unwrap();
        assert!(put.note.as_deref().unwrap().contains("kept as AWSPREVIOUS"), "{put:#?}");
        assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
    }
}

/// Terraform's `jsonencode` writes a number where the YAML file had no quotes, and ECR asks for text.
#[tokio::test(start_paused = true)]
async fn a_legacy_token_that_was_written_as_a_number_is_adopted_and_written_as_text() {
    let stack = TestStack::new().await;
    stack
        .aws
        .accept_upstream("registry-1.docker.io", "acme-bot", "12345678");
    let name = format!("{HUB}20240101120000000000000001");
    let arn = stack.make_secret(
        &name,
        &json!({"username": "acme-bot", "accessToken": 12_345_678}),
        json!([]),
    );
    rule(&stack, "dockerhub", "registry-1.docker.io", &arn);
    let report = stack.follow(&hub("12345678")).await;
    assert_eq!(report.registries["dockerhub"].state, State::Ready, "{report:#?}");
    assert_eq!(stack.token(&name, "AWSCURRENT").as_deref(), Some("12345678"));
    assert_eq!(stack.secret(HUB), None, "no twin");
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_free_again_yet_is_waited_for() {
    let stack = TestStack::new().await;
    let text = "You can't create this secret because a secret with this name was deleted.";
    let deleted = Fault::on("secretsmanager", "CreateSecret").times(5);
    stack.aws.fault(deleted.error("InvalidRequestException", text, 400));
    let report = stack.follow(&hub("canary-docker-1")).await;
    assert_eq!(report.registries["dockerhub"].state, State::Ready, "{report:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_the_file_took_back_before_it_was_current_is_heard_when_it_comes_again() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack
        .aws
        .fault(Fault::on("secretsmanager", "UpdateSecretVersionStage").server_error());
    stack.upload(&hub("canary-docker-2"));
    stack.send(stack::uploaded()).await.unwrap_err();
    stack.aws.clear_faults();
    stack.follow(&hub("canary-docker-1")).await;
    stack.rotate(HUB, "canary-docker-3");
    stack.send(scheduled()).await.unwrap();
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-3"));
    let report = stack.follow(&hub("canary-docker-2")).await;
    assert_eq!(
        stack.token(HUB, "AWSCURRENT").as_deref(),
        Some("canary-docker-2"),
        "{report:#?}"
    );
}

/// The rotation's value is older than the file's, and was made current later: ages do not tell.
#[tokio::test(start_paused = true)]
async fn a_rotation_that_was_under_way_when_a_run_died_stands() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    let before = stack.version(HUB, "AWSCURRENT");
    let value = json!({"username": "acme-bot", "accessToken": "canary-docker-3"}).to_string();
    let input = json!({"SecretId": HUB, "SecretString": value, "VersionStages": ["AWSPENDING"]});
    stack.aws.call("secretsmanager", "PutSecretValue", input).unwrap();
    stack.aws.advance(std::time::Duration::from_secs(5));
    stack
        .aws
        .fault(Fault::on("secretsmanager", "UpdateSecretVersionStage").server_error());
    stack.upload(&hub("canary-docker-2"));
    stack.send(stack::uploaded()).await.unwrap_err();
    stack.aws.clear_faults();
    let pending = stack.version(HUB, "AWSPENDING");
    let input = json!({
        "SecretId": HUB, "VersionStage": "AWSCURRENT", "MoveToVersionId": pending, "RemoveFromVersionId": before,
    });
    stack
        .aws
        .call("secretsmanager", "UpdateSecretVersionStage", input)
        .unwrap();
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(
        stack.token(HUB, "AWSCURRENT").as_deref(),
        Some("canary-docker-3"),
        "{:?}",
        lines(&report)
    );
}

#[tokio::test(start_paused = true)]
async fn two_registries_whose_rules_share_a_secret_do_not_write_it_in_turn() {
    let stack = TestStack::new().await;
    stack.follow(stack::LEGACY).await;
    let arn = stack.secret(HUB).unwrap()["ARN"].as_str().unwrap().to_owned();
    rule(&stack, "mirror-a", "registry-1.docker.io", &arn);
    rule(&stack, "mirror-b", "registry-1.docker.io", &arn);
    let mirrors = [("mirror-a", "canary-docker-2"), ("mirror-b", "canary-docker-3")];
    stack
        .follow(
            &mirrors
                .map(|(name, token)| hub(token).replace("dockerhub", name))
                .concat(),
        )
        .await;
    let again = lines(&stack.send(scheduled()).await.unwrap());
    assert!(again.iter().all(|line| line.ends_with(" held")), "{again:#?}");
}

/// A run that dies between two labels leaves a value of the file beside the current one. The secret may go with it and come
/// back: whatever the file says then is what serves.
#[tokio::test(start_paused = true)]
async fn a_value_on_its_way_that_a_deleted_secret_took_along_is_planned_right_when_it_is_restored() {
    for token in ["canary-docker-1", "canary-docker-2", "canary-docker-3"] {
        let stack = TestStack::new().await;
        let other = "quay: {registry: quay.io}\n";
        stack.follow(&format!("{other}{}", hub("canary-docker-1"))).await;
        stack.aws.fault(
            Fault::on("secretsmanager", "UpdateSecretVersionStage")
                .times(9)
                .access_denied(),
        );
        stack.follow(&format!("{other}{}", hub("canary-docker-2"))).await;
        stack.aws.clear_faults();
        stack.follow(other).await;
        assert!(stack.is_going(HUB) && stack.version(HUB, "FILE_PENDING").is_some());
        let report = stack.follow(&format!("{other}{}", hub(token))).await;
        assert_eq!(
            report.registries["dockerhub"].state,
            State::Ready,
            "{token}: {report:#?}"
        );
        assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some(token), "{report:#?}");
        assert_eq!(stack.token(HUB, "CONFIGURED").as_deref(), Some(token));
        assert_eq!(stack.version(HUB, "FILE_PENDING"), None, "{token}");
        assert_eq!(stack.manual("plan").await.outcome, Outcome::Converged, "{token}");
    }
}
