//! Reads `username`, `accessToken` and names of secrets.

use secrecy::SecretString;

use crate::diagnostics::code::Code;
use crate::diagnostics::problem::Notes;
use crate::model::arn::Arn;
use crate::model::context::Context;
use crate::model::credential::{MOST_NAME, SECRET_PREFIX, ValueFault, without_suffix};
use crate::read::fields::Field;
use crate::yaml::node::Entry;

/// Reads `username` or `accessToken`. No message ever repeats the value.
pub(crate) fn read_value(name: &str, entry: &Entry, notes: &mut Notes) -> Option<Field<SecretString>> {
    let node = &entry.value;
    let Some(scalar) = node.scalar() else {
        notes.error(
            Code::BAD_CREDENTIAL,
            node.at,
            format!(
                "`{name}` is a text, but {} stands here; if it begins with `[` or `{{`, put it in quotes",
                node.kind()
            ),
        );
        return None;
    };
    let text = scalar.text.as_str();
    match ValueFault::of(text) {
        Some(fault) => {
            let advice = match fault {
                ValueFault::Empty => "; write it, or remove the line",
                ValueFault::Blanks => " (a block after `|`?); write it on one line, without them",
                ValueFault::Control => "; write it on one line, as the upstream gave it out",
                ValueFault::TooLong => "",
            };
            notes.error(Code::BAD_CREDENTIAL, node.at, format!("`{name}` {fault}{advice}"));
            None
        }
        // From a borrowed text: no copy but the exact one is left behind.
        None => Some(Field {
            value: SecretString::from(text),
            at: node.at,
            key: entry.key.at,
        }),
    }
}

/// What a secret is named for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// ECR reads it.
    Referenced,
    /// The function copies from it.
    Source,
}

impl Purpose {
    fn prefix(self) -> &'static str {
        match self {
            Self::Referenced => SECRET_PREFIX,
            Self::Source => "",
        }
    }

    fn reader(self) -> &'static str {
        match self {
            Self::Referenced => "ECR",
            Self::Source => "the function",
        }
    }
}

/// Reads the name or ARN of a secret. A message does not repeat the value: it may be a token that somebody put here.
pub(crate) fn read_secret(
    name: &str,
    purpose: Purpose,
    entry: &Entry,
    context: &Context,
    notes: &mut Notes,
) -> Option<Field<String>> {
    let value = crate::read::fields::text(name, &entry.value, notes)?;
    if let Some(fault) = secret_fault(&value, purpose, context) {
        let code = match purpose {
            Purpose::Referenced => Code::BAD_SECRET,
            Purpose::Source => Code::BAD_SOURCE,
        };
        notes.error(code, entry.value.at, format!("`{name}` {fault}"));
        return None;
    }
    Some(Field {
        value,
        at: entry.value.at,
        key: entry.key.at,
    })
}

fn secret_fault(text: &str, purpose: Purpose, context: &Context) -> Option<String> {
    let (prefix, reader) = (purpose.prefix(), purpose.reader());
    let (partition, account, region) = (
        context.partition_shown(),
        context.account_shown(),
        context.region_shown(),
    );
    let name = if text.starts_with("arn:") {
        let Some(arn) = Arn::parse(text).filter(|arn| arn.service == "secretsmanager") else {
            return Some(format!(
                "is no ARN of a secret; write `arn:{partition}:secretsmanager:{region}:{account}:secret:{prefix}...`, or the secret's name"
            ));
        };
        if !context.is_partition(arn.partition) || !context.is_region(arn.region) || !context.is_account(arn.account) {
            return Some(format!(
                "must be in this account and Region, `{partition}`, `{region}`, `{account}`: {reader} reads no other; copy it there"
            ));
        }
        let Some(name) = arn.resource.strip_prefix("secret:") else {
            return Some("is no ARN of a secret: `secret:` is missing in it".to_owned());
        };
        name
    } else {
        text
    };
    let Some(rest) = name.strip_prefix(prefix) else {
        return Some(format!(
            "must name a secret that begins with `{prefix}`: ECR reads no other"
        ));
    };
    if let Some(c) = rest
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || "/_+=.@-".contains(*c)))
    {
        let c = crate::diagnostics::problem::shown(&c.to_string());
        return Some(format!(
            "has the character {c}; {reader} takes letters, digits and `/_+=.@-` in the name of a secret"
        ));
    }
    if rest.is_empty() {
        return Some(match purpose {
            Purpose::Referenced => format!("ends after `{prefix}`; write the whole name"),
            Purpose::Source => "is empty; write the name of the secret".to_owned(),
        });
    }
    let bare = if text.starts_with("arn:") {
        without_suffix(name).filter(|name| name.len() > prefix.len())
    } else {
        Some(name)
    };
    let Some(bare) = bare else {
        return Some("is not the full ARN: it must end with the hyphen and six characters that Secrets Manager added; write those too, or the name alone".to_owned());
    };
    if bare.len() > MOST_NAME {
        return Some(format!(
            "has a name of {} characters; Secrets Manager allows {MOST_NAME}",
            bare.len()
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_named_or_given_by_arn() {
        let context = Context {
            account: Some("111122223333".into()),
            region: Some("eu-central-1".into()),
            partition: "aws".into(),
            template_role: false,
            resource_tags: Default::default(),
        };
        let arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:ecr-pullthroughcache/docker-hub-AbCdEf";
        for good in ["ecr-pullthroughcache/dockerhub", "ecr-pullthroughcache/a/b_+=.@-", arn] {
            assert_eq!(secret_fault(good, Purpose::Referenced, &context), None, "{good}");
        }
        for bad in [
            "dockerhub",
            "ecr-pullthroughcache/",
            "ecr-pullthroughcache/a!b",
            "ecr-pullthroughcache/a b",
            "arn:aws:secretsmanager:eu-central-1:111122223333:secret:ecr-pullthroughcache/dockerhub",
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:ecr-pullthroughcache/a-AbCdEf",
            "arn:aws:secretsmanager:eu-central-1:444455556666:secret:ecr-pullthroughcache/a-AbCdEf",
            "arn:aws:ssm:eu-central-1:111122223333:parameter/x",
            "arn:aws:secretsmanager:eu-central-1:111122223333:secret:other/a-AbCdEf",
        ] {
            assert!(secret_fault(bad, Purpose::Referenced, &context).is_some(), "{bad}");
        }
        let elsewhere = Context {
            account: None,
            region: None,
            ..context
        };
        assert_eq!(
            secret_fault(
                &arn.replace("1111", "4444").replace("eu-central", "us-east"),
                Purpose::Referenced,
                &elsewhere
            ),
            None
        );
    }
}
