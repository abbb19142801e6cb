//! Who pulls: the role, or user, whose rights are looked at.

use std::str::FromStr;

use config::arn::is_account;

/// The ARN of a role or a user of IAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArn {
    pub arn: String,
    pub account: String,
    partition: String,
    /// `role` or `user`.
    kind: String,
    /// The name without its path.
    pub name: String,
}

impl FromStr for RoleArn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let wrong = || "an ARN such as arn:aws:iam::123456789012:role/node is wanted".to_owned();
        let (partition, account, entity) = match parts.as_slice() {
            ["arn", partition, "iam", "", account, entity] if is_account(account) => (*partition, *account, *entity),
            ["arn", _, "sts", "", _, session] => {
                let name = session.split('/').nth(1).unwrap_or_default();
                return Err(format!(
                    "this is a session of a role, and the role's own ARN is wanted: `aws iam get-role --role-name {name}` shows it"
                ));
            }
            _ => return Err(wrong()),
        };
        let (kind, path) = entity.split_once('/').ok_or_else(wrong)?;
        let name = path.rsplit('/').next().unwrap_or_default();
        if !matches!(kind, "role" | "user") || name.is_empty() || text.len() > 2048 {
            return Err(wrong());
        }
        Ok(Self {
            arn: text.to_owned(),
            account: account.to_owned(),
            partition: partition.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl RoleArn {
    /// What the ARNs of its sessions begin with. Its path is not in them.
    pub fn session_prefix(&self) -> String {
        format!(
            "arn:{}:sts::{}:assumed-role/{}/",
            self.partition, self.account, self.name
        )
    }

    /// Its account as a principal.
    pub fn root(&self) -> String {
        format!("arn:{}:iam::{}:root", self.partition, self.account)
    }

    /// The command that gives it a policy.
    pub fn attach(&self, policy: &str) -> String {
        let Self { kind, name, .. } = self;
        format!("aws iam attach-{kind}-policy --{kind}-name {name} --policy-arn {policy}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_roles_and_users_are_taken() {
        let role: Result<RoleArn, String> = "arn:aws:iam::123456789012:role/a/b/node".parse();
        let role = role.unwrap_or_else(|why| unreachable!("{why}"));
        assert_eq!(role.session_prefix(), "arn:aws:sts::123456789012:assumed-role/node/");
        for (text, part) in [
            ("node", "is wanted"),
            ("arn:aws:iam::123456789012:root", "is wanted"),
            ("arn:aws:iam::123456789012:group/x", "is wanted"),
            ("arn:aws:iam::12:role/x", "is wanted"),
            ("arn:aws:sts::123456789012:assumed-role/node/i-1", "--role-name node"),
        ] {
            let why = text.parse::<RoleArn>().err().unwrap_or_default();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
