//! What the tests of the function and of `ptc` stand on: a function over an account of `local-aws`, and files held against the
//! reader and the schema.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

pub mod files;
pub mod stack;
pub mod work_queue;
