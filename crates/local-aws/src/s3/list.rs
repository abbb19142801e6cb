//! ListObjectsV2 and ListObjectVersions.

use std::collections::BTreeSet;

use super::request::Request;
use super::xml::{self, Entry, Objects, Prefix, VersionEntry, Versions};
use super::{S3, fail};
use crate::api::ApiError;
use crate::http;

impl S3 {
    pub(super) fn list(&self, request: &Request) -> Result<http::Response, ApiError> {
        let bucket = self.bucket(&request.bucket)?;
        let page = self.page(request)?;
        let prefix = request.parameter("prefix").unwrap_or_default();
        let delimiter = request.parameter("delimiter");
        let after = match request.parameter("continuation-token") {
            Some(token) => Some(read_token(token)?),
            None => request.parameter("start-after").map(str::to_owned),
        };
        let url = wants_url(request)?;

        // A common prefix counts as one entry and sorts where it stands, so both go through one ordered walk.
        let mut entries = Vec::new();
        let mut prefixes = BTreeSet::new();
        let mut last = None;
        let mut truncated = false;
        for key in bucket.objects.keys().filter(|key| key.starts_with(prefix)) {
            let Some((version, content)) = bucket.current(key) else {
                continue;
            };
            let rest = key.get(prefix.len()..).unwrap_or_default();
            let common = delimiter.and_then(|d| {
                rest.find(d)
                    .map(|at| format!("{prefix}{}", rest.get(..at + d.len()).unwrap_or_default()))
            });
            let name = common.clone().unwrap_or_else(|| key.clone());
            if after.as_ref().is_some_and(|after| name <= *after) || prefixes.contains(&name) {
                continue;
            }
            if entries.len() + prefixes.len() == page {
                truncated = true;
                break;
            }
            last = Some(name.clone());
            if common.is_some() {
                prefixes.insert(name);
            } else {
                entries.push(Entry {
                    key: xml::key(key, url),
                    last_modified: xml::time(version.modified),
                    etag: format!("\"{}\"", content.etag),
                    size: content.bytes.len(),
                    storage_class: "STANDARD",
                });
            }
        }
        xml::reply(
            "ListBucketResult",
            &Objects {
                xmlns: xml::NAMESPACE,
                name: request.bucket.clone(),
                prefix: xml::key(prefix, url),
                max_keys: page,
                key_count: entries.len() + prefixes.len(),
                is_truncated: truncated,
                next_continuation_token: last.filter(|_| truncated).map(|key| write_token(&key)),
                encoding_type: url.then_some("url"),
                contents: entries,
                common_prefixes: prefixes
                    .iter()
                    .map(|name| Prefix {
                        prefix: xml::key(name, url),
                    })
                    .collect(),
            },
        )
    }

    pub(super) fn list_versions(&self, request: &Request) -> Result<http::Response, ApiError> {
        let bucket = self.bucket(&request.bucket)?;
        let page = self.page(request)?;
        let prefix = request.parameter("prefix").unwrap_or_default();
        let url = wants_url(request)?;
        let all: Vec<_> = bucket
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .flat_map(|(key, versions)| {
                versions
                    .iter()
                    .rev()
                    .enumerate()
                    .map(move |(age, version)| (key, version, age == 0))
            })
            .collect();
        let start = match (request.parameter("key-marker"), request.parameter("version-id-marker")) {
            (None, None) => 0,
            (None, Some(_)) => {
                return Err(fail(
                    "InvalidArgument",
                    "A version-id marker cannot be specified without a key marker.",
                    400,
                ));
            }
            (Some(key), None) => all.iter().filter(|(name, ..)| name.as_str() <= key).count(),
            (Some(key), Some(id)) => {
                let at = all
                    .iter()
                    .position(|(name, version, _)| *name == key && version.id == id);
                at.ok_or_else(|| fail("InvalidArgument", "Invalid version id specified", 400))? + 1
            }
        };
        let shown: Vec<_> = all.iter().skip(start).take(page).collect();
        let truncated = start + shown.len() < all.len();
        let next = shown.last().filter(|_| truncated);
        let mut versions = Vec::new();
        let mut markers = Vec::new();
        for (key, version, latest) in &shown {
            let entry = VersionEntry {
                key: xml::key(key, url),
                version_id: version.id.clone(),
                is_latest: *latest,
                last_modified: xml::time(version.modified),
                etag: version.content.as_ref().map(|content| format!("\"{}\"", content.etag)),
                size: version.content.as_ref().map(|content| content.bytes.len()),
                storage_class: version.content.as_ref().map(|_| "STANDARD"),
            };
            if version.content.is_some() {
                versions.push(entry)
            } else {
                markers.push(entry)
            }
        }
        xml::reply(
            "ListVersionsResult",
            &Versions {
                xmlns: xml::NAMESPACE,
                name: request.bucket.clone(),
                prefix: xml::key(prefix, url),
                max_keys: page,
                is_truncated: truncated,
                next_key_marker: next.map(|(key, ..)| xml::key(key, url)),
                next_version_id_marker: next.map(|(_, version, _)| version.id.clone()),
                encoding_type: url.then_some("url"),
                version: versions,
                delete_marker: markers,
            },
        )
    }
}

fn wants_url(request: &Request) -> Result<bool, ApiError> {
    match request.parameter("encoding-type") {
        None => Ok(false),
        Some("url") => Ok(true),
        Some(_) => Err(fail(
            "InvalidArgument",
            "Invalid Encoding Method specified in Request",
            400,
        )),
    }
}

/// Tokens are opaque to clients; ours is the last name shown, disguised, so that nobody comes to rely on it.
fn write_token(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn read_token(token: &str) -> Result<String, ApiError> {
    let wrong = || fail("InvalidArgument", "The continuation token provided is incorrect", 400);
    let byte = |pair: &[u8]| {
        std::str::from_utf8(pair)
            .ok()
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
    };
    let bytes: Option<Vec<u8>> = token.as_bytes().chunks(2).map(byte).collect();
    String::from_utf8(bytes.ok_or_else(wrong)?).map_err(|_| wrong())
}
