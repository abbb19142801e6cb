//! One repository: read the settings that the file names, compare, and put what differs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tracing::info;

use super::preview::PreviewVerdict;
use super::{PlannedDifference, RegistryWork, RepositoryOutcome, RepositoryTarget, RepositoryWorker, WriteAccess};
use crate::account::AwsError;
use crate::cause::{Cause, Reason};
use crate::plan::{Action, Difference, Resource, Sum, shown_tags};
use crate::policy::{lifecycle_in_form, policy_in_form};
use crate::report::{Change, ChangeResult};
use config::Setting;

pub(super) struct RepositoryResult {
    pub outcome: RepositoryOutcome,
    /// For the report: a line for each thing that came of some of its settings.
    pub changes: Vec<Change>,
    pub differing: PlannedDifference,
    pub open: Option<AwsError>,
}

enum SettingChange {
    Lifecycle(String),
    Policy(String),
    Mutability,
    Tags(BTreeMap<String, String>),
}

impl SettingChange {
    fn setting(&self) -> Setting {
        match self {
            Self::Lifecycle(_) => Setting::LifecyclePolicy,
            Self::Policy(_) => Setting::RepositoryPolicy,
            Self::Mutability => Setting::ImageTagMutability,
            Self::Tags(_) => Setting::Tags,
        }
    }
}

/// A setting that is not as it should be.
struct Differs {
    put: SettingChange,
    diff: Difference,
}

impl Differs {
    fn new(put: SettingChange, old: Value, new: Value) -> Self {
        let diff = Difference::new(put.setting().as_str(), old, new);
        Self { put, diff }
    }
}

/// Why a setting was not put.
enum SettingError {
    Gone,
    Held(Cause),
    Failed(Cause),
    Open(AwsError),
}

impl From<AwsError> for SettingError {
    fn from(error: AwsError) -> Self {
        if error.is("RepositoryNotFoundException") {
            Self::Gone
        } else if error.is_transient() {
            Self::Open(error)
        } else {
            Self::Failed(error.into())
        }
    }
}

impl RepositoryWorker<'_> {
    /// Works on one repository. Its settings do not wait for each other: what is held or fails stops nothing else.
    pub(super) async fn one(&self, target: &RepositoryTarget<'_>) -> RepositoryResult {
        let mut found = RepositoryResult::new(RepositoryOutcome::Done);
        let Some(work) = self.registries.get(target.registry) else {
            return found;
        };
        if self.deadline.is_near() || self.stale.load(Ordering::Relaxed) {
            return RepositoryResult::new(RepositoryOutcome::Untried);
        }
        let differences = self.differences(work, target).await;
        let held = match self.unplanned(target, &differences) {
            Ok(held) => held,
            Err(cause) => {
                for (setting, _) in differences.iter().filter(|(_, differs)| !matches!(differs, Ok(None))) {
                    found.tell(target, *setting, ChangeResult::Held, Some(&cause), None);
                }
                found.outcome = RepositoryOutcome::Held;
                return found;
            }
        };
        // It is read all the same: who bounds the file learns what is left undone.
        let beyond = self.touchable.check(target.registry, &target.name).err();
        for (setting, differs) in differences {
            let (taken, diff) = match differs {
                Ok(None) => continue,
                Ok(Some(Differs { put, diff })) => match held.get(&setting).or(beyond.as_ref()) {
                    Some(cause) => (Err(SettingError::Held(cause.clone())), Some(diff)),
                    None => (self.put(work, target, put).await, Some(diff)),
                },
                Err(trouble) => (Err(trouble), None),
            };
            let (outcome, cause) = match taken {
                Ok(ChangeResult::Planned) => (RepositoryOutcome::Planned, None),
                Ok(_) => (RepositoryOutcome::Done, None),
                Err(SettingError::Gone) => return RepositoryResult::new(RepositoryOutcome::Gone),
                Err(SettingError::Held(cause)) => (RepositoryOutcome::Held, Some(cause)),
                Err(SettingError::Failed(cause)) => (RepositoryOutcome::Failed, Some(cause)),
                Err(SettingError::Open(error)) => {
                    // Out of time, or out of date: that says nothing about the repository.
                    let open = if error.may_go_better() {
                        RepositoryOutcome::Stuck
                    } else {
                        RepositoryOutcome::Untried
                    };
                    found.outcome = found.outcome.max(open);
                    found.open = Some(error);
                    continue;
                }
            };
            found.outcome = found.outcome.max(outcome);
            let result = match outcome {
                RepositoryOutcome::Held => ChangeResult::Held,
                RepositoryOutcome::Failed => ChangeResult::Failed,
                RepositoryOutcome::Planned => ChangeResult::Planned,
                _ => ChangeResult::Applied,
            };
            found.differing.sum = found.differing.sum.and(sum(target, setting, diff.as_ref()));
            if let (RepositoryOutcome::Held, Some(cause)) = (outcome, &cause) {
                found.differing.held.insert(setting, cause.clone());
            }
            found.tell(
                target,
                setting,
                result,
                cause.as_ref(),
                diff.filter(|_| self.access.is_none()),
            );
        }
        found
    }

    /// Where only what a plan has shown may be done: what that held, or why it is not this that it has shown.
    fn unplanned(
        &self,
        target: &RepositoryTarget<'_>,
        differences: &[(Setting, Result<Option<Differs>, SettingError>)],
    ) -> Result<BTreeMap<Setting, Cause>, Cause> {
        let Some(planned) = &self.planned else {
            return Ok(BTreeMap::new());
        };
        let differs = differences.iter().filter_map(|(setting, differs)| match differs {
            Ok(None) => None,
            Ok(Some(differs)) => Some(sum(target, *setting, Some(&differs.diff))),
            Err(_) => Some(sum(target, *setting, None)),
        });
        let differs = differs.fold(Sum::default(), Sum::and);
        let planned = planned.by_repository.get(&target.name).cloned().unwrap_or_default();
        if differs == Sum::default() || differs == planned.sum {
            Ok(planned.held)
        } else {
            Err(Cause::new(
                Reason::CHANGED_MEANWHILE,
                "it is not as it was when the plan was made: make a new plan",
            ))
        }
    }

    /// What differs, setting by setting. Each is read once, side by side; the mutability came with the listing.
    async fn differences(
        &self,
        work: &RegistryWork,
        target: &RepositoryTarget<'_>,
    ) -> [(Setting, Result<Option<Differs>, SettingError>); 4] {
        let (wanted, name, reader) = (&work.wanted, target.name.as_str(), self.reader);
        let lifecycle = async {
            let Some(text) = &wanted.lifecycle_policy else {
                return Ok(None);
            };
            let have = self
                .throttle
                .call("GetLifecyclePolicy", &self.deadline, || reader.lifecycle_policy(name))
                .await?;
            let shown = |text: &str| lifecycle_in_form(text);
            let differs = || {
                let old = have.as_deref().map_or(Value::Null, shown);
                Differs::new(SettingChange::Lifecycle(text.clone()), old, shown(text))
            };
            Ok(wanted.differs_in_lifecycle(have.as_deref()).then(differs))
        };
        let policy = async {
            let Some(text) = &wanted.repository_policy else {
                return Ok(None);
            };
            let have = self
                .throttle
                .call("GetRepositoryPolicy", &self.deadline, || reader.repository_policy(name))
                .await?;
            let shown = |text: &str| policy_in_form(text, &self.home.partition);
            let differs = || {
                let old = have.as_deref().map_or(Value::Null, shown);
                Differs::new(SettingChange::Policy(text.clone()), old, shown(text))
            };
            Ok(wanted.differs_in_policy(have.as_deref()).then(differs))
        };
        let tags = async {
            if wanted.tags.is_empty() {
                return Ok(None);
            }
            let arn = self.home.repository_arn(name);
            let have = self
                .throttle
                .call("ListTagsForResource", &self.deadline, || reader.repository_tags(&arn))
                .await?;
            let missing = wanted.missing_tags(&have).map_err(SettingError::Failed)?;
            let old = shown_tags(have.iter().filter(|(key, _)| missing.contains_key(*key)));
            let new = shown_tags(&missing);
            Ok((!missing.is_empty()).then(|| Differs::new(SettingChange::Tags(missing), old, new)))
        };
        let (lifecycle, policy, tags) = tokio::join!(lifecycle, policy, tags);
        let old = target.other_mutability.as_deref().cloned();
        let mutability = Ok(old.map(|old| Differs::new(SettingChange::Mutability, old, wanted.mutability_to_be())));
        [
            (Setting::LifecyclePolicy, lifecycle),
            (Setting::RepositoryPolicy, policy),
            (Setting::ImageTagMutability, mutability),
            (Setting::Tags, tags),
        ]
    }

    /// Puts a setting, or without a writer only says that it would.
    async fn put(
        &self,
        work: &RegistryWork,
        target: &RepositoryTarget<'_>,
        put: SettingChange,
    ) -> Result<ChangeResult, SettingError> {
        if let SettingChange::Lifecycle(text) = &put
            && let PreviewVerdict::Held(cause) = self
                .verdict(&target.name, text, work.wanted.max_expiring_images)
                .await?
        {
            return Err(SettingError::Held(cause));
        }
        let Some(access) = &self.access else {
            return Ok(ChangeResult::Planned);
        };
        self.write(access, work, &target.name, &put).await?;
        info!(registry = %target.registry, repository = %target.name, setting = put.setting().as_str(), "applied");
        Ok(ChangeResult::Applied)
    }

    async fn write(
        &self,
        access: &WriteAccess<'_>,
        work: &RegistryWork,
        name: &str,
        put: &SettingChange,
    ) -> Result<(), AwsError> {
        let writer = access.writer;
        match put {
            SettingChange::Lifecycle(text) => {
                self.guarded_write(access, "PutLifecyclePolicy", || writer.put_lifecycle_policy(name, text))
                    .await
            }
            SettingChange::Policy(text) => self.write_policy(access, work, name, text).await,
            SettingChange::Mutability => {
                let Some((word, filters)) = &work.wanted.mutability else {
                    return Ok(());
                };
                self.guarded_write(access, "PutImageTagMutability", || {
                    writer.put_mutability(name, word, filters)
                })
                .await
            }
            SettingChange::Tags(tags) => {
                let arn = self.home.repository_arn(name);
                self.guarded_write(access, "TagResource", || writer.tag_repository(&arn, tags))
                    .await
            }
        }
    }

    /// Makes a writing call when its turn has come, if the file is still the newest then.
    async fn guarded_write<F>(
        &self,
        access: &WriteAccess<'_>,
        operation: &'static str,
        call: impl Fn() -> F,
    ) -> Result<(), AwsError>
    where
        F: Future<Output = Result<(), AwsError>>,
    {
        let checked = || async {
            self.may_write(&access.newest).await?;
            call().await
        };
        self.throttle.call(operation, &self.deadline, checked).await
    }

    /// A role that was made a moment ago is not known everywhere yet (provider-aws 39064). It is waited for once: a
    /// principal that does not exist must not cost a minute for each of a thousand repositories.
    async fn write_policy(
        &self,
        access: &WriteAccess<'_>,
        work: &RegistryWork,
        name: &str,
        text: &str,
    ) -> Result<(), AwsError> {
        let mut waits = self.timing.waits();
        loop {
            let call = || access.writer.set_repository_policy(name, text);
            match self.guarded_write(access, "SetRepositoryPolicy", call).await {
                Err(error) if error.message.contains("Principal not found") => {
                    let patient = !work.given_up.load(Ordering::Relaxed);
                    match waits.next().filter(|_| patient) {
                        Some(wait) if self.deadline.wait(wait).await => {}
                        Some(_) => return Err(AwsError::not_now("SetRepositoryPolicy", error.message)),
                        None => {
                            work.given_up.store(true, Ordering::Relaxed);
                            return Err(error);
                        }
                    }
                }
                result => return result,
            }
        }
    }
}

/// How one setting of a repository differs; what is to become of it follows from that, and from what is held.
fn sum(target: &RepositoryTarget<'_>, setting: Setting, diff: Option<&Difference>) -> Sum {
    Sum::of(
        &target.name,
        setting,
        diff,
        if diff.is_some() { "differs" } else { "not looked at" },
    )
}

impl RepositoryResult {
    fn new(outcome: RepositoryOutcome) -> Self {
        Self {
            outcome,
            changes: Vec::new(),
            differing: PlannedDifference::default(),
            open: None,
        }
    }

    /// Whether something was written.
    pub(super) fn wrote(&self) -> bool {
        self.changes.iter().any(|change| change.result == ChangeResult::Applied)
    }

    /// Settings with one fate stand in one line.
    fn tell(
        &mut self,
        target: &RepositoryTarget<'_>,
        setting: Setting,
        result: ChangeResult,
        cause: Option<&Cause>,
        diff: Option<Difference>,
    ) {
        let field = Cow::Borrowed(setting.as_str());
        let error = cause.map(|cause| cause.message.as_str());
        match self
            .changes
            .iter_mut()
            .find(|change| change.result == result && change.error.as_deref() == error)
        {
            Some(change) => {
                change.fields.push(field);
                change.diff.extend(diff);
            }
            None => {
                let change = Change::of(target.registry, Resource::Repository, Action::Update, &target.name);
                let change = change
                    .with(result)
                    .in_fields(vec![field])
                    .differing(diff.into_iter().collect());
                self.changes.push(match cause {
                    Some(cause) => change.because(cause),
                    None => change,
                });
            }
        }
    }
}
