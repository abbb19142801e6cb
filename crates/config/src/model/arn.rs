//! ARNs, taken apart ("Identify AWS resources with Amazon Resource Names").

/// The parts of `arn:partition:service:region:account:resource`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    pub partition: &'a str,
    pub service: &'a str,
    pub region: &'a str,
    pub account: &'a str,
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Takes a text apart, if it has the six parts of an ARN.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        (arn == "arn" && partition.starts_with("aws") && !resource.is_empty()).then_some(Self {
            partition,
            service,
            region,
            account,
            resource,
        })
    }
}

/// Whether a text is an account id: 12 digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The form of an organization's id, as [`is_organization`] checks it (AWS Organizations API, `OrganizationId`).
pub(crate) const ORGANIZATION: &str = "o-[a-z0-9]{10,32}";

/// Whether a text is the id of an organization, such as `o-abcdefghij`.
pub fn is_organization(text: &str) -> bool {
    let id = text.strip_prefix("o-").unwrap_or_default();
    (10..=32).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// The form of a service principal, as [`is_service`] checks it.
pub(crate) const SERVICE: &str = r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?";

/// Whether a text is a service principal, such as `omics.amazonaws.com`.
pub fn is_service(text: &str) -> bool {
    let text = text.strip_suffix(".cn").unwrap_or(text);
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.strip_suffix(".amazonaws.com")
        .is_some_and(|name| name.split('.').all(is_part))
}

/// The form of a Region name, as [`is_region`] checks it, for a pattern.
pub const REGION: &str = "[a-z]+(-[a-z]+)+-[0-9]+";

/// Whether a text has the form of a Region name, such as `eu-central-1`.
pub fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else {
        return false;
    };
    words.len() >= 2
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && words
            .iter()
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// Whether a text is an IAM path and name: what follows `role/` or `user/` (IAM API, `pathType` and `roleNameType`).
pub fn is_iam_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('/')
        && !text.ends_with('/')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_taken_apart() {
        let arn = Arn::parse("arn:aws:secretsmanager:eu-west-1:111122223333:secret:a/b-AbCdEf");
        assert_eq!(
            arn.map(|arn| (arn.service, arn.resource)),
            Some(("secretsmanager", "secret:a/b-AbCdEf"))
        );
        assert_eq!(Arn::parse("arn:aws:iam::111122223333"), None);
        assert_eq!(Arn::parse("arn:gcp:iam::1:x"), None);
    }

    #[test]
    fn regions_and_accounts_have_a_form() {
        assert!(
            ["eu-central-1", "us-gov-east-1", "ap-southeast-12"]
                .iter()
                .all(|region| is_region(region))
        );
        assert!(
            !["eu-1", "eu-central", "EU-central-1", "eu--central-1", ""]
                .iter()
                .any(|region| is_region(region))
        );
        assert!(is_account("012345678901"));
        assert!(!is_account("12345678901") && !is_account("01234567890a"));
    }
}
