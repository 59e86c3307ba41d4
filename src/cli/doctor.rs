//! `ringmq doctor`: what this machine has, what a goal wants of it, and what to do about the difference.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{EXIT_CONFIGURATION, EXIT_ENVIRONMENT, output};
use crate::doctor::{Aim, Facts, Goal, UNDO_SCRIPT, examine, script_for_anywhere, script_for_here, to_text};
use crate::net::check_support;

#[derive(Debug, Args)]
pub struct DoctorOptions {
    /// Connections at a time that the machine is to take
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    connections: u64,
    /// A message is to be there soon
    #[arg(long, conflicts_with = "throughput")]
    latency: bool,
    /// As many messages as can be are to pass
    #[arg(long)]
    throughput: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "script")]
    json: bool,
    /// Print a script in place of the report
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_missing_value = "here")]
    script: Option<Script>,
    /// Whose limits count: those of this process, and not of the one that runs this
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Option<u32>,
    /// Read a copy of a machine's /proc and /sys below this directory
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Script {
    /// What this machine lacks
    Here,
    /// What any machine is to have for a million connections: tuning/apply.sh
    Anywhere,
    /// Restores what such a script has found: tuning/undo.sh
    Undo,
}

/// Exit code 0 when nothing must be changed for the goal, 1 when something must, 2 when there is nothing to look at. Nothing is changed.
pub fn run(options: &DoctorOptions) -> ExitCode {
    let goal = Goal {
        connections: options.connections,
        aim: match (options.latency, options.throughput) {
            (true, _) => Aim::Latency,
            (_, true) => Aim::Throughput,
            _ => Aim::General,
        },
    };
    let process = options.pid.map_or("self".into(), |pid| pid.to_string());
    let root = options.root.as_deref().unwrap_or(Path::new("/"));
    if let Err(problem) = check_source(root, options.pid) {
        eprintln!("ringmq doctor: {problem}");
        return ExitCode::from(EXIT_CONFIGURATION);
    }
    let mut facts = Facts::read(root, &process);
    if options.root.is_none() {
        facts.ring = Some(check_support().map_err(|error| error.to_string()));
    }
    let report = examine(&facts, goal);
    let (text, is_ready) = match options.script {
        Some(Script::Here) => (script_for_here(&report.findings), true),
        Some(Script::Anywhere) => (script_for_anywhere(), true),
        Some(Script::Undo) => (UNDO_SCRIPT.to_owned(), true),
        None if options.json => (serde_json::to_string_pretty(&report).unwrap_or_default() + "\n", report.is_ready()),
        None => (to_text(&report), report.is_ready()),
    };
    let printed = output::print(text.as_bytes());
    if is_ready { printed } else { ExitCode::from(EXIT_ENVIRONMENT) }
}

/// What cannot be read is not wrong; so where nothing can be, all would seem well.
fn check_source(root: &Path, process: Option<u32>) -> Result<(), String> {
    let proc = root.join("proc");
    if !proc.is_dir() {
        return Err(format!(
            "there is no {}: name a directory with a copy of a machine's /proc and /sys",
            proc.display()
        ));
    }
    match process {
        Some(process) if !proc.join(process.to_string()).is_dir() => Err(format!("there is no process {process}")),
        _ => Ok(()),
    }
}
