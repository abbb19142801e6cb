//! Whether the file is still the one a run works from.

use crate::account::{AwsError, Reader};
use crate::pace::Deadline;
use crate::report::ConfigReport;

/// Looks at the file's identity. What takes away, or speaks over somebody else, is the newest file's word alone.
#[derive(Debug)]
pub enum Newest<'a> {
    /// The file is in its bucket, where another may come any time.
    Uploaded {
        /// Looks.
        reader: &'a Reader,
        /// The file the run works from.
        config: &'a ConfigReport,
        /// When to give up looking.
        deadline: &'a Deadline,
    },
    /// The file is at hand, and whoever runs with it speaks for it.
    AtHand,
}

impl Newest<'_> {
    /// Whether it is.
    ///
    /// # Errors
    /// What kept this from being seen, or that the file is gone: one that is gone says nothing.
    pub async fn is_it(&self) -> Result<bool, String> {
        let Self::Uploaded { reader, config, deadline } = self else { return Ok(true) };
        let look = deadline.bound(reader.object_identity(&config.bucket, &config.key)).await;
        match look.unwrap_or_else(|| Err(AwsError::out_of_time("HeadObject"))) {
            Ok(Some((version_id, last_modified))) => {
                let last_modified = last_modified.map(|time| time.to_string());
                Ok(version_id == config.version_id && last_modified == config.last_modified)
            }
            Ok(None) => {
                Err("the file was deleted while this run was at work, and a file that is gone deletes nothing".into())
            }
            Err(error) => Err(format!("whether the file is still the newest could not be seen: {error}")),
        }
    }
}
