//! `ringmq store`: looks into a data directory that no broker uses.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::EXIT_ENVIRONMENT;
use crate::storage::{StorageError, dump, offline, show};

#[derive(Debug, Args)]
pub struct StoreOptions {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Verify every group; exit code 1 if something is wrong
    Check { dir: PathBuf },
    /// Tell what is in it, and how much of it holds
    Stats { dir: PathBuf },
    /// Print all facts, one JSON object a line
    Dump {
        dir: PathBuf,
        /// Print the messages, too, with their payloads in base64
        #[arg(long)]
        messages: bool,
    },
}

pub fn run(options: &StoreOptions) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = match &options.command {
        StoreCommand::Check { dir } => check(dir, &mut out),
        StoreCommand::Stats { dir } => stats(dir, &mut out),
        StoreCommand::Dump { dir, messages } => dump_all(dir, *messages, &mut out),
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

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

fn check(dir: &Path, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let (_lock, opened) = offline::open_read_only(dir)?;
    let findings = opened.findings;
    if findings.torn_bytes > 0 {
        let bytes = show::count(findings.torn_bytes);
        writeln!(
            out,
            "torn: a last group was not written to its end, {bytes} bytes; nobody was told that they are kept"
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn stats(dir: &Path, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let (_lock, opened) = offline::open_read_only(dir)?;
    let stats = opened.store.stats();
    for (name, count) in [
        ("sessions", stats.sessions),
        ("subscriptions", stats.subscriptions),
        ("entries", stats.entries),
        ("messages", stats.messages),
        ("retained", stats.retained),
    ] {
        writeln!(out, "{name:<14} {:>15}", show::count(count))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn dump_all(dir: &Path, messages: bool, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let (_lock, opened) = offline::open_read_only(dir)?;
    dump::dump(&opened.recovered, messages, |fact| writeln!(out, "{fact}"))?;
    Ok(ExitCode::SUCCESS)
}
