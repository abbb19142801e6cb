//! Every test over the library and the compiled programs, in one binary: what they stand on, the SDK above all, is linked
//! once and not forty times. `cargo test --test all races::` runs one file of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use harness::{common, desk, quiet, support};

mod deployed;

mod bad_files;
mod bounds;
mod budgets;
mod causes;
mod converge;
mod crash;
mod deadline;
mod deletion;
mod edits;
mod event_patterns;
mod event_samples;
mod existing;
mod existing_edges;
mod expiry;
mod faults;
mod fence;
mod good_files;
mod holders;
mod hostile;
mod hostile_files;
mod hosts;
mod limits;
mod metrics;
mod migration;
mod orphans;
mod own_events;
mod ownership;
mod parameters;
mod permissions;
mod plan_checksum;
mod process;
mod properties;
mod quota;
mod races;
mod reference;
mod renames;
mod report;
mod repository_calls;
mod rollback;
mod rotations;
mod schedules;
mod schema;
mod schema_values;
mod secrets;
mod sops;
mod texts;
mod update;
mod words;
mod work;

/// A file that nobody names is a file of tests that nobody runs.
#[test]
fn every_file_of_tests_is_named_above() {
    let named = include_str!("main.rs");
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests"))
        .unwrap()
        .map(|file| file.unwrap().path());
    let rust = files.filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    let names = rust
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "main");
    let unnamed: Vec<String> = names
        .filter(|name| !named.contains(&format!("\nmod {name};\n")))
        .collect();
    assert_eq!(unnamed, Vec::<String>::new());
}
