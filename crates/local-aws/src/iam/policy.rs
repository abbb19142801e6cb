//! Identity-based policies: reads a document, and decides about one action on one resource.
//!
//! What it does not know (an element, an operator, a condition key, a policy variable) it refuses when it reads the
//! document, so that nothing is ever allowed by being misunderstood.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use super::context_keys::{is_context_key, is_tag_key};
use super::pattern::{matches, matches_arn};

/// What one call asks of IAM: often one of these, sometimes several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// For example `ecr:CreatePullThroughCacheRule`.
    pub action: String,
    /// An ARN, or `*` for an action that has no resource types.
    pub resource: String,
    /// The condition keys of the request, as AWS spells them; of `aws:ResourceTag/…`, one for each tag.
    pub context: BTreeMap<String, String>,
}

/// All statements of one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The role's name, for the text of a refusal.
    pub(super) role: String,
    statements: Vec<Statement>,
}

/// What a policy says to a [`Need`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// By these statements: sid, and the action and resource of the statement that matched, as they are written.
    Allowed(Vec<(String, String, String)>),
    /// A statement with this sid denies it, whatever others allow.
    Denied(String),
    /// No statement allows it.
    NotAllowed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    sid: String,
    /// The name of the document that it stands in.
    policy: String,
    allows: bool,
    actions: Entries,
    resources: Entries,
    conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entries {
    negated: bool,
    patterns: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    operator: Operator,
    /// `…IfExists`: a request without the key passes.
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    StringEquals,
    StringLike,
    /// Also `ArnEquals`: IAM treats the two alike.
    ArnLike,
    Bool,
    NumericGreaterThanEquals,
}

impl Policy {
    /// Reads policy documents, each with its name.
    ///
    /// # Errors
    /// The first thing in them that is not understood.
    pub fn read(role: &str, documents: &[(String, Value)]) -> Result<Self, String> {
        let mut statements = Vec::new();
        for (name, document) in documents {
            let within = |why: String| format!("policy {name} of {role}: {why}");
            let members = object(document).map_err(within)?;
            only(members, &["Version", "Statement"]).map_err(within)?;
            if members.get("Version").and_then(Value::as_str) != Some("2012-10-17") {
                return Err(within("its Version is not 2012-10-17".into()));
            }
            for (n, statement) in list(members.get("Statement").unwrap_or(&Value::Null))
                .into_iter()
                .enumerate()
            {
                statements
                    .push(Statement::read(statement, name, n).map_err(|why| within(format!("statement {n}: {why}")))?);
            }
        }
        let mut sids = BTreeSet::new();
        if let Some(twice) = statements.iter().find(|statement| !sids.insert(&statement.sid)) {
            return Err(format!("{role} has two statements with the sid {}", twice.sid));
        }
        Ok(Self {
            role: role.to_owned(),
            statements,
        })
    }

    /// Decides about one need: an explicit deny wins over every allow.
    #[must_use]
    pub fn decide(&self, need: &Need) -> Decision {
        let mut grants = Vec::new();
        for statement in &self.statements {
            let Some((action, resource)) = statement.covers(need) else {
                continue;
            };
            if !statement.allows {
                return Decision::Denied(statement.sid.clone());
            }
            grants.push((statement.sid.clone(), action, resource));
        }
        if grants.is_empty() {
            Decision::NotAllowed
        } else {
            Decision::Allowed(grants)
        }
    }

    /// The statements that speak about an action on a resource, whether or not their conditions hold.
    pub(super) fn speaking_about(&self, need: &Need) -> impl Iterator<Item = &Statement> {
        self.statements
            .iter()
            .filter(|statement| statement.names(need).is_some())
    }

    /// The name of the document that a statement stands in.
    pub(super) fn document_of(&self, sid: &str) -> Option<&str> {
        let named = self.statements.iter().find(|statement| statement.sid == sid);
        named.map(|statement| statement.policy.as_str())
    }

    /// Every statement's sid, in order.
    #[must_use]
    pub fn sids(&self) -> Vec<String> {
        self.statements.iter().map(|statement| statement.sid.clone()).collect()
    }

    /// What the statements that allow say, each action with each resource: sid, action, resource.
    #[must_use]
    pub fn grants(&self) -> BTreeSet<(String, String, String)> {
        let allowing = self.statements.iter().filter(|statement| statement.allows);
        allowing
            .flat_map(|statement| {
                let resources = &statement.resources.patterns;
                statement.actions.patterns.iter().flat_map(move |action| {
                    resources
                        .iter()
                        .map(move |resource| (statement.sid.clone(), action.clone(), resource.clone()))
                })
            })
            .collect()
    }

    /// The same without one statement.
    #[must_use]
    pub fn without(&self, sid: &str) -> Self {
        let mut rest = self.clone();
        rest.statements.retain(|statement| statement.sid != sid);
        rest
    }

    /// The same without one action of one statement.
    #[must_use]
    pub fn without_action(&self, sid: &str, action: &str) -> Self {
        let mut rest = self.clone();
        for statement in rest.statements.iter_mut().filter(|statement| statement.sid == sid) {
            statement.actions.patterns.retain(|pattern| pattern != action);
        }
        rest
    }
}

impl Statement {
    fn read(value: &Value, policy: &str, n: usize) -> Result<Self, String> {
        let members = object(value)?;
        only(
            members,
            &[
                "Sid",
                "Effect",
                "Action",
                "NotAction",
                "Resource",
                "NotResource",
                "Condition",
            ],
        )?;
        let sid = members
            .get("Sid")
            .and_then(Value::as_str)
            .map_or_else(|| format!("{policy}[{n}]"), str::to_owned);
        let allows = match members.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err("its Effect is neither Allow nor Deny".into()),
        };
        let actions = Entries::read(members, "Action", "NotAction")?;
        if let Some(odd) = actions
            .patterns
            .iter()
            .find(|action| *action != "*" && !action.contains(':'))
        {
            return Err(format!("{odd:?} is no action"));
        }
        let resources = Entries::read(members, "Resource", "NotResource")?;
        let is_arn = |text: &str| text == "*" || (text.starts_with("arn:") && text.splitn(6, ':').count() == 6);
        if let Some(odd) = resources.patterns.iter().find(|resource| !is_arn(resource)) {
            return Err(format!("{odd:?} is no ARN"));
        }
        let mut conditions = Vec::new();
        if let Some(blocks) = members.get("Condition") {
            for (operator, keys) in object(blocks)? {
                for (key, values) in object(keys)? {
                    let elsewhere =
                        actions.negated || actions.patterns.iter().any(|a| !a.starts_with("secretsmanager:"));
                    if is_tag_key(key) && elsewhere {
                        return Err(format!("local-aws knows {key} of secrets alone"));
                    }
                    conditions.push(Condition::read(operator, key, values)?);
                }
            }
        }
        Ok(Self {
            sid,
            policy: policy.to_owned(),
            allows,
            actions,
            resources,
            conditions,
        })
    }

    /// The same as [`Statement::names`], if its conditions hold.
    fn covers(&self, need: &Need) -> Option<(String, String)> {
        let holds = |condition: &Condition| condition.holds(&need.context);
        self.names(need).filter(|_| self.conditions.iter().all(holds))
    }

    /// The action and the resource entry by which the statement matches this need; a negated entry is `not …`.
    fn names(&self, need: &Need) -> Option<(String, String)> {
        let action = need.action.to_ascii_lowercase();
        let action = self
            .actions
            .find(|pattern| matches(&pattern.to_ascii_lowercase(), &action))?;
        let resource = self.resources.find(|pattern| matches_arn(pattern, &need.resource))?;
        Some((action, resource))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = String> {
        self.conditions.iter().map(|condition| condition.key.clone())
    }
}

impl Entries {
    fn read(members: &serde_json::Map<String, Value>, plain: &str, negated: &str) -> Result<Self, String> {
        let (value, negated) = match (members.get(plain), members.get(negated)) {
            (Some(value), None) => (value, false),
            (None, Some(value)) => (value, true),
            _ => return Err(format!("it needs either {plain} or {negated}")),
        };
        let patterns = strings(value)?;
        if patterns.is_empty() {
            return Err(format!("its {plain} is empty"));
        }
        Ok(Self { negated, patterns })
    }

    fn find(&self, fits: impl Fn(&str) -> bool) -> Option<String> {
        let found = self.patterns.iter().find(|pattern| fits(pattern));
        match (self.negated, found) {
            (false, Some(pattern)) => Some(pattern.clone()),
            (true, None) => Some(format!("not {}", self.patterns.join(", "))),
            _ => None,
        }
    }
}

impl Condition {
    fn read(operator: &str, key: &str, values: &Value) -> Result<Self, String> {
        let (plain, if_exists) = operator
            .strip_suffix("IfExists")
            .map_or((operator, false), |plain| (plain, true));
        let operator = match plain {
            "StringEquals" => Operator::StringEquals,
            "StringLike" => Operator::StringLike,
            "ArnEquals" | "ArnLike" => Operator::ArnLike,
            "Bool" => Operator::Bool,
            "NumericGreaterThanEquals" => Operator::NumericGreaterThanEquals,
            _ => return Err(format!("local-aws does not know the condition operator {operator}")),
        };
        if !is_context_key(key) {
            return Err(format!("local-aws does not know the condition key {key}"));
        }
        let values = strings(values)?;
        if operator == Operator::NumericGreaterThanEquals
            && let Some(odd) = values.iter().find(|value| number(value).is_none())
        {
            return Err(format!("{odd:?} is no number"));
        }
        Ok(Self {
            operator,
            if_exists,
            key: key.to_owned(),
            values,
        })
    }

    /// A key that the request does not carry matches nothing, unless the operator says `…IfExists`. Keys are matched
    /// whatever their case (that of a tag in them too), values are not.
    fn holds(&self, context: &BTreeMap<String, String>) -> bool {
        let actual = context
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(&self.key))
            .map(|(_, value)| value);
        let Some(actual) = actual else { return self.if_exists };
        self.values.iter().any(|value| match self.operator {
            Operator::StringEquals => value == actual,
            Operator::StringLike => matches(value, actual),
            Operator::ArnLike => matches_arn(value, actual),
            Operator::Bool => value.eq_ignore_ascii_case(actual),
            Operator::NumericGreaterThanEquals => {
                matches!((number(actual), number(value)), (Some(actual), Some(least)) if actual >= least)
            }
        })
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn object(value: &Value) -> Result<&serde_json::Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{value} is no JSON object"))
}

fn only(members: &serde_json::Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(odd) => Err(format!("local-aws does not know {odd}")),
        None => Ok(()),
    }
}

/// One value stands for a list of one.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(many) => many.iter().collect(),
        one => vec![one],
    }
}

fn strings(value: &Value) -> Result<Vec<String>, String> {
    list(value)
        .into_iter()
        .map(|one| match one {
            Value::String(text) if text.contains("${") => {
                Err(format!("local-aws does not know the variable in {text}"))
            }
            Value::String(text) => Ok(text.clone()),
            Value::Bool(flag) => Ok(flag.to_string()),
            Value::Number(number) => Ok(number.to_string()),
            odd => Err(format!("{odd} is no text")),
        })
        .collect()
}

#[cfg(test)]
mod tests;
