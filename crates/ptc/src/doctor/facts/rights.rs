//! May the role pull? By IAM, by the repository's policy, by the registry's.

use super::{Case, unread, unread_and_unneeded};
use crate::doctor::Fact;
use crate::doctor::client::{Decision, Right};
use crate::doctor::look::{CREATE, IMPORT, PULLING, SIGN_IN, TAG};
use crate::doctor::policy::{Word, denials, says};
use crate::doctor::role::RoleArn;

/// What a role may do, by all that was seen.
#[derive(Debug, PartialEq, Eq)]
enum May {
    Yes,
    /// No policy allows it.
    NotAllowed,
    /// What denies it.
    Denied(String),
    /// What decides, and was not seen.
    Unknown(String),
}

/// The actions that this pull takes.
fn actions(case: &Case<'_>) -> Vec<&'static str> {
    let mut actions = vec![SIGN_IN];
    actions.extend(PULLING);
    if case.is_first_pull() {
        actions.push(IMPORT);
        if !case.repository_is_there() {
            actions.push(CREATE);
            let tags = case.spec().is_some_and(|spec| !spec.tags.is_empty());
            actions.extend(tags.then_some(TAG));
        }
    }
    actions
}

/// What a client reads where an action is missing.
fn symptom(action: &str) -> &'static str {
    match action {
        SIGN_IN => "signing in fails",
        IMPORT => "ECR says that the image is not found",
        CREATE | TAG => "ECR says that the repository does not exist",
        _ => "ECR answers 403",
    }
}

/// May the role do what this pull takes?
pub fn rights(case: &Case<'_>) -> Option<Fact> {
    let found = case.found?;
    let Some(role) = &case.asked.role else {
        return Some(Fact::unseen(
            "not asked: --role ARN looks at what the one who pulls may do",
        ));
    };
    let Some(rights) = &found.rights else {
        return Some(asked_elsewhere(case, role));
    };
    match rights {
        Ok(rights) => Some(judged(case, role, rights)),
        Err(error) if error.is("NoSuchEntity") => Some(
            Fact::no(format!("{} is not there: {}", role.arn, error.message))
                .cause("give --role the ARN of the role that pulls"),
        ),
        Err(error) => Some(unread(error)),
    }
}

/// A role whose account has to be asked.
fn asked_elsewhere(case: &Case<'_>, role: &RoleArn) -> Fact {
    let RoleArn { name, account, arn, .. } = role;
    let repository = case
        .route
        .map_or_else(String::new, |route| case.asked.home.repository_arn(&route.repository));
    let actions = actions(case).join(" ");
    Fact::unseen(format!("{name} is in account {account}, where IAM cannot be asked from here")).doubt(format!(
        "with credentials of {account}: aws iam simulate-principal-policy --policy-source-arn {arn} --action-names {actions} --resource-arns {repository}"
    ))
}

fn judged(case: &Case<'_>, role: &RoleArn, rights: &[Right]) -> Fact {
    let name = &role.name;
    let actions = actions(case);
    let judged: Vec<(&str, May)> = actions
        .iter()
        .map(|action| (*action, may(case, role, rights, action)))
        .collect();
    let all_that = |wanted: &May| -> Vec<&str> {
        let same = judged.iter().filter(|(_, may)| may == wanted);
        same.map(|(action, _)| *action).collect()
    };
    if let Some((first, denied @ May::Denied(by))) = judged.iter().find(|(_, may)| matches!(may, May::Denied(_))) {
        let (all, so) = (all_that(denied).join(", "), symptom(first));
        return Fact::no(format!("{name} may not {all}: {by} denies it; so {so}")).cause(format!(
            "take the denial out of {by}: it wins over all that others allow"
        ));
    }
    let attach = role.attach("<PullerPolicyArn>");
    let attach = format!("{attach} (the stack's output PullerPolicyArn)");
    match all_that(&May::NotAllowed).as_slice() {
        [] => {}
        // ECR's documentation says that the puller needs it. That was never measured, so it is a doubt.
        [TAG] => {
            let text = format!("{name} may not {TAG}, which ECR may want where the template has tags");
            return Fact::no(text).doubt(attach);
        }
        all @ [first, ..] => {
            let (all, so) = (all.join(", "), symptom(first));
            return Fact::no(format!("{name} may not {all}: no policy allows it; so {so}")).cause(attach);
        }
    }
    if let Some((action, May::Unknown(why))) = judged.iter().find(|(_, may)| matches!(may, May::Unknown(_))) {
        return Fact::unseen(format!("whether {name} may {action} depends on {why}")).doubt(CONDITION);
    }
    let fact = Fact::yes(format!(
        "{name} may do all that this pull takes: {}",
        actions.join(", ")
    ));
    let mut keys: Vec<&str> = rights
        .iter()
        .flat_map(|right| &right.missing)
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    match keys.as_slice() {
        [] => fact,
        keys => fact.note(format!(
            "its policies ask for {}, which only a request has: look whether one denies by that",
            keys.join(", ")
        )),
    }
}

/// What to do about a condition that only a request can fulfil.
const CONDITION: &str = "look at this condition: only the request has what it asks for";

/// By all policies together, for a role of this account: a denial of one wins, else a leave of any is enough.
fn may(case: &Case<'_>, role: &RoleArn, rights: &[Right], action: &str) -> May {
    let words = words(case, role, action);
    let right = rights.iter().find(|right| right.action == action);
    if let Some((whose, _)) = words.iter().find(|(_, word)| word.denies) {
        return May::Denied((*whose).to_owned());
    }
    if let Some(Decision::Denied(by)) = right.map(|right| &right.decision)
        && right.is_some_and(|right| right.missing.is_empty())
    {
        return May::Denied((*by).to_owned());
    }
    let in_words = |keys: fn(&Word) -> &Vec<String>| -> Vec<String> {
        let told = words
            .iter()
            .flat_map(|(whose, word)| keys(word).iter().map(move |key| format!("{key} in {whose}")));
        told.collect()
    };
    let mut conditions = in_words(|word| &word.if_denied);
    let is_allowed = right.is_some_and(|right| right.decision == Decision::Allowed);
    if !is_allowed && !words.iter().any(|(_, word)| word.allows) {
        let keys = right.map_or(&[][..], |right| &right.missing);
        conditions.extend(keys.iter().map(|key| format!("{key} in a policy of the role")));
        conditions.extend(in_words(|word| &word.if_allowed));
        if conditions.is_empty() {
            return May::NotAllowed;
        }
    }
    match conditions.is_empty() {
        true => May::Yes,
        false => May::Unknown(conditions.join(", ")),
    }
}

/// What the policies of repository and registry say about an action that they are for.
fn words(case: &Case<'_>, role: &RoleArn, action: &str) -> Vec<(&'static str, Word)> {
    let is_first = [IMPORT, CREATE].contains(&action);
    let mut words = Vec::new();
    let of_repository = PULLING.contains(&action) || (action == IMPORT && case.repository_is_there());
    if let Some((policy, resource)) = repository_text(case).filter(|_| of_repository) {
        words.push(("the repository's policy", says(policy, role, action, &resource)));
    }
    if let Some((policy, resource)) = registry_text(case).filter(|_| action != SIGN_IN) {
        let word = says(policy, role, action, &resource);
        words.push(("the registry's policy", if is_first { word } else { scoped(word) }));
    }
    words
}

/// What a registry's policy says about more than first pulls, which counts in version 2 of its scope alone.
fn scoped(word: Word) -> Word {
    let depends = word.denies || !word.if_denied.is_empty();
    Word {
        if_denied: depends
            .then(|| "the denial (where `aws ecr get-account-setting --name REGISTRY_POLICY_SCOPE` says V2)".to_owned())
            .into_iter()
            .collect(),
        ..Word::default()
    }
}

/// The policy of the repository, or the one that it will be made with.
fn repository_text<'a>(case: &Case<'a>) -> Option<(&'a str, String)> {
    let found = case.found?;
    let text = match &found.repository {
        Ok(Some(_)) => found.repository_policy.as_ref().ok()?.as_deref()?,
        Ok(None) => case.spec().map(|spec| spec.repository_policy.as_str())?,
        Err(_) => return None,
    };
    let arn = case.asked.home.repository_arn(&case.route?.repository);
    Some((text, arn)).filter(|(text, _)| !text.is_empty())
}

fn registry_text<'a>(case: &Case<'a>) -> Option<(&'a str, String)> {
    let text = case.found?.registry_policy.as_ref().ok()?.as_deref()?;
    Some((text, case.asked.home.repository_arn(&case.route?.repository)))
}

/// A role of another account, which these policies must name.
fn foreign_role<'a>(case: &Case<'a>) -> Option<&'a RoleArn> {
    let role = case.asked.role.as_ref()?;
    (role.account != case.asked.home.account).then_some(role)
}

/// Does the repository's policy let the role in?
pub fn repository_policy(case: &Case<'_>) -> Option<Fact> {
    let found = case.found?;
    match &found.repository_policy {
        Ok(_) => {}
        // No role was asked about, so its rights do not matter.
        Err(error) if case.asked.role.is_none() => return Some(unread_and_unneeded(error)),
        Err(error) => return Some(unread(error)),
    }
    let what = match found.repository {
        Ok(Some(_)) => "the policy",
        _ => "the template's policy",
    };
    let Some((policy, resource)) = repository_text(case) else {
        let text = "there is none: what roles of this account may do is for IAM to say";
        return Some(match foreign_role(case) {
            None => Fact::yes(text),
            Some(role) => Fact::no(format!(
                "there is none, and so nobody of account {} may pull",
                role.account
            ))
            .cause(let_in(role)),
        });
    };
    let Some(role) = &case.asked.role else {
        return Some(Fact::yes(unheld(what, policy)));
    };
    let words = PULLING.map(|action| (action, says(policy, role, action, &resource)));
    Some(told(case, role, what, &words, &let_in(role)))
}

/// Does the registry's policy let a role of another account make first pulls?
pub fn registry_policy(case: &Case<'_>) -> Option<Fact> {
    let found = case.found?;
    let is_first = case.is_first_pull();
    let policy = match &found.registry_policy {
        Ok(policy) => policy,
        Err(error) if !is_first || case.asked.role.is_none() => return Some(unread_and_unneeded(error)),
        Err(error) => return Some(unread(error)),
    };
    let foreign = foreign_role(case).filter(|_| is_first);
    let next = "add to the registry policy what `ptc kit registries.yaml --only registry-policy` makes";
    let Some(policy) = policy else {
        let text = "there is none: first pulls are for roles of this account";
        return Some(match foreign {
            None => Fact::yes(text),
            Some(_) => Fact::no(text).cause(next),
        });
    };
    let Some(role) = case.asked.role.as_ref().filter(|_| is_first) else {
        return Some(Fact::yes(unheld("the policy", policy)));
    };
    let resource = case.asked.home.repository_arn(&case.route?.repository);
    let first = [IMPORT, CREATE];
    let needed = first
        .into_iter()
        .filter(|action| *action == IMPORT || !case.repository_is_there());
    let words: Vec<(&str, Word)> = needed
        .map(|action| (action, says(policy, role, action, &resource)))
        .collect();
    Some(told(case, role, "the policy", &words, next))
}

/// What a policy says about a role, in one fact.
fn told(case: &Case<'_>, role: &RoleArn, what: &str, words: &[(&str, Word)], next: &str) -> Fact {
    if let Some((action, _)) = words.iter().find(|(_, word)| word.denies) {
        return Fact::no(format!("{what} denies {} {action}", role.name))
            .cause("take the denial out of it: it wins over all that others allow");
    }
    if let Some((action, word)) = words.iter().find(|(_, word)| !word.if_denied.is_empty()) {
        let keys = word.if_denied.join(", ");
        return Fact::unseen(format!("{what} denies {} {action}, depending on {keys}", role.name)).doubt(CONDITION);
    }
    if foreign_role(case).is_none() {
        return Fact::yes(format!("{what} denies {} nothing that this pull takes", role.name));
    }
    let is_silent = |word: &Word| !word.allows && !word.allows_account;
    let Some((action, word)) = words.iter().find(|(_, word)| is_silent(word)) else {
        return Fact::yes(format!("{what} lets {} of account {} in", role.name, role.account));
    };
    match word.if_allowed.as_slice() {
        [] => Fact::no(format!("{what} does not let account {} {action}", role.account)).cause(next),
        keys => Fact::unseen(format!("{what} allows {action}, depending on {}", keys.join(", "))).doubt(CONDITION),
    }
}

/// What to do for a role that a repository's policy does not let in.
fn let_in(role: &RoleArn) -> String {
    format!(
        "add {} to repository_read_access_arns of the registry, with existing_repositories for what is cached, and upload the file",
        role.root()
    )
}

/// What a policy denies, where no role was asked about.
fn unheld(what: &str, policy: &str) -> String {
    match denials(policy) {
        0 => format!("{what} denies nothing"),
        n => format!(
            "{what} denies something, in {n} of its statements: --role ARN looks whether that is for the one who pulls"
        ),
    }
}
