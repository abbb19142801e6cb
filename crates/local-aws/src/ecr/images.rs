//! The images of a repository: a list, or, for the many repositories of a large registry, the rule by which to make one.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::evaluate::Image;

/// Images, in the order in which they came.
pub(super) enum Images {
    Listed(Vec<Image>),
    /// `v1` up to this number, one a day, the last one at this time.
    Daily(usize, Timestamp),
}

impl Default for Images {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl Images {
    /// So many images, one a day until now.
    pub(super) fn daily(count: usize, now: Timestamp) -> Self {
        Self::Daily(count, now)
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Listed(images) => images.is_empty(),
            Self::Daily(count, _) => *count == 0,
        }
    }

    /// The images of the repository of this name.
    pub(super) fn list(&self, repository: &str) -> Cow<'_, [Image]> {
        match self {
            Self::Listed(images) => Cow::Borrowed(images),
            Self::Daily(count, last) => (1..=*count).map(|n| daily(repository, n, *count, *last)).collect(),
        }
    }

    pub(super) fn extend(&mut self, repository: &str, more: impl IntoIterator<Item = Image>) {
        if let Self::Daily(..) = self {
            *self = Self::Listed(self.list(repository).into_owned());
        }
        if let Self::Listed(images) = self {
            images.extend(more);
        }
    }

    /// What ECR does when it has compared a tag with its upstream: where that has another image, the tag moves to it.
    pub(super) fn refresh(&mut self, tag: &str, upstream: Image) {
        let Self::Listed(images) = self else { return };
        let is_new = !images.iter().any(|image| image.digest == upstream.digest);
        for image in images.iter_mut() {
            if image.digest == upstream.digest {
                image.checked_at = upstream.checked_at;
            } else {
                image.tags.retain(|own| own != tag);
            }
        }
        if is_new {
            images.push(upstream);
        }
    }

    /// The image of this digest or tag.
    pub(super) fn find(&self, repository: &str, reference: &str) -> Option<Image> {
        let images = self.list(repository);
        let is_meant = |image: &&Image| image.digest == reference || image.tags.iter().any(|tag| tag == reference);
        images.iter().find(is_meant).cloned()
    }
}

fn daily(repository: &str, n: usize, count: usize, last: Timestamp) -> Image {
    let tag = format!("v{n}");
    let age = i64::try_from(count - n).unwrap_or(i64::MAX).saturating_mul(24);
    let pushed = last
        .checked_sub(SignedDuration::from_hours(age))
        .unwrap_or(Timestamp::MIN);
    Image::new(&digest(&format!("{repository}:{tag}")), &[&tag], pushed)
}

/// An image as a pull brings it: an index of two platforms, whose parts are not kept. Another one each time its tag has moved.
pub(super) fn pulled(name: &str, tag: &str, moves: u32, now: Timestamp) -> Image {
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    let moved = if moves == 0 { String::new() } else { format!("/{moves}") };
    let part = |architecture: &str| {
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest(&format!("{name}/{architecture}{moved}")),
            "size": 1000,
            "platform": {"architecture": architecture, "os": "linux"},
        })
    };
    let index =
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [part("amd64"), part("arm64")]}).to_string();
    Image {
        media_type: INDEX.to_owned(),
        manifest: Some(index.clone()),
        checked_at: Some(now),
        ..Image::new(&digest(&index), &[tag], now)
    }
}

fn digest(text: &str) -> String {
    let bytes = Sha256::digest(text.as_bytes());
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
