//! Brokers against each other under the same load.
//!
//! A machine changes with time: other work, temperature, neighbours. So the brokers take turns, A B C A B C, each round on
//! a freshly started process, and what counts is the median. One broker runs at a time, on CPUs of its own.

pub mod broker;
mod suite;

use crate::cli::{CompareArgs, TurnsArgs};
use crate::report::figures::FIGURES;
use crate::report::origin::Origin;
use crate::report::side_by_side::{SideBySide, Subject, markdown, show_ratio};
use crate::{cpus, report};
use anyhow::{Context, ensure};
use broker::{Broker, Directory};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use suite::Scenario;

/// Runs all rounds of all scenarios and tells whether every one passed.
pub fn run(args: &CompareArgs) -> anyhow::Result<bool> {
    let (brokers, baseline) = brokers(&args.turns)?;
    let scenarios = suite::scenarios(args)?;
    let (mut comparisons, mut passed) = (Vec::new(), true);
    for scenario in &scenarios {
        let subjects = run_scenario(scenario, &brokers, args)?;
        passed &= subjects.iter().flat_map(|subject| &subject.rounds).all(|round| !has_failed(round));
        let comparison = SideBySide { title: scenario.name.clone(), subjects, baseline };
        comparison.print(args.turns.rounds);
        comparisons.push(comparison);
    }
    if args.suite.is_some() {
        println!("{}", summary(&scenarios, &comparisons));
    }
    if let Some(path) = &args.turns.json {
        report::write_json(path, &document(&brokers, &scenarios, &comparisons))?;
    }
    if let Some(path) = &args.turns.html {
        report::html::write(path, &comparisons)?;
    }
    if !passed {
        println!("FAILED: see the rounds with faults");
    }
    Ok(passed)
}

/// The brokers that take turns, and which of them is the baseline.
pub fn brokers(turns: &TurnsArgs) -> anyhow::Result<(Vec<Broker>, usize)> {
    let brokers = turns.brokers.iter().map(|text| Broker::parse(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let names: Vec<&str> = brokers.iter().map(|broker| broker.name.as_str()).collect();
    for (index, name) in names.iter().enumerate() {
        ensure!(!names[..index].contains(name), "two brokers have the name {name:?}");
    }
    let baseline = SideBySide::find_baseline(&names, turns.baseline.as_deref())?;
    Ok((brokers, baseline))
}

fn run_scenario(scenario: &Scenario, brokers: &[Broker], args: &CompareArgs) -> anyhow::Result<Vec<Subject>> {
    let subject = |broker: &Broker| Subject { name: broker.name.clone(), rounds: Vec::new() };
    let mut subjects: Vec<Subject> = brokers.iter().map(subject).collect();
    for round in 1..=args.turns.rounds {
        for (broker, subject) in brokers.iter().zip(&mut subjects) {
            let result = measure(broker, scenario, args)
                .with_context(|| format!("{} in round {round} of {}", broker.name, scenario.name))?;
            println!("round {round}  {:<16} {}", broker.name, one_line(&result));
            subject.rounds.push(result);
        }
    }
    Ok(subjects)
}

/// Starts a broker, runs the scenario in a process of its own, and stops the broker.
fn measure(broker: &Broker, scenario: &Scenario, args: &CompareArgs) -> anyhow::Result<Value> {
    let directory = Directory::create()?;
    let mut running = broker.start(&args.turns.broker_cpus, &directory)?;
    let json = JsonFile::new();
    let mut load = Command::new(std::env::current_exe()?);
    load.args(&scenario.arguments).arg("--port").arg(running.port.to_string());
    load.arg("--broker-pid").arg(running.pid().to_string()).arg("--json").arg(&json.path);
    if !args.verbose {
        load.stdout(Stdio::null());
    }
    let status = cpus::pinned(&args.turns.load_cpus, || load.status())??;
    running.check()?;
    let text = std::fs::read_to_string(&json.path)
        .with_context(|| format!("the scenario ended with {status} and without a result"))?;
    Ok(serde_json::from_str(&text)?)
}

/// Where a scenario's process leaves its result; gone with this value.
struct JsonFile {
    path: PathBuf,
}

impl JsonFile {
    fn new() -> Self {
        Self { path: std::env::temp_dir().join(format!("ringmq-load-{}.json", std::process::id())) }
    }
}

impl Drop for JsonFile {
    fn drop(&mut self) {
        // There is no file when the scenario failed early.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn has_failed(result: &Value) -> bool {
    result["failed"] == Value::Bool(true)
}

fn one_line(result: &Value) -> String {
    let shown = FIGURES.iter().filter_map(|figure| {
        let value = result.pointer(figure.pointer)?.as_f64()?;
        Some(format!("{} {}", figure.label, figure.show(value)))
    });
    let shown: Vec<String> = shown.take(4).collect();
    format!("{}{}", shown.join("  "), if has_failed(result) { "  FAILED" } else { "" })
}

/// One table over all scenarios, each with the figures that it asks for.
fn summary(scenarios: &[Scenario], comparisons: &[SideBySide]) -> comfy_table::Table {
    let heads = comparisons.first().map_or(Vec::new(), SideBySide::heads);
    let mut table = markdown(std::iter::once("scenario".to_owned()).chain(heads));
    for (scenario, comparison) in scenarios.iter().zip(comparisons) {
        let rows = comparison.rows();
        let chosen = rows.iter().enumerate().filter(|(index, row)| match &scenario.figures[..] {
            [] => *index == 0,
            figures => figures.contains(&row.figure),
        });
        for (_, row) in chosen {
            let values = row.cells.iter().map(|cell| cell.map_or(String::new(), |cell| cell.show(row.figure, false)));
            let ratios = comparison.others().map(|index| show_ratio(row.cells[index]));
            let name = format!("{}: {}", scenario.name, row.figure.label);
            table.add_row(std::iter::once(name).chain(values).chain(ratios));
        }
    }
    table
}

fn document(brokers: &[Broker], scenarios: &[Scenario], comparisons: &[SideBySide]) -> Value {
    let scenarios = scenarios.iter().zip(comparisons).map(|(scenario, comparison)| {
        let subjects = comparison.subjects.iter().zip(brokers);
        let brokers = subjects.map(
            |(subject, broker)| json!({ "name": broker.name, "command": broker.command, "rounds": subject.rounds }),
        );
        json!({
            "name": scenario.name,
            "arguments": scenario.arguments,
            "baseline": comparison.subjects[comparison.baseline].name,
            "medians": comparison.medians(),
            "brokers": brokers.collect::<Vec<_>>(),
        })
    });
    json!({ "origin": Origin::now(), "scenarios": scenarios.collect::<Vec<_>>() })
}
