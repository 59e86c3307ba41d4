//! What `compare` says when a broker cannot be measured.

use std::process::Command;

/// The standard error of a comparison that must fail.
fn failure(broker: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ringmq-load"))
        .args(["compare", "--rounds", "1", "--broker-cpus", "0", "--load-cpus", "0"])
        .args(["--a", broker, "--b", broker, "--", "pairs"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_broker_that_ends_at_once_is_named_with_its_command() {
    let error = failure("short=sh -c 'exit 7' {port}");
    assert!(error.contains("short in round 1") && error.contains("exit status: 7"), "{error}");
}

#[test]
fn a_command_without_a_port_is_refused() {
    assert!(failure("mine=./mine").contains("{port}"));
}
