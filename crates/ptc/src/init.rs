//! The first `registries.yaml`: a registry for each upstream, with what it needs said in comments.

use config::{Code, Context, CredentialNeed, Upstream, UpstreamKind, parse_upstream};

/// Why no file can be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// One of the upstreams cannot be cached.
    #[error("{0}: {1}")]
    Upstream(Code, String),
    /// Two of them are the same.
    #[error("the upstream {0} is given twice")]
    Twice(String),
    /// The file would not be accepted.
    #[error("{0}")]
    Rejected(#[from] config::Rejected),
}

const HEAD: &str = "\
# What ECR pulls through and keeps a copy of. `ptc schema --reference` tells every field, `ptc check` looks at the file.
#
# tags: {team: platform}        # for everything that is made
# defaults:                     # for every registry that does not say otherwise
#   lifecycle_policy: none      # keep all images; without it the last 3 of each repository
#   repository_read_access_arns: [\"arn:aws:iam::111122223333:root\"]   # who else may pull; this account always may
registries:
";

/// The file beside it that has its schema.
pub const SCHEMA: &str = "registries.schema.json";

/// The file for some upstreams; with the line by which editors find the schema, where it is there.
///
/// # Errors
/// What is wrong with one of them.
pub fn file(hosts: &[String], has_schema: bool) -> Result<String, InitError> {
    let context = Context::default();
    let mut text = String::new();
    if has_schema {
        text.push_str(&format!("# yaml-language-server: $schema={SCHEMA}\n"));
    }
    text.push_str(HEAD);
    let mut before: Vec<String> = Vec::new();
    for host in hosts {
        let upstream =
            parse_upstream(host, false, &context).map_err(|(code, fault)| InitError::Upstream(code, fault))?;
        if before.contains(&upstream.host) {
            return Err(InitError::Twice(upstream.host));
        }
        text.push_str(&registry(&upstream));
        before.push(upstream.host);
    }
    // Whatever was forgotten above is not written.
    config::read(text.as_bytes(), &context)?;
    Ok(text)
}

fn registry(upstream: &Upstream) -> String {
    let (name, host) = (name(upstream), &upstream.host);
    let mut text = format!("  {name}:\n    registry: {host}\n");
    match upstream.needs() {
        CredentialNeed::Required => {
            let secret = format!("{}{name}-login", config::SECRET_PREFIX);
            text.push_str(&format!(
                "    # {host} needs a credential. Make the secret from a file with {{\"username\": \"...\", \"accessToken\": \"...\"}}:\n    \
                 #   aws secretsmanager create-secret --name {secret} --secret-string file://login.json \\\n    \
                 #     --tags Key=ecr-pull-through-sync:upstream,Value={host}\n    \
                 secret: {secret}\n"
            ));
        }
        CredentialNeed::RoleOptional => text.push_str(
            "    # If it is another account's: a role of this account that ECR takes to pull from there.\n    \
             # custom_role_arn: arn:aws:iam::<this account>:role/...\n",
        ),
        CredentialNeed::Forbidden | CredentialNeed::Optional => {}
    }
    text
}

/// What people pull through: short, and what the upstream is known by.
fn name(upstream: &Upstream) -> String {
    /// The longest name of a registry.
    const MOST: usize = 30;
    let known = match upstream.kind {
        UpstreamKind::DockerHub => "dockerhub",
        UpstreamKind::GitHub => "ghcr",
        UpstreamKind::GitLab => "gitlab",
        UpstreamKind::Chainguard => "chainguard",
        UpstreamKind::EcrPublic => "public-ecr",
        UpstreamKind::Kubernetes => "kubernetes",
        UpstreamKind::Quay => "quay",
        UpstreamKind::Azure | UpstreamKind::Ecr | UpstreamKind::Unlisted => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    match upstream.ecr_account_and_region() {
        Some((account, region)) => format!("{account}-{region}"),
        None => upstream
            .host
            .split('.')
            .next()
            .unwrap_or_default()
            .chars()
            .take(MOST)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecr_pull_through_sync::home::Home;

    fn hosts(hosts: &[&str]) -> Vec<String> {
        hosts.iter().map(|host| (*host).to_owned()).collect()
    }

    #[test]
    fn every_kind_of_upstream_makes_a_file_without_errors_and_warnings() {
        let mut all: Vec<&str> = config::listed().collect();
        all.extend(["acme.azurecr.io", "444455556666.dkr.ecr.ap-southeast-1.amazonaws.com"]);
        let text = file(&hosts(&all), false).unwrap();
        let context = Home::of("111122223333", "eu-west-1").context();
        // What another account's registry needs is not known here, and a comment says so.
        let rejected = config::read(text.as_bytes(), &context).unwrap_err();
        let codes: Vec<Code> = rejected.errors.iter().map(|error| error.code).collect();
        assert_eq!((codes, rejected.warnings.len()), (vec![Code::ROLE_MISSING], 0));
        let keys = text
            .lines()
            .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
        let names: Vec<&str> = keys.filter(|name| !name.starts_with(' ')).collect();
        assert_eq!(names.len(), all.len());
        assert!(
            names.contains(&"444455556666-ap-southeast-1") && names.contains(&"acme"),
            "{names:?}"
        );
    }

    #[test]
    fn what_cannot_be_cached_is_told() {
        for (host, said) in [
            (
                "docker.oi",
                "PT031: ECR cannot cache `docker.oi`; did you mean `docker.io`?",
            ),
            ("https://quay.io", "PT030: `registry` is the host alone"),
        ] {
            let error = file(&hosts(&[host]), false).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
        let error = file(&hosts(&["docker.io", "registry-1.docker.io"]), false)
            .unwrap_err()
            .to_string();
        assert_eq!(error, "the upstream registry-1.docker.io is given twice");
    }
}
