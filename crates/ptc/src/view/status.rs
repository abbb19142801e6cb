//! The report of the last run, for a terminal.

use config::Severity;
use ecr_pull_through_sync::report::{Blocker, Mark, RegistryReport, Report, State};
use jiff::Timestamp;

use crate::view::problems;
use crate::view::terminal::{Page, age};

/// How the last run came out, and how long ago; the registries; what stops some; what is wrong with the file.
pub fn page(
    report: &Report,
    finished_at: Timestamp,
    last_success_at: Option<Timestamp>,
    now: Timestamp,
    color: bool,
) -> String {
    let mut page = Page::new(color);
    page.said(report.outcome.into(), report.outcome.as_str(), &report.message);
    page.gap();
    let when = |then: Timestamp| format!("{}, {then}", age(then, now));
    let (trigger, config) = (&report.trigger, &report.config);
    let version = config.version_id.as_deref().map(|id| format!(", version {id}"));
    let facts = [
        ("last run", when(finished_at)),
        ("last success", last_success_at.map_or("none yet".into(), when)),
        (
            "trigger",
            format!(
                "{}, {} ({})",
                report.mode.as_str(),
                trigger.kind.as_str(),
                trigger.source
            ),
        ),
        (
            "file",
            format!("s3://{}/{}{}", config.bucket, config.key, version.unwrap_or_default()),
        ),
    ];
    for (name, fact) in facts {
        page.line(Mark::Same, &format!("  {name:<14}{fact}"));
    }
    if let Some(existing) = &report.existing_repositories {
        page.line(Mark::Same, &format!("  repositories  {}", existing.progress));
    }
    if let Some(words) = report.elsewhere_words() {
        page.line(Mark::Same, &format!("  {words}"));
    }
    for (name, warm) in report
        .registries
        .iter()
        .filter_map(|(name, registry)| Some((name, registry.warm.as_ref()?)))
    {
        page.line(Mark::Same, &format!("  warm images   {name}: {warm}"));
        for (told, why) in warm.images.iter().filter_map(|told| Some((told, told.why()?))) {
            page.line(Mark::Attention, &format!("                {} {why}", told.image));
        }
    }
    let mut blockers = report.blockers();
    // Registries without changes are in the table already.
    blockers.retain(Blocker::has_changes);
    if !report.registries.is_empty() {
        page.gap();
        registries(&mut page, report, &blockers, now);
    }
    if !blockers.is_empty() {
        page.gap();
    }
    for blocker in &blockers {
        let since = blocker.since.map(|since| format!(" (since {})", ago(since, now)));
        let mut lines = blocker.lines();
        lines
            .iter_mut()
            .take(1)
            .for_each(|line| line.push_str(since.as_deref().unwrap_or_default()));
        page.attention(&lines);
    }
    let lists = [(Severity::Error, &report.errors), (Severity::Warning, &report.warnings)];
    for (severity, problems) in lists {
        if !problems.is_empty() {
            page.gap();
        }
        problems::say_all(&mut page, severity, problems, &config.key);
    }
    page.text
}

/// The registries, a row each, without the reasons that stand beside them. The host to pull from is the same for all: it is
/// said once, and a row has what differs from it.
pub fn registries(page: &mut Page, report: &Report, blockers: &[Blocker<'_>], now: Timestamp) {
    let host = report
        .registries
        .iter()
        .find_map(|(name, registry)| registry.url.strip_suffix(name)?.strip_suffix('/'))
        .filter(|host| !host.is_empty());
    if let Some(host) = host {
        page.line(Mark::Same, &format!("pull from {host}/REGISTRY/IMAGE:TAG"));
        page.gap();
    }
    let url = |name: &str, registry: &RegistryReport| match host {
        Some(host) if registry.url == format!("{host}/{name}") => String::new(),
        _ => registry.url.clone(),
    };
    let head = [
        "state",
        "registry",
        "upstream",
        "pull URL",
        "credential",
        "repositories",
        "since",
        "message",
    ];
    let row = |(name, registry): (&String, &RegistryReport)| {
        let existing = registry.existing_repositories.as_ref();
        vec![
            registry.state.as_str().to_owned(),
            name.clone(),
            registry.upstream.clone(),
            url(name, registry),
            registry.credential_words(),
            existing
                .map(|of| format!("{} of {}", of.done, of.found))
                .unwrap_or_default(),
            registry
                .since
                .as_deref()
                .map(|since| ago(since, now))
                .unwrap_or_default(),
            message(registry, blockers, now),
        ]
    };
    let states = [State::Ready, State::Failed, State::Held, State::Planned];
    page.table(
        &head,
        report.registries.iter().map(row),
        &states.map(|state| (state.as_str(), state.into())),
    );
}

/// Why a registry is in its state, unless that is said elsewhere, and the last pull that failed.
fn message(registry: &RegistryReport, blockers: &[Blocker<'_>], now: Timestamp) -> String {
    let why = unsaid(registry.message.as_deref(), blockers).map(str::to_owned);
    let last = registry.last_pull_failure.as_ref();
    let last = last.map(|last| format!("last failed pull {}: {}", ago(&last.at, now), last.words()));
    why.into_iter().chain(last).collect::<Vec<_>>().join("; ")
}

/// `3 h ago`, or the text itself where it is no time.
fn ago(since: &str, now: Timestamp) -> String {
    since.parse().map_or_else(|_| since.to_owned(), |then| age(then, now))
}

/// A registry's message, unless the page has told it as a reason.
fn unsaid<'a>(message: Option<&'a str>, blockers: &[Blocker<'_>]) -> Option<&'a str> {
    message.filter(|message| !blockers.iter().any(|blocker| blocker.is_for(message)))
}
