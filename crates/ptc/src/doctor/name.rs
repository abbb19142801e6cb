//! Names of images, as they stand in a Dockerfile, a manifest or a `docker pull`.

use config::arn::{is_account, is_region};
use config::{is_digest, is_repository_name, is_tag};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// As it was typed.
    pub text: String,
    pub place: Place,
    pub reference: Reference,
}

/// Where an image is said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At a private ECR registry.
    Ecr(EcrHost, String),
    /// At another host.
    Host(String, String),
    /// No host is named: Docker takes it for Docker Hub, people often for the cache.
    Bare(String),
}

/// The host of a private ECR registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcrHost {
    pub host: String,
    pub account: String,
    pub region: String,
    pub fips: bool,
}

/// Which of the images of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    Tag(String),
    /// The digest wins over a tag beside it.
    Digest {
        digest: String,
        tag: Option<String>,
    },
}

impl Reference {
    /// As it stands behind a name.
    pub fn suffix(&self) -> String {
        match self {
            Self::Tag(tag) => format!(":{tag}"),
            Self::Digest { digest, tag: None } => format!("@{digest}"),
            Self::Digest { digest, tag: Some(tag) } => format!(":{tag}@{digest}"),
        }
    }
}

/// A text that is no name of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    pub why: String,
    pub write: String,
}

/// The longest text that is looked at: a repository, a tag, a digest and a host are shorter.
const LONGEST: usize = 1024;

impl Image {
    /// Reads a name.
    pub fn read(text: &str) -> Result<Self, Malformed> {
        let wrong = |why: &str, write: &str| {
            Err(Malformed {
                why: why.to_owned(),
                write: write.to_owned(),
            })
        };
        let form = "write <name>:<tag>, as in `docker pull`";
        if text.len() > LONGEST {
            return wrong("the name is longer than any image's", form);
        }
        if text.contains("://") {
            return wrong(
                "a name of an image has no scheme, such as https://",
                "take the scheme away: the host comes first",
            );
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let (rest, tag) = match rest.rsplit_once(':') {
            // A colon before a slash is a host's port.
            Some((rest, tag)) if !tag.contains('/') => (rest, Some(tag)),
            _ => (rest, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return wrong(
                "what stands behind the @ is no digest",
                "a digest is sha256: and 64 characters of 0-9a-f",
            );
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return wrong(
                "what stands behind the last colon is no tag",
                "a tag has at most 128 characters: letters, digits, `_`, `.` and `-`, the first no `.` or `-`",
            );
        }
        let (host, path) = match rest.split_once('/') {
            Some((first, path)) if is_host(first) => (Some(first), path),
            _ => (None, rest),
        };
        if path.chars().any(|c| c.is_ascii_uppercase()) {
            return wrong(
                "a name of an image has no capitals, but for the tag",
                "write it in lower case",
            );
        }
        if !path.split('/').all(|part| is_repository_name(&format!("x/{part}"))) {
            return wrong("this is no name of an image", form);
        }
        let tag = tag.map(str::to_owned);
        let reference = match digest {
            Some(digest) => Reference::Digest {
                digest: digest.to_owned(),
                tag,
            },
            None => Reference::Tag(tag.unwrap_or_else(|| "latest".to_owned())),
        };
        let place = match host {
            None => Place::Bare(path.to_owned()),
            Some(host) => match EcrHost::read(host) {
                Some(host) => Place::Ecr(host, path.to_owned()),
                None => Place::Host(host.to_ascii_lowercase(), path.to_owned()),
            },
        };
        Ok(Self {
            text: text.to_owned(),
            place,
            reference,
        })
    }
}

impl EcrHost {
    /// `<account>.dkr.ecr.<region>.amazonaws.com`, its FIPS and its dual-stack forms, in any partition.
    fn read(host: &str) -> Option<Self> {
        let mut parts = host.split('.');
        let mut next = || parts.next().unwrap_or_default();
        let (account, kind) = (next(), next());
        let (fips, region) = match kind {
            "dkr" => match next() {
                "ecr" => (false, next()),
                "ecr-fips" => (true, next()),
                _ => return None,
            },
            "dkr-ecr" => (false, next()),
            "dkr-ecr-fips" => (true, next()),
            _ => return None,
        };
        (is_account(account) && is_region(region)).then(|| Self {
            host: host.to_owned(),
            account: account.to_owned(),
            region: region.to_owned(),
            fips,
        })
    }
}

/// Docker's rule: what has a dot or a port in it, or is `localhost`, is a host.
fn is_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Image {
        Image::read(text).unwrap_or_else(|malformed| unreachable!("{text}: {malformed:?}"))
    }

    #[test]
    fn names_are_read_as_docker_reads_them() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        for (text, host, path, suffix) in [
            ("nginx", None, "nginx", ":latest"),
            ("library/nginx:1.27", None, "library/nginx", ":1.27"),
            (
                "docker.io/library/nginx:1.27",
                Some("docker.io"),
                "library/nginx",
                ":1.27",
            ),
            ("GHCR.io/a/b", Some("ghcr.io"), "a/b", ":latest"),
            ("localhost:5000/a", Some("localhost:5000"), "a", ":latest"),
            ("quay.io/a/b:v1.0-x", Some("quay.io"), "a/b", ":v1.0-x"),
        ] {
            let image = read(text);
            let place = match host {
                Some(host) => Place::Host(host.into(), path.into()),
                None => Place::Bare(path.into()),
            };
            assert_eq!(
                (image.place, image.reference.suffix().as_str()),
                (place, suffix),
                "{text}"
            );
        }
        let both = read(&format!("a/b:1@{digest}"));
        assert_eq!(both.reference.suffix(), format!(":1@{digest}"));
    }

    #[test]
    fn hosts_of_ecr_tell_account_and_region() {
        for (host, fips) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", false),
            ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", true),
            ("123456789012.dkr-ecr.eu-west-1.on.aws", false),
            ("123456789012.dkr-ecr-fips.us-east-1.on.aws", true),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", false),
        ] {
            match read(&format!("{host}/hub/nginx")).place {
                Place::Ecr(found, path) => {
                    assert_eq!(
                        (found.account.as_str(), found.fips, path.as_str()),
                        ("123456789012", fips, "hub/nginx")
                    );
                }
                other => unreachable!("{host}: {other:?}"),
            }
        }
        assert!(matches!(
            read("1.dkr.ecr.eu-west-1.amazonaws.com/x").place,
            Place::Host(..)
        ));
    }

    #[test]
    fn what_is_no_name_is_told_so() {
        for (text, part) in [
            ("https://quay.io/a/b", "scheme"),
            ("Nginx", "capitals"),
            ("quay.io/Org/x:1", "capitals"),
            ("a/b:", "no tag"),
            ("a/b:.x", "no tag"),
            ("a/b@sha256:12", "no digest"),
            ("a//b", "no name"),
            ("", "no name"),
            ("a b", "no name"),
            ("quay.io/", "no name"),
        ] {
            let why = Image::read(text).map_err(|malformed| malformed.why);
            assert!(why.clone().is_err_and(|why| why.contains(part)), "{text}: {why:?}");
        }
        assert!(Image::read(&"a".repeat(2000)).is_err());
    }
}
