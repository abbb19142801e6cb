//! How events name a secret: by name, by ARN, or by an ARN without its random suffix.

/// `arn:<partition>:secretsmanager:<region>:<account>:secret:<name>-<six random characters>`.
/// (Service Authorization Reference, Secrets Manager.)
pub(super) struct Arn<'a> {
    pub(super) partition: &'a str,
    pub(super) region: &'a str,
    pub(super) account: &'a str,
    pub(super) resource: &'a str,
}

impl<'a> Arn<'a> {
    pub(super) fn parse(id: &'a str) -> Option<Self> {
        let mut parts = id.splitn(7, ':');
        let mut next = || parts.next();
        match (next()?, next()?, next()?, next()?, next()?, next()?, next()?) {
            ("arn", partition, "secretsmanager", region, account, "secret", resource) => Some(Self {
                partition,
                region,
                account,
                resource,
            }),
            _ => None,
        }
    }
}

/// The resource part of an ARN without its random suffix. Only for ARNs: a name may end that way by itself.
pub(super) fn without_suffix(resource: &str) -> &str {
    match resource.rsplit_once('-') {
        Some((name, suffix)) if !name.is_empty() && is_suffix(suffix) => name,
        _ => resource,
    }
}

/// Whether the resource part of an ARN is that name with a random suffix.
pub(super) fn is_full(resource: &str, name: &str) -> bool {
    resource
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(is_suffix)
}

fn is_suffix(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// What Secrets Manager accepts as a name: letters, digits and `/_+=.@-`, and `!` in names that services make.
pub(super) fn is_secret_name(name: &str) -> bool {
    name.len() <= 512
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/_+=.@-!".contains(&byte))
}

/// A version's id is the caller's token: 32 to 64 characters, by habit a UUID.
pub(super) fn is_version_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}
