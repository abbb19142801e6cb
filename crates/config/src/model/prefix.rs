//! Repository prefixes, which the names of registries are (ECR API, CreatePullThroughCacheRule).

use crate::diagnostics::problem::shown;

/// The prefix that stands for the registry itself.
pub const ROOT: &str = "ROOT";

pub(crate) const LEAST: usize = 2;
pub(crate) const MOST: usize = 30;

/// ECR's pattern, but for the `/` that it allows at the end and then assumes anyway: we do not, since two rules would
/// have one meaning. [`fault`] checks the same by hand, to say what is wrong.
pub(crate) const PATTERN: &str = r"^([a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*|ROOT)$";

/// What is wrong with a prefix, or nothing.
pub(crate) fn fault(text: &str) -> Option<String> {
    if text == ROOT {
        return None;
    }
    let length = text.chars().count();
    if text.is_empty() {
        return Some(format!("is empty; write {LEAST} to {MOST} characters"));
    }
    if text.eq_ignore_ascii_case(ROOT) && text != "root" {
        return Some(format!("must be written `{ROOT}`, for the registry itself"));
    }
    if let Some(bare) = text.strip_suffix('/') {
        return Some(format!(
            "ends with a `/`, which ECR assumes anyway; write {}",
            shown(&bare.trim_end_matches('/').to_lowercase())
        ));
    }
    if text.starts_with('/') {
        return Some(format!(
            "begins with a `/`; write {}",
            shown(&text.trim_start_matches('/').to_lowercase())
        ));
    }
    if text.contains("://") {
        return Some("is a URL; write a short name, such as `dockerhub`, and the host under `registry`".to_owned());
    }
    if text.chars().any(char::is_uppercase) {
        return Some(format!("has upper case letters; write {}", shown(&text.to_lowercase())));
    }
    if let Some(bad) = text
        .chars()
        .find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(*c)))
    {
        return Some(format!(
            "has the character {}; lower case letters, digits and `.`, `_`, `-`, `/` are allowed",
            shown(&bad.to_string())
        ));
    }
    if text.contains("//") {
        return Some("has two `/` in a row; write one".to_owned());
    }
    if let Some(part) = text.split('/').find(|part| !is_part(part)) {
        let why = if part.starts_with(['.', '_', '-']) || part.ends_with(['.', '_', '-']) {
            "each part must begin and end with a letter or digit"
        } else {
            "between letters and digits stand one `.`, one or two `_`, or any number of `-`"
        };
        return Some(format!("is no prefix that ECR allows: {why}"));
    }
    if !(LEAST..=MOST).contains(&length) {
        return Some(format!("has {length} characters; ECR allows {LEAST} to {MOST}"));
    }
    None
}

/// Whether ECR allows a rule of this prefix.
pub fn is_prefix(text: &str) -> bool {
    fault(text).is_none()
}

/// Whether ECR allows a repository of this name: the parts of a prefix, 2 to 256 characters (ECR API, RepositoryName).
pub fn is_repository_name(text: &str) -> bool {
    (LEAST..=256).contains(&text.len())
        && text
            .split('/')
            .all(|part| !part.contains(char::is_uppercase) && is_part(part))
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, the characters having been checked already.
fn is_part(part: &str) -> bool {
    let is_alnum = |c: char| c.is_ascii_alphanumeric();
    part.starts_with(is_alnum)
        && part.ends_with(is_alnum)
        && part
            .split(is_alnum)
            .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_s_examples() {
        for good in [
            "docker--hub",
            "a__b",
            "k8s.io",
            "ROOT",
            "root",
            "ab",
            "a/b",
            "team/docker-hub",
            "a-----b",
            &"a".repeat(30),
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in [
            "a___b",
            "a..b",
            "foo//bar",
            "/foo",
            "Foo",
            "ROOT/",
            "-a",
            "a-",
            "foo/",
            "a",
            "",
            "Root",
            "a._b",
            "a/-b",
            "a b",
            "é1",
            "a:b",
            "https://x",
            &"a".repeat(31),
            "a-_b",
            "_ab",
        ] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}
