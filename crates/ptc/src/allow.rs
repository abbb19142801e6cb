//! `--allow`: warnings that the user has looked at and accepts.

use clap::Args;
use config::{Code, Kind, Problem, Severity, kind_named};

/// Which warnings are not told.
#[derive(Args)]
pub struct AllowArgs {
    /// Do not tell warnings with this code, such as PT080 (`ptc explain` lists them). May be repeated. Never an error's.
    #[arg(long, value_name = "CODE", value_parser = warning)]
    allow: Vec<Code>,
}

impl AllowArgs {
    /// The codes, in the order in which they were given.
    pub fn codes(&self) -> impl Iterator<Item = String> {
        self.allow.iter().map(Code::to_string)
    }

    /// Takes the allowed ones out.
    pub fn silence(&self, warnings: &mut Vec<Problem>) {
        warnings.retain(|warning| !self.allow.contains(&warning.code));
    }
}

fn warning(text: &str) -> Result<Code, String> {
    let kind = kind_named(text).map_err(|near| unknown(text, near))?;
    match kind.severity {
        Severity::Warning => Ok(kind.code),
        Severity::Error => Err(format!(
            "{} is an error, and only warnings can be allowed: {}",
            kind.code, kind.fix
        )),
    }
}

/// What to say where there is no kind of this name.
pub fn unknown(text: &str, near: Option<&Kind>) -> String {
    let near = near.map_or_else(
        || "`ptc explain` lists all codes".to_owned(),
        |kind| format!("did you mean {}, {}?", kind.code, kind.slug()),
    );
    format!("there is no code {text}; {near}")
}
