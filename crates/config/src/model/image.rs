//! Images, as they are named under a registry.

use std::fmt;

use super::prefix::{ROOT, is_repository_name};

/// How many images a stack keeps warm at most: each costs a call in every run that looks.
pub const MOST_IMAGES: usize = 200;

/// Stands for the prefix while a path is looked at.
const ANY_PREFIX: &str = "x/";

/// `library/nginx:1.27`, or the same with the digest that the tag should have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WarmImage {
    /// The repository, under the registry's name.
    pub path: String,
    pub tag: String,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: Option<String>,
}

impl WarmImage {
    /// Reads a path with a tag, and perhaps a digest.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err("has a digest that is none: write `sha256:` and 64 characters of 0-9a-f");
        }
        let Some((path, tag)) = name.rsplit_once(':') else {
            return Err("has no tag, which ECR asks the upstream for: write `path:tag`");
        };
        if !is_tag(tag) {
            return Err("has a tag that is none: up to 128 letters, digits and `_.-`, the first no `.` or `-`");
        }
        // Names of one character are allowed below a prefix.
        if !is_repository_name(&format!("{ANY_PREFIX}{path}")) {
            return Err(
                "is no image: write its path under the registry's name, in lower case, such as `library/nginx:1.27`",
            );
        }
        Ok(Self {
            path: path.to_owned(),
            tag: tag.to_owned(),
            digest: digest.map(str::to_owned),
        })
    }

    /// The repository in the cache.
    pub fn repository(&self, registry: &str) -> String {
        match registry {
            ROOT => self.path.clone(),
            name => format!("{name}/{}", self.path),
        }
    }
}

impl fmt::Display for WarmImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.tag)?;
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// Whether a text is a tag of an image (OCI distribution specification).
pub fn is_tag(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=128).contains(&text.len())
        && text.starts_with(is_word)
        && text.chars().all(|c| is_word(c) || matches!(c, '.' | '-'))
}

/// Whether a text is a SHA-256 digest, the one kind that ECR has.
pub fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_a_path_a_tag_and_perhaps_a_digest() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        for good in [
            "library/nginx:1.27",
            "a:1",
            "a/b/c:v1_2.3-x",
            &format!("grafana/grafana:11.0.0@{digest}"),
        ] {
            let image = WarmImage::read(good).unwrap_or_else(|fault| unreachable!("{good} {fault}"));
            assert_eq!(image.to_string(), good);
        }
        let image = WarmImage::read("library/nginx:1").unwrap();
        assert_eq!(image.repository("hub"), "hub/library/nginx");
        assert_eq!(image.repository(ROOT), "library/nginx");
        for bad in [
            "",
            ":1",
            "nginx",
            "nginx:",
            "nginx:-1",
            "Nginx:1",
            "/nginx:1",
            "nginx/:1",
            "a b:1",
            "docker.io:443/nginx",
            "https://docker.io/nginx:1",
            "nginx@sha256:00",
            &format!("nginx@{digest}"),
            &format!("nginx:1@{}", digest.to_uppercase()),
            &format!("{}:1", "a".repeat(300)),
        ] {
            assert!(WarmImage::read(bad).is_err(), "{bad}");
        }
    }
}
