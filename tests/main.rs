//! Every test over the library and the compiled programs, in one binary: what they stand on, the SDK above all, is linked
//! once and not forty times. `cargo test --test all races::` runs one file of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use harness::{files, stack, work_queue};

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
mod only;
mod orphans;
mod own_events;
mod ownership;
mod parameters;
mod permissions;
mod plan_checksum;
mod problem_codes;
mod process;
mod properties;
mod pull_failures;
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
mod sources;
mod texts;
mod update;
mod warm;
mod words;
mod work;

#[test]
fn every_file_of_tests_is_named_above() {
    harness::assert_all_named(include_str!("main.rs"), concat!(env!("CARGO_MANIFEST_DIR"), "/tests"));
}
