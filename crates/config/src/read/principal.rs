//! Who may pull: `repository_read_access_arns` ("AWS JSON policy elements: Principal" in the IAM user guide).

use crate::diagnostics::code::Code;
use crate::diagnostics::problem::{Notes, shown};
use crate::model::arn::{Arn, is_account, is_iam_name};
use crate::model::context::Context;
use crate::read::fields::{self, Field};
use crate::yaml::node::Entry;

/// A repository policy has at most 10240 characters (ECR API, SetRepositoryPolicy); this is what principals can take
/// of that at the very most.
const MOST_CHARACTERS: usize = 9_700;

/// Reads the list. ECR refuses a whole policy for one principal that IAM does not know the form of.
pub(crate) fn read(entry: &Entry, context: &Context, notes: &mut Notes) -> Option<Field<Vec<String>>> {
    const NAME: &str = "repository_read_access_arns";
    let items = fields::texts(NAME, &entry.value, notes)?;
    for (text, at) in &items {
        if let Some(fault) = fault(text, context) {
            notes.error(Code::BAD_READER, *at, fault);
        }
    }
    // Each with its quotes and comma.
    let size: usize = items.iter().map(|(text, _)| text.len() + 3).sum();
    if size > MOST_CHARACTERS {
        notes.error(
            Code::POLICY_TOO_LONG,
            entry.value.at,
            format!("`{NAME}` makes a repository policy of more than the 10240 characters that ECR allows; name account roots instead of single roles"),
        );
    }
    let value = items.into_iter().map(|(text, _)| text).collect();
    Some(Field {
        value,
        at: entry.value.at,
        key: entry.key.at,
    })
}

fn fault(text: &str, context: &Context) -> Option<String> {
    let partition = context.partition_shown();
    let example = format!("write an ARN such as `arn:{partition}:iam::111122223333:root`");
    if text == "*" {
        return Some(format!(
            "`*` would let every AWS account in the world pull from here; {example} for each account that may"
        ));
    }
    if is_account(text) {
        return None;
    }
    if text.starts_with("o-") || text.starts_with("r-") || text.starts_with("ou-") || text.contains(":organizations:") {
        return Some(format!(
            "{} is an organization, which cannot be a principal; {example} for each account",
            shown(text)
        ));
    }
    let Some(arn) = Arn::parse(text) else {
        return Some(format!(
            "{} is no principal that may pull; {example}, or the account's 12 digits",
            shown(text)
        ));
    };
    if !context.is_partition(arn.partition) {
        return Some(format!(
            "{} is of the partition `{}`, but this account is of `{partition}`",
            shown(text),
            shown(arn.partition).trim_matches('`')
        ));
    }
    if text.contains(['*', '?']) {
        return Some(format!(
            "{} has a wildcard, which IAM does not allow in a principal; name the role, or the account's `root`",
            shown(text)
        ));
    }
    if !is_account(arn.account) {
        return Some(format!("{} has no account id of 12 digits; {example}", shown(text)));
    }
    let known = match (arn.service, arn.resource.split_once('/')) {
        ("iam", None) => arn.resource == "root",
        ("iam", Some(("role" | "user", name))) => is_iam_name(name),
        ("sts", Some(("assumed-role", name))) => name.contains('/') && is_iam_name(name),
        ("sts", Some(("federated-user", name))) => is_iam_name(name),
        _ => false,
    };
    if !known || !arn.region.is_empty() {
        return Some(format!(
            "{} is no principal: an account's `root`, a `role/...` or a `user/...` is; {example}",
            shown(text)
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_have_a_form() {
        let context = Context {
            account: Some("111122223333".into()),
            region: Some("eu-central-1".into()),
            partition: "aws".into(),
            template_role: false,
            resource_tags: Default::default(),
        };
        for good in [
            "arn:aws:iam::111122223333:root",
            "111122223333",
            "arn:aws:iam::111122223333:role/path/name",
            "arn:aws:iam::111122223333:user/me@example.com",
            "arn:aws:sts::111122223333:assumed-role/role/session",
        ] {
            assert_eq!(fault(good, &context), None, "{good}");
        }
        for bad in [
            "*",
            "11112222333",
            "arn:aws:iam::*:root",
            "arn:aws:iam::111122223333:role/*",
            "arn:aws-cn:iam::111122223333:root",
            "o-abcdefghij",
            "arn:aws:iam::111122223333:group/x",
            "arn:aws:iam::111122223333:role/",
            "root",
            "",
            "arn:aws:s3:::bucket",
            "arn:aws:iam:eu-west-1:111122223333:root",
            "arn:aws:sts::111122223333:assumed-role/role",
        ] {
            assert!(fault(bad, &context).is_some(), "{bad}");
        }
    }
}
