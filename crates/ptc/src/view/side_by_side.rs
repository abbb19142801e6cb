//! What a command has to say of one stack, or of several: then one table, and below it the pages of those that need a look.

use std::process::ExitCode;

use ecr_pull_through_sync::report::{Mark, code};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::exit::Ending;
use crate::session::{Session, SessionArgs};
use crate::targets::Target;
use crate::ui::{Failure, Ui};
use crate::view::comment::{Comment, text};
use crate::view::terminal::Page;

/// What a command has to say of one stack.
pub struct Told {
    pub ending: Ending,
    /// The outcome, in the word of the report.
    pub outcome: String,
    /// How long ago it was, where it is about the past.
    pub age: Option<String>,
    /// A sentence about all of it.
    pub sentence: String,
    /// The whole of it, as it was asked for.
    pub page: String,
    /// The same for programs, as JSON.
    pub json: String,
}

/// How it is to be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Terminal,
    /// For a comment on a pull request.
    Markdown,
    /// For programs.
    Json,
}

/// The result of one stack of several.
struct Row {
    subject: String,
    /// Where there are several.
    profile: Option<String>,
    region: String,
    said: Result<Told, Failure>,
}

/// Does the work for each of them, side by side, and prints what came of it.
pub async fn tell(
    targets: Vec<Target>,
    form: Form,
    ui: &Ui,
    work: impl AsyncFn(SessionArgs, Session) -> Result<Told, Failure>,
) -> Result<ExitCode, Failure> {
    let work = &work;
    let named = |target: &Target| target.args.profile.clone();
    let one_profile = targets
        .iter()
        .all(|target| Some(named(target)) == targets.first().map(named));
    let rows = targets.into_iter().map(async |target| Row {
        subject: target.args.subject().to_owned(),
        profile: named(&target).filter(|_| !one_profile),
        region: target.region,
        said: match target.opened {
            Ok(opened) => work(target.args, opened).await,
            Err(failure) => Err(failure),
        },
    });
    let mut rows = join_all(rows).await;
    if rows.len() == 1
        && let Some(row) = rows.pop()
    {
        let told = row.said?;
        match form {
            Form::Terminal | Form::Markdown => ui.raw(told.page.as_bytes())?,
            Form::Json => ui.raw(format!("{}\n", told.json).as_bytes())?,
        }
        return Ok(told.ending.into());
    }
    match form {
        Form::Terminal => ui.raw(page(&rows, ui.color).as_bytes())?,
        Form::Markdown => ui.raw(markdown(&rows).as_bytes())?,
        Form::Json => {
            let rows: Result<Vec<Value>, serde_json::Error> = rows.iter().map(Row::object).collect();
            ui.value(&json!({ "targets": rows.map_err(std::io::Error::from)? }))?;
        }
    }
    Ok(rows.iter().map(Row::ending).max().unwrap_or(Ending::Good).into())
}

impl Row {
    fn ending(&self) -> Ending {
        match &self.said {
            Ok(told) => told.ending,
            Err(failure) => Ending::of_failure(failure),
        }
    }

    fn outcome(&self) -> &str {
        match &self.said {
            Ok(told) => &told.outcome,
            Err(Failure::TimedOut(_)) => "waiting",
            Err(Failure::Interrupted(_)) => "interrupted",
            Err(_) => "error",
        }
    }

    fn sentence(&self) -> String {
        match &self.said {
            Ok(told) => told.sentence.clone(),
            Err(failure) => failure.to_string(),
        }
    }

    fn object(&self) -> Result<Value, serde_json::Error> {
        let (part, said) = match &self.said {
            Ok(told) => ("report", serde_json::from_str::<Value>(&told.json)?),
            Err(failure) => ("error", failure.to_string().into()),
        };
        let stack = Some(&self.subject).filter(|subject| !subject.is_empty());
        let mut object =
            json!({ "stack": stack, "region": self.region, "exit_status": self.ending().status(), part: said });
        if let (Some(members), Some(profile)) = (object.as_object_mut(), &self.profile) {
            members.insert("profile".into(), profile.as_str().into());
        }
        Ok(object)
    }

    fn heading(&self) -> String {
        let parts = [self.subject.as_str(), self.region.as_str(), self.profile()];
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or_default()
    }

    /// Its page, where it is worth one.
    fn page(&self) -> Option<&str> {
        let told = self.said.as_ref().ok()?;
        (told.ending != Ending::Good).then_some(told.page.as_str())
    }
}

fn page(rows: &[Row], color: bool) -> String {
    let mut page = Page::new(color);
    let head = ["outcome", "stack", "region", "profile", "last run", "message"];
    let cells = |row: &Row| {
        let age = row.said.as_ref().ok().and_then(|told| told.age.clone());
        vec![
            row.outcome().to_owned(),
            row.subject.clone(),
            row.region.clone(),
            row.profile().to_owned(),
            age.unwrap_or_default(),
            row.sentence(),
        ]
    };
    let mark = |row: &Row| match row.ending() {
        Ending::Good => Mark::Same,
        Ending::Changes => Mark::Changed,
        Ending::TimedOut | Ending::Failed => Mark::Attention,
    };
    let marks: Vec<(&str, Mark)> = rows.iter().map(|row| (row.outcome(), mark(row))).collect();
    page.table(&head, rows.iter().map(cells), &marks);
    for row in rows {
        if let Some(whole) = row.page() {
            page.gap();
            page.line(Mark::Same, &format!("== {} ==", row.heading()));
            page.gap();
            page.text.push_str(whole);
        }
    }
    page.text
}

fn markdown(rows: &[Row]) -> String {
    let several = rows.iter().any(|row| row.profile.is_some());
    let (head, rule) = if several { (" profile |", " --- |") } else { ("", "") };
    let mut comment = Comment::default();
    comment.add(&format!(
        "| outcome | stack | Region |{head} |\n| --- | --- | --- |{rule} --- |\n"
    ));
    for row in rows {
        let (outcome, sentence) = (row.outcome(), text(&row.sentence()));
        let (stack, region) = (code(&row.subject), code(&row.region));
        let profile = match several {
            true => format!(" `{}` |", code(row.profile())),
            false => String::new(),
        };
        comment.add(&format!(
            "| **{outcome}** | `{stack}` | `{region}` |{profile} {sentence} |\n"
        ));
    }
    for row in rows {
        if let Some(whole) = row.page() {
            comment.add(&format!("\n## {}\n\n{whole}", code(&row.heading())));
        }
    }
    comment.ended(|left_out| format!("{left_out} of them do not fit here: run `ptc plan` for each to see them."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ends_a_wait_has_not_mistyped_it() {
        for (failure, outcome) in [
            (Failure::Usage("x".into()), "error"),
            (Failure::Interrupted("x".into()), "interrupted"),
            (Failure::TimedOut("x".into()), "waiting"),
        ] {
            let row = Row {
                subject: String::new(),
                profile: None,
                region: String::new(),
                said: Err(failure),
            };
            assert_eq!(row.outcome(), outcome);
        }
    }
}
