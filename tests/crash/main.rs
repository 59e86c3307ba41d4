//! The real binary, killed in mid-stream and started again on the same directory: whatever it had acknowledged must be there.
//!
//! The clients share no code with the server. Each of them keeps a record; at the end the records are compared. A failure tells the seed, the
//! history of the message, and the directory with the data and the logs, which is kept.

mod broker;
mod client;
mod figures;
#[path = "../simulation/oracle/filter.rs"]
mod filter;
mod link;
mod publisher;
#[allow(dead_code)]
#[path = "../simulation/random.rs"]
mod random;
mod reader;
mod record;
mod round;
mod subscriber;
mod verdict;
#[allow(dead_code)]
#[path = "../simulation/wire.rs"]
mod wire;

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use broker::Program;
use figures::Figures;
use round::Round;
use tempfile::TempDir;

/// Rounds of a plain `cargo test`, and kills of each.
const ROUNDS: u64 = 4;
const KILLS: usize = 5;
/// Time between two lines about the progress.
const PROGRESS: Duration = Duration::from_secs(10);

/// Who is away misses nothing, and who is slow does not delay the end by much.
const CONFIGURATION: &str = "
[limits]
queued_messages_max = 1000000
queued_bytes_max = '256MiB'
[runtime]
shutdown_time_max = '300ms'
";

#[test]
fn what_was_acknowledged_survives_kills() {
    play_all(program, |round| round);
}

/// The test of the test: a server that keeps nothing must be found out.
#[test]
fn a_server_that_keeps_nothing_is_found_out() {
    let directory = temporary_directory();
    let mut round = Round::new(1, KILLS, forgetful(directory.path()), directory.path());
    let failure = round.play().expect_err("sessions and messages are lost");
    assert!(failure.contains("session: "), "{failure}");
}

/// The same clients and no kills: nobody is blamed.
#[test]
fn a_server_that_is_left_alone_is_not_blamed() {
    play_all(forgetful, Round::calm);
}

/// Plays rounds, each on a directory of its own; that of one that fails is kept.
fn play_all(program: impl Fn(&Path) -> Program, kind: impl Fn(Round) -> Round) {
    let rounds = number("RINGMQ_CRASH_ROUNDS");
    let first = number("RINGMQ_CRASH_SEED").unwrap_or_else(|| rounds.map_or(1, |_| seed_of_the_time()));
    let (mut figures, mut told_at) = (Figures::default(), Instant::now());
    for seed in first..first + rounds.unwrap_or(ROUNDS) {
        let directory = temporary_directory();
        let mut round = kind(Round::new(seed, KILLS, program(directory.path()), directory.path()));
        if let Err(why) = round.play() {
            drop(round);
            let kept = directory.keep();
            panic!("RINGMQ_CRASH_SEED={seed}: {why}\ndata and logs: {}\nbefore it: {figures}", kept.display());
        }
        figures.add(round.figures);
        if told_at.elapsed() > PROGRESS {
            println!("{figures}");
            told_at = Instant::now();
        }
    }
    println!("{figures}");
}

/// The server under test, or the one that a shell command in RINGMQ_CRASH_BROKER starts.
fn program(directory: &Path) -> Program {
    if let Ok(command) = std::env::var("RINGMQ_CRASH_BROKER") {
        return Program::Other(command);
    }
    let Program::Ringmq(mut arguments) = forgetful(directory) else { unreachable!("it is RingMQ") };
    arguments.extend(["--data-dir".into(), directory.join("data").display().to_string()]);
    Program::Ringmq(arguments)
}

/// RingMQ without a place for its data.
fn forgetful(directory: &Path) -> Program {
    let path = directory.join("ringmq.toml");
    std::fs::write(&path, CONFIGURATION).expect("the directory can be written");
    Program::Ringmq(vec!["--config".into(), path.display().to_string()])
}

fn temporary_directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, and not {text:?}")))
}

fn seed_of_the_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() * 10_000
}
