//! All findings, and how they read.

use std::fmt::Write;

use serde::Serialize;

use super::finding::{Finding, Matters, Verdict};
use super::goal::{Aim, Goal};

/// Columns of the text.
const WIDTH: usize = 100;

/// What was found for a goal, the worst first.
#[derive(Debug, Serialize)]
pub struct Report {
    pub goal: Goal,
    /// How many findings of each kind.
    pub must_be_changed: usize,
    pub could_be_better: usize,
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(goal: Goal, findings: Vec<Finding>) -> Self {
        let count = |verdict: Verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
        let (must_be_changed, could_be_better) = (count(Verdict::MustBeChanged), count(Verdict::CouldBeBetter));
        Self { goal, must_be_changed, could_be_better, findings }
    }

    /// Whether the goal can be reached as it is.
    pub fn is_ready(&self) -> bool {
        self.must_be_changed == 0
    }
}

/// The report for people: what is to be done in detail, the rest in a line each.
pub fn to_text(report: &Report) -> String {
    let aim = match report.goal.aim {
        Aim::General => "",
        Aim::Latency => " and low latency",
        Aim::Throughput => " and high throughput",
    };
    let mut text = format!("For {} connections{aim}: ", report.goal.connections);
    text += &match (report.must_be_changed, report.could_be_better) {
        (0, 0) => "nothing is to be changed.\n".to_owned(),
        (must, could) => format!("{must} must be changed, {could} could be better.\n"),
    };
    for (verdict, title) in [(Verdict::MustBeChanged, "MUST BE CHANGED"), (Verdict::CouldBeBetter, "COULD BE BETTER")] {
        let findings: Vec<&Finding> = of(report, verdict).collect();
        if !findings.is_empty() {
            let _ = writeln!(text, "\n{title}");
            findings.iter().for_each(|finding| text += &in_detail(finding));
        }
    }
    let unknown: Vec<&Finding> = of(report, Verdict::NotReadable).collect();
    if !unknown.is_empty() {
        text += "\nNOT READABLE HERE\n";
        let row = |finding: &&Finding| (finding.name.clone(), format!("{}. {}", finding.wanted, finding.why));
        text += &rows(&unknown.iter().map(row).collect::<Vec<_>>());
    }
    let matters = |finding: &&Finding| finding.matters != Matters::No;
    let good = of(report, Verdict::Good).filter(matters).map(|finding| {
        (finding.name.clone(), format!("{} (wanted: {})", finding.found.as_deref().unwrap_or("-"), finding.wanted))
    });
    text += "\nGOOD\n";
    text += &rows(&good.collect::<Vec<_>>());
    let others = of(report, Verdict::Good)
        .filter(|finding| !matters(finding))
        .map(|finding| (finding.name.clone(), format!("{}. {}", finding.found.as_deref().unwrap_or("-"), finding.why)));
    text += "\nOF NO MATTER FOR THIS GOAL\n";
    text += &rows(&others.collect::<Vec<_>>());
    text
}

fn of(report: &Report, verdict: Verdict) -> impl Iterator<Item = &Finding> {
    report.findings.iter().filter(move |finding| finding.verdict == verdict)
}

fn in_detail(finding: &Finding) -> String {
    let lines = [
        ("found", finding.found.as_deref()),
        ("wanted", Some(&*finding.wanted)),
        ("why", Some(&*finding.why)),
        ("source", Some(finding.source)),
        ("set", finding.set.as_deref()),
        ("undo", finding.undo.as_deref()),
    ];
    let lines = lines.into_iter().filter_map(|(name, value)| Some(wrapped(&format!("    {name:<8}"), value?)));
    format!("  {}\n{}", finding.name, lines.collect::<String>())
}

/// Names in a column of their own.
fn rows(rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| wrapped(&format!("  {name:<width$}  "), value)).collect()
}

/// A text behind a head, its further lines below its first.
fn wrapped(head: &str, text: &str) -> String {
    let indent = head.chars().count();
    let (mut out, mut column) = (head.to_owned(), indent);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > indent && column + 1 + length > WIDTH {
            let _ = write!(out, "\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_go_on_below_their_beginning() {
        let text = wrapped("    why     ", &"word ".repeat(25));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].len() <= WIDTH && lines[1].starts_with("            word"), "{text}");
        assert_eq!(wrapped("  a  ", ""), "  a\n");
    }
}
