//! `ringmq-load report`: results from files beside each other.

use super::html;
use super::side_by_side::{SideBySide, Subject};
use crate::cli::ReportArgs;
use anyhow::{Context, ensure};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Prints the tables of all files, and tells whether every run in them had passed.
pub fn run(args: &ReportArgs) -> anyhow::Result<bool> {
    let documents = args.files.iter().map(|path| read(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let comparisons = arrange(documents, args.baseline.as_deref())?;
    for comparison in &comparisons {
        println!("{}\n{}\n", comparison.title, comparison.table());
    }
    if let Some(path) = &args.html {
        html::write(path, &comparisons)?;
    }
    let mut rounds = comparisons.iter().flat_map(|comparison| &comparison.subjects).flat_map(|subject| &subject.rounds);
    Ok(!rounds.any(|round| round["failed"] == Value::Bool(true)))
}

/// A file's name without directory and ending, and what it holds.
fn read(path: &Path) -> anyhow::Result<(String, Value)> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let document: Value = serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    let is_result = document.get("scenario").or(document.get("scenarios")).is_some();
    ensure!(is_result, "{} is no result of ringmq-load: write one with --json", path.display());
    let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok((name, document))
}

/// The scenarios of comparisons as they are, and all single runs beside each other.
fn arrange(documents: Vec<(String, Value)>, baseline: Option<&str>) -> anyhow::Result<Vec<SideBySide>> {
    let (comparisons, runs): (Vec<_>, Vec<_>) =
        documents.into_iter().partition(|(_, document)| document["scenarios"].is_array());
    let mut arranged = Vec::new();
    for (name, document) in &comparisons {
        for scenario in document["scenarios"].as_array().into_iter().flatten() {
            arranged.push(of_comparison(scenario, baseline).with_context(|| format!("{name}.json"))?);
        }
    }
    if !runs.is_empty() {
        let subjects: Vec<Subject> =
            runs.into_iter().map(|(name, document)| Subject { name, rounds: vec![document] }).collect();
        arranged.push(side_by_side(title(&subjects), subjects, baseline)?);
    }
    Ok(arranged)
}

fn of_comparison(scenario: &Value, baseline: Option<&str>) -> anyhow::Result<SideBySide> {
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a name is missing");
    let subjects = scenario["brokers"].as_array().context("the brokers are missing")?.iter().map(|broker| {
        let rounds = broker["rounds"].as_array().cloned().context("the rounds are missing")?;
        Ok(Subject { name: text(&broker["name"])?, rounds })
    });
    let subjects = subjects.collect::<anyhow::Result<_>>()?;
    side_by_side(text(&scenario["name"])?, subjects, baseline.or(scenario["baseline"].as_str()))
}

fn side_by_side(title: String, subjects: Vec<Subject>, baseline: Option<&str>) -> anyhow::Result<SideBySide> {
    let names: Vec<&str> = subjects.iter().map(|subject| subject.name.as_str()).collect();
    let baseline = SideBySide::find_baseline(&names, baseline)?;
    Ok(SideBySide { title, subjects, baseline })
}

/// What the runs have in common, or that they have nothing in common.
fn title(subjects: &[Subject]) -> String {
    let mut titles: Vec<String> = subjects.iter().flat_map(|subject| &subject.rounds).map(super::title_of).collect();
    titles.dedup();
    titles.join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn runs_are_one_table_and_each_scenario_of_a_comparison_is_another() {
        let run = |rate: f64| json!({ "scenario": "pairs", "title": "2 pairs", "delivered_per_second": rate });
        let comparison = json!({ "scenarios": [{ "name": "s", "baseline": "x", "brokers": [
            { "name": "x", "rounds": [run(1.0)] }, { "name": "y", "rounds": [run(2.0)] },
        ] }] });
        let documents = vec![("one".into(), run(3.0)), ("both".into(), comparison), ("two".into(), run(4.0))];
        let arranged = arrange(documents, None).unwrap();
        let seen: Vec<(&str, Vec<String>)> =
            arranged.iter().map(|comparison| (comparison.title.as_str(), comparison.heads())).collect();
        let words = |words: [&str; 3]| words.map(String::from).to_vec();
        assert_eq!(seen, [("s", words(["x", "y", "y / x"])), ("2 pairs", words(["one", "two", "one / two"]))]);
    }
}
