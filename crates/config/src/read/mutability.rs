//! Reads `image_tag_mutability_exclusion_filters`.

use crate::diagnostics::code::Code;
use crate::diagnostics::problem::{Notes, shown};
use crate::model::mutability::{MOST_CHARACTERS, MOST_FILTERS};
use crate::read::fields::{self, Field};
use crate::yaml::node::Entry;

/// Reads `image_tag_mutability_exclusion_filters`
/// (ECR API, ImageTagMutabilityExclusionFilter: `^[0-9a-zA-Z._*-]{1,128}$`).
pub(crate) fn read_filters(entry: &Entry, notes: &mut Notes) -> Option<Field<Vec<String>>> {
    const NAME: &str = "image_tag_mutability_exclusion_filters";
    let items = fields::texts(NAME, &entry.value, notes)?;
    if items.is_empty() || items.len() > MOST_FILTERS {
        notes.error(
            Code::BAD_FILTER,
            entry.value.at,
            format!("`{NAME}` has {} items; ECR allows 1 to {MOST_FILTERS}", items.len()),
        );
        return None;
    }
    let mut good = true;
    for (text, at) in &items {
        if text.is_empty() || text.len() > MOST_CHARACTERS || !text.bytes().all(is_filter_byte) {
            notes.error(
                Code::BAD_FILTER,
                *at,
                format!(
                    "the filter {} is not allowed: 1 to {MOST_CHARACTERS} letters, digits and `._*-` are",
                    shown(text)
                ),
            );
            good = false;
        }
    }
    let value = items.into_iter().map(|(text, _)| text).collect();
    good.then_some(Field {
        value,
        at: entry.value.at,
        key: entry.key.at,
    })
}

fn is_filter_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._*-".contains(&byte)
}
