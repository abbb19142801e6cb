//! A diagnosis on a terminal: a line for each fact, and what explains the failure at the end.

use ecr_pull_through_sync::report::Mark;

use super::{Answer, Diagnosis, Effect, Fact};
use crate::view::terminal::{Page, paint};
use crate::view::visible::one_line;

pub fn page(diagnosis: &Diagnosis, color: bool) -> String {
    let mut page = Page::new(color);
    page.line(Mark::Same, &diagnosis.image);
    if let Some(url) = diagnosis.url.as_ref().filter(|url| **url != diagnosis.image) {
        page.line(Mark::Same, &format!("in the cache: {url}"));
    }
    page.gap();
    let width = diagnosis
        .facts
        .iter()
        .map(|fact| fact.step.len())
        .max()
        .unwrap_or_default();
    for Fact {
        step,
        answer,
        effect,
        text,
        ..
    } in &diagnosis.facts
    {
        let word = match answer {
            Answer::Yes => "yes",
            Answer::No => "no",
            Answer::Unseen => "unseen",
        };
        let mark = match (effect, answer) {
            (Effect::Cause, _) => Mark::Attention,
            (Effect::Doubt | Effect::Note, _) => Mark::Changed,
            (Effect::None, Answer::Yes) => Mark::Added,
            (Effect::None, _) => Mark::Same,
        };
        let word = paint(mark, &format!("{word:<6}"), color);
        page.text
            .push_str(&format!("{word}  {step:<width$}  {}\n", one_line(text)));
    }
    page.gap();
    end(diagnosis, &mut page);
    page.text
}

/// What explains the failure, what to do, and what else is worth doing.
fn end(diagnosis: &Diagnosis, page: &mut Page) {
    let explains = |fact: &&Fact| Some(fact.step) == diagnosis.explained_by;
    let first = diagnosis.facts.iter().find(explains);
    match first {
        Some(fact) if fact.effect == Effect::Cause => {
            page.said(Mark::Attention, "cause", &format!("{}: {}", fact.step, fact.text));
        }
        Some(fact) => {
            let text = "nothing that was seen makes this pull fail, but not all was seen";
            page.said(
                Mark::Changed,
                "unknown",
                &format!("{text}: {}: {}", fact.step, fact.text),
            );
        }
        None => page.said(Mark::Added, "good", "nothing that was seen makes this pull fail"),
    }
    if let Some(next) = first.and_then(|fact| fact.next.as_ref()) {
        page.said(Mark::Same, "next", next);
    }
    if first.is_some() && diagnosis.cached {
        page.line(
            Mark::Same,
            "The image itself is cached, and goes on being served to those who may pull it.",
        );
    }
    for fact in diagnosis.facts.iter().filter(|fact| !explains(fact)) {
        if let Some(next) = &fact.next {
            page.said(Mark::Same, "also", &format!("{}: {next}", fact.step));
        }
    }
}
