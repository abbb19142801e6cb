//! What the tests of the file share.

pub mod cases;
pub mod misplaced;
pub mod schema;

use config::{Context, File, Problem, read};

/// The account the files are for.
pub fn context() -> Context {
    Context {
        account: Some("111122223333".to_owned()),
        region: Some("eu-central-1".to_owned()),
        ..Context::default()
    }
}

/// The errors of a file that must be refused.
pub fn refused(bytes: &[u8]) -> Vec<Problem> {
    match read(bytes, &context()) {
        Ok(_) => panic!("accepted: {}", String::from_utf8_lossy(bytes)),
        Err(rejected) => rejected.errors,
    }
}

thread_local! {
    static JUDGE: schema::Validator = schema::Validator::default();
}

/// A file that must be accepted, by the JSON Schema too.
pub fn accepted(text: &str) -> File {
    match JUDGE.with(|validator| validator.file(text)) {
        // An accessToken of more digits than serde_yaml has numbers for.
        schema::Verdict::NoYaml(error) if error.contains("as u128") => {}
        verdict => assert_eq!(verdict, schema::Verdict::Accepted, "{text}"),
    }
    read(text.as_bytes(), &context()).unwrap_or_else(|rejected| panic!("{text}\n{rejected}"))
}
