//! What becomes of a credential, for every state it can be in: `tests/golden/credential.txt`, to be read beside the contract.
//! `BLESS=1 cargo test --lib plan::table` writes it. What must never be is asserted over the same states.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::rollback::{Next, is_file_refused, next};
use super::value::Move;
use super::wanted::{Over, Wanted};
use crate::account::{
    Binding, CONFIGURED, CURRENT, FILE_PENDING, FILE_REFUSED, Label, PREVIOUS, PROVEN, REJECTED, ROLLING_BACK, Secret,
    UNBOUND, VersionValue,
};
use config::Credential;

const UPLOADED: i64 = 100;

fn credential(token: &str) -> Credential {
    Credential::new("bot".to_owned().into(), token.to_owned().into())
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn empty() -> Secret {
    Secret {
        arn: String::new(),
        name: String::new(),
        description: String::new(),
        tags: BTreeMap::new(),
        customer_key: None,
        scheduled_for_deletion: false,
        labels: BTreeMap::new(),
        policy: None,
        values: BTreeMap::new(),
        created: BTreeMap::new(),
        rotated: None,
        next_rotation: None,
        binding: Binding::Tag,
        foreign_rule: None,
    }
}

impl Secret {
    fn with(&mut self, version: &str, token: &str, second: i64, labels: &[Label]) {
        let carried = self.labels.entry(version.to_owned()).or_default();
        carried.extend(labels.iter().map(|label| (*label).to_owned()));
        let value = VersionValue::Credential(credential(token));
        self.values.insert(version.to_owned(), value);
        self.created.insert(version.to_owned(), time(second));
    }
}

fn pad(page: &mut String, cells: &[&str], widths: &[usize]) {
    let line: Vec<String> = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:width$}"))
        .collect();
    writeln!(page, "{}", line.join("  ").trim_end()).unwrap();
}

/// The current version: its words, id, token and second. The file says `token-f`.
const CURRENTS: [(&str, &str, &str, i64); 6] = [
    ("none", "", "", 0),
    ("the file's value", "file-1-on-x", "token-f", 50),
    ("an older value of the file", "file-1-on-x", "token-z", 10),
    ("a later value of the file", "file-1-on-x", "token-z", 90),
    ("a rotation before the upload", "r", "token-r", 20),
    ("a rotation since", "r", "token-r", UPLOADED),
];

/// What carries `CONFIGURED`. A value of the file's is put at second 50.
const CONFIGUREDS: [(&str, Option<&str>); 4] = [
    ("none", None),
    ("the file's value", Some("token-f")),
    ("the same, refused", Some("token-f")),
    ("another", Some("token-y")),
];

/// What carries `FILE_PENDING`: the version that it was put on, and the token.
const PENDINGS: [(&str, Option<(&str, &str)>); 4] = [
    ("none", None),
    ("the file's, on the current", Some(("", "token-f"))),
    ("the file's, on another", Some(("other", "token-f"))),
    ("another", Some(("", "token-y"))),
];

/// The id that a version of ours has which was put on this one.
fn put_on(n: u8, current: &str) -> String {
    let current = current.strip_prefix("file-").map_or(current, |_| "1");
    format!("file-{n}-on-{current}")
}

fn move_of(secret: &Secret, over: Over) -> Move {
    let (credential, words, uploaded) = (credential("token-f"), String::new(), time(UPLOADED));
    Move::of(
        secret,
        &Wanted {
            credential,
            words,
            uploaded,
            over,
        },
    )
}

fn words(moved: &Move) -> &'static str {
    match moved {
        Move::Nothing => "nothing",
        Move::DropPending { .. } => "take FILE_PENDING off",
        Move::Label { .. } => "label it CONFIGURED",
        Move::Beside { holds: None } => "put beside",
        Move::Beside { holds: Some(_) } => "label pending CONFIGURED",
        Move::MakeCurrent { holds: None } => "put, make current",
        Move::MakeCurrent { holds: Some(_) } => "make pending current",
    }
}

fn of_the_file(page: &mut String) {
    page.push_str(
        "What the file does to a secret, and what a source does whose value the run sees for the first time, or has seen before\n\
         another version became current. A value that was refused had been put over the current one.\n\n",
    );
    let widths = [28, 17, 26, 24, 24, 24, 0];
    pad(
        page,
        &[
            "current",
            "CONFIGURED",
            "FILE_PENDING",
            "bound to the host",
            "source, seen first",
            "source, seen before",
            "not bound",
        ],
        &widths,
    );
    for (current_words, current, token, second) in CURRENTS {
        for (configured_words, configured) in CONFIGUREDS {
            for (pending_words, pending) in PENDINGS {
                let mut secret = empty();
                if !current.is_empty() {
                    secret.with(current, token, second, &[CURRENT]);
                }
                let is_refused = configured_words.ends_with("refused");
                // The first version of a secret is current, and what was refused came after what was put back.
                let is_alone = current.is_empty() && (configured.is_some() || pending.is_some());
                if is_alone || (is_refused && second >= 50) {
                    continue;
                }
                match configured {
                    Some(said) if said == token => secret.with(current, token, second, &[CONFIGURED]),
                    Some(said) => secret.with(&put_on(2, current), said, 50, &[CONFIGURED]),
                    None => {}
                }
                if is_refused {
                    let version = secret.holder(CONFIGURED).unwrap().to_owned();
                    secret.with(&version, "token-f", 50, &[FILE_REFUSED]);
                }
                if let Some((on, token)) = pending {
                    let on = if on.is_empty() { current } else { on };
                    secret.with(&put_on(3, on), token, 95, &[FILE_PENDING]);
                }
                let bound = move_of(&secret, Over::Older);
                never(&secret, &bound);
                let first = move_of(&secret, Over::Version(secret.holder(CURRENT).map(str::to_owned)));
                let seen = move_of(&secret, Over::Version(Some("x".to_owned())));
                never_of_a_source(&secret, &first, &seen);
                secret.binding = Binding::Nothing;
                let unbound = move_of(&secret, Over::Older);
                for over in [
                    Over::Version(None),
                    Over::Version(secret.holder(CURRENT).map(str::to_owned)),
                ] {
                    assert_eq!(move_of(&secret, over), unbound, "{secret:?}");
                }
                let cells = [
                    current_words,
                    configured_words,
                    pending_words,
                    words(&bound),
                    words(&first),
                    words(&seen),
                    words(&unbound),
                ];
                pad(page, &cells, &widths);
            }
        }
    }
}

/// What the file never does.
fn never(secret: &Secret, moved: &Move) {
    let (current, configured) = (secret.holder(CURRENT), secret.labelled(CONFIGURED));
    let is_unchanged = *moved == Move::Nothing || matches!(moved, Move::DropPending { .. });
    let speaks = configured != Some(&VersionValue::Credential(credential("token-f")));
    let is_rotation = current.is_some_and(|current| current == "r");
    let is_later = current.is_some_and(|current| secret.created.get(current) >= Some(&time(UPLOADED)));
    let moves = matches!(moved, Move::MakeCurrent { .. });
    assert!(
        !(is_rotation && is_later && moves && speaks),
        "a rotation since the upload is replaced: {secret:?}"
    );
    assert!(
        !(is_rotation && moves) || speaks || is_file_refused(secret),
        "the same file replaces a rotation: {secret:?}"
    );
    assert!(!speaks || !is_unchanged, "the file is not heard: {secret:?}");
}

/// What a source never does.
fn never_of_a_source(secret: &Secret, first: &Move, seen: &Move) {
    let is_unchanged = secret.labelled(CONFIGURED) == Some(&VersionValue::Credential(credential("token-f")));
    let moves = |moved: &Move| matches!(moved, Move::MakeCurrent { .. });
    let is_rotation = secret.holder(CURRENT) == Some("r");
    assert!(
        !(is_rotation && moves(seen)) || is_file_refused(secret),
        "a rotation after the value was seen is replaced: {secret:?}"
    );
    assert!(
        !(is_rotation && is_unchanged && moves(first)) || is_file_refused(secret),
        "the same value replaces a rotation: {secret:?}"
    );
    let is_heard = |moved: &Move| !matches!(moved, Move::Nothing | Move::DropPending { .. });
    assert!(
        is_unchanged || (is_heard(first) && is_heard(seen)),
        "the source is not heard: {secret:?}"
    );
}

/// Marks on the current version, and on the one before. `FILE_REFUSED` counts as `REJECTED` does.
const MARKS: [(&str, Option<Label>); 3] = [("-", None), ("PROVEN", Some(PROVEN)), ("REJECTED", Some(REJECTED))];
const BEFORES: [(&str, Option<Option<Label>>); 4] = [
    ("none", None),
    ("-", Some(None)),
    ("REJECTED", Some(Some(REJECTED))),
    ("UNBOUND", Some(Some(UNBOUND))),
];
const ROLLING: [&str; 4] = ["-", "current", "before", "older"];

fn of_a_verdict(page: &mut String) {
    page.push_str("\nWhat ECR's verdict on the current version does.\n\n");
    let widths = [7, 8, 8, 12, 8, 8, 11, 0];
    let head = [
        "from",
        "current",
        "before",
        "ROLLING_BACK",
        "refused",
        "rollback",
        "file's word",
        "valid",
    ];
    pad(page, &head, &widths);
    for from in ["file", "others"] {
        for (mark_words, mark) in MARKS {
            for (before_words, before) in BEFORES {
                for rolling in ROLLING {
                    let mut secret = empty();
                    secret.with("current", "c", 20, &[CURRENT]);
                    let configured = if from == "file" { "current" } else { "file" };
                    secret.with(configured, "c", 20, &[CONFIGURED]);
                    secret.with("current", "c", 20, &mark.into_iter().collect::<Vec<_>>());
                    if let Some(before) = before {
                        let labels: Vec<Label> = before.into_iter().chain([PREVIOUS]).collect();
                        secret.with("before", "b", 10, &labels);
                    }
                    match rolling {
                        "-" => {}
                        "before" if before.is_none() => continue,
                        version => secret.with(version, "x", 30, &[ROLLING_BACK]),
                    }
                    // A label stands on one version.
                    if mark == Some(REJECTED) && before == Some(Some(REJECTED)) {
                        continue;
                    }
                    let refused = next(&secret, false, false, false);
                    let rollback = next(&secret, false, true, false);
                    // The file has no word over its own value, nor over one that was proven.
                    let has_none = from == "file" || mark == Some(PROVEN);
                    let file = (!has_none).then(|| next(&secret, false, false, true));
                    let valid = next(&secret, true, true, false);
                    let of_file = of_file_alone(&secret);
                    assert_eq!(next(&of_file, false, true, false), rollback, "{of_file:?}");
                    assert_eq!(next(&of_file, true, true, false), valid, "{of_file:?}");
                    for next in [Some(&refused), Some(&rollback), file.as_ref()].into_iter().flatten() {
                        never_moves(&secret, next);
                    }
                    let stays = !matches!(valid, Next::GoBack { .. } | Next::TryFile { .. } | Next::PutBack { .. });
                    assert!(stays, "what is valid is moved: {secret:?}");
                    let is_asked_for = from == "file" || !matches!(refused, Next::GoBack { .. });
                    assert!(
                        is_asked_for,
                        "a rotation is rolled back without the setting: {secret:?}"
                    );
                    let file = file.as_ref().map_or("", word);
                    let verdicts = [word(&refused), word(&rollback), file, word(&valid)];
                    pad(
                        page,
                        &[&[from, mark_words, before_words, rolling][..], &verdicts].concat(),
                        &widths,
                    );
                }
            }
        }
    }
}

/// The same with `FILE_REFUSED` for `REJECTED`.
fn of_file_alone(secret: &Secret) -> Secret {
    let mut secret = secret.clone();
    for labels in secret.labels.values_mut().filter(|labels| labels.contains(REJECTED)) {
        labels.remove(REJECTED);
        labels.insert(FILE_REFUSED.to_owned());
    }
    secret
}

fn word(next: &Next) -> &'static str {
    match next {
        Next::Nothing => "-",
        Next::GoBack { .. } => "go back",
        Next::TryFile { .. } => "try file",
        Next::Confirm { .. } => "confirm",
        Next::PutBack { .. } => "put back",
        Next::Forget { .. } => "forget",
        Next::Redeem { .. } => "redeem",
        Next::Remember => "remember",
    }
}

/// Neither does a refusal take back what was proven, nor does anything become current that was refused or is for a host that
/// nobody knows.
fn never_moves(secret: &Secret, next: &Next) {
    if let Next::GoBack { failed, to } = next {
        assert_eq!((failed.as_str(), to.as_str()), ("current", "before"));
        assert!(!secret.carries(failed, PROVEN), "{secret:?}");
        for label in [REJECTED, FILE_REFUSED, UNBOUND] {
            assert!(!secret.carries(to, label), "{secret:?}");
        }
    }
}

#[test]
fn every_state_of_a_credential_has_one_next_move() {
    let mut page = String::new();
    of_the_file(&mut page);
    of_a_verdict(&mut page);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/credential.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).unwrap();
        std::fs::write(path, &page).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    for (n, (is, was)) in page.lines().zip(golden.lines()).enumerate() {
        assert_eq!(is, was, "line {} of {path}", n + 1);
    }
    assert_eq!(page.len(), golden.len(), "{path}");
}
