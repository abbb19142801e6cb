//! `template.yaml` as CloudFormation would resolve it: the few functions that events and queues are written with. What it
//! does not know it refuses.

use std::collections::BTreeMap;

use local_aws::Options;
use serde_json::{Map, Value as Json};
use serde_yaml::{Mapping, Value as Yaml};

/// A stack of a template. Names that CloudFormation would make up are `stack-<logical id>`, unless [`Stack::physical`]
/// says another.
pub struct Stack {
    template: Mapping,
    parameters: BTreeMap<String, String>,
    physical: BTreeMap<String, String>,
    at: Options,
}

impl Stack {
    pub fn read(template: &str, at: &Options) -> Result<Self, String> {
        let template = serde_yaml::from_str(template).map_err(|why| why.to_string())?;
        Ok(Self { template, parameters: BTreeMap::new(), physical: BTreeMap::new(), at: at.clone() })
    }

    /// Gives a parameter a value in place of its default.
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The name of a resource that CloudFormation would have named itself.
    pub fn physical(mut self, logical_id: &str, name: &str) -> Self {
        self.physical.insert(logical_id.to_owned(), name.to_owned());
        self
    }

    /// A value of the template, resolved: the path leads through its keys, from the top.
    pub fn value(&self, path: &[&str]) -> Result<Json, String> {
        let mut at = &Yaml::Mapping(self.template.clone());
        for key in path {
            at = at.get(*key).ok_or_else(|| format!("no {key} in {}", path.join(".")))?;
        }
        self.resolve(at)
    }

    fn resolve(&self, value: &Yaml) -> Result<Json, String> {
        match value {
            Yaml::Tagged(tagged) => self.function(&tagged.tag.to_string(), &tagged.value),
            Yaml::Mapping(members) => {
                let member = |(key, value): (&Yaml, &Yaml)| {
                    let key = key.as_str().ok_or_else(|| format!("the key {key:?}"))?;
                    if key == "Ref" || key.starts_with("Fn::") {
                        return Err(format!("{key} is not written as !{key} here"));
                    }
                    Ok((key.to_owned(), self.resolve(value)?))
                };
                Ok(Json::Object(members.iter().map(member).collect::<Result<Map<_, _>, String>>()?))
            }
            Yaml::Sequence(items) => items.iter().map(|item| self.resolve(item)).collect(),
            // CloudFormation refuses a template with a null anywhere.
            Yaml::Null => Err("null values are not allowed in templates".to_owned()),
            scalar => serde_json::to_value(scalar).map_err(|why| why.to_string()),
        }
    }

    fn function(&self, name: &str, argument: &Yaml) -> Result<Json, String> {
        match (name, argument) {
            ("!Ref", Yaml::String(to)) => self.reference(to).map(Json::String),
            ("!GetAtt", Yaml::String(of)) => self.attribute(of).map(Json::String),
            ("!Sub", Yaml::String(text)) => self.substitute(text).map(Json::String),
            ("!If", Yaml::Sequence(parts)) => match parts.as_slice() {
                [Yaml::String(condition), yes, no] => {
                    let holds = self.condition(self.named("Conditions", condition)?)?;
                    self.resolve(if holds { yes } else { no })
                }
                _ => Err(format!("{parts:?} as !If")),
            },
            _ => Err(format!("{name} of {argument:?} is not known here")),
        }
    }

    fn condition(&self, condition: &Yaml) -> Result<bool, String> {
        let Yaml::Tagged(tagged) = condition else { return Err(format!("the condition {condition:?}")) };
        let parts = tagged.value.as_sequence().map(Vec::as_slice).unwrap_or_default();
        match (tagged.tag.to_string().as_str(), parts) {
            ("!Equals", [one, other]) => Ok(self.resolve(one)? == self.resolve(other)?),
            ("!Not", [inner]) => self.condition(inner).map(|holds| !holds),
            (name, _) => Err(format!("{name} in a condition")),
        }
    }

    fn reference(&self, to: &str) -> Result<String, String> {
        match to {
            "AWS::Partition" => return Ok(self.at.partition.clone()),
            "AWS::Region" => return Ok(self.at.region.clone()),
            "AWS::AccountId" => return Ok(self.at.account.clone()),
            _ => {}
        }
        if let Ok(parameter) = self.named("Parameters", to) {
            let default = parameter.get("Default").and_then(Yaml::as_str).map(str::to_owned);
            return self.parameters.get(to).cloned().or(default).ok_or_else(|| format!("no value for {to}"));
        }
        let resource = self.named("Resources", to)?;
        match resource.get("Type").and_then(Yaml::as_str) {
            Some("AWS::S3::Bucket") => Ok(self.name_of(to)),
            Some("AWS::SQS::Queue") => {
                let Options { account, region, .. } = &self.at;
                Ok(format!("https://sqs.{region}.amazonaws.com/{account}/{}", self.name_of(to)))
            }
            kind => Err(format!("a reference to {to}, a {kind:?}")),
        }
    }

    fn attribute(&self, of: &str) -> Result<String, String> {
        let (id, attribute) = of.split_once('.').unwrap_or((of, ""));
        match (self.named("Resources", id)?.get("Type").and_then(Yaml::as_str), attribute) {
            (Some("AWS::SQS::Queue"), "Arn") => {
                let Options { account, region, partition, .. } = &self.at;
                Ok(format!("arn:{partition}:sqs:{region}:{account}:{}", self.name_of(id)))
            }
            (kind, _) => Err(format!("the attribute {of} of a {kind:?}")),
        }
    }

    fn substitute(&self, text: &str) -> Result<String, String> {
        let mut pieces = text.split("${");
        let mut whole = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('}').ok_or_else(|| format!("an open brace in {text}"))?;
            whole.push_str(&self.reference(name)?);
            whole.push_str(rest);
        }
        Ok(whole)
    }

    fn named(&self, section: &str, name: &str) -> Result<&Yaml, String> {
        let found = self.template.get(section).and_then(|section| section.get(name));
        found.ok_or_else(|| format!("the template has no {name} in {section}"))
    }

    fn name_of(&self, logical_id: &str) -> String {
        self.physical.get(logical_id).cloned().unwrap_or_else(|| format!("stack-{logical_id}"))
    }
}
