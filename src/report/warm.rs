//! What came of the images that are to be in the cache before anybody pulls them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cause::Reason;
use config::{WarmImage, is_digest};

/// How many images of a registry are told one by one.
const MOST_TOLD: usize = 20;

/// The images of a registry: the four numbers add up to its list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warm {
    pub cached: u64,
    pub failed: u64,
    /// The cache has another digest than the file names.
    pub mismatch: u64,
    pub untried: u64,
    /// At most 20, those that are not cached first.
    pub images: Vec<WarmedImage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmedImage {
    /// As the file names it.
    pub image: String,
    pub result: WarmResult,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the cache has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What came of an image. In the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WarmResult {
    Failed,
    Mismatch,
    /// No time was left, the registry is not ready, or the stack does not allow it.
    Untried,
    Cached,
}

impl Warm {
    /// Counts images, and tells of the first of them.
    pub fn of(mut images: Vec<WarmedImage>) -> Self {
        images.sort_by(|a, b| (a.result, &a.image).cmp(&(b.result, &b.image)));
        let count = |result| images.iter().filter(|image| image.result == result).count() as u64;
        let (cached, failed) = (count(WarmResult::Cached), count(WarmResult::Failed));
        let (mismatch, untried) = (count(WarmResult::Mismatch), count(WarmResult::Untried));
        images.truncate(MOST_TOLD);
        Self {
            cached,
            failed,
            mismatch,
            untried,
            images,
        }
    }

    /// How many are not there.
    pub fn missing(&self) -> u64 {
        self.failed.saturating_add(self.untried)
    }

    /// Whether an image is told to have failed.
    pub fn has_failed(&self, repository: &str, tag: &str, registry: &str) -> bool {
        let is_it = |told: &WarmedImage| {
            WarmImage::read(&told.image).is_ok_and(|image| image.repository(registry) == repository && image.tag == tag)
        };
        self.images
            .iter()
            .any(|told| told.result == WarmResult::Failed && is_it(told))
    }

    /// What can be believed of one that a status has, which somebody else may have written.
    pub(super) fn believed(mut self) -> Self {
        self.images.truncate(MOST_TOLD);
        self.images.retain(|told| WarmImage::read(&told.image).is_ok());
        for told in &mut self.images {
            told.digest.take_if(|digest| !is_digest(digest));
        }
        self
    }
}

impl fmt::Display for Warm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cached,
            failed,
            mismatch,
            untried,
            ..
        } = self;
        write!(
            f,
            "{cached} cached, {failed} failed, {mismatch} mismatch, {untried} untried"
        )
    }
}

impl WarmedImage {
    /// Why it is not as the file wants it, in a sentence.
    pub fn why(&self) -> Option<String> {
        let result = match self.result {
            WarmResult::Failed => "failed",
            WarmResult::Mismatch => "mismatch",
            WarmResult::Untried => "untried",
            WarmResult::Cached => return None,
        };
        let message = self.message.as_deref().unwrap_or_default();
        Some(format!("{result}: {message}"))
    }
}
