//! Scripts for what writing files can change: for this machine, for any machine, and the way back.
//!
//! What is found is kept in a directory, a file for each, before it is changed for the first time; the way back writes that, whatever
//! has been set in between.

use super::finding::Finding;
use super::goal::Goal;
use super::sysctls;
use super::{Aim, Facts};
use crate::limits::SHARDS_MAX;

const HEAD: &str = include_str!("script_head.sh");

/// Undoes what a script made here has changed.
pub const UNDO_SCRIPT: &str = include_str!("script_undo.sh");

/// Connections that the script for any machine is for.
const CONNECTIONS_ANYWHERE: u64 = 1_000_000;

/// The changes that these findings want of this machine.
pub fn script_for_here(findings: &[Finding]) -> String {
    let mut script = HEAD.to_owned();
    let mut others = String::new();
    for finding in findings.iter().filter(|finding| finding.is_to_be_changed()) {
        if finding.changes.is_empty() {
            let set = finding.set.as_deref().unwrap_or("-");
            others += &comment(&format!("{}: wanted {}. {set}", finding.name, finding.wanted));
            continue;
        }
        script += &format!("\n{}", comment(&format!("{}: {}", finding.name, finding.why)));
        for change in &finding.changes {
            script += &format!("change {} '{}'\n", change.file, change.value);
        }
    }
    if !others.is_empty() {
        script += &format!("\n# Not by writing a file:\n#\n{others}");
    }
    script
}

/// What any machine is to have for a million connections and the highest throughput: nothing that is better already becomes worse.
pub fn script_for_anywhere() -> String {
    let goal = Goal { connections: CONNECTIONS_ANYWHERE, aim: Aim::Throughput };
    // As many shards as there can be.
    let cpus = format!("0-{}", SHARDS_MAX - 1);
    let facts = Facts::from_files([("sys/devices/system/cpu/online", &*cpus)]);
    let lines = sysctls::SYSCTLS.iter().filter_map(|sysctl| {
        let (why, line) = sysctl.script_line(&facts, &goal)?;
        Some(format!("\n{}{line}\n", comment(&format!("{}: {why}", sysctl.key))))
    });
    let pages = "transparent_hugepage: with \"always\" the kernel takes 2 MiB where a page is touched.";
    let file = "sys/kernel/mm/transparent_hugepage/enabled";
    HEAD.to_owned() + &lines.collect::<String>() + &format!("\n{}never_is {file} always madvise\n", comment(pages))
}

fn comment(text: &str) -> String {
    let mut out = String::from("#");
    let mut column = 1;
    for word in text.split_whitespace() {
        if column + 1 + word.len() > 120 {
            out.push_str("\n#");
            column = 1;
        }
        out.push(' ');
        out.push_str(word);
        column += 1 + word.len();
    }
    out + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_in_tuning_are_of_this_table() {
        let how = "make it anew: ringmq doctor --script=anywhere > tuning/apply.sh, --script=undo > tuning/undo.sh";
        assert_eq!(include_str!("../../tuning/apply.sh"), script_for_anywhere(), "{how}");
        assert_eq!(include_str!("../../tuning/undo.sh"), UNDO_SCRIPT, "{how}");
    }
}
