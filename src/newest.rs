//! Whether the file is still the one a run works from.

use crate::account::Reader;
use crate::report::ConfigReport;

/// Looks at the file's identity. What takes away, or speaks over somebody else, is the newest file's word alone.
#[derive(Debug)]
pub struct Newest<'a> {
    /// Looks.
    pub reader: &'a Reader,
    /// The file the run works from.
    pub config: &'a ConfigReport,
}

impl Newest<'_> {
    /// Whether it is.
    ///
    /// # Errors
    /// What kept this from being seen, or that the file is gone: one that is gone says nothing.
    pub async fn is_it(&self) -> Result<bool, String> {
        match self.reader.object_identity(&self.config.bucket, &self.config.key).await {
            Ok(Some((version_id, last_modified))) => {
                let last_modified = last_modified.map(|time| time.to_string());
                Ok(version_id == self.config.version_id && last_modified == self.config.last_modified)
            }
            Ok(None) => {
                Err("the file was deleted while this run was at work, and a file that is gone deletes nothing".into())
            }
            Err(error) => Err(format!("whether the file is still the newest could not be seen: {error}")),
        }
    }
}
