//! IAM: what a role allows is read from the template that makes it, and every call of that role's access key is held
//! against it before anything else happens. What a role of the account may do can be asked beforehand (`simulate`).
//!
//! [`Stack`] resolves the template as CloudFormation would and hands out a role's [`Policy`]; `needs` knows what each
//! call asks for; `guard` stands in the way of the calls. Only identity-based policies are evaluated: the account has no
//! bucket, key or secret policy that gives the function anything.

mod context_keys;
mod guard;
mod needs;
mod pattern;
mod policy;
mod resolve;
mod resources;
mod simulate;
mod template;

pub use needs::WITHOUT_RESOURCES;
pub use policy::{Decision, Need, Policy};
pub use template::Stack;

pub(crate) use guard::{Guard, Passing};
pub(crate) use needs::{Input, of as needs, of_a_missing_object as need_of_a_missing_object};
pub(crate) use simulate::Roles;
