//! Room for new rules: ECR allows 50 in an account and Region, foreign ones included.
//!
//! Where there is no room, the rule of a registry that left the file makes it: that rule alone, and only for as long as it
//! takes to see that the new one works. Secret and template of the old one stay until then.

use std::collections::BTreeSet;

use super::{Operation, RULE_QUOTA, RegistryPlan, Removal, Verdict, hold_for_new_names};
use crate::account::Rule;
use crate::cause::{Cause, Reason};
use config::{File, Registry};

impl RegistryPlan {
    /// Has the rule made in the place of another.
    pub(super) fn takes_the_place_of(&mut self, old: &Rule) {
        self.instead_of = Some(old.clone());
        for step in &mut self.steps {
            if let Operation::CreateRule(new) = &step.operation {
                step.operation = Operation::SwapRule {
                    old: old.clone(),
                    new: new.clone(),
                };
            }
        }
    }

    fn creates(&self) -> bool {
        self.verdict == Verdict::Go
            && self
                .steps
                .iter()
                .any(|step| matches!(step.operation, Operation::CreateRule(_)))
    }
}

/// The hold that shows before anything is done: a registry that is held or refused will not become ready.
pub(super) fn hold_for_stuck(file: &File, left: &mut [Removal], registries: &[RegistryPlan]) {
    let goes = |name: &str| {
        registries
            .iter()
            .any(|plan| plan.registry == name && plan.verdict == Verdict::Go)
    };
    hold_for_new_names(file, left, goes);
}

/// New rules for which there is no room, in the file's order, get the places of rules that left, each first one with the
/// same upstream. What gets none is held, each by itself, so that the rest goes on.
pub(super) fn make_room(
    file: &File,
    rules: usize,
    refused: &BTreeSet<String>,
    registries: &mut [RegistryPlan],
    left: &mut [Removal],
) {
    let fit = RULE_QUOTA.saturating_sub(rules);
    let waiting = registries.iter().filter(|plan| plan.creates()).skip(fit);
    let waiting: Vec<&Registry> = waiting
        .filter_map(|plan| file.registries.iter().find(|r| r.name == plan.registry))
        .collect();
    let places = places(&waiting, left);
    for registry in &waiting {
        let Some(plan) = registries.iter_mut().find(|plan| plan.registry == registry.name) else {
            continue;
        };
        let old = places
            .iter()
            .find(|(new, _)| new.name == registry.name)
            .and_then(|(_, at)| left.get_mut(*at));
        match old.and_then(|left| left.rule.clone().map(|rule| (left, rule))) {
            Some((left, rule)) if refused.contains(&registry.name) => {
                plan.verdict = Verdict::Held(refused_in_its_place(&rule.prefix));
                left.held = Some(waits_for(&[registry.name.as_str()]));
            }
            Some((_, rule)) => plan.takes_the_place_of(&rule),
            None => plan.verdict = Verdict::Held(over_quota()),
        }
    }
    hold_for_stuck(file, left, registries);
    explain_a_full_quota(&waiting, registries, left);
}

/// Which new registry gets the place of which one that left. A rule stays whose upstream is also that of a new registry
/// which gets no place: that one may be its new name.
fn places<'a>(waiting: &[&'a Registry], left: &[Removal]) -> Vec<(&'a Registry, usize)> {
    let mut free: Vec<usize> = left
        .iter()
        .enumerate()
        .filter(|(_, l)| l.held.is_none() && l.rule.is_some())
        .map(|(at, _)| at)
        .collect();
    let host = |at: usize| Some(left.get(at)?.rule.as_ref()?.upstream_url.as_str());
    loop {
        let mut open = free.clone();
        let mut places: Vec<(&Registry, usize)> = Vec::new();
        for same_upstream in [true, false] {
            for registry in waiting {
                if places.iter().any(|(placed, _)| placed.name == registry.name) {
                    continue;
                }
                let fits = |at: &usize| !same_upstream || host(*at) == Some(registry.upstream.host.as_str());
                if let Some(n) = open.iter().position(fits) {
                    places.push((*registry, open.remove(n)));
                }
            }
        }
        let is_stuck = |host: &str| {
            let mut stuck = waiting
                .iter()
                .filter(|r| !places.iter().any(|(placed, _)| placed.name == r.name));
            stuck.any(|registry| registry.upstream.host == host)
        };
        let before = free.len();
        free.retain(|at| !host(*at).is_some_and(is_stuck));
        if free.len() == before {
            return places;
        }
    }
}

/// Where new registries and what left the file wait for each other: what left makes room for some of them and is not
/// deleted before all of them work, since any may be its new name.
fn explain_a_full_quota(waiting: &[&Registry], registries: &mut [RegistryPlan], left: &mut [Removal]) {
    let hosts: BTreeSet<String> = left.iter().flat_map(|left| left.hosts.clone()).collect();
    for host in hosts {
        let is_over_quota = |name: &str| {
            let is_current = |plan: &RegistryPlan| plan.registry == name && plan.verdict == Verdict::Held(over_quota());
            registries.iter().any(is_current)
        };
        let new = waiting
            .iter()
            .filter(|r| r.upstream.host == host && is_over_quota(&r.name));
        let new: Vec<&Registry> = new.copied().collect();
        let stays = |left: &&mut Removal| {
            let waits = left
                .held
                .as_ref()
                .is_some_and(|held| held.reason == Reason::REPLACEMENT_NOT_READY);
            waits && left.hosts.contains(&host)
        };
        let mut old: Vec<&mut Removal> = left.iter_mut().filter(stays).collect();
        if new.is_empty() || old.is_empty() {
            continue;
        }
        let lines: Vec<String> = new
            .iter()
            .map(|new| format!("{} (line {})", new.name, new.line))
            .collect();
        let message = format!(
            "{} left the file, and {} came with the same upstream. ECR's {RULE_QUOTA} rules are used up: deleting what left \
             makes room for {}, but any of the new ones may be its new name, and nothing is deleted before each of them \
             works. Take {} of these lines out of the file and upload it, and put it back when another rule is free",
            old.iter()
                .map(|left| left.registry.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            lines.join(", "),
            old.len(),
            new.len().saturating_sub(old.len()).max(1),
        );
        for left in &mut old {
            left.held = Some(Cause::new(Reason::REPLACEMENT_NOT_READY, message.clone()));
        }
        for plan in registries
            .iter_mut()
            .filter(|plan| new.iter().any(|new| new.name == plan.registry))
        {
            plan.verdict = Verdict::Held(Cause::new(Reason::QUOTA, message.clone()));
        }
    }
}

/// Why what left stays while a registry of the file is not ready.
pub fn waits_for(names: &[&str]) -> Cause {
    let message = format!(
        "{} of the file is to take its place, or has the same upstream and may be its new name, and is not ready: nothing \
         of it is deleted before that works",
        names.join(", ")
    );
    Cause::new(Reason::REPLACEMENT_NOT_READY, message)
}

/// Why a new registry waits whose rule was tried in the place of another, and taken away again.
fn refused_in_its_place(old: &str) -> Cause {
    let message = format!(
        "ECR's {RULE_QUOTA} rules are used up, and in the place of {old}, which left the file, its rule did not work. It is \
         tried again when the file is uploaded again, or when its secret has another current version"
    );
    Cause::new(Reason::QUOTA, message)
}

/// Why a rule does not fit. Also said when ECR itself finds the quota used up.
pub fn over_quota() -> Cause {
    Cause::new(
        Reason::QUOTA,
        format!(
            "ECR allows {RULE_QUOTA} pull-through cache rules in an account and Region, foreign ones included, and they \
             are used up: delete a rule that nobody needs"
        ),
    )
}
