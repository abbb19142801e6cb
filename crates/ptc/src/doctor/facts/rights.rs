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
        let text = format!(
            "{} is in account {}, where IAM cannot be asked from here",
            role.name, role.account
        );
        return Some(Fact::unseen(text).doubt(format!(
            "it takes {} there: docs/deploy.md has the policy for other accounts",
            actions(case).join(", ")
        )));
    };
    let rights = match rights {
        Ok(rights) => rights,
        Err(error) if error.is("NoSuchEntity") => {
            return Some(
                Fact::no(format!("{} is not there: {}", role.arn, error.message))
                    .cause("give --role the ARN of the role that pulls"),
            );
        }
        Err(error) => return Some(unread(error)),
    };
    let judged: Vec<(&str, May)> = actions(case)
        .into_iter()
        .map(|action| (action, may(case, role, rights, action)))
        .collect();
    let attach = format!(
        "{} (the stack's output PullerPolicyArn)",
        role.attach("<PullerPolicyArn>")
    );
    let is = |wanted: &May| -> Vec<&str> {
        let same = judged.iter().filter(|(_, may)| may == wanted);
        same.map(|(action, _)| *action).collect()
    };
    let denied = judged.iter().find_map(|(action, may)| match may {
        May::Denied(by) => Some((*action, by.clone())),
        _ => None,
    });
    let not_allowed = is(&May::NotAllowed);
    if let Some((first, by)) = denied {
        let all = is(&May::Denied(by.clone())).join(", ");
        let text = format!("{} may not {all}: {by} denies it; so {}", role.name, symptom(first));
        return Some(Fact::no(text).cause(format!(
            "take the denial out of {by}: it wins over all that others allow"
        )));
    }
    // Whether ECR asks this of the one who pulls is said by its documentation, and by nobody who measured it.
    if not_allowed == [TAG] {
        let text = format!(
            "{} may not {TAG}, which ECR may want where the template has tags",
            role.name
        );
        return Some(Fact::no(text).doubt(attach));
    }
    if let Some(first) = not_allowed.first() {
        let all = not_allowed.join(", ");
        let text = format!(
            "{} may not {all}: no policy allows it; so {}",
            role.name,
            symptom(first)
        );
        return Some(Fact::no(text).cause(attach));
    }
    let unknown = judged.iter().find_map(|(action, may)| match may {
        May::Unknown(why) => Some((action, why)),
        _ => None,
    });
    Some(match unknown {
        Some((action, why)) => Fact::unseen(format!("whether {} may {action} depends on {why}", role.name))
            .doubt("look at this condition: only the request has what it asks for"),
        None => Fact::yes(format!(
            "{} may do all that this pull takes: {}",
            role.name,
            actions(case).join(", ")
        )),
    })
}

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
    let mut conditions: Vec<String> = words
        .iter()
        .flat_map(|(whose, word)| word.if_denied.iter().map(move |key| format!("{key} in {whose}")))
        .collect();
    // Of an allowance without keys that are missing nothing else depends.
    let is_allowed = right.is_some_and(|right| right.decision == Decision::Allowed);
    let keys = right.map_or(&[][..], |right| &right.missing);
    conditions.extend(keys.iter().map(|key| format!("{key} in a policy of the role")));
    if conditions.is_empty() && (is_allowed || words.iter().any(|(_, word)| word.allows)) {
        return May::Yes;
    }
    if !is_allowed {
        conditions.extend(
            words
                .iter()
                .flat_map(|(whose, word)| word.if_allowed.iter().map(move |key| format!("{key} in {whose}"))),
        );
    }
    match conditions.is_empty() {
        true => May::NotAllowed,
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
            .then(|| "REGISTRY_POLICY_SCOPE of the account, and what is denied".to_owned())
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
        // Nobody's rights are looked at.
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
    let next = "add a statement to the registry policy: docs/deploy.md, Other accounts";
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
        return Fact::unseen(format!("{what} denies {} {action}, depending on {keys}", role.name))
            .doubt("look at this condition: only the request has what it asks for");
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
        keys => Fact::unseen(format!("{what} allows {action}, depending on {}", keys.join(", ")))
            .doubt("look at this condition: only the request has what it asks for"),
    }
}

/// What to do for a role that a repository's policy does not let in.
fn let_in(role: &RoleArn) -> String {
    format!(
        "add {} to repository_read_access_arns of the registry, with existing_repositories for what is cached, and upload the file",
        role.root()
    )
}

/// A policy that is held against nobody.
fn unheld(what: &str, policy: &str) -> String {
    match denials(policy) {
        0 => format!("{what} denies nothing"),
        n => format!(
            "{what} denies something, in {n} of its statements: --role ARN looks whether that is for the one who pulls"
        ),
    }
}
