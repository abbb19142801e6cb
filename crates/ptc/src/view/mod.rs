//! What people and their tools see: plans, problems and progress, on a terminal, as Markdown or as SARIF.

pub mod comment;
pub mod problems;
pub mod progress;
pub mod sarif;
pub mod show;
pub mod table;
pub mod visible;
