//! A lifecycle policy is put only after ECR has previewed what it would do to the images that are there.
//!
//! Asked of the very text that is then put. Images that are pushed between the preview and ECR's next evaluation are
//! not in it; nothing can close that.

use super::RepositoryWorker;
use crate::account::{AwsError, ErrorKind, Pages, Preview, PreviewStatus, one_line};
use crate::cause::{Cause, Reason};
use crate::plan::bounds;
use crate::policy::same_lifecycle;
use crate::report::count;
use crate::timing::waiting;

/// How often ECR may fail to make a preview before it is believed that it cannot.
const MOST_FAILURES: usize = 3;

/// More pages than the images of a repository fill, at a hundred a page.
const MOST_PAGES: usize = 2000;

/// How many tags a held repository's line names.
const MOST_TAGS: usize = 5;

/// How much of a tag it names, in characters.
const LONGEST_TAG: usize = 60;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum PreviewVerdict {
    /// The policy may be put.
    Open,
    /// It would take more images than the file allows.
    Held(Cause),
}

/// Whose preview is under way in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Nobodys,
    Ours,
    Others,
}

/// What a policy would do.
#[derive(Debug, Default, PartialEq, Eq)]
struct PreviewCounts {
    expiring: u64,
    archiving: u64,
    tags: Vec<String>,
}

impl RepositoryWorker<'_> {
    /// Has ECR preview `text` on a repository. The preview is asynchronous, there is one at a time in a repository, and
    /// anybody may start another in between: then ours is asked for again.
    pub(super) async fn verdict(&self, repository: &str, text: &str, most: u32) -> Result<PreviewVerdict, AwsError> {
        let _told = waiting(&format!("ECR to preview the lifecycle policy of {repository}"));
        let mut waits = self.timing.preview_waits();
        let mut failures = 0;
        let mut whose = Whose::Nobodys;
        loop {
            if whose == Whose::Nobodys {
                let start = || self.reader.start_preview(repository, text);
                whose = match self
                    .throttle
                    .call("StartLifecyclePolicyPreview", &self.deadline, start)
                    .await
                {
                    Ok(()) => Whose::Ours,
                    // It must end first.
                    Err(error) if error.is("LifecyclePolicyPreviewInProgressException") => Whose::Others,
                    Err(error) => return Err(error),
                };
            }
            let waited = match waits.next() {
                Some(wait) => self.deadline.wait(wait).await,
                None => false,
            };
            if !waited {
                let reason = "ECR has not finished the preview of the lifecycle policy";
                return Err(AwsError::not_now("GetLifecyclePolicyPreview", reason.into()));
            }
            let preview = match self.preview_page(repository, None).await {
                // What was started a moment ago may not be seen yet.
                Err(error) if error.is("LifecyclePolicyPreviewNotFoundException") => {
                    whose = Whose::Nobodys;
                    continue;
                }
                preview => preview?,
            };
            let ours = whose == Whose::Ours && same_lifecycle(&preview.text, text);
            match preview.status {
                PreviewStatus::InProgress => continue,
                PreviewStatus::Complete if ours => {
                    if let Some(counts) = self.counts(repository, preview, text).await? {
                        return Ok(counts.verdict(most, self.bounds.max_expiring_images));
                    }
                }
                PreviewStatus::Failed if ours => {
                    failures += 1;
                    if failures >= MOST_FAILURES {
                        return Err(unable(failures));
                    }
                }
                PreviewStatus::Complete | PreviewStatus::Failed | PreviewStatus::Expired => {}
            }
            whose = Whose::Nobodys;
        }
    }

    async fn preview_page(&self, repository: &str, token: Option<&str>) -> Result<Preview, AwsError> {
        let ask = || self.reader.preview(repository, token);
        self.throttle
            .call("GetLifecyclePolicyPreview", &self.deadline, ask)
            .await
    }

    /// Counts. ECR's summary tells without paging; where it is missing all pages are counted. `None` where another
    /// preview took the place of ours between two pages.
    async fn counts(&self, repository: &str, first: Preview, text: &str) -> Result<Option<PreviewCounts>, AwsError> {
        let tags = first
            .tags
            .iter()
            .take(MOST_TAGS)
            .map(|tag| one_line(tag, LONGEST_TAG))
            .collect();
        let mut counts = PreviewCounts {
            expiring: first.listed_expiring,
            archiving: first.listed_archiving,
            tags,
        };
        // A policy without a transition archives nothing, and ECR may leave that number out.
        let archiving = first
            .archiving
            .or_else(|| (!text.contains("\"transition\"")).then_some(0));
        let mut next = first.next.filter(|_| first.expiring.is_none() || archiving.is_none());
        let mut pages = Pages::of("GetLifecyclePolicyPreview", MOST_PAGES);
        while let Some(token) = next {
            pages.go_on(Some(&token))?;
            let page = self.preview_page(repository, Some(&token)).await?;
            if page.status != PreviewStatus::Complete || !same_lifecycle(&page.text, text) {
                return Ok(None);
            }
            counts.expiring += page.listed_expiring;
            counts.archiving += page.listed_archiving;
            next = page.next;
        }
        // Whichever is more: what was summed up, or what was shown.
        counts.expiring = counts.expiring.max(first.expiring.unwrap_or(0));
        counts.archiving = counts.archiving.max(archiving.unwrap_or(0));
        Ok(Some(counts))
    }
}

fn unable(failures: usize) -> AwsError {
    AwsError::of(
        "GetLifecyclePolicyPreview",
        "FAILED",
        format!("ECR failed {failures} times to preview the lifecycle policy, which is therefore not put"),
        ErrorKind::Refused,
    )
}

impl PreviewCounts {
    /// What comes of it where the file allows `most`, and the stack no more than `bound`.
    fn verdict(&self, most: u32, bound: u32) -> PreviewVerdict {
        let Self {
            expiring,
            archiving,
            tags,
        } = self;
        let all = expiring + archiving;
        if all <= u64::from(most.min(bound)) {
            return PreviewVerdict::Open;
        }
        let images = |n: u64| count(usize::try_from(n).unwrap_or(usize::MAX), "image");
        let what = match (*expiring, *archiving) {
            (n, 0) => format!("expire {}", images(n)),
            (0, n) => format!("archive {}", images(n)),
            (n, m) => format!("expire {} and archive {m}", images(n)),
        };
        let which = if tags.is_empty() {
            "no tags".to_owned()
        } else {
            format!("tags: {}", tags.join(", "))
        };
        let more = if tags.len() < MOST_TAGS || tags.len() as u64 >= expiring + archiving {
            ""
        } else {
            ", …"
        };
        let would = format!("the lifecycle policy would {what} ({which}{more})");
        PreviewVerdict::Held(if all <= u64::from(most) {
            bounds::too_many_expire(&would, most, bound)
        } else {
            let beyond = if most > bound {
                " (the stack's MaxExpiringImages, MAX_EXPIRING_IMAGES, too)"
            } else {
                ""
            };
            let message =
                format!("{would}, and the file allows {most}: raise max_expiring_images{beyond} if that is wanted");
            Cause::new(Reason::WOULD_EXPIRE, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_counts_what_expires_and_what_is_archived() {
        let counts = |expiring, archiving, tags: &[&str]| PreviewCounts {
            expiring,
            archiving,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        };
        assert_eq!(counts(0, 0, &[]).verdict(0, 0), PreviewVerdict::Open);
        assert_eq!(counts(2, 1, &[]).verdict(3, 9), PreviewVerdict::Open);
        let PreviewVerdict::Held(cause) = counts(2, 1, &[]).verdict(3, 2) else {
            unreachable!("more than the stack allows")
        };
        assert_eq!(cause.reason, Reason::NOT_ALLOWED);
        assert!(
            cause
                .message
                .contains("the file allows 3, but the stack only 2: MaxExpiringImages"),
            "{cause}"
        );
        let PreviewVerdict::Held(cause) = counts(4, 0, &[]).verdict(3, 2) else {
            unreachable!("more than both allow")
        };
        assert_eq!(cause.reason, Reason::WOULD_EXPIRE);
        assert!(cause.message.contains("MAX_EXPIRING_IMAGES"), "{cause}");
        for (counts, most, words) in [
            (
                counts(1, 0, &["v1"]),
                0,
                "expire 1 image (tags: v1), and the file allows 0",
            ),
            (
                counts(0, 2, &[]),
                1,
                "archive 2 images (no tags), and the file allows 1",
            ),
            (
                counts(7, 2, &["a", "b", "c", "d", "e"]),
                8,
                "expire 7 images and archive 2 (tags: a, b, c, d, e, …)",
            ),
        ] {
            let PreviewVerdict::Held(cause) = counts.verdict(most, u32::MAX) else {
                unreachable!("{counts:?} passed")
            };
            assert!(cause.message.contains(words), "{cause}");
        }
    }

    /// Where ECR leaves out the number of archived images only, its number of expiring ones is forgotten.
    #[tokio::test]
    async fn a_number_that_ecr_gives_counts_even_if_the_other_one_is_missing() {
        let config = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
            .region(aws_sdk_ecr::config::Region::new("eu-west-1"))
            .build();
        let (reader, _) = crate::account::connect(&config);
        let home = crate::home::Home::of("123456789012", "eu-west-1");
        let timing = crate::timing::Timing::default();
        let deadline = crate::timing::Deadline::in_time(std::time::Duration::from_secs(60), &timing);
        let file = config::read(b"quay: {registry: quay.io}", &home.context()).unwrap_or_else(|e| unreachable!("{e}"));
        let snapshot = crate::account::Snapshot::default();
        let ownership = crate::existing::PrefixOwnership::new(&file, &snapshot, |_| true);
        let settings = crate::settings::Settings::from_env_for_cli(|_| None).unwrap_or_else(|e| unreachable!("{e}"));
        let existing = RepositoryWorker::new(&reader, None, &home, &settings.bounds, &timing, deadline, &ownership);
        let preview = Preview {
            status: PreviewStatus::Complete,
            text: String::new(),
            expiring: Some(7),
            archiving: None,
            listed_expiring: 0,
            listed_archiving: 0,
            tags: Vec::new(),
            next: None,
        };
        let counts = existing
            .counts("quay/a", preview, r#"{"action":{"type":"transition"}}"#)
            .await;
        let counts = counts.ok().flatten().unwrap_or_default();
        assert_ne!(
            counts.verdict(0, 0),
            PreviewVerdict::Open,
            "ECR said that 7 images would expire"
        );
    }
}
