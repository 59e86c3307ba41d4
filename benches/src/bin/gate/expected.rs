//! `gate.toml`, and how measured values compare with it.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// A value that has moved by more than this fails, in either direction.
const TOLERANCE: f64 = 0.03;

const HEADER: &str = "\
# What RingMQ costs, as far as it does not depend on the machine's speed. Written by `benches/gate.sh --bless`;
# benches/README.md says what each value is.

";

/// The values that are expected, or were measured.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    pub made_with: BTreeMap<String, String>,
    pub bytes: BTreeMap<String, f64>,
    pub instructions: BTreeMap<String, f64>,
}

/// The outcome, printed line by line.
#[derive(Debug, Default)]
pub struct Comparison {
    rows: Vec<String>,
    /// One sentence for each value that has moved.
    moved: Vec<String>,
    /// One sentence for each tool that differs; then the values are not judged.
    differences: Vec<String>,
}

impl Expected {
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read: benches/gate.sh --bless writes it", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{}: benches/gate.sh --bless writes it anew", path.display()))
    }

    /// Writes the values with one decimal, which is what two runs have in common.
    pub fn write(mut self, path: &Path) -> anyhow::Result<()> {
        for value in self.bytes.values_mut().chain(self.instructions.values_mut()) {
            *value = (*value * 10.0).round() / 10.0;
        }
        let text = HEADER.to_owned() + &toml::to_string(&self)?;
        std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
    }

    pub fn compare(&self, measured: &Self) -> Comparison {
        let mut comparison = Comparison::default();
        for (tool, now) in &measured.made_with {
            let before = self.made_with.get(tool).map_or("unknown", String::as_str);
            if before != now {
                comparison.differences.push(format!("{tool} is {now:?}, and gate.toml was written with {before:?}"));
            }
        }
        comparison.add("bytes", &self.bytes, &measured.bytes);
        comparison.add("instructions", &self.instructions, &measured.instructions);
        comparison
    }
}

impl Comparison {
    pub fn passed(&self) -> bool {
        self.moved.is_empty() || !self.differences.is_empty()
    }

    fn add(&mut self, table: &str, expected: &BTreeMap<String, f64>, measured: &BTreeMap<String, f64>) {
        const REMEDY: &str = "accept it with `benches/gate.sh --bless` and say why in the commit";
        for (name, now) in measured {
            let Some(before) = expected.get(name) else {
                self.moved.push(format!("{table}.{name} is {now:.1} and not in gate.toml: {REMEDY}"));
                continue;
            };
            let change = (now - before) / before;
            self.rows.push(format!("{table}.{name:<36} {before:>10.1} {now:>10.1} {:>+7.1} %", 100.0 * change));
            let advice = match change {
                _ if change > TOLERANCE => "make it cheap again, or ",
                _ if change < -TOLERANCE => "it is better, so that the file must not allow the old value any more: ",
                _ => continue,
            };
            self.moved.push(format!(
                "{table}.{name} has moved from {before:.1} to {now:.1} ({:+.1} %, {:.0} % are allowed): {advice}{REMEDY}",
                100.0 * change,
                100.0 * TOLERANCE
            ));
        }
        for name in expected.keys().filter(|name| !measured.contains_key(*name)) {
            self.moved.push(format!("{table}.{name} is in gate.toml and is not measured any more: {REMEDY}"));
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            writeln!(out, "{row}")?;
        }
        if self.moved.is_empty() {
            return writeln!(out, "gate: passed, {} values", self.rows.len());
        }
        let label = if self.passed() { "warning" } else { "error" };
        for sentence in &self.moved {
            writeln!(out, "{label}: {sentence}")?;
        }
        if self.passed() {
            writeln!(
                out,
                "gate: not judged, because {}: write the file anew with these tools",
                self.differences.join("; ")
            )
        } else {
            writeln!(out, "gate: FAILED, {} values have moved", self.moved.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(rustc: &str, decode: f64) -> Expected {
        Expected {
            made_with: [("rustc".to_owned(), rustc.to_owned())].into(),
            bytes: [("connection".to_owned(), 500.0)].into(),
            instructions: [("decode".to_owned(), decode)].into(),
        }
    }

    #[test]
    fn small_moves_pass() {
        for decode in [97.1, 100.0, 102.9] {
            let comparison = values("1.95", 100.0).compare(&values("1.95", decode));
            assert!(comparison.passed() && comparison.moved.is_empty(), "{comparison}");
        }
    }

    #[test]
    fn moves_in_either_direction_fail_and_say_what_to_do() {
        for (decode, wanted) in [(96.9, "from 100.0 to 96.9 (-3.1 %"), (103.1, "from 100.0 to 103.1 (+3.1 %")] {
            let comparison = values("1.95", 100.0).compare(&values("1.95", decode));
            assert!(!comparison.passed());
            let text = comparison.to_string();
            assert!(
                text.contains(&format!("instructions.decode has moved {wanted}")) && text.contains("--bless"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_on_one_side_only_fails() {
        let mut more = values("1.95", 100.0);
        more.instructions.insert("encode".to_owned(), 7.0);
        assert!(!values("1.95", 100.0).compare(&more).passed());
        assert!(!more.compare(&values("1.95", 100.0)).passed());
    }

    #[test]
    fn with_another_compiler_moves_are_warnings() {
        let comparison = values("1.95", 100.0).compare(&values("1.96", 200.0));
        assert!(comparison.passed());
        let text = comparison.to_string();
        assert!(text.contains("warning: instructions.decode") && text.contains("rustc is \"1.96\""), "{text}");
    }
}
