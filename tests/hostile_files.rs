//! Properties of the reader for any input: it answers, it does not panic, its positions are in the file, and it never
//! repeats a credential.

use crate::files::context;
use config::{Problem, kind, read};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const EXAMPLES: [&str; 2] = [
    include_str!("../examples/registries.yaml"),
    include_str!("../examples/complete.yaml"),
];

/// Pieces of YAML and of our own words, which together make files that are almost right.
const PIECES: &[&str] = &[
    "registry",
    "username",
    "accessToken",
    "secret",
    "tags",
    "defaults",
    "registries",
    "x-a",
    "lifecycle_policy",
    "rules",
    "selection",
    "action",
    "rulePriority",
    "tagStatus",
    "tagPatternList",
    "countType",
    "countNumber",
    "type",
    "any",
    "expire",
    "quay.io",
    "docker.io",
    "quay",
    "hub",
    "none",
    "true",
    "null",
    "~",
    "1",
    "-1",
    "0x1",
    "1.5",
    "<<",
    "*",
    "&a",
    "*a",
    "&b",
    "*b",
    "!!str",
    "!x",
    "!",
    "? ",
    ": ",
    ":",
    "- ",
    "-",
    ", ",
    "[",
    "]",
    "{",
    "}",
    "\n",
    "\n  ",
    "\n    ",
    "\n      ",
    "\t",
    "#",
    "|",
    ">",
    "|-\n  ",
    "'",
    "\"",
    "\\",
    "\\u0000",
    "\\x",
    "%",
    "@",
    "`",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "\r\n",
    "\r",
    "é",
    "\u{2028}",
    "\u{feff}",
    "\u{85}",
    "\u{a0}",
    "\0",
    "ENC[AES256_GCM,",
    "sops",
    "arn:aws:iam::111122223333:root",
    "ecr-pullthroughcache/x",
    "existing_repositories",
    "include",
    "existing",
    "encryption_configuration",
    "KMS",
    "only",
    "accounts",
    "regions",
    "all",
    "eu-west-1",
    "111122223333",
];

/// A random tree as YAML in flow style, with our words for keys.
fn tree() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        select(PIECES).prop_map(|piece| format!("{piece:?}")),
        "[a-z0-9.~]{0,8}",
        "-?[0-9]{1,25}"
    ];
    scalar.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(", "))),
            vec((select(PIECES), inner), 0..6).prop_map(|entries| {
                let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key:?}: {value}")).collect();
                format!("{{{}}}", entries.join(", "))
            }),
        ]
    })
}

/// What must hold of any answer.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let (errors, warnings) = match read(bytes, &context()) {
        Ok(file) => {
            prop_assert!(!(file.registries.is_empty() && file.elsewhere.is_empty()));
            (Vec::new(), file.warnings)
        }
        Err(rejected) => {
            prop_assert!(!rejected.errors.is_empty());
            prop_assert!(!rejected.to_string().is_empty());
            (rejected.errors, rejected.warnings)
        }
    };
    let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    for Problem {
        code,
        line,
        column,
        message,
        registry,
    } in errors.iter().chain(&warnings)
    {
        prop_assert!(
            line.is_none_or(|line| (1..=lines + 1).contains(&line)),
            "{line:?} of {lines}: {message}"
        );
        prop_assert!(
            column.is_none_or(|column| (1..=bytes.len() + 2).contains(&column)),
            "{column:?}: {message}"
        );
        prop_assert_eq!(line.is_some(), column.is_some());
        prop_assert!(kind(*code).is_some(), "{code} of {message}");
        prop_assert!(
            message.len() < 4000 && !message.chars().any(char::is_control),
            "{message:?}"
        );
        prop_assert!(registry.as_ref().is_none_or(|name| name.len() < 1000));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..400)) {
        check(&bytes)?;
    }

    #[test]
    fn any_text(text in "\\PC{0,300}") {
        check(text.as_bytes())?;
    }

    #[test]
    fn pieces_put_together(pieces in vec(select(PIECES), 0..80)) {
        check(pieces.concat().as_bytes())?;
    }

    #[test]
    fn pieces_under_a_registry(pieces in vec(select(PIECES), 0..40)) {
        check(format!("quay:\n  registry: quay.io\n  {}", pieces.concat()).as_bytes())?;
    }

    #[test]
    fn any_tree(tree in tree()) {
        check(tree.as_bytes())?;
        check(format!("registries: {{quay: {tree}}}").as_bytes())?;
        check(format!("quay: {{registry: quay.io, lifecycle_policy: {tree}, tags: {tree}, existing_repositories: {tree}, only: {tree}}}").as_bytes())?;
    }

    #[test]
    fn good_files_with_pieces_cut_out_and_put_in(
        example in select(&EXAMPLES[..]),
        edits in vec((any::<prop::sample::Index>(), 0usize..30, select(PIECES)), 1..6),
    ) {
        let mut chars: Vec<char> = example.chars().collect();
        for (index, cut, piece) in edits {
            let at = index.index(chars.len());
            let end = (at + cut).min(chars.len() - 1);
            chars.splice(at..end, piece.chars());
        }
        check(chars.into_iter().collect::<String>().as_bytes())?;
    }

    #[test]
    fn good_files_with_bytes_changed(
        example in select(&EXAMPLES[..]),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = example.as_bytes().to_vec();
        for (index, byte) in edits {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        check(&bytes)?;
    }

    #[test]
    fn lines_moved_about(
        example in select(&EXAMPLES[..]),
        moves in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0usize..8), 1..5),
    ) {
        let mut lines: Vec<String> = example.lines().map(str::to_owned).collect();
        for (from, to, indent) in moves {
            let line = lines.remove(from.index(lines.len()));
            let at = to.index(lines.len());
            lines.insert(at, format!("{}{}", " ".repeat(indent), line.trim_start()));
        }
        check(lines.join("\n").as_bytes())?;
    }

    #[test]
    fn a_token_is_never_repeated(
        token in "[A-Za-z0-9_=+/.-]{20,120}",
        field in select(&["registry", "secret", "image_tag_mutability", "lifecycle_policy", "custom_role_arn", "kms_key",
            "upstream_repository_prefix", "repository_read_access_arns", "tags", "only", "existing_repositories", "zebra"][..]),
        form in 0usize..8,
    ) {
        let wrong = match form {
            0 => format!("  {field}: {token}\n"),
            1 => format!("  {field}: [{token}]\n"),
            2 => format!("  {field}: {{{token}: {token}}}\n"),
            3 => format!("  {token}: {field}\n"),
            4 => format!("  {field}:{token}: x\n"),
            5 => format!("  {field}: https://bob:{token}@ghcr.io/\n"),
            6 => format!("{token}:\n  {field}: {token}\n"),
            _ => format!("  accessToken:{token}\n"),
        };
        let text = format!("ghcr:\n  username: bob\n  accessToken: '{token}'\n{wrong}");
        let answer = match read(text.as_bytes(), &context()) {
            Ok(file) => format!("{file:?}"),
            Err(rejected) => format!("{rejected} {rejected:?}"),
        };
        prop_assert!(!answer.to_lowercase().contains(&token[..16].to_lowercase()), "{text}\n{answer}");
    }
}
