//! CloudFormation's intrinsic functions, in both spellings: `!Ref X` and `{Ref: X}`, `!Sub` and `{"Fn::Sub": …}`.

use serde_json::{Map, Value as Json};
use serde_yaml::Value as Yaml;
use std::collections::BTreeMap;

use super::template::{Stack, scalar};

/// A value, or `AWS::NoValue`, which takes away what it stands for.
type Resolved = Result<Option<Json>, String>;

impl Stack {
    /// Resolves a value of the template, at every depth.
    pub(super) fn resolve(&self, value: &Yaml) -> Resolved {
        if let Some((function, argument)) = function(value)? {
            return self.apply(function, argument);
        }
        Ok(Some(match value {
            Yaml::Sequence(items) => {
                let items: Result<Vec<Option<Json>>, String> = items.iter().map(|item| self.resolve(item)).collect();
                Json::Array(items?.into_iter().flatten().collect())
            }
            Yaml::Mapping(members) => {
                let mut resolved = Map::new();
                for (key, member) in members {
                    let key = scalar(key).ok_or_else(|| format!("{key:?} is no key"))?;
                    if let Some(member) = self.resolve(member)? {
                        resolved.insert(key, member);
                    }
                }
                Json::Object(resolved)
            }
            plain => serde_json::to_value(plain).map_err(|why| why.to_string())?,
        }))
    }

    /// Whether a condition of the template holds.
    pub(super) fn condition(&self, name: &str) -> Result<bool, String> {
        let conditions = self.section("Conditions")?;
        self.holds(
            conditions
                .get(name)
                .ok_or_else(|| format!("the template has no condition {name}"))?,
        )
    }

    fn apply(&self, function: &str, argument: &Yaml) -> Resolved {
        match (function, argument) {
            ("Ref", Yaml::String(name)) => self.reference(name),
            ("GetAtt", Yaml::String(path)) => {
                let (logical_id, attribute) = path.split_once('.').ok_or_else(|| format!("GetAtt of {path}"))?;
                self.attribute(logical_id, attribute)
                    .map(|text| Some(Json::String(text)))
            }
            ("GetAtt", Yaml::Sequence(parts)) => match parts.as_slice() {
                [Yaml::String(logical_id), Yaml::String(attribute)] => self
                    .attribute(logical_id, attribute)
                    .map(|text| Some(Json::String(text))),
                _ => Err(format!("GetAtt of {parts:?}")),
            },
            ("Sub", Yaml::String(text)) => self.substitute(text, &BTreeMap::new()),
            ("Sub", Yaml::Sequence(parts)) => match parts.as_slice() {
                [Yaml::String(text), Yaml::Mapping(given)] => {
                    let mut variables = BTreeMap::new();
                    for (name, value) in given {
                        let name = scalar(name).ok_or_else(|| format!("{name:?} is no variable"))?;
                        variables.insert(name, self.text(value)?);
                    }
                    self.substitute(text, &variables)
                }
                _ => Err(format!("Sub of {parts:?}")),
            },
            ("If", Yaml::Sequence(parts)) => match parts.as_slice() {
                [Yaml::String(condition), then, otherwise] => {
                    self.resolve(if self.condition(condition)? { then } else { otherwise })
                }
                _ => Err(format!("If of {parts:?}")),
            },
            ("Join", Yaml::Sequence(parts)) => match parts.as_slice() {
                [Yaml::String(between), items] => {
                    let Some(Json::Array(items)) = self.resolve(items)? else {
                        return Err("Join of no list".into());
                    };
                    let items: Result<Vec<String>, String> = items.into_iter().map(as_text).collect();
                    Ok(Some(Json::String(items?.join(between))))
                }
                _ => Err(format!("Join of {parts:?}")),
            },
            ("Split", Yaml::Sequence(parts)) => match parts.as_slice() {
                [Yaml::String(between), text] if !between.is_empty() => {
                    let text = self.text(text)?;
                    Ok(Some(
                        text.split(between.as_str())
                            .map(|part| Json::String(part.to_owned()))
                            .collect(),
                    ))
                }
                _ => Err(format!("Split of {parts:?}")),
            },
            ("Equals" | "Not" | "And" | "Or" | "Condition", _) => Err(format!("{function} outside of a condition")),
            _ => Err(format!(
                "local-aws does not know the function {function} of {argument:?}"
            )),
        }
    }

    /// Whether a condition's expression is true.
    fn holds(&self, expression: &Yaml) -> Result<bool, String> {
        let (function, argument) = match condition_reference(expression) {
            Some(name) => return self.condition(name),
            None => function(expression)?.ok_or_else(|| format!("{expression:?} is no condition"))?,
        };
        let parts = argument.as_sequence().map(Vec::as_slice).unwrap_or_default();
        match (function, parts) {
            ("Condition", _) => self.condition(argument.as_str().ok_or("Condition of no name")?),
            ("Equals", [left, right]) => Ok(self.text(left)? == self.text(right)?),
            ("Not", [one]) => Ok(!self.holds(one)?),
            ("And", [_, _, ..]) => parts.iter().try_fold(true, |all, part| Ok(all & self.holds(part)?)),
            ("Or", [_, _, ..]) => parts.iter().try_fold(false, |any, part| Ok(any | self.holds(part)?)),
            _ => Err(format!(
                "local-aws does not know the condition {function} of {argument:?}"
            )),
        }
    }

    fn reference(&self, name: &str) -> Resolved {
        let pseudo = match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::AccountId" => Some(self.account.clone()),
            "AWS::Region" => Some(self.region.clone()),
            "AWS::Partition" => Some(self.partition.clone()),
            "AWS::StackName" => Some(self.name.clone()),
            "AWS::URLSuffix" => Some(self.url_suffix().to_owned()),
            _ => None,
        };
        if let Some(text) = pseudo {
            return Ok(Some(Json::String(text)));
        }
        match self.parameter_value(name)? {
            Some(value) => Ok(Some(value)),
            None => self.identity(name).map(|text| Some(Json::String(text))),
        }
    }

    fn substitute(&self, text: &str, variables: &BTreeMap<String, String>) -> Resolved {
        let mut parts = text.split("${");
        let mut done = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part
                .split_once('}')
                .ok_or_else(|| format!("Sub of {text}: a brace is not closed"))?;
            if let Some(literal) = name.strip_prefix('!') {
                // `${!Name}` is the text `${Name}`.
                done += &format!("${{{literal}}}");
            } else if let Some(given) = variables.get(name) {
                done += given;
            } else if let Some((logical_id, attribute)) = name.split_once('.') {
                done += &self.attribute(logical_id, attribute)?;
            } else {
                let value = self
                    .reference(name)?
                    .ok_or_else(|| format!("Sub of {text}: {name} has no value"))?;
                done += &as_text(value)?;
            }
            done += rest;
        }
        Ok(Some(Json::String(done)))
    }

    fn text(&self, value: &Yaml) -> Result<String, String> {
        as_text(self.resolve(value)?.ok_or_else(|| format!("{value:?} has no value"))?)
    }
}

fn as_text(value: Json) -> Result<String, String> {
    match value {
        Json::String(text) => Ok(text),
        Json::Number(number) => Ok(number.to_string()),
        Json::Bool(flag) => Ok(flag.to_string()),
        other => Err(format!("{other} is no text")),
    }
}

/// The function that a value calls, if it calls one, and its argument.
fn function(value: &Yaml) -> Result<Option<(&str, &Yaml)>, String> {
    match value {
        Yaml::Tagged(tagged) => {
            // A tag's text is to be had by its Display alone.
            let known = [
                "Ref",
                "GetAtt",
                "Sub",
                "If",
                "Join",
                "Split",
                "Equals",
                "Not",
                "And",
                "Or",
                "Condition",
            ];
            let tag = known.into_iter().find(|name| tagged.tag == *name);
            let tag = tag.ok_or_else(|| format!("local-aws does not know the function {}", tagged.tag))?;
            Ok(Some((tag, &tagged.value)))
        }
        Yaml::Mapping(members) => match members.iter().next() {
            Some((Yaml::String(key), argument)) if members.len() == 1 && key == "Ref" => Ok(Some(("Ref", argument))),
            Some((Yaml::String(key), argument)) if members.len() == 1 && key.starts_with("Fn::") => {
                Ok(Some((key.trim_start_matches("Fn::"), argument)))
            }
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// `{Condition: Name}`, which means another condition only where a condition is expected.
fn condition_reference(expression: &Yaml) -> Option<&str> {
    let members = expression.as_mapping().filter(|members| members.len() == 1)?;
    members.get("Condition")?.as_str()
}
