//! What looks like a token, wherever it stands: one that came to stand in a wrong place is still one.
//!
//! Messages say where something stands, so that whoever reads them finds a value that they do not repeat.

/// The only prefix of secret names that ECR's service-linked role may read.
pub const SECRET_PREFIX: &str = "ecr-pullthroughcache/";

/// How the tokens of well-known issuers begin.
const BEGINNINGS: &[&str] = &[
    "dckr_pat_",
    "dckr_oat_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "glcbt-",
    "eyJ",
    "AKIA",
    "ASIA",
    "chainctl_",
    "ENC[",
];

/// The longest word that somebody writes: a registry's name has no more.
const LONGEST_WORD: usize = 30;

/// The longest number that somebody writes: an account.
const LONGEST_NUMBER: usize = 12;

/// Whether a text may be repeated where it is nothing that is known there: a word, and no number in it.
pub(crate) fn is_mere_word(text: &str) -> bool {
    text.len() <= LONGEST_WORD && text.chars().all(|c| c.is_alphabetic() || "_- ".contains(c))
}

/// Whether a text has a part that begins as a token does, or that no person makes up: long, or of letters and digits that
/// change all the time.
pub fn looks_like_a_token(text: &str) -> bool {
    let begins_word = |at: usize| {
        !text
            .get(..at)
            .is_some_and(|before| before.ends_with(|c: char| c.is_alphanumeric()))
    };
    BEGINNINGS
        .iter()
        .any(|beginning| text.match_indices(beginning).any(|(at, _)| begins_word(at)))
        || text.split_whitespace().filter(|word| !is_aws_name(word)).any(|word| {
            word.split(|c| "/:,;=@?&()[]{}\"'".contains(c))
                .any(|part| !is_plain_host(part) && is_made_up_by_no_one(part))
        })
}

/// Names that AWS gives have ids in them, and are no secrets.
fn is_aws_name(word: &str) -> bool {
    word.starts_with("arn:aws") || word.starts_with(SECRET_PREFIX)
}

/// Azure's names are of letters and digits, and nobody chooses the numbers in ECR's.
fn is_plain_host(part: &str) -> bool {
    let is_azure = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    part.strip_suffix(".azurecr.io").is_some_and(is_azure) || part.ends_with(".amazonaws.com")
}

fn is_made_up_by_no_one(part: &str) -> bool {
    let words = || part.split(|c: char| !c.is_ascii_alphanumeric());
    let is_long = |word: &str| {
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        // The words of `ImmutableWithExclusion` are three.
        let longest = word
            .split(|c: char| c.is_ascii_uppercase())
            .map(str::len)
            .max()
            .unwrap_or_default();
        let is_upper = word.bytes().all(|byte| byte.is_ascii_uppercase());
        let length = if is_upper { word.len() } else { longest };
        length > if is_number { LONGEST_NUMBER } else { LONGEST_WORD }
    };
    let length: usize = words().map(str::len).sum();
    let changes: usize = words().map(changes).sum();
    words().any(is_long) || (changes >= 4 && changes * 4 > length)
}

/// How often the kind of character changes in a word: small letters, capitals, digits. A capital that begins a word is no
/// change to what follows.
fn changes(word: &str) -> usize {
    let kind = |byte: &u8| match byte {
        b'0'..=b'9' => 0,
        b'A'..=b'Z' => 1,
        _ => 2,
    };
    let kinds: Vec<u8> = word.as_bytes().iter().map(kind).collect();
    kinds
        .windows(2)
        .filter(|two| !matches!(two, [a, b] if a == b) && !matches!(two, [1, 2]))
        .count()
}

/// Whether a key, well spelled or not, is one whose value no message may show.
pub(crate) fn holds_a_token(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["token", "passw", "pwd", "credential"]
        .iter()
        .any(|part| key.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_no_token() {
        for text in [
            "dockerhub",
            "highs_and_lows",
            "k8s",
            "acme2024prod",
            "acme2024prod7eastus1.azurecr.io",
            "https://acme2024prod7eastus1.azurecr.io/v2/",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com",
            "registry-1.docker.io",
            "IMMUTABLE_WITH_EXCLUSION",
            "ImmutableWithExclusion",
            "existingrepositories",
            "team-a/node18-x86-v2",
            "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d",
            "ecr-pullthroughcache/dockerhub-Ab3dE6",
            "123456789012",
            "2027-05-01T10:00:00Z",
            "v1.27.0-rc1",
            "größe",
            "Keep the last 5 images",
            "MyECRPullThroughCacheRole",
        ] {
            assert!(!looks_like_a_token(text), "{text}");
        }
    }

    #[test]
    fn what_a_machine_makes_up_is_one() {
        for text in [
            "dckr_pat_abc",
            "a ghp_abc",
            "d3b07384-d9a0-4e9b-8a0d-0a1b2c3d4e5f",
            "d3b07384-d9a0-4e9b-8a0d-0a1b2c3d4e5f.azurecr.io",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            "x7Gq2mZpL9sVtR4wKdYc",
            "7qTf3BbZ9cXkP1nLr8wEyUoJ2sVhGd5mAaQx4KtN+ACRDpqR0Zx2",
            "S3cr3t-t0ken!",
            "Tr0ub4dor3",
            "antidisestablishmentarianismantidote",
            "aGVsbG8gd29ybGQhIQ==",
            "https://x7Gq2mZpL9sVtR4wKdYc.example",
            "k3j9x0q2m7v5b1n8",
            "31415926535897932384",
        ] {
            assert!(looks_like_a_token(text), "{text}");
        }
    }
}
