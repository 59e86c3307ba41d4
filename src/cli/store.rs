//! `ringmq store`: looks into a data directory that no broker uses.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::EXIT_ENVIRONMENT;
use crate::storage::offline::{config, open_read_only, read_only, salvage_to};
use crate::storage::show::{count, size};
use crate::storage::{StorageError, dump};
use crate::store::inspect::{Finding, Item, inspect};
use crate::store::salvage::SalvageError;
use crate::store::{Findings, Store};

#[derive(Debug, Args)]
pub struct StoreOptions {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Verify every group; exit code 1 if something is wrong
    Check {
        /// Data directory
        dir: PathBuf,
    },
    /// Tell what is in it, and how much of it holds
    Stats {
        /// Data directory
        dir: PathBuf,
    },
    /// Print what holds, one JSON object a line
    Dump {
        /// Data directory
        dir: PathBuf,
        /// Print the messages that wait, too, and payloads in base64
        #[arg(long)]
        messages: bool,
    },
    /// Copy what is readable of a damaged store to a new one
    Salvage {
        /// Data directory
        dir: PathBuf,
        /// Directory of the new store; it must be empty, or not there
        #[arg(long, value_name = "NEW")]
        to: PathBuf,
    },
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("{0}: cannot be read: {1}")]
    Input(String, io::Error),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    #[error("{0}: {1}")]
    Salvage(String, SalvageError),
}

pub fn run(options: &StoreOptions) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = match &options.command {
        StoreCommand::Check { dir } => check(dir, &mut out),
        StoreCommand::Stats { dir } => stats(dir, &mut out),
        StoreCommand::Dump { dir, messages } => dump_all(dir, *messages, &mut out),
        StoreCommand::Salvage { dir, to } => salvage(dir, to, &mut out),
    };
    match done.and_then(|code| out.flush().map(|()| code).map_err(Failure::Output)) {
        Ok(code) => code,
        // Whoever reads may have seen enough.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("ringmq: {failure}");
            ExitCode::from(EXIT_ENVIRONMENT)
        }
    }
}

fn check(dir: &Path, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let (_lock, mut disk) = read_only(dir)?;
    let mut findings = Vec::new();
    let inspected = inspect(&mut disk, &mut |item| {
        if let Item::Finding(finding) = item {
            findings.push(finding);
        }
    });
    inspected.map_err(|error| Failure::Input(dir.display().to_string(), error))?;
    write_findings(&findings, out)?;
    // A server would start with it, or not: that is what counts.
    let verdict = match Store::open(disk, config(), &mut |_| {}) {
        Ok(opened) => verdict(&opened.findings),
        Err(error) => Err(error.to_string()),
    };
    match verdict {
        Ok(sound) => {
            writeln!(out, "sound: {sound}")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(wrong) => {
            writeln!(out, "damaged: {wrong}")?;
            Ok(ExitCode::from(EXIT_ENVIRONMENT))
        }
    }
}

fn verdict(findings: &Findings) -> Result<String, String> {
    let Findings { segments, groups, records, torn_bytes, dangling, .. } = *findings;
    if dangling > 0 {
        return Err(format!("{} entries or retained topics have no message", count(dangling)));
    }
    let mut sound = format!("{} segments, {} groups, {} records", count(segments), count(groups), count(records));
    if torn_bytes > 0 {
        sound += &format!(
            "; the last group was not written to its end, {} bytes, and nobody was told that it is kept",
            count(torn_bytes)
        );
    }
    Ok(sound)
}

fn stats(dir: &Path, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let (_lock, opened) = open_read_only(dir)?;
    let stats = opened.store.stats();
    for (name, number) in [
        ("sessions", stats.sessions),
        ("subscriptions", stats.subscriptions),
        ("entries", stats.entries),
        ("messages", stats.messages),
        ("retained", stats.retained),
    ] {
        writeln!(out, "{name:<14} {:>14}", count(number))?;
    }
    let mut segments: Vec<Segment> = Vec::new();
    let inspected = inspect(&mut opened.store.into_disk(), &mut |item| match (item, segments.last_mut()) {
        (Item::Segment { number, size }, _) => segments.push(Segment { number, size, ..Segment::default() }),
        (Item::Group { len, .. }, Some(segment)) => {
            segment.groups += 1;
            segment.bytes += len;
        }
        (Item::Record { .. }, Some(segment)) => segment.records += 1,
        _ => {}
    });
    inspected.map_err(|error| Failure::Input(dir.display().to_string(), error))?;
    let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let live = stats.bytes_live.min(bytes);
    writeln!(out, "{:<14} {:>14}\n{:<14} {:>14}", "live, about", size(live), "void, about", size(bytes - live))?;
    writeln!(out, "\n{:>8} {:>10} {:>12} {:>12} {:>12}", "segment", "reserved", "written", "groups", "records")?;
    for segment in segments {
        let Segment { number, size: reserved, bytes, groups, records } = segment;
        writeln!(
            out,
            "{number:>8} {:>10} {:>12} {:>12} {:>12}",
            size(reserved),
            size(bytes),
            count(groups),
            count(records)
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a segment has.
#[derive(Default)]
struct Segment {
    number: u32,
    size: u64,
    bytes: u64,
    groups: u64,
    records: u64,
}

fn dump_all(dir: &Path, messages: bool, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let (_lock, opened) = open_read_only(dir)?;
    dump::dump(&opened.recovered, messages, |fact| writeln!(out, "{fact}"))?;
    Ok(ExitCode::SUCCESS)
}

fn salvage(dir: &Path, to: &Path, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let salvaged = salvage_to(dir, to)?.map_err(|error| Failure::Salvage(to.display().to_string(), error))?;
    write_findings(&salvaged.findings, out)?;
    writeln!(
        out,
        "copied {} sessions, {} subscriptions, {} entries, {} messages, {} retained messages to {}",
        count(salvaged.sessions),
        count(salvaged.subscriptions),
        count(salvaged.entries),
        count(salvaged.messages),
        count(salvaged.retained),
        to.display()
    )?;
    writeln!(
        out,
        "lost {} of groups, {} groups or more, and {} facts that need what was in them",
        size(salvaged.bytes_lost),
        count(salvaged.groups_lost),
        count(salvaged.dangling_lost)
    )?;
    Ok(ExitCode::SUCCESS)
}

fn write_findings(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    for Finding { place, what } in findings {
        writeln!(out, "segment {}, byte {}: {what}", place.segment, place.offset)?;
    }
    Ok(())
}
