//! Several brokers in turns, and results beside each other.

#[allow(dead_code)]
mod broker;

use broker::{Fault, serve};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the program in a directory.
fn load(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringmq-load")).current_dir(directory).args(arguments).output().unwrap()
}

/// Compares brokers on whatever CPUs there are: where all would share one, other tests could keep it for too long.
fn compare(directory: &Path, brokers: &[&str], arguments: &[&str]) -> Output {
    let mut words = vec!["compare", "--broker-cpus", "0-255", "--load-cpus", "0-255"];
    words.extend(brokers.iter().flat_map(|broker| ["--broker", broker]));
    words.extend(arguments);
    load(directory, &words)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The standard error of a comparison that must fail.
fn failure(brokers: &[&str], arguments: &[&str]) -> String {
    let output = compare(&std::env::temp_dir(), brokers, arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    text(&output.stderr).to_owned()
}

/// The part of an honest broker in another process: this program is started for it with a port in its environment.
#[test]
#[ignore = "it is started as a broker by the other tests, and does nothing otherwise"]
fn broker_process() {
    if let Ok(port) = std::env::var("TEST_BROKER_PORT") {
        serve(&TcpListener::bind(("127.0.0.1", port.parse().unwrap())).unwrap(), Fault::None);
    }
}

/// A broker for the command line.
fn honest(name: &str) -> String {
    let program = std::env::current_exe().unwrap();
    format!("{name}=env TEST_BROKER_PORT={{port}} {} --ignored --exact broker_process", program.display())
}

#[test]
fn brokers_take_turns_and_are_divided_by_the_baseline() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two, three) = (honest("one"), honest("two"), honest("three"));
    let output = compare(
        directory.path(),
        &[&one, &two, &three],
        &[
            "--rounds",
            "2",
            "--baseline",
            "two",
            "--json",
            "all.json",
            "--html",
            "all.html",
            "--",
            "pairs",
            "--pairs",
            "2",
        ]
        .into_iter()
        .chain(["--seconds", "1", "--warmup", "0"])
        .collect::<Vec<_>>(),
    );
    assert!(output.status.success(), "{output:?}");
    let stdout = text(&output.stdout);
    let turns: Vec<&str> = stdout
        .lines()
        .filter(|line| line.starts_with("round"))
        .filter_map(|line| line.split_whitespace().nth(2))
        .collect();
    assert_eq!(turns, ["one", "two", "three", "one", "two", "three"]);
    assert!(stdout.contains("| one / two | three / two |"), "{stdout}");

    let scenario = &json(&directory.path().join("all.json"))["scenarios"][0];
    for broker in scenario["brokers"].as_array().unwrap() {
        assert_eq!(broker["rounds"].as_array().unwrap().len(), 2, "{broker}");
    }
    let rates = &scenario["medians"]["/delivered_per_second"];
    let median = |name: &str| rates[name]["median"].as_f64().unwrap();
    let ratio = rates["one"]["ratio"].as_f64().unwrap();
    assert!((ratio * median("two") / median("one") - 1.0).abs() < 1e-9, "{rates}");
    assert_eq!(rates["two"]["ratio"], 1.0);

    let page = fs::read_to_string(directory.path().join("all.html")).unwrap();
    assert!(page.contains("Latency by percentile") && page.contains("three / two"));
    let report = load(directory.path(), &["report", "all.json"]);
    assert!(text(&report.stdout).contains("| one / two | three / two |"), "{report:?}");
}

#[test]
fn a_suite_ends_in_one_table() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = |name: &str, figures: &str| {
        let arguments = "pairs --pairs 2 --seconds 1 --warmup 0";
        format!("[[scenario]]\nname = '{name}'\narguments = '{arguments}'\n{figures}\n")
    };
    let figures = "figures = ['/delivered_per_second', '/latency/max_us']";
    let suite = format!("{}{}", scenario("first", ""), scenario("second", figures));
    fs::write(directory.path().join("suite.toml"), suite).unwrap();
    let (one, two) = (honest("one"), honest("two"));
    let output = compare(directory.path(), &[&one, &two], &["--rounds", "1", "--suite", "suite.toml"]);
    assert!(output.status.success(), "{output:?}");
    let stdout = text(&output.stdout);
    let (_, table) = stdout.split_once("| scenario ").unwrap();
    let rows: Vec<&str> = table.lines().skip(2).filter_map(|line| line.split('|').nth(1)).map(str::trim).collect();
    assert_eq!(
        rows,
        ["first: broker CPU, µs per message", "second: delivered per second", "second: latency max, µs"],
        "{stdout}"
    );
}

#[test]
fn runs_from_files_are_put_beside_each_other() {
    let directory = tempfile::tempdir().unwrap();
    for (name, rate) in [("slow", 100.0), ("fast", 400.0)] {
        let run = serde_json::json!({ "scenario": "pairs", "delivered_per_second": rate, "failed": false });
        fs::write(directory.path().join(format!("{name}.json")), run.to_string()).unwrap();
    }
    let output = load(directory.path(), &["report", "slow.json", "fast.json", "--html", "both.html"]);
    assert!(output.status.success(), "{output:?}");
    let stdout = text(&output.stdout);
    let row = stdout.lines().find(|line| line.contains("delivered per second")).unwrap();
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    assert_eq!(cells, ["", "delivered per second", "100", "400", "0.250", ""]);
    assert!(fs::read_to_string(directory.path().join("both.html")).unwrap().contains("slow / fast"));
}

#[test]
fn what_is_no_result_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("x.json"), "{}").unwrap();
    let output = load(directory.path(), &["report", "x.json"]);
    assert!(text(&output.stderr).contains("x.json is no result of ringmq-load"), "{output:?}");
}

#[test]
fn a_broker_that_ends_at_once_is_named_with_its_command() {
    let error = failure(&["short=sh -c 'exit 7' {port}"], &["--rounds", "1", "--", "pairs"]);
    assert!(error.contains("short in round 1") && error.contains("exit status: 7"), "{error}");
}

#[test]
fn a_command_without_a_port_is_refused() {
    assert!(failure(&["mine=./mine"], &["--", "pairs"]).contains("{port}"));
}

#[test]
fn names_must_differ_and_the_baseline_must_be_one_of_them() {
    let brokers = &["x=x {port}", "x=y {port}"];
    assert!(failure(brokers, &["--", "pairs"]).contains("two brokers have the name \"x\""));
    let error = failure(&brokers[..1], &["--baseline", "z", "--", "pairs"]);
    assert!(error.contains("there is no \"z\" to be the baseline: there are x"), "{error}");
}

#[test]
fn a_scenario_with_a_mistake_is_refused_before_any_broker_starts() {
    let error = failure(&["never=touch started {port}"], &["--", "pairs", "--pears", "2"]);
    assert!(error.contains("--pears"), "{error}");
}
