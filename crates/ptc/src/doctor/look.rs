//! What AWS shows of a pull. Every look may fail by itself; nothing is written.

use std::collections::BTreeSet;

use ecr_pull_through_sync::account::{AwsError, Proof, Reader, Repository, Rule, Secret, Template};
use ecr_pull_through_sync::home::Home;
use ecr_pull_through_sync::report::Report;

use jiff::Timestamp;

use super::client::{CachedImage, Client, Pulled, Right};
use super::name::{EcrHost, Image, Place};
use super::role::RoleArn;
use super::route::{Route, most_specific, route};

/// What AWS answered, or why it did not.
pub type Look<T> = Result<T, AwsError>;

/// The rights that a role needs in any case, on the repository.
pub const PULLING: [&str; 3] = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
];
/// What the first pull of an image needs as well.
pub const IMPORT: &str = "ecr:BatchImportUpstreamImage";
/// What the first pull from a repository needs as well.
pub const CREATE: &str = "ecr:CreateRepository";
/// What that may need where the template has tags.
pub const TAG: &str = "ecr:TagResource";
/// To sign in. It has no resource types.
pub const SIGN_IN: &str = "ecr:GetAuthorizationToken";

/// What is asked.
pub struct Question {
    pub image: Image,
    /// Who pulls, if that was given.
    pub role: Option<RoleArn>,
    /// Whether ECR is asked for the image.
    pub pull: bool,
    /// The registry that is looked at.
    pub home: Home,
    /// The last run's status, or why there is none to be seen.
    pub status: Result<Report, String>,
    pub now: Timestamp,
    /// From how many days on an expiry is worth a word.
    pub warning_days: u32,
}

pub struct Seen {
    pub rules: Look<Vec<Rule>>,
    pub templates: Look<Vec<Template>>,
    /// The repository; or the host that no rule is for; nothing where the rules could not be seen.
    pub route: Option<Result<Route, String>>,
    /// Nothing without a repository.
    pub found: Option<Found>,
}

/// What was seen of a repository and what serves it.
pub struct Found {
    /// Nothing where the rule has no secret.
    pub secret: Option<Look<Option<Secret>>>,
    /// Nothing where there is nothing to prove.
    pub proof: Option<Look<Proof>>,
    pub repository: Look<Option<Repository>>,
    pub repository_policy: Look<Option<String>>,
    pub registry_policy: Look<Option<String>>,
    pub image: Look<Option<CachedImage>>,
    /// Nothing without a role of this account.
    pub rights: Option<Look<Vec<Right>>>,
    /// Nothing where no pull was asked for.
    pub pulled: Option<Look<Pulled>>,
}

/// Looks at everything that a pull of this image meets; nothing for a name of another registry.
pub async fn look(reader: &Reader, client: &Client, asked: &Question) -> Option<Seen> {
    let (rules, templates) = tokio::join!(reader.rules(), reader.templates());
    let place = place(asked, rules.as_deref().unwrap_or_default())?;
    let nothing = BTreeSet::new();
    let elsewhere = asked.status.as_ref().map_or(&nothing, |report| &report.elsewhere);
    let route = match (&rules, &place) {
        (Ok(rules), place) => Some(route(place, rules, elsewhere)),
        // The repository is known all the same.
        (Err(_), Place::Ecr(..)) => Some(route(&place, &[], elsewhere)),
        (Err(_), _) => None,
    };
    let found = match &route {
        Some(Ok(route)) => {
            let templates = templates.as_deref().unwrap_or_default();
            let template = most_specific(templates, |template| &template.prefix, &route.repository);
            let has_tags = template.is_some_and(|template| !template.spec.tags.is_empty());
            Some(Found::look(reader, client, asked, route, has_tags).await)
        }
        _ => None,
    };
    Some(Seen {
        rules,
        templates,
        route,
        found,
    })
}

/// Where the image is, seen from this registry: another private registry may be an upstream. Else it is not ours to look at.
fn place(asked: &Question, rules: &[Rule]) -> Option<Place> {
    let Place::Ecr(
        EcrHost {
            host, account, region, ..
        },
        path,
    ) = &asked.image.place
    else {
        return Some(asked.image.place.clone());
    };
    if *account == asked.home.account && *region == asked.home.region {
        return Some(asked.image.place.clone());
    }
    let is_upstream = rules.iter().any(|rule| rule.upstream_url == *host);
    is_upstream.then(|| Place::Host(host.clone(), path.clone()))
}

impl Found {
    async fn look(reader: &Reader, client: &Client, asked: &Question, route: &Route, has_tags: bool) -> Self {
        let Question {
            image,
            role,
            pull,
            home,
            ..
        } = asked;
        let name = route.repository.as_str();
        let rule = route.rule.as_ref().map(|served| &served.rule);
        let secret = async {
            let arn = rule?.credential_arn.as_deref()?;
            Some(reader.secret(arn).await)
        };
        let proof = async {
            let rule = rule.filter(|rule| has_something_to_prove(rule))?;
            Some(reader.prove(&rule.prefix).await)
        };
        let rights = async {
            let role = role.as_ref().filter(|role| role.account == home.account)?;
            let mut actions = PULLING.to_vec();
            actions.extend([IMPORT, CREATE]);
            actions.extend(has_tags.then_some(TAG));
            let resource = home.repository_arn(name);
            let looks = tokio::try_join!(
                client.rights(role, home, &[SIGN_IN], "*"),
                client.rights(role, home, &actions, &resource)
            );
            Some(looks.map(|(sign_in, rest)| [sign_in, rest].concat()))
        };
        let (secret, proof, repository, repository_policy, registry_policy, cached, rights) = tokio::join!(
            secret,
            proof,
            repository(reader, name),
            repository_policy(reader, name),
            client.registry_policy(),
            client.image(name, &image.reference),
            rights,
        );
        let pulled = match pull {
            true => Some(client.pull(name, &image.reference).await),
            false => None,
        };
        Self {
            secret,
            proof,
            repository,
            repository_policy,
            registry_policy,
            image: cached,
            rights,
            pulled,
        }
    }
}

/// Whether a rule reads its upstream with a credential, or as somebody in another account.
fn has_something_to_prove(rule: &Rule) -> bool {
    rule.credential_arn.is_some() || rule.custom_role_arn.is_some() || rule.upstream_url.contains(".dkr.ecr.")
}

async fn repository(reader: &Reader, name: &str) -> Look<Option<Repository>> {
    match reader.repositories_named(&[name.to_owned()]).await {
        Ok(found) => Ok(found.into_iter().next()),
        Err(error) if error.is("RepositoryNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}

async fn repository_policy(reader: &Reader, name: &str) -> Look<Option<String>> {
    match reader.repository_policy(name).await {
        Err(error) if error.is("RepositoryNotFoundException") => Ok(None),
        look => look,
    }
}
