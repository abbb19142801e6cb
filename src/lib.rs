//! Keeps the pull-through cache of an account's container registry as one YAML file says.
//!
//! The data flows one way, and so do the modules:
//!
//! 1. [`trigger`]: any event that belongs to the job says "look again", and to whom.
//! 2. [`config`], a crate of its own: the file's bytes become checked registries, or all of their errors.
//!    The key of a file that is encrypted with SOPS comes from a [`keyring`].
//! 3. [`account`]: what AWS holds, through a reader that cannot write.
//! 4. [`plan`]: registries and account become steps. Pure.
//! 5. [`apply`]: the steps become calls, through the only writer.
//! 6. [`verify`]: ECR proves every credential.
//! 7. [`expiry`]: when credentials lapse. Pure.
//! 8. [`existing`]: repositories that exist already get what their template gives to new ones.
//! 9. [`report`]: what happened, as JSON, Markdown and metrics.
//!
//! [`run`] strings these together, [`handler`] puts them behind Lambda, and `crates/ptc` behind a terminal.

pub mod account;
pub mod apply;
pub mod cause;
pub mod existing;
pub mod expiry;
pub mod failure;
pub mod handler;
pub mod home;
pub mod keyring;
pub mod logs;
pub mod mask;
pub mod newest;
pub mod ownership;
pub mod plan;
pub mod policy;
pub mod report;
pub mod run;
pub mod secret_version;
pub mod settings;
pub mod throttle;
pub mod timing;
pub mod trigger;
pub mod verify;
pub mod warm;
