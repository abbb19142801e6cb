//! The stack's template: its parameters, its conditions, and the policies of its roles.

use serde_json::Value as Json;
use serde_yaml::{Mapping, Value as Yaml};
use std::collections::BTreeMap;

use super::policy::Policy;
use crate::options::Options;

/// A template with everything that CloudFormation needs to resolve it. Names that CloudFormation would make up are
/// `<stack>-<logical id>`, unless [`Stack::physical`] says another.
///
/// What it cannot resolve it refuses with a sentence, and never leaves out.
#[derive(Debug, Clone)]
pub struct Stack {
    template: Mapping,
    parameters: BTreeMap<String, String>,
    physical: BTreeMap<String, String>,
    pub(super) name: String,
    pub(super) account: String,
    pub(super) region: String,
    pub(super) partition: String,
}

impl Stack {
    /// A stack of this template in a stand-in's account.
    ///
    /// # Errors
    /// When the template is no YAML, or has no resources.
    pub fn read(template: &str, options: &Options) -> Result<Self, String> {
        let template: Mapping = serde_yaml::from_str(template).map_err(|why| format!("the template: {why}"))?;
        let stack = Self {
            template,
            parameters: BTreeMap::new(),
            physical: BTreeMap::new(),
            name: "stack".to_owned(),
            account: options.account.clone(),
            region: options.region.clone(),
            partition: options.partition.clone(),
        };
        stack.section("Resources")?;
        Ok(stack)
    }

    /// The stack's name, which is `stack` otherwise.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Gives a parameter a value in place of its default.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The name of a resource that CloudFormation would have named itself: a bucket's, a role's, a queue's.
    #[must_use]
    pub fn physical(mut self, logical_id: &str, name: &str) -> Self {
        self.physical.insert(logical_id.to_owned(), name.to_owned());
        self
    }

    /// What a role of the stack allows.
    ///
    /// # Errors
    /// What could not be resolved or understood: a parameter without a value, a function, a resource, an element of the
    /// policy, or a policy that stands anywhere else than in the role itself.
    pub fn policy(&self, role: &str) -> Result<Policy, String> {
        self.check_parameters()?;
        let resource = self.resource(role)?;
        if text(resource, "Type") != Some("AWS::IAM::Role") {
            return Err(format!("{role} is no AWS::IAM::Role"));
        }
        let properties = mapping(resource.get("Properties"), role)?;
        for elsewhere in ["ManagedPolicyArns", "PermissionsBoundary"] {
            if properties.contains_key(elsewhere) {
                return Err(format!("local-aws does not know what {elsewhere} of {role} allows"));
            }
        }
        self.refuse_attached(role)?;
        let policies = properties
            .get("Policies")
            .map(|policies| self.resolve(policies))
            .transpose()?
            .flatten();
        let mut documents = Vec::new();
        for policy in policies.as_ref().and_then(Json::as_array).into_iter().flatten() {
            let (Some(name), Some(document)) = (
                policy.get("PolicyName").and_then(Json::as_str),
                policy.get("PolicyDocument"),
            ) else {
                return Err(format!("a policy of {role} has no PolicyName or no PolicyDocument"));
            };
            documents.push((name.to_owned(), document.clone()));
        }
        Policy::read(&self.name_of(role, resource)?, &documents)
    }

    /// A value of the template, resolved: the path leads through its keys, from the top.
    ///
    /// # Errors
    /// When there is none, or it cannot be resolved.
    pub fn value(&self, path: &[&str]) -> Result<Json, String> {
        self.check_parameters()?;
        let mut at = self.section(path.first().copied().unwrap_or_default())?;
        let (last, way) = path
            .get(1..)
            .and_then(<[_]>::split_last)
            .ok_or("the path is too short")?;
        for key in way {
            at = mapping(at.get(*key), key)?;
        }
        let value = at
            .get(*last)
            .ok_or_else(|| format!("the template has no {}", path.join(".")))?;
        self.resolve(value)?
            .ok_or_else(|| format!("{} is AWS::NoValue", path.join(".")))
    }

    /// A section of the template; an optional one that is missing is an error here, too.
    pub(super) fn section(&self, name: &str) -> Result<&Mapping, String> {
        mapping(self.template.get(name), name)
    }

    /// A resource that the stack really has.
    pub(super) fn resource(&self, logical_id: &str) -> Result<&Mapping, String> {
        let resource = self.section("Resources")?.get(logical_id);
        let resource = resource.ok_or_else(|| format!("the template has no resource {logical_id}"))?;
        let resource = mapping(Some(resource), logical_id)?;
        if let Some(condition) = text(resource, "Condition")
            && !self.condition(condition)?
        {
            return Err(format!(
                "{logical_id} is not made: its condition {condition} does not hold"
            ));
        }
        Ok(resource)
    }

    /// The name of a resource: given, or written in the template, or made up.
    pub(super) fn name_of(&self, logical_id: &str, resource: &Mapping) -> Result<String, String> {
        if let Some(name) = self.physical.get(logical_id) {
            return Ok(name.clone());
        }
        let properties = resource.get("Properties").and_then(Yaml::as_mapping);
        let named = [
            "BucketName",
            "QueueName",
            "RoleName",
            "LogGroupName",
            "FunctionName",
            "TopicName",
        ];
        for property in named {
            if let Some(name) = properties.and_then(|properties| properties.get(property)) {
                return match self.resolve(name)? {
                    Some(Json::String(name)) => Ok(name),
                    other => Err(format!("{property} of {logical_id} is {other:?}")),
                };
            }
        }
        Ok(format!("{}-{logical_id}", self.name))
    }

    /// A parameter's value, of the JSON type that a reference to it has.
    pub(super) fn parameter_value(&self, name: &str) -> Result<Option<Json>, String> {
        let Some(declared) = self.template.get("Parameters").and_then(|all| all.get(name)) else {
            return Ok(None);
        };
        let declared = mapping(Some(declared), name)?;
        let default = declared.get("Default").and_then(scalar);
        let value = self.parameters.get(name).cloned().or(default);
        let value = value.ok_or_else(|| format!("the parameter {name} has neither a value nor a default"))?;
        match text(declared, "Type").unwrap_or_default() {
            "String" | "Number" => Ok(Some(Json::String(value))),
            kind if kind == "CommaDelimitedList" || kind.starts_with("List<") => Ok(Some(
                value
                    .split(',')
                    .map(|item| Json::String(item.trim().to_owned()))
                    .collect(),
            )),
            kind if kind.starts_with("AWS::") && !kind.starts_with("AWS::SSM::") => Ok(Some(Json::String(value))),
            kind => Err(format!(
                "local-aws does not know the type {kind} of the parameter {name}"
            )),
        }
    }

    /// Given values must be such as CloudFormation would take, and given names must be of resources.
    fn check_parameters(&self) -> Result<(), String> {
        let resources = self.section("Resources")?;
        if let Some(odd) = self
            .physical
            .keys()
            .find(|logical_id| !resources.contains_key(logical_id.as_str()))
        {
            return Err(format!("the template has no resource {odd} to give a name to"));
        }
        for (name, value) in &self.parameters {
            let declared = self.template.get("Parameters").and_then(|all| all.get(name.as_str()));
            let declared = mapping(declared, &format!("parameter {name}"))?;
            if let Some(allowed) = declared.get("AllowedValues").and_then(Yaml::as_sequence)
                && !allowed.iter().filter_map(scalar).any(|one| one == *value)
            {
                return Err(format!("the parameter {name} must not be {value:?}"));
            }
            if let Some(pattern) = text(declared, "AllowedPattern") {
                let whole = regex::Regex::new(&format!("^(?:{pattern})$")).map_err(|why| format!("{name}: {why}"))?;
                // Of a list each item must match.
                let listed = text(declared, "Type").is_some_and(|kind| kind == "CommaDelimitedList");
                let items = if listed {
                    value.split(',').map(str::trim).collect()
                } else {
                    vec![value.as_str()]
                };
                if let Some(odd) = items.into_iter().find(|item| !whole.is_match(item)) {
                    return Err(format!(
                        "the parameter {name} must match {pattern}, which {odd:?} does not"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Policies attached to the role from outside would be missed, so there must be none.
    fn refuse_attached(&self, role: &str) -> Result<(), String> {
        for (logical_id, resource) in self.section("Resources")? {
            let kind = resource.get("Type").and_then(Yaml::as_str).unwrap_or_default();
            if !matches!(
                kind,
                "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy" | "AWS::IAM::RolePolicy"
            ) {
                continue;
            }
            let properties = resource.get("Properties");
            for property in ["Roles", "RoleName"] {
                let roles = properties.and_then(|properties| properties.get(property));
                if roles.is_some_and(|roles| mentions(roles, role)) {
                    return Err(format!(
                        "{logical_id:?} is attached to {role}; local-aws reads policies in the role only"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Whether a text of a value, at any depth, names a logical id.
fn mentions(value: &Yaml, logical_id: &str) -> bool {
    match value {
        Yaml::String(text) => text.contains(logical_id),
        Yaml::Sequence(items) => items.iter().any(|item| mentions(item, logical_id)),
        Yaml::Mapping(members) => members.values().any(|member| mentions(member, logical_id)),
        Yaml::Tagged(tagged) => mentions(&tagged.value, logical_id),
        _ => false,
    }
}

pub(super) fn mapping<'a>(value: Option<&'a Yaml>, name: &str) -> Result<&'a Mapping, String> {
    value
        .and_then(Yaml::as_mapping)
        .ok_or_else(|| format!("the template has no mapping {name}"))
}

pub(super) fn text<'a>(members: &'a Mapping, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Yaml::as_str)
}

/// The text of a scalar, as CloudFormation passes it on.
pub(super) fn scalar(value: &Yaml) -> Option<String> {
    match value {
        Yaml::String(text) => Some(text.clone()),
        Yaml::Number(number) => Some(number.to_string()),
        Yaml::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::{Decision, Need};
    use serde_json::json;

    const TEMPLATE: &str = "
Parameters:
  Bucket: {Type: String, Default: '', AllowedPattern: '^[a-z]*$'}
  Key: {Type: String, Default: a.yaml}
  Days: {Type: Number, Default: 90, AllowedValues: [1, 90]}
  Roles: {Type: CommaDelimitedList, Default: '', AllowedPattern: '^$|^[a-z0-9:/]+$'}
  Wanted: {Type: String}
Conditions:
  Makes: !Equals [!Ref Bucket, '']
  HasRoles: !Not [!Equals [!Join ['', !Ref Roles], '']]
  Both: !And [!Condition Makes, {Condition: HasRoles}]
  Either: {'Fn::Or': [{Condition: Makes}, !Condition HasRoles]}
Resources:
  Own: {Type: 'AWS::S3::Bucket', Condition: Makes}
  Queue: {Type: 'AWS::SQS::Queue'}
  Logs: {Type: 'AWS::Logs::LogGroup', Properties: {LogGroupName: !Sub '/aws/lambda/${AWS::StackName}'}}
  Other: {Type: 'AWS::IAM::Role', Properties: {Policies: [!If [Makes, {PolicyName: X}, !Ref AWS::NoValue]]}}
  Odd: {Type: 'AWS::Custom::Thing'}
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: P
          PolicyDocument:
            Version: '2012-10-17'
            Statement:
              - Sid: Read
                Effect: Allow
                Action: s3:GetObject
                Resource: !Sub
                  - arn:${AWS::Partition}:s3:::${Name}/${Key}
                  - Name: !If [Makes, !Ref Own, !Ref Bucket]
              - !If
                - HasRoles
                - {Sid: Pass, Effect: Allow, Action: 'iam:PassRole', Resource: !Ref Roles}
                - !Ref AWS::NoValue
  Values:
    A: [!GetAtt Queue.Arn, !Ref Queue, !GetAtt [Own, Arn], !Ref Own, !GetAtt Logs.Arn, {'Fn::GetAtt': Role.Arn}]
    B: !Sub '${Queue.QueueName} ${Days} ${!Literal} ${AWS::AccountId} ${AWS::URLSuffix}'
    C: [!If [Both, 1, 2], {'Fn::If': [Either, 1, 2]}, !Ref AWS::NoValue, {a: !Ref AWS::NoValue, b: true}]
    D: {Ref: Days}
    E: !Split [',', !Join [',', [!Ref Key, !Join [',', !Ref Roles]]]]
    Refused:
      Select: !Select [0, [a]]
      Split: {'Fn::Split': ['', a]}
      Import: !ImportValue x
      Unknown: !Ref Nobody
      Attribute: !GetAtt Queue.Color
      Thing: !Ref Odd
      Condition: !If [Nobody, 1, 2]
      Required: !Ref Wanted
      Variable: !Sub '${Nobody}'
      Brace: !Sub '${Days'
      Nothing: !Ref AWS::NoValue
";

    fn stack() -> Stack {
        Stack::read(TEMPLATE, &Options::default()).unwrap()
    }

    fn value(stack: &Stack, name: &str) -> Json {
        stack.value(&["Resources", "Values", name]).unwrap()
    }

    #[test]
    fn functions_give_what_cloudformation_gives() {
        let account = "eu-west-1:123456789012";
        let named = stack().named("prod").physical("Own", "files");
        assert_eq!(
            value(&named, "A"),
            json!([
                format!("arn:aws:sqs:{account}:prod-Queue"),
                "https://sqs.eu-west-1.amazonaws.com/123456789012/prod-Queue",
                "arn:aws:s3:::files",
                "files",
                format!("arn:aws:logs:{account}:log-group:/aws/lambda/prod:*"),
                "arn:aws:iam::123456789012:role/prod-Role",
            ])
        );
        assert_eq!(
            value(&stack(), "B"),
            "stack-Queue 90 ${Literal} 123456789012 amazonaws.com"
        );
        assert_eq!(value(&stack(), "C"), json!([2, 1, {"b": true}]));
        assert_eq!(
            value(&stack().parameter("Roles", "a, b"), "C"),
            json!([1, 1, {"b": true}])
        );
        assert_eq!(value(&stack().parameter("Days", "1"), "D"), "1");
        assert_eq!(
            value(&stack().parameter("Roles", "a, b"), "E"),
            json!(["a.yaml", "a", "b"])
        );
    }

    #[test]
    fn what_cannot_be_resolved_is_refused() {
        let bad = [
            "Select",
            "Split",
            "Import",
            "Unknown",
            "Attribute",
            "Thing",
            "Condition",
            "Required",
            "Variable",
        ];
        for name in bad.into_iter().chain(["Brace", "Nothing"]) {
            let refused = stack().value(&["Resources", "Values", "Refused", name]);
            assert!(refused.is_err(), "{name}: {refused:?}");
        }
        let taken = stack().parameter("Bucket", "files");
        assert!(
            taken
                .value(&["Resources", "Values", "A"])
                .unwrap_err()
                .contains("Own is not made")
        );
        for (name, value) in [("Bucket", "FILES"), ("Days", "2"), ("Dais", "1"), ("Roles", "a, *")] {
            let why = stack().parameter(name, value).policy("Role").unwrap_err();
            assert!(why.contains(name), "{why}");
        }
    }

    #[test]
    fn a_policy_is_the_one_that_the_parameters_make() {
        let decide = |stack: &Stack, action: &str, resource: &str| {
            let need = Need {
                action: action.into(),
                resource: resource.into(),
                context: BTreeMap::new(),
            };
            matches!(stack.policy("Role").unwrap().decide(&need), Decision::Allowed(_))
        };
        let stack = stack().physical("Own", "files");
        assert!(decide(&stack, "s3:GetObject", "arn:aws:s3:::files/a.yaml"));
        assert!(!decide(&stack, "s3:GetObject", "arn:aws:s3:::files/b.yaml"));
        assert_eq!(stack.policy("Role").unwrap().sids(), ["Read"]);
        let given = stack
            .parameter("Bucket", "mine")
            .parameter("Roles", "arn:aws:iam::1:role/a, arn:aws:iam::1:role/b");
        assert!(decide(&given, "s3:GetObject", "arn:aws:s3:::mine/a.yaml"));
        assert!(decide(&given, "iam:PassRole", "arn:aws:iam::1:role/b"));
        assert!(!decide(&given, "iam:PassRole", "arn:aws:iam::1:role/c"));
    }

    #[test]
    fn a_role_that_may_do_more_than_its_own_policies_say_is_refused() {
        let attached = "  Extra: {Type: 'AWS::IAM::Policy', Properties: {Roles: [!Ref Role]}}\n";
        let managed = TEMPLATE.replace(
            "  Role:\n    Type: AWS::IAM::Role\n    Properties:\n",
            "  Role:\n    Type: AWS::IAM::Role\n    Properties:\n      ManagedPolicyArns: [x]\n",
        );
        for (template, expected) in [
            (format!("{TEMPLATE}{attached}"), "Extra"),
            (managed, "ManagedPolicyArns"),
        ] {
            let why = Stack::read(&template, &Options::default())
                .unwrap()
                .policy("Role")
                .unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
        assert!(stack().policy("Other").is_err(), "a policy without a document");
        assert!(stack().policy("Queue").unwrap_err().contains("AWS::IAM::Role"));
        assert!(stack().physical("Onw", "x").policy("Role").unwrap_err().contains("Onw"));
        assert!(Stack::read("Parameters: {}", &Options::default()).is_err());
    }
}
