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

/// That `main.rs` of a folder of tests names every file beside it: a file that nobody names is a file of tests that nobody runs.
pub fn assert_all_named(main: &str, folder: &str) {
    let paths = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let rust = paths.filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    let names = rust.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let is_named = |name: &String| name == "main" || main.contains(&format!("\nmod {name};\n"));
    let unnamed: Vec<String> = names.filter(|name| !is_named(name)).collect();
    assert_eq!(unnamed, Vec::<String>::new());
}

/// That a text has a part in it; where it has not, the test shows the text.
#[track_caller]
pub fn has(text: &str, part: &str) {
    assert!(text.contains(part), "no {part:?} in:\n{text}");
}

/// That a text has no such part in it.
#[track_caller]
pub fn lacks(text: &str, part: &str) {
    assert!(!text.contains(part), "{part:?} in:\n{text}");
}

/// That a text begins so.
#[track_caller]
pub fn begins(text: &str, part: &str) {
    assert!(text.starts_with(part), "no {part:?} at the beginning of:\n{text}");
}
