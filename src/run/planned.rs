//! What a run is to do: the plan of an accepted file, and what bounds its deletions.

use jiff::Timestamp;

use super::{Run, RunRequest, Source, warnings};
use crate::account::{Account, CURRENT, SecretState, SourceState};
use crate::cause::{Cause, Reason};
use crate::plan::{DeletionBounds, Limit, Plan, Scope, plan};
use crate::report::{ConfigReport, Memory, Past};
use crate::warm;
use config::{Code, File, Problem};

/// An accepted file, the account, and what is to be done.
pub(super) struct Planned<'a> {
    pub request: &'a RunRequest,
    pub config: ConfigReport,
    pub file: File,
    pub account: Account,
    pub scope: Scope<'a>,
    pub plan: Plan,
    pub memory: Memory,
    pub warnings: Vec<Problem>,
    pub past: &'a Past,
}

impl Run<'_> {
    /// Plans what is to be done about an accepted file.
    pub(super) async fn plan<'r>(
        &'r self,
        request: &'r RunRequest,
        config: ConfigReport,
        mut file: File,
        account: Account,
        uploaded: Timestamp,
        past: &'r Past,
    ) -> Planned<'r> {
        let mut warnings = std::mem::take(&mut file.warnings);
        warnings.extend(warnings::warnings(request, &file, &account));
        warnings.extend(warm::beyond_bounds(&file, &self.deps.settings.bounds));
        let other_file = self.differs_from_upload().await;
        let memory = memory(&config, &file, &account, past);
        let bounds = self.bounds(request, &file, &memory, past, other_file.is_some());
        warnings.extend(other_file.map(|message| Problem::unplaced(Code::FILE_DIFFERS, None, message)));
        let scope = Scope {
            home: self.home,
            settings: self.deps.settings,
            uploaded,
        };
        let plan = plan(&file, &account, scope, &bounds);
        warnings.extend(warnings::strays(&plan.removals.strays));
        Planned {
            request,
            config,
            file,
            account,
            scope,
            plan,
            memory,
            warnings,
            past,
        }
    }

    /// What bounds this run's deletions.
    fn bounds(
        &self,
        request: &RunRequest,
        file: &File,
        memory: &Memory,
        past: &Past,
        holds_deletions: bool,
    ) -> DeletionBounds {
        let settings = self.deps.settings;
        // Where the operator says 0, only a person may say more.
        let of_file = file.max_deletions.filter(|_| settings.max_deletions > 0);
        let most = request.max_deletions.or(of_file).unwrap_or(settings.max_deletions);
        let message = "nothing is deleted by a file that the function does not follow: a warning says which it follows";
        let limit = match self.source {
            Source::Local { .. } => Limit::of_person(most),
            Source::Uploaded => Limit::of_function(most),
        };
        DeletionBounds {
            limit: limit.said_by_hand(request.max_deletions.is_some()),
            hold: holds_deletions.then(|| Cause::new(Reason::OTHER_FILE, message)),
            // A person who says how many are to go has looked at them.
            known: past.known().filter(|_| request.max_deletions.is_none()),
            refused: memory.refused.keys().cloned().collect(),
        }
    }
}

/// What the runs after this one are to know: registries that this one may make, and rules that do not work.
fn memory(config: &ConfigReport, file: &File, account: &Account, past: &Past) -> Memory {
    let current = |name: &str| tried_with(account.secret_states.get(name)?, account.sources.get(name));
    let mut memory = past.passed_on();
    memory
        .named
        .extend(file.registries.iter().map(|registry| registry.name.clone()));
    memory.refused = memory.still_refused(config, current);
    memory
}

/// With what a registry's rule is tried, or was: the version that is current in its secret, and in its source.
pub(super) fn tried_with(secret_state: &SecretState, source: Option<&SourceState>) -> Option<String> {
    let own = match secret_state {
        SecretState::Found(secret) => secret.holder(CURRENT),
        _ => None,
    };
    match (own, source) {
        (own, Some(Ok(source))) => Some(format!("{} {}", own.unwrap_or_default(), source.version)),
        (own, _) => own.map(str::to_owned),
    }
}
