//! The images of a repository as clients see them: DescribeImages, which only looks, and BatchGetImage, the first call of every
//! pull, which fetches what is not there.

use serde::Serialize;
use serde_json::{Value, json};

use super::evaluate::Image;
use super::lifecycle::StorageClass;
use super::paging::{self, Page};
use super::repositories::not_found;
use super::{Ecr, invalid, required, seconds, text};
use crate::api::{Answer, ApiError, CallContext, SecretSource};

/// What a pull of some images would do beside pulling.
pub(crate) struct FirstPull {
    /// An image is imported from its upstream.
    pub(crate) imports: bool,
    /// The repository is made.
    pub(crate) creates: bool,
}

/// An image by its digest, its tag, or both.
#[derive(Clone, Copy, Serialize)]
struct Wanted<'a> {
    #[serde(rename = "imageDigest", skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    #[serde(rename = "imageTag", skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    registry_id: &'a str,
    repository_name: &'a str,
    image_digest: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    image_tags: &'a [String],
    image_size_in_bytes: u32,
    image_pushed_at: f64,
    image_manifest_media_type: &'a str,
    image_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_recorded_pull_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_archived_at: Option<f64>,
}

impl<'a> Wanted<'a> {
    fn list(input: &'a Value) -> Vec<Self> {
        let ids = input.get("imageIds").and_then(Value::as_array);
        ids.into_iter()
            .flatten()
            .map(|id| Self {
                digest: text(id, "imageDigest"),
                tag: text(id, "imageTag"),
            })
            .collect()
    }

    fn is(&self, image: &Image) -> bool {
        self.digest.is_none_or(|digest| image.digest == digest)
            && self.tag.is_none_or(|tag| image.tags.iter().any(|own| own == tag))
            && (self.digest.is_some() || self.tag.is_some())
    }
}

impl Ecr {
    pub(super) fn describe_images(&self, context: &CallContext, input: &Value) -> Answer {
        let name = required(input, "repositoryName");
        let repository = self.repository(context, input)?;
        let images = repository.images.list(name);
        let wanted = Wanted::list(input);
        if wanted.is_empty() {
            let mut sorted: Vec<&Image> = images.iter().collect();
            sorted.sort_by(|a, b| a.digest.cmp(&b.digest));
            let page = paging::cut("DescribeImages", input, self.page_cap, |after| {
                let after = after.map(str::to_owned);
                sorted
                    .into_iter()
                    .filter(move |image| after.as_deref().is_none_or(|after| image.digest.as_str() > after))
                    .map(|image| (image.digest.as_str(), detail(context, name, image)))
            })?;
            return Ok(Page::<Value>::sign(page.next, json!({"imageDetails": page.items})));
        }
        if input.get("nextToken").is_some() || input.get("maxResults").is_some() {
            return Err(invalid(
                "nextToken and maxResults cannot be used when imageIds is specified",
            ));
        }
        let details = wanted.iter().map(|wanted| {
            let image = images.iter().find(|image| wanted.is(image)).ok_or_else(|| {
                let quoted = |part: Option<&str>| part.map_or_else(|| "null".to_owned(), |part| format!("'{part}'"));
                ApiError::client(
                    "ImageNotFoundException",
                    format!(
                        "The image with imageId {{imageDigest:{}, imageTag:{}}} does not exist within the repository with name '{name}' in the registry with id '{}'",
                        quoted(wanted.digest),
                        quoted(wanted.tag),
                        context.account
                    ),
                )
            })?;
            Ok(detail(context, name, image))
        });
        Ok(json!({"imageDetails": details.collect::<Result<Vec<Value>, ApiError>>()?}))
    }

    pub(super) fn batch_get_image(
        &mut self,
        context: &CallContext,
        secrets: &dyn SecretSource,
        input: &Value,
    ) -> Answer {
        let name = required(input, "repositoryName").to_owned();
        let accepted: Option<Vec<&str>> = input
            .get("acceptedMediaTypes")
            .and_then(Value::as_array)
            .map(|types| types.iter().filter_map(Value::as_str).collect());
        let (mut images, mut failures) = (Vec::new(), Vec::new());
        for wanted in Wanted::list(input) {
            let fail =
                |code: &str, reason: &str| json!({"imageId": wanted, "failureCode": code, "failureReason": reason});
            let Some(reference) = wanted.digest.or(wanted.tag) else {
                failures.push(fail(
                    "MissingDigestAndTag",
                    "Invalid request parameters: both tag and digest cannot be null",
                ));
                continue;
            };
            let at = if reference.contains(':') { '@' } else { ':' };
            if let Err(error) = self.pull(context, secrets, &format!("{name}{at}{reference}")) {
                let failure = wanted.tag.and_then(|tag| self.upstream_failure(&name, tag));
                let failure = failure.unwrap_or_else(|| "ImageNotFound".to_owned());
                // Without a repository the whole call is refused.
                if failure == "ImageNotFound" && !self.repositories.contains_key(&name) {
                    return Err(error);
                }
                let why = error.message.split_once(" (local-aws: ").map_or("", |(_, why)| why);
                failures.push(fail(&failure, &format!("Requested image not found (local-aws: {why}")));
                continue;
            }
            let repository = self.repositories.get(&name).ok_or_else(|| not_found(context, &name))?;
            let stored = repository.images.list(&name);
            let Some(image) = stored.iter().find(|image| wanted.is(image)) else {
                failures.push(fail(
                    "ImageTagDoesNotMatchDigest",
                    "Requested image tag does not match its digest",
                ));
                continue;
            };
            images.push(manifest(context, &name, image, &wanted, accepted.as_deref())?);
        }
        Ok(json!({"images": images, "failures": failures}))
    }

    /// What a BatchGetImage with this input would fetch.
    pub(crate) fn first_pull(&self, input: &Value) -> FirstPull {
        let name = required(input, "repositoryName");
        let repository = self.repositories.get(name);
        let is_cached = |wanted: &Wanted<'_>| {
            repository.is_some_and(|repository| repository.images.list(name).iter().any(|image| wanted.is(image)))
        };
        let imports = self.has_rule_for(name) && !Wanted::list(input).iter().all(is_cached);
        FirstPull {
            imports,
            creates: imports && repository.is_none(),
        }
    }
}

fn detail(context: &CallContext, repository: &str, image: &Image) -> Value {
    let archived = image.storage_class == StorageClass::Archive;
    json!(Detail {
        registry_id: &context.account,
        repository_name: repository,
        image_digest: &image.digest,
        image_tags: &image.tags,
        image_size_in_bytes: 30_000_000,
        image_pushed_at: seconds(image.pushed_at),
        image_manifest_media_type: &image.media_type,
        image_status: if archived { "ARCHIVED" } else { "ACTIVE" },
        last_recorded_pull_time: image.last_pulled_at.map(seconds),
        last_archived_at: image.transitioned_at.map(seconds),
    })
}

fn manifest(
    context: &CallContext,
    repository: &str,
    image: &Image,
    wanted: &Wanted<'_>,
    accepted: Option<&[&str]>,
) -> Answer {
    let not_implemented = |message: String| ApiError {
        code: "NotImplemented".into(),
        message,
        status: 501,
    };
    // ECR converts some into others then; which, nobody has written down.
    if accepted.is_some_and(|accepted| !accepted.contains(&image.media_type.as_str())) {
        let message = format!(
            "local-aws converts no manifests, and this one is {}, which acceptedMediaTypes leaves out",
            image.media_type
        );
        return Err(not_implemented(message));
    }
    let Some(text) = &image.manifest else {
        let message = format!(
            "local-aws has no manifest of {repository}@{}, which was not pulled",
            image.digest
        );
        return Err(not_implemented(message));
    };
    let id = Wanted {
        digest: Some(&image.digest),
        ..*wanted
    };
    Ok(json!({
        "registryId": context.account,
        "repositoryName": repository,
        "imageId": id,
        "imageManifest": text,
        "imageManifestMediaType": image.media_type,
    }))
}
