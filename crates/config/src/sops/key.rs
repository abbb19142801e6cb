//! The data key of a file.

use std::fmt;

use zeroize::Zeroizing;

const LENGTH: usize = 32;

/// What every value of one file is encrypted with. Wiped when it goes, shown by nothing.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; LENGTH]>);

impl DataKey {
    /// From what a recipient decrypted, if it has the length of a key.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; LENGTH]);
        if bytes.len() != LENGTH {
            return None;
        }
        key.copy_from_slice(bytes);
        Some(Self(key))
    }

    pub(super) fn bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([hidden])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_length_and_shows_nothing() {
        assert!(DataKey::new(&[7; 31]).is_none() && DataKey::new(&[7; 33]).is_none());
        assert_eq!(format!("{:?}", DataKey::new(&[7; 32])), "Some(DataKey([hidden]))");
    }
}
