//! From the name to the rule.

use config::{ROOT, UpstreamKind, has_no_pull_through_cache, nearest, uncacheable};

use super::{Case, trouble, unread};
use crate::doctor::Fact;
use crate::doctor::name::{EcrHost, Place};
use crate::doctor::route::{From, Served};

/// Is this a name of this registry?
pub fn name(case: &Case<'_>) -> Option<Fact> {
    let home = &case.asked.home;
    if let Place::Ecr(host, repository) = &case.asked.image.place
        && case.seen.is_none()
    {
        return Some(elsewhere(case, host, repository));
    }
    if has_no_pull_through_cache(&home.region) {
        let text = format!(
            "{} has no pull-through cache: AWS offers none in China and GovCloud",
            home.region
        );
        return Some(Fact::no(text).cause("pull from the upstream, or push a copy into a repository of your own"));
    }
    if let (Place::Ecr(host, _), Some(url)) = (&case.asked.image.place, case.url())
        && host.fips
        && host.account == home.account
    {
        let text = "the host is a FIPS endpoint, which serves what is cached and makes no first pull";
        return Some(match case.is_cached() {
            true => Fact::yes(text),
            false => Fact::no(text).cause(format!("pull it once from the other endpoint: docker pull {url}")),
        });
    }
    let Some(route) = case.route else {
        return Some(Fact::yes(match &case.asked.image.place {
            Place::Host(host, _) => format!("an image of {host}"),
            _ => "no host is named, so it is an image of Docker Hub".to_owned(),
        }));
    };
    Some(Fact::yes(match &route.from {
        From::Upstream { host, rule, others, .. } => {
            let others = match others.as_slice() {
                [] => String::new(),
                others => format!(" (and {})", others.join(", ")),
            };
            format!(
                "{host} is cached under {rule}{others}; by the name given it comes from there, unless the puller has a mirror"
            )
        }
        From::Cache => format!("the repository {} of this registry", route.repository),
    }))
}

/// A name of another account or Region.
fn elsewhere(case: &Case<'_>, host: &EcrHost, repository: &str) -> Fact {
    let home = &case.asked.home;
    let text = format!(
        "the name is of account {} in {}, and the registry that is looked at of account {} in {}",
        host.account, host.region, home.account, home.region
    );
    let there = match host.account == home.account {
        true => format!("--region {}", host.region),
        false => format!("--profile of account {} and --region {}", host.account, host.region),
    };
    let url = case.url_of(repository);
    Fact::no(text).cause(format!(
        "pull {url}, or, if the other one is meant, run doctor with {there}"
    ))
}

/// Does a rule serve it?
pub fn rule(case: &Case<'_>) -> Option<Fact> {
    let seen = case.seen?;
    if let Err(error) = &seen.rules {
        return Some(unread(error));
    }
    let route = match seen.route.as_ref()? {
        Ok(route) => route,
        Err(host) => return Some(no_rule_for(case, host)),
    };
    let Some(served) = &route.rule else {
        return Some(no_rule_over(case, &route.repository));
    };
    let (prefix, source) = (&served.rule.prefix, source(served));
    if let From::Upstream { host, path, rule, .. } = &route.from
        && (*host != served.rule.upstream_url || *path != served.path)
    {
        let text = format!(
            "{rule} is the rule for {host}, but of {} ECR takes the longer prefix {prefix}: {source}",
            route.repository
        );
        return Some(Fact::no(text).cause(format!(
            "give one of the two registries another name, so that {rule} is no beginning of {prefix}"
        )));
    }
    let hub = UpstreamKind::DockerHub;
    if config::kind_of_host(&served.rule.upstream_url) == Some(hub) && !served.path.contains('/') && !case.is_cached() {
        let text = format!("{prefix} leads to {source}, and official images of Docker Hub are under library/");
        let url = match prefix.as_str() {
            ROOT => case.url_of(&format!("library/{}", served.path)),
            prefix => case.url_of(&format!("{prefix}/library/{}", served.path)),
        };
        return Some(Fact::no(text).cause(format!("docker pull {url}")));
    }
    let suffix = case.asked.image.reference.suffix();
    Some(Fact::yes(format!("{prefix}, the longest prefix: {source}{suffix}")))
}

fn source(served: &Served) -> String {
    format!("{}/{}", served.rule.upstream_url, served.path)
}

/// The host of a name that has one has no rule.
fn no_rule_for(case: &Case<'_>, host: &str) -> Fact {
    if let Some(fact) = not_made(case, &format!("no rule has the upstream {host}")) {
        return fact;
    }
    match uncacheable(host) {
        Some(why) => Fact::no(why).cause("pull it from there, or push a copy into a repository of your own"),
        None => {
            let elsewhere = case.elsewhere_words().map(|words| format!("; the file has {words}"));
            let text = format!(
                "no rule has the upstream {host}{}",
                elsewhere.as_deref().unwrap_or_default()
            );
            let or = match elsewhere {
                Some(_) => ", or name this stack in the `only` of the one that has it",
                None => "",
            };
            Fact::no(text).cause(format!(
                "add a registry with `registry: {host}` to registries.yaml{or}, and upload it"
            ))
        }
    }
}

/// A rule that the last run knew of.
fn not_made(case: &Case<'_>, text: &str) -> Option<Fact> {
    let (name, registry) = case.registry()?;
    let Some(trouble) = trouble((name, registry)) else {
        let text = format!("{text}: that of {name} is gone since the last run");
        return Some(Fact::no(text).cause("upload registries.yaml again: the run makes it anew"));
    };
    Some(Fact::no(format!("{text}: {trouble}")).cause("put that right; `ptc status` shows the whole report"))
}

/// No rule covers a repository.
fn no_rule_over(case: &Case<'_>, repository: &str) -> Fact {
    let text = format!("no rule covers {repository}");
    if case.is_cached() {
        return Fact::no(format!("{text}: what is in it is served, and nothing refreshes it"))
            .note("if a rule is meant to be there: `ptc plan` shows why it is not");
    }
    if let Some(fact) = not_made(case, &text) {
        return fact;
    }
    if let Some(name) = case.for_other_stacks() {
        let (account, region) = (&case.asked.home.account, &case.asked.home.region);
        return Fact::no(format!("{text}: the file has {name} for other stacks (`only`)")).cause(format!(
            "pull it through one of those, or name account {account} and {region} in the `only` of {name}, and upload the file"
        ));
    }
    let rules = case.seen.and_then(|seen| seen.rules.as_ref().ok());
    let prefixes: Vec<&str> = rules.into_iter().flatten().map(|rule| rule.prefix.as_str()).collect();
    if prefixes.contains(&repository) {
        return Fact::no(format!(
            "{repository} is a prefix alone, and the image is missing behind it"
        ))
        .cause(format!("pull {}/<image>", case.asked.home.pull_url(repository)));
    }
    let (first, rest) = repository.split_once('/').unwrap_or((repository, ""));
    if let Some(near) = nearest(first, &prefixes) {
        let near = case.url_of(&format!("{near}/{rest}"));
        return Fact::no(text).cause(format!("did you mean {near}?"));
    }
    let known = match prefixes.as_slice() {
        [] => "this registry has no rule at all".to_owned(),
        some => format!("the prefixes are {}", some.join(", ")),
    };
    Fact::no(format!("{text}: {known}")).cause(format!(
        "add a registry called {first} to registries.yaml, and upload it"
    ))
}
