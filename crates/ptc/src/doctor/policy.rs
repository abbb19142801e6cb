//! Resource policies, evaluated as far as one can without the request: who is named, what for, and on which conditions.

use serde_json::{Map, Value};
use wildmatch::WildMatch;

use super::role::RoleArn;

/// What a policy says about one action of one role.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Word {
    /// It names the role, or everybody, and allows.
    pub allows: bool,
    /// It allows the role's account: an identity policy there decides.
    pub allows_account: bool,
    /// It denies, whatever others allow.
    pub denies: bool,
    /// It allows or denies on conditions, by these keys.
    pub if_allowed: Vec<String>,
    /// The same for what it denies.
    pub if_denied: Vec<String>,
}

/// How a statement's principals fit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    No,
    Account,
    /// The role itself, or everybody.
    Role,
    /// It may match, depending on more than the role: a session of it, or `NotPrincipal`.
    Perhaps,
}

/// What a policy says about an action of a role on a resource. A text that is no policy says nothing.
pub fn says(policy: &str, role: &RoleArn, action: &str, resource: &str) -> Word {
    let mut word = Word::default();
    let document: Value = serde_json::from_str(policy).unwrap_or_default();
    for statement in listed(document.get("Statement")) {
        let Some(statement) = statement.as_object() else {
            continue;
        };
        let named = principal(statement, role);
        if named == Named::No
            || !fits(statement, "Action", "NotAction", action)
            || !fits(statement, "Resource", "NotResource", resource)
        {
            continue;
        }
        let mut keys = condition_keys(statement);
        if named == Named::Perhaps && keys.is_empty() {
            keys.push("Principal".to_owned());
        }
        let is_deny = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
        match (is_deny, keys.is_empty()) {
            (true, true) => word.denies = true,
            (true, false) => word.if_denied.extend(keys),
            (false, true) => match named {
                Named::Account => word.allows_account = true,
                _ => word.allows = true,
            },
            (false, false) => word.if_allowed.extend(keys),
        }
    }
    word
}

/// How many statements deny something.
pub fn denials(policy: &str) -> usize {
    let document: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements = listed(document.get("Statement")).into_iter();
    let effects = statements.filter_map(|statement| statement.get("Effect")?.as_str());
    effects.filter(|effect| *effect == "Deny").count()
}

fn principal(statement: &Map<String, Value>, role: &RoleArn) -> Named {
    if statement.contains_key("NotPrincipal") {
        return Named::Perhaps;
    }
    let names = match statement.get("Principal") {
        Some(Value::String(everyone)) if everyone == "*" => return Named::Role,
        Some(Value::Object(kinds)) => texts(kinds.get("AWS")),
        _ => return Named::No,
    };
    let session = role.session_prefix();
    let fit = |name: &str| match name {
        "*" => Named::Role,
        name if name == role.arn => Named::Role,
        name if name == role.account || name == role.root() => Named::Account,
        name if name.starts_with(&session) => Named::Perhaps,
        _ => Named::No,
    };
    let fits: Vec<Named> = names.iter().map(|name| fit(name)).collect();
    let order = [Named::Role, Named::Account, Named::Perhaps];
    order.into_iter().find(|kind| fits.contains(kind)).unwrap_or(Named::No)
}

/// Whether one of the patterns of a member, or none of those of its negation, is for this. Where both are missing, all is.
fn fits(statement: &Map<String, Value>, member: &str, negated: &str, text: &str) -> bool {
    let text = text.to_lowercase();
    let matches = |patterns: &[String]| {
        patterns
            .iter()
            .any(|pattern| WildMatch::new(&pattern.to_lowercase()).matches(&text))
    };
    match (statement.get(member), statement.get(negated)) {
        (Some(patterns), _) => matches(&texts(Some(patterns))),
        (None, Some(patterns)) => !matches(&texts(Some(patterns))),
        (None, None) => true,
    }
}

fn condition_keys(statement: &Map<String, Value>) -> Vec<String> {
    let operators = statement.get("Condition").and_then(Value::as_object);
    let keys = operators.into_iter().flat_map(Map::values).filter_map(Value::as_object);
    keys.flat_map(|keys| keys.keys().cloned()).collect()
}

fn listed(value: Option<&Value>) -> Vec<&Value> {
    match value {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let items = listed(value).into_iter();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GET: &str = "ecr:BatchGetImage";
    const NGINX: &str = "arn:aws:ecr:eu-west-1:123456789012:repository/hub/library/nginx";

    /// What a policy of one statement says, in a word.
    fn word(members: Value) -> &'static str {
        let role: RoleArn = "arn:aws:iam::444455556666:role/ci/node"
            .parse()
            .unwrap_or_else(|why| unreachable!("{why}"));
        let mut statement = json!({"Effect": "Allow", "Principal": "*", "Action": "ecr:*"});
        for (name, value) in members.as_object().into_iter().flatten() {
            statement[name] = value.clone();
        }
        if let Some(statement) = statement.as_object_mut() {
            statement.retain(|_, value| !value.is_null());
        }
        let word = says(&json!({"Statement": statement}).to_string(), &role, GET, NGINX);
        match word {
            Word { denies: true, .. } => "denies",
            Word { allows: true, .. } => "allows",
            Word {
                allows_account: true, ..
            } => "allows the account",
            Word { if_allowed, .. } if !if_allowed.is_empty() => "allows if",
            Word { if_denied, .. } if !if_denied.is_empty() => "denies if",
            _ => "nothing",
        }
    }

    #[test]
    fn statements_say_what_they_say_about_a_role() {
        let aws = |name: &str| json!({"Principal": {"AWS": ["arn:aws:iam::1:root", name]}});
        for (members, expected) in [
            (json!({}), "allows"),
            (json!({"Effect": "Deny"}), "denies"),
            (aws("arn:aws:iam::444455556666:role/ci/node"), "allows"),
            (aws("arn:aws:iam::444455556666:role/node"), "nothing"),
            (aws("arn:aws:iam::444455556666:root"), "allows the account"),
            (aws("444455556666"), "allows the account"),
            (aws("arn:aws:sts::444455556666:assumed-role/node/i-1"), "allows if"),
            (json!({"Principal": {"Service": "omics.amazonaws.com"}}), "nothing"),
            (
                json!({"Principal": null, "NotPrincipal": {"AWS": "1"}, "Effect": "Deny"}),
                "denies if",
            ),
            (json!({"Action": "ecr:batchgetimage"}), "allows"),
            (json!({"Action": ["ecr:List*", "ecr:BatchGet?mage"]}), "allows"),
            (json!({"Action": "ecr:ListImages"}), "nothing"),
            (json!({"Action": null, "NotAction": "ecr:BatchGetImage"}), "nothing"),
            (json!({"Action": null, "NotAction": "ecr:ListImages"}), "allows"),
            (json!({"Resource": "arn:aws:ecr:*:*:repository/hub/*"}), "allows"),
            (json!({"Resource": "arn:aws:ecr:*:*:repository/quay/*"}), "nothing"),
            (
                json!({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}),
                "allows if",
            ),
            (
                json!({"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}),
                "denies if",
            ),
        ] {
            assert_eq!(word(members.clone()), expected, "{members}");
        }
        let role: RoleArn = "arn:aws:iam::444455556666:role/node"
            .parse()
            .unwrap_or_else(|why| unreachable!("{why}"));
        assert_eq!(says("no JSON", &role, GET, NGINX), Word::default());
        assert_eq!(
            denials(r#"{"Statement": [{"Effect": "Deny"}, {"Effect": "Allow"}]}"#),
            1
        );
    }
}
