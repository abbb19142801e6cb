//! Every test over the compiled `ptc` and over what it makes, in one binary. `cargo test --test ptc ptc_plan::` runs one file of
//! them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use harness::{files, stack};

mod ptc;

mod kit;
mod kit_command;
mod ptc_account;
mod ptc_apply;
mod ptc_check;
mod ptc_doctor;
mod ptc_export;
mod ptc_only;
mod ptc_plan;
mod ptc_progress;
mod ptc_schema;
mod ptc_sops;
mod ptc_stack;
mod ptc_status;
mod ptc_upload;
mod sops_files;

#[test]
fn every_file_of_tests_is_named_above() {
    harness::assert_all_named(include_str!("main.rs"), concat!(env!("CARGO_MANIFEST_DIR"), "/tests"));
}
