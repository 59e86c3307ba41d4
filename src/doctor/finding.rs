//! What a check says.

use serde::Serialize;

/// How good it is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The goal cannot be reached with it.
    MustBeChanged,
    /// It is in the goal's way, or may be.
    CouldBeBetter,
    /// What is found cannot be read, or means nothing known.
    NotReadable,
    Good,
}

/// Whether it matters for the goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Matters {
    Required,
    Helps,
    /// It is looked at because people ask for it.
    No,
}

/// A file below the root, and what is to be written to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub file: String,
    pub value: String,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The kernel's own name for it.
    pub name: String,
    pub verdict: Verdict,
    pub matters: Matters,
    /// Absent if it cannot be read.
    pub found: Option<String>,
    pub wanted: String,
    pub why: String,
    /// Where the kernel says so: a source file or a page of its documentation.
    pub source: &'static str,
    /// What to run or to write, if it is to be changed.
    pub set: Option<String>,
    pub undo: Option<String>,
    /// The same for the script, where writing files does it.
    pub changes: Vec<Change>,
}

impl Finding {
    /// Judges what was found: `is_met` is absent if it cannot be read.
    pub fn judge(name: impl Into<String>, matters: Matters, found: Option<String>, is_met: Option<bool>) -> Self {
        let verdict = match (is_met, matters) {
            (_, Matters::No) | (Some(true), _) => Verdict::Good,
            (None, _) => Verdict::NotReadable,
            (Some(false), Matters::Required) => Verdict::MustBeChanged,
            (Some(false), Matters::Helps) => Verdict::CouldBeBetter,
        };
        Self {
            name: name.into(),
            verdict,
            matters,
            found: found.map(|found| printable(&found)),
            wanted: String::new(),
            why: String::new(),
            source: "",
            set: None,
            undo: None,
            changes: Vec::new(),
        }
    }

    pub fn wanted(self, wanted: impl Into<String>) -> Self {
        Self { wanted: wanted.into(), ..self }
    }

    pub fn why(self, why: impl Into<String>, source: &'static str) -> Self {
        Self { why: why.into(), source, ..self }
    }

    /// What to do; it is left out where nothing is to be done.
    pub fn remedy(self, set: impl Into<String>, undo: impl Into<String>) -> Self {
        if !self.is_to_be_changed() {
            return self;
        }
        Self { set: Some(set.into()), undo: Some(undo.into()), ..self }
    }

    /// What writing files does, likewise.
    pub fn changing(self, changes: Vec<Change>) -> Self {
        if self.is_to_be_changed() { Self { changes, ..self } } else { self }
    }

    pub fn is_to_be_changed(&self) -> bool {
        matches!(self.verdict, Verdict::MustBeChanged | Verdict::CouldBeBetter)
    }
}

/// What a file says as one short line that steers no terminal.
fn printable(text: &str) -> String {
    const LENGTH_MAX: usize = 80;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean = |letter: char| if letter.is_control() { '?' } else { letter };
    let mut line: String = words.chars().take(LENGTH_MAX).map(clean).collect();
    if words.chars().count() > LENGTH_MAX {
        line.push_str("...");
    }
    if line.is_empty() { "nothing".into() } else { line }
}
