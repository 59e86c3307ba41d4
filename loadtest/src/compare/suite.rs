//! The scenarios of a comparison: one from the command line, or those of a file.

use crate::cli::{Cli, CompareArgs};
use crate::report::figures::{FIGURES, Figure};
use anyhow::{Context, ensure};
use clap::Parser;
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// A scenario with its options, and what of it the final table shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Scenario {
    pub name: String,
    pub arguments: Vec<String>,
    /// None is the first that the results have.
    pub figures: Vec<&'static Figure>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenario: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    /// As on the command line; words are separated by spaces.
    arguments: String,
    /// JSON pointers.
    #[serde(default)]
    figures: Vec<String>,
}

/// The scenarios to run. All are checked before the first one runs.
pub fn scenarios(args: &CompareArgs) -> anyhow::Result<Vec<Scenario>> {
    let scenarios = match &args.suite {
        Some(path) => read(path).with_context(|| format!("the suite {}", path.display()))?,
        None => {
            let arguments = args.scenario.clone();
            vec![Scenario { name: arguments.join(" "), arguments, figures: Vec::new() }]
        }
    };
    for scenario in &scenarios {
        let words = ["ringmq-load"].into_iter().chain(scenario.arguments.iter().map(String::as_str));
        Cli::try_parse_from(words).with_context(|| format!("the scenario {:?}", scenario.name))?;
    }
    Ok(scenarios)
}

fn read(path: &Path) -> anyhow::Result<Vec<Scenario>> {
    parse(&fs::read_to_string(path)?)
}

fn parse(text: &str) -> anyhow::Result<Vec<Scenario>> {
    let file: File = toml::from_str(text)?;
    ensure!(!file.scenario.is_empty(), "it has no [[scenario]]");
    file.scenario.into_iter().map(Entry::check).collect()
}

impl Entry {
    fn check(self) -> anyhow::Result<Scenario> {
        let figure = |pointer: &String| {
            let figure = FIGURES.iter().find(|figure| figure.pointer == pointer);
            figure.with_context(|| {
                let pointers: Vec<&str> = FIGURES.iter().map(|figure| figure.pointer).collect();
                format!("{:?}: there is no figure {pointer:?}, but {}", self.name, pointers.join(", "))
            })
        };
        let figures = self.figures.iter().map(figure).collect::<anyhow::Result<_>>()?;
        let arguments = self.arguments.split_whitespace().map(str::to_owned).collect();
        Ok(Scenario { name: self.name, arguments, figures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_names_scenarios_and_figures() {
        let text = "[[scenario]]\nname = 'x'\narguments = 'pairs  --pairs 2'\nfigures = ['/latency/p99_us']\n";
        let [scenario] = &parse(text).unwrap()[..] else { panic!() };
        assert_eq!(
            (scenario.name.as_str(), &scenario.arguments[..]),
            ("x", &["pairs", "--pairs", "2"].map(String::from)[..])
        );
        assert_eq!(scenario.figures[0].label, "latency p99, µs");
    }

    #[test]
    fn mistakes_are_told() {
        for (text, expected) in [
            ("scenario = []", "no [[scenario]]"),
            ("[[scenario]]\nname = 'x'\narguments = ''\nfigures = ['/nothing']", "no figure \"/nothing\""),
            ("[[scenario]]\nname = 'x'\nargs = ''", "unknown field `args`"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_suites_here_can_run() {
        for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/suites")).unwrap() {
            let path = entry.unwrap().path();
            for scenario in read(&path).unwrap() {
                let words = ["ringmq-load"].into_iter().chain(scenario.arguments.iter().map(String::as_str));
                Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            }
        }
    }
}
