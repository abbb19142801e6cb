//! One repository: read what the file speaks about, compare, and put what differs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tracing::info;

use super::preview::Gate;
use super::{Differing, Existing, Outcome, Pen, Target, Ward};
use crate::account::AwsError;
use crate::cause::{Cause, Reason};
use crate::config::Setting;
use crate::plan::{Action, Difference, Resource, Sum, shown_tags};
use crate::policy::{lifecycle_in_form, policy_in_form};
use crate::report::{Change, ChangeResult};

/// What came of one repository.
pub(super) struct Found {
    pub outcome: Outcome,
    /// For the report: a line for each thing that came of some of its settings.
    pub changes: Vec<Change>,
    /// How it differed.
    pub differing: Differing,
    /// Why it is open.
    pub open: Option<AwsError>,
}

/// What is to be put for one setting.
enum Put {
    Lifecycle(String),
    Policy(String),
    Mutability,
    Tags(BTreeMap<String, String>),
}

impl Put {
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
    put: Put,
    diff: Difference,
}

impl Differs {
    fn new(put: Put, old: Value, new: Value) -> Self {
        let diff = Difference::new(put.setting().as_str(), old, new);
        Self { put, diff }
    }
}

/// Why a setting was not put.
enum Trouble {
    Gone,
    Held(Cause),
    Failed(Cause),
    Open(AwsError),
}

impl From<AwsError> for Trouble {
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

impl Existing<'_> {
    /// Works on one repository. Its settings do not wait for each other: what is held or fails stops nothing else.
    pub(super) async fn one(&self, target: &Target<'_>) -> Found {
        let mut found = Found::new(Outcome::Done);
        let Some(ward) = self.wards.get(target.registry) else {
            return found;
        };
        if self.deadline.is_near() || self.stale.load(Ordering::Relaxed) {
            return Found::new(Outcome::Untried);
        }
        let differences = self.differences(ward, target).await;
        let held = match self.unplanned(target, &differences) {
            Ok(held) => held,
            Err(cause) => {
                for (setting, _) in differences.iter().filter(|(_, differs)| !matches!(differs, Ok(None))) {
                    found.tell(target, *setting, ChangeResult::Held, Some(&cause), None);
                }
                found.outcome = Outcome::Held;
                return found;
            }
        };
        // It is read all the same: who bounds the file learns what is left undone.
        let beyond = self.touchable.check(target.registry, &target.name).err();
        for (setting, differs) in differences {
            let (taken, diff) = match differs {
                Ok(None) => continue,
                Ok(Some(Differs { put, diff })) => match held.get(&setting).or(beyond.as_ref()) {
                    Some(cause) => (Err(Trouble::Held(cause.clone())), Some(diff)),
                    None => (self.put(ward, target, put).await, Some(diff)),
                },
                Err(trouble) => (Err(trouble), None),
            };
            let (outcome, cause) = match taken {
                Ok(ChangeResult::Planned) => (Outcome::Planned, None),
                Ok(_) => (Outcome::Done, None),
                Err(Trouble::Gone) => return Found::new(Outcome::Gone),
                Err(Trouble::Held(cause)) => (Outcome::Held, Some(cause)),
                Err(Trouble::Failed(cause)) => (Outcome::Failed, Some(cause)),
                Err(Trouble::Open(error)) => {
                    // Out of time, or out of date: that says nothing about the repository.
                    let open = if error.may_go_better() {
                        Outcome::Stuck
                    } else {
                        Outcome::Untried
                    };
                    found.outcome = found.outcome.max(open);
                    found.open = Some(error);
                    continue;
                }
            };
            found.outcome = found.outcome.max(outcome);
            let result = match outcome {
                Outcome::Held => ChangeResult::Held,
                Outcome::Failed => ChangeResult::Failed,
                Outcome::Planned => ChangeResult::Planned,
                _ => ChangeResult::Applied,
            };
            found.differing.sum = found.differing.sum.and(sum(target, setting, diff.as_ref()));
            if let (Outcome::Held, Some(cause)) = (outcome, &cause) {
                found.differing.held.insert(setting, cause.clone());
            }
            found.tell(
                target,
                setting,
                result,
                cause.as_ref(),
                diff.filter(|_| self.pen.is_none()),
            );
        }
        found
    }

    /// Where only what a plan has shown may be done: what that held, or why it is not this that it has shown.
    fn unplanned(
        &self,
        target: &Target<'_>,
        differences: &[(Setting, Result<Option<Differs>, Trouble>)],
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
    async fn differences(&self, ward: &Ward, target: &Target<'_>) -> [(Setting, Result<Option<Differs>, Trouble>); 4] {
        let (wanted, name, reader) = (&ward.wanted, target.name.as_str(), self.reader);
        let lifecycle = async {
            let Some(text) = &wanted.lifecycle_policy else {
                return Ok(None);
            };
            let have = self
                .lanes
                .call("GetLifecyclePolicy", &self.deadline, || reader.lifecycle_policy(name))
                .await?;
            let shown = |text: &str| lifecycle_in_form(text);
            let differs = || {
                let old = have.as_deref().map_or(Value::Null, shown);
                Differs::new(Put::Lifecycle(text.clone()), old, shown(text))
            };
            Ok(wanted.differs_in_lifecycle(have.as_deref()).then(differs))
        };
        let policy = async {
            let Some(text) = &wanted.repository_policy else {
                return Ok(None);
            };
            let have = self
                .lanes
                .call("GetRepositoryPolicy", &self.deadline, || reader.repository_policy(name))
                .await?;
            let shown = |text: &str| policy_in_form(text, &self.home.partition);
            let differs = || {
                let old = have.as_deref().map_or(Value::Null, shown);
                Differs::new(Put::Policy(text.clone()), old, shown(text))
            };
            Ok(wanted.differs_in_policy(have.as_deref()).then(differs))
        };
        let tags = async {
            if wanted.tags.is_empty() {
                return Ok(None);
            }
            let arn = self.home.repository_arn(name);
            let have = self
                .lanes
                .call("ListTagsForResource", &self.deadline, || reader.repository_tags(&arn))
                .await?;
            let missing = wanted.missing_tags(&have).map_err(Trouble::Failed)?;
            let old = shown_tags(have.iter().filter(|(key, _)| missing.contains_key(*key)));
            let new = shown_tags(&missing);
            Ok((!missing.is_empty()).then(|| Differs::new(Put::Tags(missing), old, new)))
        };
        let (lifecycle, policy, tags) = tokio::join!(lifecycle, policy, tags);
        let old = target.other_mutability.as_deref().cloned();
        let mutability = Ok(old.map(|old| Differs::new(Put::Mutability, old, wanted.mutability_to_be())));
        [
            (Setting::LifecyclePolicy, lifecycle),
            (Setting::RepositoryPolicy, policy),
            (Setting::ImageTagMutability, mutability),
            (Setting::Tags, tags),
        ]
    }

    /// Puts a setting, or without a writer only says that it would.
    async fn put(&self, ward: &Ward, target: &Target<'_>, put: Put) -> Result<ChangeResult, Trouble> {
        if let Put::Lifecycle(text) = &put
            && let Gate::Held(cause) = self.gate(&target.name, text, ward.wanted.max_expiring_images).await?
        {
            return Err(Trouble::Held(cause));
        }
        let Some(pen) = &self.pen else {
            return Ok(ChangeResult::Planned);
        };
        self.write(pen, ward, &target.name, &put).await?;
        info!(registry = %target.registry, repository = %target.name, setting = put.setting().as_str(), "applied");
        Ok(ChangeResult::Applied)
    }

    async fn write(&self, pen: &Pen<'_>, ward: &Ward, name: &str, put: &Put) -> Result<(), AwsError> {
        let writer = pen.writer;
        match put {
            Put::Lifecycle(text) => {
                self.pen_down(pen, "PutLifecyclePolicy", || writer.put_lifecycle_policy(name, text))
                    .await
            }
            Put::Policy(text) => self.write_policy(pen, ward, name, text).await,
            Put::Mutability => {
                let Some((word, filters)) = &ward.wanted.mutability else {
                    return Ok(());
                };
                self.pen_down(pen, "PutImageTagMutability", || {
                    writer.put_mutability(name, word, filters)
                })
                .await
            }
            Put::Tags(tags) => {
                let arn = self.home.repository_arn(name);
                self.pen_down(pen, "TagResource", || writer.tag_repository(&arn, tags))
                    .await
            }
        }
    }

    /// Makes a call that writes when its turn has come, if the file still has the say then.
    async fn pen_down<F>(&self, pen: &Pen<'_>, operation: &'static str, call: impl Fn() -> F) -> Result<(), AwsError>
    where
        F: Future<Output = Result<(), AwsError>>,
    {
        let checked = || async {
            self.may_write(&pen.newest).await?;
            call().await
        };
        self.lanes.call(operation, &self.deadline, checked).await
    }

    /// A role that was made a moment ago is not known everywhere yet (provider-aws 39064). It is waited for once: a
    /// principal that does not exist must not cost a minute for each of a thousand repositories.
    async fn write_policy(&self, pen: &Pen<'_>, ward: &Ward, name: &str, text: &str) -> Result<(), AwsError> {
        let mut waits = self.pace.waits();
        loop {
            let call = || pen.writer.set_repository_policy(name, text);
            match self.pen_down(pen, "SetRepositoryPolicy", call).await {
                Err(error) if error.message.contains("Principal not found") => {
                    let patient = !ward.given_up.load(Ordering::Relaxed);
                    match waits.next().filter(|_| patient) {
                        Some(wait) if self.deadline.wait(wait).await => {}
                        Some(_) => return Err(AwsError::not_now("SetRepositoryPolicy", error.message)),
                        None => {
                            ward.given_up.store(true, Ordering::Relaxed);
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
fn sum(target: &Target<'_>, setting: Setting, diff: Option<&Difference>) -> Sum {
    Sum::of(
        &target.name,
        setting,
        diff,
        if diff.is_some() { "differs" } else { "not looked at" },
    )
}

impl Found {
    fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            changes: Vec::new(),
            differing: Differing::default(),
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
        target: &Target<'_>,
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
