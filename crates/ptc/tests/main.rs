//! Every test over the compiled `ptc` and over what it makes, in one binary. `cargo test --test ptc ptc_plan::` runs one file of
//! them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use harness::{common, support};

mod ptc;

mod kit;
mod kit_command;
mod ptc_account;
mod ptc_apply;
mod ptc_check;
mod ptc_doctor;
mod ptc_export;
mod ptc_plan;
mod ptc_progress;
mod ptc_schema;
mod ptc_status;
mod sops_files;

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
