//! What stands behind the rule: template, secret, credential, the last run.

use ecr_pull_through_sync::account::{Proof, Rule, Secret, Template};

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
            let next = match custom_role_arn {
                Some(role) => format!(
                    "look at {role}: pullthroughcache.ecr.amazonaws.com must be allowed to assume it, and the other account to be pulled from"
                ),
                None => "put a working token into registries.yaml and upload it, or rotate the secret".to_owned(),
            };
            Fact::no(format!("{host} refuses it: {}", proof.failure)).cause(next)
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
