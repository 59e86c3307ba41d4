//! Brokers that are killed and started again. The one here keeps everything: it lives in the test's process, and what is killed
//! and started is a process that passes bytes on to it.

#[allow(dead_code)]
mod small_broker;

use serde_json::Value;
use small_broker::{Fault, SmallBroker};
use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

/// The part of the broker that is killed: this program is started for it, with two ports in its environment.
#[test]
#[ignore = "it is started as a broker by the other tests, and does nothing otherwise"]
fn passing_on() {
    let port = |name: &str| std::env::var(name).ok().map(|port| port.parse::<u16>().unwrap());
    let Some((port, behind)) = port("TEST_PORT").zip(port("TEST_PORT_BEHIND")) else { return };
    for client in TcpListener::bind(("127.0.0.1", port)).unwrap().incoming().map_while(Result::ok) {
        let broker = TcpStream::connect(("127.0.0.1", behind)).unwrap();
        for (mut from, mut to) in [(client.try_clone().unwrap(), broker.try_clone().unwrap()), (broker, client)] {
            from.set_nodelay(true).unwrap();
            thread::spawn(move || {
                // Either end may go at any time.
                let _ = copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
    }
}

/// Whether a recovery passed, what it printed, and its one round.
fn recover(fault: Fault, whom: &'static str) -> (bool, String, Value) {
    let directory = tempfile::tempdir().unwrap();
    let behind = SmallBroker::start(fault, whom);
    let program = std::env::current_exe().unwrap();
    let broker = format!(
        "kept=env TEST_PORT={{port}} TEST_PORT_BEHIND={behind} {} --ignored --exact passing_on",
        program.display()
    );
    let json = directory.path().join("result.json");
    let output = Command::new(env!("CARGO_BIN_EXE_ringmq-load"))
        .args(["recovery", "--broker-cpus", "0-255", "--load-cpus", "0-255", "--rounds", "1", "--broker", &broker])
        .args(["--retained", "50", "--queued", "60", "--sessions", "7", "--publishers", "2", "--patience", "2"])
        .arg("--json")
        .arg(&json)
        .output()
        .unwrap();
    let round = round_in(&json).unwrap_or_else(|| panic!("no result: {output:?}"));
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned(), round)
}

fn round_in(json: &Path) -> Option<Value> {
    let document: Value = serde_json::from_slice(&std::fs::read(json).ok()?).ok()?;
    document.pointer("/scenarios/0/brokers/0/rounds/0").cloned()
}

#[test]
fn a_broker_that_keeps_everything_passes() {
    let (passed, printed, round) = recover(Fault::None, "");
    assert!(passed, "{printed}");
    for pointer in ["/recovery/seconds", "/recovery/rss_bytes", "/filling/messages_per_second"] {
        assert!(round.pointer(pointer).and_then(Value::as_f64) > Some(0.0), "{pointer}: {round}");
    }
    assert!(printed.contains("| seconds to recover"), "{printed}");
}

#[test]
fn what_was_lost_is_found() {
    for (fault, whom, lost) in [(Fault::Drop, "-session-3", 1), (Fault::ForgetSession, "-session-3", 9)] {
        let (passed, printed, round) = recover(fault, whom);
        assert!(!passed && printed.contains("FAILED"), "{printed}");
        assert_eq!(round["faults"]["lost"], lost, "{round}");
    }
}
