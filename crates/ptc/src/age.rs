//! Data keys that are encrypted with age, for people: their identities are found where SOPS finds them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use age::armor::ArmoredReader;
use age::{Decryptor, Identity, IdentityFile};
use zeroize::Zeroizing;

use config::sops::{AgeRecipient, DataKey};

use ecr_pull_through_sync::keyring::AgeIdentities;

/// The most that is read of a file of identities.
const MOST_BYTES: u64 = 1 << 20;

/// The longest encrypted data key that is read.
const MOST_ENCRYPTED: usize = 64 << 10;

/// How many characters of a recipient are shown: enough for all of an X25519 one.
const MOST_SHOWN: usize = 62;

/// Private keys. No output shows them.
#[derive(Default)]
pub struct Identities {
    found: Vec<Box<dyn Identity + Send + Sync>>,
    /// Where they were looked for, for messages.
    looked: Vec<String>,
}

/// Identities are named, and cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BadIdentities {
    /// The file cannot be read.
    #[error("{place}: {error}")]
    Unreadable {
        /// The variable or file.
        place: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// It holds something else.
    #[error(
        "{0} holds no age identities (`AGE-SECRET-KEY-1...`, one on a line); those of SSH and of plugins are not supported"
    )]
    NoIdentities(String),
}

impl Identities {
    /// Reads all that the environment names: `SOPS_AGE_KEY`, the file in `SOPS_AGE_KEY_FILE`, and SOPS's own file
    /// `sops/age/keys.txt` in the user's configuration folder, where there is one. `SOPS_AGE_KEY_CMD` is not run.
    ///
    /// # Errors
    /// [`BadIdentities`].
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, BadIdentities> {
        let lookup = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let mut all = Self::default();
        if let Some(text) = lookup("SOPS_AGE_KEY") {
            all.add("SOPS_AGE_KEY", &Zeroizing::new(text))?;
        }
        if let Some(path) = lookup("SOPS_AGE_KEY_FILE") {
            all.add_file("SOPS_AGE_KEY_FILE", Path::new(&path))?;
        }
        if let Some(path) = usual_file(&lookup) {
            let place = path.display().to_string();
            match path.try_exists() {
                Ok(true) => all.add_file(&place, &path)?,
                _ => all.looked.push(place),
            }
        }
        Ok(all)
    }

    fn add_file(&mut self, place: &str, path: &Path) -> Result<(), BadIdentities> {
        let unreadable = |error| BadIdentities::Unreadable {
            place: place.to_owned(),
            error,
        };
        let mut text = Zeroizing::new(String::new());
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(MOST_BYTES).read_to_string(&mut text).map_err(unreadable)?;
        self.add(place, &text)
    }

    fn add(&mut self, place: &str, text: &str) -> Result<(), BadIdentities> {
        let bad = || BadIdentities::NoIdentities(place.to_owned());
        let file = IdentityFile::from_buffer(text.as_bytes()).map_err(|_| bad())?;
        let found = file.into_identities().map_err(|_| bad())?;
        if found.is_empty() {
            return Err(bad());
        }
        self.found.extend(found);
        self.looked.push(place.to_owned());
        Ok(())
    }

    fn decrypt(&self, encrypted: &str) -> Option<Zeroizing<Vec<u8>>> {
        if encrypted.len() > MOST_ENCRYPTED {
            return None;
        }
        let decryptor = Decryptor::new_buffered(ArmoredReader::new(encrypted.as_bytes())).ok()?;
        let mut reader = decryptor
            .decrypt(self.found.iter().map(|identity| &**identity as &dyn Identity))
            .ok()?;
        // Room for all of it: a Vec that grows leaves its old content behind.
        let mut plain = Zeroizing::new(Vec::with_capacity(encrypted.len()));
        reader.read_to_end(&mut plain).ok()?;
        Some(plain)
    }
}

impl AgeIdentities for Identities {
    fn unlock(&self, recipients: &[AgeRecipient]) -> Result<DataKey, String> {
        for recipient in recipients {
            if let Some(key) = self.decrypt(&recipient.encrypted) {
                return DataKey::new(&key).ok_or_else(|| {
                    format!(
                        "{} decrypted something that is no data key of SOPS: `enc` was changed",
                        recipient.recipient
                    )
                });
            }
        }
        // The beginning of an SSH key, which is far longer, tells enough.
        let beginning = |recipient: &AgeRecipient| recipient.recipient.chars().take(MOST_SHOWN).collect::<String>();
        let wanted = recipients.iter().map(beginning).collect::<Vec<_>>().join(" or ");
        let looked = if self.looked.is_empty() {
            "nowhere".to_owned()
        } else {
            self.looked.join(", ")
        };
        Err(format!(
            "no age identity here is that of {wanted} (looked into: {looked}); set SOPS_AGE_KEY_FILE to the file that has it"
        ))
    }
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identities({} of {:?})", self.found.len(), self.looked)
    }
}

/// Where SOPS keeps identities.
fn usual_file(lookup: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let home = |folder: &str| lookup("HOME").map(|home| Path::new(&home).join(folder));
    let folder = lookup("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| {
        home(if cfg!(target_os = "macos") {
            "Library/Application Support"
        } else {
            ".config"
        })
    })?;
    Some(folder.join("sops/age/keys.txt"))
}
