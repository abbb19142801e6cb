//! What was seen becomes facts. Pure: a fact depends on nothing but what [`look`](super::look) brought.

pub mod credential;
pub mod image;
pub mod name;
pub mod rights;

use ecr_pull_through_sync::account::{AwsError, ErrorKind, Rule, Template, TemplateSpec};
use ecr_pull_through_sync::report::{RegistryReport, State};

use super::Fact;
use super::client::CachedImage;
use super::look::{Found, Question, Seen};
use super::route::{Route, Served, most_specific};

/// What was asked and seen, with what most facts need of it.
pub struct Case<'a> {
    pub asked: &'a Question,
    /// Nothing for a name of another registry.
    seen: Option<&'a Seen>,
    /// Where ECR would look, as far as it is known.
    route: Option<&'a Route>,
    found: Option<&'a Found>,
    /// The template for the repository, whether or not it is for pulls.
    template: Option<&'a Template>,
}

impl<'a> Case<'a> {
    pub fn of(asked: &'a Question, seen: Option<&'a Seen>) -> Self {
        let route = seen.and_then(|seen| seen.route.as_ref()?.as_ref().ok());
        let template = seen.zip(route).and_then(|(seen, route)| {
            let templates = seen.templates.as_ref().ok()?;
            most_specific(templates, |template| &template.prefix, &route.repository)
        });
        Self {
            asked,
            seen,
            route,
            found: seen.and_then(|seen| seen.found.as_ref()),
            template,
        }
    }

    /// What to pull.
    pub fn url(&self) -> Option<String> {
        self.route.map(|route| self.url_of(&route.repository))
    }

    /// The same image in another repository.
    fn url_of(&self, repository: &str) -> String {
        let (host, suffix) = (self.asked.home.registry_host(), self.asked.image.reference.suffix());
        format!("{host}/{repository}{suffix}")
    }

    /// Whether the image can be had from the cache, whatever became of its upstream.
    pub fn is_cached(&self) -> bool {
        self.cached().is_some_and(|image| !image.archived)
    }

    fn cached(&self) -> Option<&'a CachedImage> {
        self.found?.image.as_ref().ok()?.as_ref()
    }

    /// Whether ECR would have to fetch the image. One that could not be looked at counts as not cached.
    fn is_first_pull(&self) -> bool {
        self.rule().is_some() && self.cached().is_none()
    }

    fn repository_is_there(&self) -> bool {
        self.found.is_some_and(|found| matches!(found.repository, Ok(Some(_))))
    }

    /// What a first pull makes the repository with.
    fn spec(&self) -> Option<&'a TemplateSpec> {
        let spec = self.template.map(|template| &template.spec)?;
        spec.applied_for.contains("PULL_THROUGH_CACHE").then_some(spec)
    }

    fn served(&self) -> Option<&'a Served> {
        self.route?.rule.as_ref()
    }

    fn rule(&self) -> Option<&'a Rule> {
        self.served().map(|served| &served.rule)
    }

    /// What the last run said of the rule's registry; without a rule, of the one that the image would be under.
    fn registry(&self) -> Option<(&'a String, &'a RegistryReport)> {
        let mut registries = self.asked.status.as_ref().ok()?.registries.iter();
        if let Some(rule) = self.rule() {
            return registries.find(|(name, _)| **name == rule.prefix);
        }
        match self.seen?.route.as_ref()? {
            Ok(Route { repository, .. }) => registries
                .filter(|(name, _)| {
                    repository
                        .strip_prefix(name.as_str())
                        .is_some_and(|rest| rest.starts_with('/'))
                })
                .max_by_key(|(name, _)| name.len()),
            Err(host) => registries.find(|(_, registry)| registry.upstream == *host),
        }
    }
}

impl<'a> Case<'a> {
    /// The registry that the repository would be under, where the file has it for other stacks.
    fn for_other_stacks(&self) -> Option<&'a str> {
        let names: Vec<&String> = self.asked.status.as_ref().ok()?.elsewhere.iter().collect();
        most_specific(&names, |name| name, &self.route?.repository).map(|name| name.as_str())
    }

    /// Those that the file has for other stacks, in a sentence.
    fn elsewhere_words(&self) -> Option<String> {
        self.asked.status.as_ref().ok()?.elsewhere_words()
    }
}

/// What a registry that is not ready waits for, or failed of.
fn trouble((name, registry): (&String, &RegistryReport)) -> Option<String> {
    let message = registry.message.as_deref().unwrap_or("without a word why");
    (registry.state != State::Ready).then(|| format!("{name} is {}: {message}", registry.state.as_str()))
}

/// A call that was refused, or not answered.
fn unread(error: &AwsError) -> Fact {
    let permission = permission(error.operation);
    match error.kind {
        ErrorKind::Denied => Fact::unseen(format!("could not be seen: it takes {permission}"))
            .doubt(format!("run doctor with credentials that may {permission}")),
        _ => Fact::unseen(format!("could not be seen: {error}")).doubt("try again"),
    }
}

/// The same where nothing depends on it.
fn unread_and_unneeded(error: &AwsError) -> Fact {
    Fact {
        effect: super::Effect::None,
        next: None,
        ..unread(error)
    }
}

/// The permission for a call; all that are made here are named alike.
fn permission(operation: &str) -> String {
    let service = match operation {
        "DescribeSecret" => "secretsmanager",
        "SimulatePrincipalPolicy" => "iam",
        _ => "ecr",
    };
    format!("{service}:{operation}")
}
