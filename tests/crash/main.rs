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
mod small_disk;
mod subscriber;
mod verdict;
#[allow(dead_code)]
#[path = "../simulation/wire.rs"]
mod wire;

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use broker::{Broker, Program};
use figures::Figures;
use random::Random;
use round::{Remedy, Round};
use small_disk::SmallDisk;
use tempfile::TempDir;

/// Rounds of a plain `cargo test`, and kills of each.
const ROUNDS: u64 = 4;
const KILLS: usize = 5;
/// The other tests take one round where that with the kills takes so many.
const SELDOM: u64 = 20;
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
    play_all(seeds(ROUNDS, 1), program, |round| round);
}

/// The test of the test: a server that keeps nothing must be found out.
#[test]
fn a_server_that_keeps_nothing_is_found_out() {
    let directory = temporary_directory();
    let mut round = Round::new(1, KILLS, forgetful(1, directory.path()), directory.path());
    let failure = round.play().expect_err("sessions and messages are lost");
    assert!(failure.contains("session: "), "{failure}");
}

/// The same clients and no kills: nobody is blamed.
#[test]
fn a_server_that_is_left_alone_is_not_blamed() {
    play_all(seeds(ROUNDS, SELDOM), forgetful, Round::calm);
}

/// The store's own bound, which is everywhere.
#[test]
fn a_store_at_its_bound_refuses_until_there_is_room() {
    let bound = "size_max = '4MiB'\nsegment_size = '1MiB'\n";
    for seed in seeds(1, SELDOM) {
        let directory = temporary_directory();
        let program = storing(directory.path(), &directory.path().join("data"), bound);
        let mut round = Round::filling(seed, Broker::new(program, directory.path()));
        finish(seed, round.play_full(Remedy::Fetch), directory);
    }
}

/// A file system that is full to the last byte, and one that is near that.
#[test]
fn a_full_disk_refuses_until_there_is_room() {
    for (seed, free_space_min) in seeds(1, SELDOM).flat_map(|seed| [(seed, "0"), (seed, "2MiB")]) {
        let directory = temporary_directory();
        let mount = directory.path().join("small");
        std::fs::create_dir(&mount).expect("the directory can be written");
        let disk = match SmallDisk::mount(&mount, 16) {
            Ok(disk) => disk,
            Err(why) => return println!("SKIPPED: no file system can be mounted here: {why}"),
        };
        disk.put_ballast(8 * 1024 * 1024);
        let bound = format!("segment_size = '1MiB'\nfree_space_min = '{free_space_min}'\n");
        let mut broker = Broker::new(storing(directory.path(), &mount.join("data"), &bound), directory.path());
        broker.prefix = disk.enter();
        let mut round = Round::filling(seed, broker);
        finish(seed, round.play_full(Remedy::Delete(&|| disk.delete_ballast())), directory);
    }
}

/// Plays rounds, each on a directory of its own; that of one that fails is kept.
fn play_all(seeds: Range<u64>, program: impl Fn(u64, &Path) -> Program, kind: impl Fn(Round) -> Round) {
    let (mut figures, mut told_at) = (Figures::default(), Instant::now());
    for seed in seeds {
        let directory = temporary_directory();
        let mut round = kind(Round::new(seed, KILLS, program(seed, directory.path()), directory.path()));
        let result = round.play();
        finish(seed, result.map_err(|why| format!("{why}\nbefore it: {figures}")), directory);
        figures.add(round.figures);
        if told_at.elapsed() > PROGRESS {
            println!("{figures}");
            told_at = Instant::now();
        }
    }
    println!("{figures}");
}

/// The server under test, or the one that a shell command in RINGMQ_CRASH_BROKER starts.
fn program(seed: u64, directory: &Path) -> Program {
    if let Ok(command) = std::env::var("RINGMQ_CRASH_BROKER") {
        return Program::Other(command);
    }
    // Small segments and small queues: cleaning, and messages that are on disk only, come early.
    let random = &mut Random::new(seed);
    let segment_size = random.pick(&["1MiB", "4MiB", "64MiB"]);
    let queue_memory_max = random.pick(&["64KiB", "1MiB"]);
    // The end of the process loses nothing in either.
    let durability = random.pick(&["commit", "commit", "interval = 20ms"]);
    let storage = format!(
        "segment_size = '{segment_size}'\nqueue_memory_max = '{queue_memory_max}'\ndurability = '{durability}'\n"
    );
    storing(directory, &directory.join("data"), &storage)
}

/// RingMQ with its data there, and more of the section `[storage]`.
fn storing(directory: &Path, data: &Path, storage: &str) -> Program {
    configured(directory, &format!("dir = '{}'\n{storage}", data.display()))
}

/// RingMQ without a place for its data.
fn forgetful(_: u64, directory: &Path) -> Program {
    configured(directory, "persistence = false\n")
}

fn configured(directory: &Path, storage: &str) -> Program {
    let path = directory.join("ringmq.toml");
    std::fs::write(&path, format!("{CONFIGURATION}[storage]\n{storage}")).expect("the directory can be written");
    Program::Ringmq(vec!["--config".into(), path.display().to_string()])
}

/// Fails with the reason, and keeps the directory then.
fn finish(seed: u64, result: Result<(), String>, directory: TempDir) {
    if let Err(why) = result {
        let kept = directory.keep();
        panic!("RINGMQ_CRASH_SEED={seed}: {why}\ndata and logs: {}", kept.display());
    }
}

fn temporary_directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Those of as many rounds as RINGMQ_CRASH_ROUNDS asks for, divided, from RINGMQ_CRASH_SEED on or fresh ones; the same few each time without that.
fn seeds(few: u64, divisor: u64) -> Range<u64> {
    let rounds = number("RINGMQ_CRASH_ROUNDS");
    let first = number("RINGMQ_CRASH_SEED").unwrap_or_else(|| rounds.map_or(1, |_| seed_of_the_time()));
    first..first + rounds.map_or(few, |rounds| rounds.div_ceil(divisor))
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, and not {text:?}")))
}

fn seed_of_the_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() * 10_000
}
