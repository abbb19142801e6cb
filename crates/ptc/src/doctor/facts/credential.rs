//! What stands behind the rule: template, secret, credential, the last run.

use config::UpstreamKind;
use config::expiry::instant;
use ecr_pull_through_sync::account::{Proof, Rule, Secret, Template};
use ecr_pull_through_sync::ownership::EXPIRES_TAG;
use ecr_pull_through_sync::report::{Expires, ExpiresFrom};
use jiff::Timestamp;

use super::{Case, trouble, unread, unread_and_unneeded};
use crate::doctor::{Effect, Fact};

/// Can ECR make the repository?
pub fn template(case: &Case<'_>) -> Option<Fact> {
    let seen = case.seen?;
    case.rule()?;
    let is_there = case.repository_is_there();
    if let Err(error) = &seen.templates {
        return Some(if is_there {
            unread_and_unneeded(error)
        } else {
            unread(error)
        });
    }
    let Some(Template { prefix, spec }) = case.template else {
        return Some(Fact::no(
            "there is none: ECR makes the repository with its own settings",
        ));
    };
    if case.spec().is_none() {
        let text = format!("{prefix} is not for pulls: ECR makes the repository with its own settings");
        return Some(Fact::no(text).note("`ptc plan` shows what a run puts right"));
    }
    let wants_role = match (spec.tags.is_empty(), spec.encryption_type.as_str()) {
        (false, _) => Some("tags"),
        (true, "AES256") => None,
        (true, _) => Some("a KMS key"),
    };
    if let Some(what) = wants_role
        && spec.custom_role_arn.is_none()
    {
        let text =
            format!("{prefix} has {what} and no role: ECR can make no repository, and says that it does not exist");
        let next = "give the template a role (TEMPLATE_ROLE_ARN of the stack does), or take tags and key away";
        return Some(match is_there {
            true => Fact::no(text).note(next),
            false => Fact::no(text).cause(next),
        });
    }
    Some(Fact::yes(format!(
        "{prefix}: {}, {}",
        spec.mutability, spec.encryption_type
    )))
}

/// Is the secret there, and can ECR read it?
pub fn secret(case: &Case<'_>) -> Option<Fact> {
    let found = case.found?;
    let arn = case.rule()?.credential_arn.as_deref()?;
    let secret = match found.secret.as_ref()? {
        Ok(secret) => secret,
        // The proof says all that matters.
        Err(error) if matches!(found.proof, Some(Ok(_))) => return Some(unread_and_unneeded(error)),
        Err(error) => return Some(unread(error)),
    };
    let Some(Secret {
        name,
        scheduled_for_deletion,
        customer_key,
        ..
    }) = secret
    else {
        return Some(
            Fact::no(format!("the rule points to {arn}, which is not there"))
                .cause("upload registries.yaml again: the run makes the secret anew, and points the rule to it"),
        );
    };
    if *scheduled_for_deletion {
        return Some(
            Fact::no(format!("{name} is scheduled for deletion: ECR cannot read it"))
                .cause(format!("aws secretsmanager restore-secret --secret-id {name}")),
        );
    }
    if customer_key.is_some() && !is_proven(found.proof.as_ref().and_then(|proof| proof.as_ref().ok())) {
        return Some(
            Fact::no(format!(
                "{name} is encrypted with a customer's key, which ECR does not support here"
            ))
            .cause(format!(
                "aws secretsmanager update-secret --secret-id {name} --kms-key-id alias/aws/secretsmanager"
            )),
        );
    }
    Some(Fact::yes(name.clone()))
}

fn is_proven(proof: Option<&Proof>) -> bool {
    proof.is_some_and(|proof| proof.valid)
}

/// Does the upstream take the credential?
pub fn credential(case: &Case<'_>) -> Option<Fact> {
    let found = case.found?;
    let Rule {
        upstream_url: host,
        custom_role_arn,
        ..
    } = case.rule()?;
    let Some(proof) = &found.proof else {
        return Some(Fact::yes(format!("{host} wants none")));
    };
    Some(match proof {
        Ok(proof) if proof.valid => Fact::yes(format!("{host} takes it: ECR has tried it now")),
        Ok(proof) => {
            let is_ecr = config::kind_of_host(host) == Some(UpstreamKind::Ecr);
            let next = match (is_ecr, custom_role_arn) {
                (true, None) => "give the registry a custom_role_arn that may pull from the other account".to_owned(),
                (true, Some(role)) => format!(
                    "look at {role}: pullthroughcache.ecr.amazonaws.com must be allowed to assume it, and the other account must let it pull"
                ),
                (false, _) => "put a working token into registries.yaml and upload it, or rotate the secret".to_owned(),
            };
            let lapsed = lapse(case).filter(|lapse| lapse.at <= case.asked.now);
            let since = lapsed
                .map(|lapse| format!(", which lapsed on {}", lapse.day))
                .unwrap_or_default();
            Fact::no(format!("{host} refuses it{since}: {}", proof.failure)).cause(next)
        }
        Err(_) if secret(case).is_some_and(|fact| fact.effect == Effect::Cause) => {
            Fact::unseen("not proven: ECR cannot read the secret")
        }
        Err(error) if error.is_outage_of_upstream() => {
            Fact::unseen(format!("not proven: {}", error.message)).doubt("try again in some minutes")
        }
        Err(error) => unread(error),
    })
}

/// How long does the credential hold?
pub fn expiry(case: &Case<'_>) -> Option<Fact> {
    let Lapse { at, day, who } = lapse(case)?;
    if at <= case.asked.now {
        return Some(Fact::no(format!("it lapsed on {day}, by {who}")).note(NEW_TOKEN));
    }
    let fact = Fact::yes(format!("it holds until {day}, by {who}"));
    let left = at.duration_since(case.asked.now).as_hours() / 24;
    Some(match left <= i64::from(case.asked.warning_days) {
        true => fact.note(NEW_TOKEN),
        false => fact,
    })
}

const NEW_TOKEN: &str = "get a new token from the upstream, and put it into registries.yaml or the secret";

/// When the credential lapses, and what says so.
struct Lapse {
    at: Timestamp,
    day: String,
    who: &'static str,
}

/// The token's own word counts first, and only a run reads it; the tag is as of now.
fn lapse(case: &Case<'_>) -> Option<Lapse> {
    case.rule()?.credential_arn.as_ref()?;
    let told = case.registry().and_then(|(_, registry)| registry.expires.as_ref());
    let secret = case.found?.secret.as_ref()?.as_ref().ok()?.as_ref();
    let tag = secret.and_then(|secret| instant(secret.tags.get(EXPIRES_TAG)?));
    let of_run = |expires: &Expires| Some((expires.at.parse::<Timestamp>().ok()?, "the last run"));
    let by_token = told
        .filter(|expires| expires.from == ExpiresFrom::Token)
        .and_then(of_run);
    let by_tag = || Some((tag?, "the tag of its secret"));
    let (at, who) = by_token.or_else(by_tag).or_else(|| told.and_then(of_run))?;
    Some(Lapse {
        at,
        day: at.to_string().chars().take(10).collect(),
        who,
    })
}

/// Did the last run leave the registry ready?
pub fn last_run(case: &Case<'_>) -> Option<Fact> {
    // Without rules nobody knows which registry it would be.
    case.seen?.rules.as_ref().ok()?;
    let report = match &case.asked.status {
        Ok(report) => report,
        Err(why) => return Some(Fact::unseen(why.clone())),
    };
    let at = &report.finished_at;
    let Some((name, registry)) = case.registry() else {
        if let Some(name) = case.for_other_stacks() {
            return Some(Fact::no(format!("the run of {at} left {name} to other stacks")));
        }
        return Some(Fact::no(format!("the run of {at} knows no such registry")));
    };
    Some(match trouble((name, registry)) {
        None => Fact::yes(format!("{name} is ready, said the run of {at}")),
        // The missing rule has told it.
        Some(_) if case.rule().is_none() => {
            Fact::no(format!("{name} is {} (the run of {at})", registry.state.as_str()))
        }
        Some(trouble) => Fact::no(format!("{trouble} (the run of {at})")).note("`ptc status` shows the whole report"),
    })
}

/// Which pull through the rule failed last, within a day?
pub fn last_pull_failure(case: &Case<'_>) -> Option<Fact> {
    let (_, registry) = case.registry()?;
    let last = registry.last_pull_failure.as_ref()?;
    let fact = Fact::no(format!("{}, at {}", last.words(), last.at));
    Some(fact.note("ECR asks the upstream anew at each pull of what is not cached: its words say what was wrong then"))
}
