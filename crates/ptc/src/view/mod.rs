//! What people and their tools see: plans, problems and progress, on a terminal, as Markdown or as SARIF.

pub mod checked;
pub mod comment;
pub mod diff;
pub mod excerpt;
pub mod phrase;
pub mod plan;
pub mod problems;
pub mod progress;
pub mod rows;
pub mod sarif;
pub mod status;
pub mod terminal;
pub mod visible;
