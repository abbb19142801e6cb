//! Images that are to be in the cache before anybody pulls them. Each is asked for with BatchGetImage, the first call of every
//! pull: ECR fetches what is not there, and no layer is downloaded.
//!
//! AWS documents this call as what a client makes, and not that it alone starts a pull-through for a role of a Lambda function.
//! So nothing is taken for granted: what ECR answers is what the report says.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use futures_util::{StreamExt, stream};

use crate::account::{AwsError, Writer};
use crate::cause::{Cause, Reason};
use crate::home::Home;
use crate::report::{Warm, WarmResult, WarmedImage};
use crate::settings::Bounds;
use crate::throttle::Throttle;
use crate::timing::{Deadline, Timing};
use config::{Code, File, Problem, Registry, WarmImage};

/// How long before Lambda's deadline no image is asked for any more.
const LAST_REQUEST: Duration = Duration::from_secs(10);

/// How many images are asked for at a time. An answer has a manifest in it, of up to 4 MB.
const AT_A_TIME: usize = 8;

/// Asks for images.
pub struct Warmer<'a> {
    pub writer: &'a Writer,
    pub home: &'a Home,
    pub bounds: &'a Bounds,
    pub timing: &'a Timing,
    pub deadline: &'a Deadline,
    /// Another order for every run: where the time is not enough for all, none is always the last.
    pub run_id: &'a str,
}

impl Warmer<'_> {
    /// Asks for every image of the registries that are ready; gives what came of them, by registry.
    pub async fn warm(&self, file: &File, is_ready: impl Fn(&str) -> bool) -> BTreeMap<String, Warm> {
        let mut told: BTreeMap<&str, Vec<WarmedImage>> = BTreeMap::new();
        let mut open: Vec<(&Registry, &WarmImage)> = Vec::new();
        for registry in &file.registries {
            let is_ready = is_ready(&registry.name);
            for image in &registry.warm {
                let cause = if !is_ready {
                    Cause::new(Reason::NOT_READY, "its registry is not ready")
                } else if !self.bounds.warms(&image.repository(&registry.name)) {
                    Cause::new(Reason::NOT_ALLOWED, not_allowed(&registry.name))
                } else {
                    open.push((registry, image));
                    continue;
                };
                told.entry(&registry.name).or_default().push(untried(image, cause));
            }
        }
        open.sort_by_key(|(registry, image)| self.turn(registry, image));
        let throttle = Throttle::new(self.timing);
        let deadline = self.deadline.clone().without_last(LAST_REQUEST);
        let asked = open
            .into_iter()
            .map(|(registry, image)| self.ask(registry, image, &throttle, &deadline));
        let mut asked = std::pin::pin!(stream::iter(asked).buffer_unordered(AT_A_TIME));
        while let Some((registry, image)) = asked.next().await {
            told.entry(registry).or_default().push(image);
        }
        told.into_iter()
            .map(|(name, images)| (name.to_owned(), Warm::of(images)))
            .collect()
    }

    fn turn(&self, registry: &Registry, image: &WarmImage) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.run_id, &registry.name, &image.path, &image.tag).hash(&mut hasher);
        hasher.finish()
    }

    async fn ask<'r>(
        &self,
        registry: &'r Registry,
        image: &WarmImage,
        throttle: &Throttle,
        deadline: &Deadline,
    ) -> (&'r str, WarmedImage) {
        let repository = image.repository(&registry.name);
        let pull = || self.writer.pull(&repository, &image.tag);
        let told = |result, cause: Option<Cause>, digest| {
            let (reason, message) = cause.map(|cause| (cause.reason, cause.message)).unzip();
            WarmedImage {
                image: image.to_string(),
                result,
                reason,
                message,
                digest,
            }
        };
        let image = match throttle.call("BatchGetImage", deadline, pull).await {
            Err(error) if error.is_out_of_time() => untried(image, Cause::from(error)),
            Err(error) => told(WarmResult::Failed, Some(self.failure(&error, registry, image)), None),
            Ok(digest) if image.digest.as_ref().is_some_and(|wanted| *wanted != digest) => {
                told(WarmResult::Mismatch, None, Some(digest))
            }
            Ok(digest) => told(WarmResult::Cached, None, Some(digest)),
        };
        (&registry.name, image)
    }

    fn failure(&self, error: &AwsError, registry: &Registry, image: &WarmImage) -> Cause {
        let cause = Cause::from(error);
        let hint = if error.is("RepositoryNotFoundException") {
            let url = self.home.pull_url(&registry.name);
            format!(
                "; ECR did not make the repository on this call: pull the image once, `docker pull {url}/{}:{}`",
                image.path, image.tag
            )
        } else {
            String::new()
        };
        Cause {
            message: format!("{}{hint}", cause.message),
            ..cause
        }
    }
}

fn untried(image: &WarmImage, cause: Cause) -> WarmedImage {
    WarmedImage {
        image: image.to_string(),
        result: WarmResult::Untried,
        reason: Some(cause.reason),
        message: Some(cause.message),
        digest: None,
    }
}

fn not_allowed(registry: &str) -> String {
    format!(
        "the stack does not let these images be warmed: whoever deploys it names {registry} in its parameter WarmImages \
         (WARM_IMAGES)"
    )
}

/// Registries whose images the stack does not let be warmed.
pub fn beyond_bounds(file: &File, bounds: &Bounds) -> impl Iterator<Item = Problem> {
    let beyond = |registry: &&Registry| {
        let mut images = registry.warm.iter();
        images.any(|image| !bounds.warms(&image.repository(&registry.name)))
    };
    file.registries.iter().filter(beyond).map(|registry| Problem {
        code: Code::WARM_NOT_ALLOWED,
        registry: Some(registry.name.clone()),
        line: Some(registry.line),
        column: Some(registry.column),
        message: not_allowed(&registry.name),
    })
}

/// Images of a registry whose tag is another image in the cache than the file names.
pub fn mismatches(registry: &Registry, warm: &Warm) -> impl Iterator<Item = Problem> {
    let moved = |told: &&WarmedImage| told.result == WarmResult::Mismatch;
    warm.images.iter().filter(moved).map(|told| {
        let message = format!(
            "the cache has {} in the place of {}: the tag has moved upstream, or ECR has not looked again, which it does once in \
             24 hours, and never where tags are immutable",
            told.digest.as_deref().unwrap_or("another image"),
            told.image
        );
        Problem {
            code: Code::WARM_MISMATCH,
            registry: Some(registry.name.clone()),
            line: Some(registry.line),
            column: Some(registry.column),
            message,
        }
    })
}
