//! What AWS shows of a pull. Every look may fail by itself; nothing is written.

use ecr_pull_through_sync::account::{AwsError, Proof, Reader, Repository, Rule, Secret, Template};
use ecr_pull_through_sync::home::Home;
use ecr_pull_through_sync::report::Report;

use super::client::{CachedImage, Client, Pulled, Right};
use super::name::{Image, Place};
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

/// A question, and what was seen for it.
pub struct Asked {
    pub image: Image,
    /// Who pulls, if that was given.
    pub role: Option<RoleArn>,
    /// The registry that is looked at.
    pub home: Home,
    /// The last run's status, or why there is none to be seen.
    pub status: Result<Report, String>,
    /// Nothing for a name of another registry.
    pub seen: Option<Seen>,
}

/// What was seen of a registry.
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

/// Looks at everything that a pull of this image meets.
pub async fn look(
    reader: &Reader,
    client: &Client,
    home: Home,
    image: Image,
    role: Option<RoleArn>,
    status: Result<Report, String>,
    pull: bool,
) -> Asked {
    let is_elsewhere = match &image.place {
        Place::Ecr(host, _) => host.account != home.account || host.region != home.region,
        _ => false,
    };
    let seen = match is_elsewhere {
        true => None,
        false => Some(Seen::look(reader, client, &home, &image, role.as_ref(), pull).await),
    };
    Asked {
        image,
        role,
        home,
        status,
        seen,
    }
}

impl Seen {
    async fn look(
        reader: &Reader,
        client: &Client,
        home: &Home,
        image: &Image,
        role: Option<&RoleArn>,
        pull: bool,
    ) -> Self {
        let (rules, templates) = tokio::join!(reader.rules(), reader.templates());
        let route = match (&rules, &image.place) {
            (Ok(rules), place) => Some(route(place, rules)),
            // The repository is known all the same.
            (Err(_), place @ Place::Ecr(..)) => Some(route(place, &[])),
            (Err(_), _) => None,
        };
        let found = match &route {
            Some(Ok(route)) => {
                let templates = templates.as_deref().unwrap_or_default();
                let template = most_specific(templates, |template| &template.prefix, &route.repository);
                let has_tags = template.is_some_and(|template| !template.spec.tags.is_empty());
                let role = role.filter(|role| role.account == home.account);
                Some(Found::look(reader, client, home, image, route, role, has_tags, pull).await)
            }
            _ => None,
        };
        Self {
            rules,
            templates,
            route,
            found,
        }
    }
}

impl Found {
    #[expect(clippy::too_many_arguments, reason = "all that was learned before, once")]
    async fn look(
        reader: &Reader,
        client: &Client,
        home: &Home,
        image: &Image,
        route: &Route,
        role: Option<&RoleArn>,
        has_tags: bool,
        pull: bool,
    ) -> Self {
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
            let role = role?;
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
