//! The repository, the image in it, and what cannot be seen from here.

use super::{Case, unread, unread_and_unneeded};
use crate::doctor::Fact;
use crate::doctor::client::Pulled;
use crate::doctor::name::Reference;
use wildmatch::WildMatch;

/// Is the repository there?
pub fn repository(case: &Case<'_>) -> Option<Fact> {
    let name = &case.route?.repository;
    Some(match &case.found?.repository {
        Ok(Some(repository)) => Fact::yes(format!("{name} is there, {}", repository.mutability)),
        Ok(None) if case.rule().is_some() => Fact::no(format!("{name} is not there yet: the first pull makes it")),
        Ok(None) => Fact::no(format!("{name} is not there, and nothing makes it")),
        Err(error) if case.is_cached() => unread_and_unneeded(error),
        Err(error) => unread(error),
    })
}

/// Is the image in the cache?
pub fn image(case: &Case<'_>) -> Option<Fact> {
    let route = case.route?;
    let cached = match &case.found?.image {
        Ok(cached) => cached,
        Err(error) => return Some(unread(error)),
    };
    let reference = &case.asked.image.reference;
    if let Some(image) = cached {
        let since = image.pushed_at.map(|at| format!(", since {at}")).unwrap_or_default();
        if image.archived {
            let id = match reference {
                Reference::Tag(tag) => format!("imageTag={tag}"),
                Reference::Digest { digest, .. } => format!("imageDigest={digest}"),
            };
            return Some(Fact::no("it is archived, and cannot be pulled until it is restored").cause(format!(
                "aws ecr update-image-storage-class --repository-name {} --image-id {id} --target-storage-class STANDARD",
                route.repository
            )));
        }
        return Some(Fact::yes(format!("it is cached: {}{since}", image.digest)));
    }
    let text = "it is not cached: this is a first pull";
    case.rule()?;
    let Reference::Digest { tag, .. } = reference else {
        return Some(Fact::no(text));
    };
    let tag = tag.as_deref().unwrap_or("<tag>");
    let url = format!("{}/{}:{tag}", case.asked.home.registry_host(), route.repository);
    Some(Fact::no(format!("{text}, and one by digest fails")).cause(format!("pull it by tag once: docker pull {url}")))
}

/// Does the tag follow its upstream?
pub fn tag(case: &Case<'_>) -> Option<Fact> {
    let Reference::Tag(tag) = &case.asked.image.reference else {
        return None;
    };
    case.rule()?;
    let (mutability, filters) = match &case.found?.repository {
        Ok(Some(repository)) => (repository.mutability.as_str(), &repository.exclusion_filters),
        Ok(None) => {
            let spec = case.spec()?;
            (spec.mutability.as_str(), &spec.exclusion_filters)
        }
        Err(_) => return None,
    };
    let is_excluded = filters.iter().any(|filter| WildMatch::new(filter).matches(tag));
    let stays = match mutability {
        "IMMUTABLE" => true,
        "IMMUTABLE_WITH_EXCLUSION" => !is_excluded,
        "MUTABLE_WITH_EXCLUSION" => is_excluded,
        _ => false,
    };
    if stays {
        let text = format!("{tag} stays at what is cached, whatever the upstream has: tags are {mutability}");
        return Some(Fact::no(text).note(
            "to have it follow: image_tag_mutability: MUTABLE, or IMMUTABLE_WITH_EXCLUSION with a filter for it",
        ));
    }
    Some(Fact::yes(format!(
        "{tag} follows its upstream: ECR looks there once in 24 hours at most"
    )))
}

/// Is it for every platform?
pub fn platform(case: &Case<'_>) -> Option<Fact> {
    if let Some(Ok(Pulled::Image { platforms, .. })) = &case.found?.pulled
        && !platforms.is_empty()
    {
        return Some(Fact::yes(platforms.join(", ")));
    }
    let image = case.cached().filter(|image| !image.archived)?;
    if image.media_type.contains("index") || image.media_type.contains("list") {
        return Some(Fact::yes("it is an index, of one image for each platform"));
    }
    let text = "it is a single image, for one platform: on another, `no matching manifest` or `exec format error`";
    Some(
        Fact::unseen(text)
            .note("docker image inspect shows its architecture; upstream, look for a tag that is an index"),
    )
}

/// What did ECR say when it was asked?
pub fn pull(case: &Case<'_>) -> Option<Fact> {
    let route = case.route?;
    Some(match case.found?.pulled.as_ref()? {
        Ok(Pulled::Image { digest, .. }) => Fact::yes(format!("ECR gives it, to the credentials of ptc: {digest}")),
        Ok(Pulled::Failed { code, reason }) => {
            let next = match (code.as_str(), case.served()) {
                ("UpstreamTooManyRequests", _) => {
                    "the upstream limits how often one may pull: wait, or use the credential of a paid plan".to_owned()
                }
                ("UpstreamUnavailable", _) => "try again in some minutes".to_owned(),
                (_, Some(served)) => {
                    let suffix = case.asked.image.reference.suffix();
                    let image = format!("{}/{}{suffix}", served.rule.upstream_url, served.path);
                    format!(
                        "if nothing above explains it, look whether {image} is there, and lets this credential pull it"
                    )
                }
                (_, None) => format!("push it into {}, or make a rule that covers it", route.repository),
            };
            Fact::no(format!("ECR refuses it: {code}: {reason}")).cause(next)
        }
        Err(error) => unread(error),
    })
}

/// What only the puller can tell.
pub fn puller(case: &Case<'_>) -> Option<Fact> {
    if case.rule().is_none() && !case.is_cached() {
        return None;
    }
    let mut text = "not seen from here: a docker login ends after 12 hours".to_owned();
    if case.is_first_pull() {
        text.push_str(
            "; a Lambda function makes no first pull; through a VPC endpoint, which has a policy of its own, a first pull needs a way to the internet",
        );
        if case.found?.pulled.is_none() {
            text.push_str("; whether the upstream has the image, which --pull asks");
        }
    }
    Some(Fact::unseen(text))
}
