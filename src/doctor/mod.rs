//! What this machine has, what a goal wants of it, and what to do about the difference.
//!
//! [`Facts`] are what the files below a root directory say; [`examine`] is a pure function of them and of a [`Goal`], and goes
//! through one table of checks. Nothing here changes the machine: the scripts are for somebody else to run.

mod checks;
mod containers;
mod facts;
mod finding;
mod goal;
mod limits_of_process;
mod network;
mod processors;
mod report;
mod script;
mod sysctls;

pub use facts::{FILES, Facts, Reading};
pub use finding::{Change, Finding, Matters, Verdict};
pub use goal::{Aim, Goal};
pub use report::{Report, to_text};
pub use script::{UNDO_SCRIPT, script_for_anywhere, script_for_here};

/// Goes through the table.
pub fn examine(facts: &Facts, goal: Goal) -> Report {
    let mut findings: Vec<Finding> = checks::CHECKS.iter().flat_map(|check| check(facts, &goal)).collect();
    // What must be done comes first; within that the order of the table stays.
    findings.sort_by_key(|finding| finding.verdict);
    Report::new(goal, findings)
}
