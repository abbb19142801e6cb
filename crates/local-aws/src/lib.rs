//! A strict stand-in for the AWS services that ecr-pull-through-sync uses, in process or as a server on loopback.
//!
//! A call walks through it so: `wire` reads HTTP, asks for a signature, holds the call against the policy of its signer
//! ([`iam`]), runs hooks and faults, and hands the call to the account behind one lock (`state`), which is `s3`,
//! `secrets`, `sqs`, `kms`, `lambda_control`, `cloudformation`, `sts` and [`ecr`]. [`LocalAws`] is the handle that tests hold.
//! What AWS refuses is refused with AWS's error code; what the stand-in does not know is refused in its own name.

pub mod api;
mod aws;
mod calls;
mod cloudformation;
pub mod ecr;
mod event_pattern;
mod fault;
mod http;
pub mod iam;
mod kms;
mod lambda;
mod lambda_control;
mod lock;
mod options;
mod round_barrier;
mod s3;
mod secrets;
pub mod shape;
mod sqs;
mod state;
mod sts;
mod wire;

pub use api::ApiError;
pub use aws::LocalAws;
pub use calls::{Call, rounds};
pub use ecr::{Pulled, Puller};
pub use event_pattern::EventPattern;
pub use fault::Fault;
pub use lambda::{Function, Invocation, LambdaApi};
pub use options::Options;
pub use sqs::Sqs;
pub use wire::Body;
