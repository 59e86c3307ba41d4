//! `ringmq generate`: manual pages and shell completions, made of the command line's own description, so that a package has those
//! of its version.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use super::common::{ENVIRONMENT, EXIT_STATUS};
use super::{CommandLine, EXIT_ENVIRONMENT};
use crate::config::EXAMPLE;

const SOURCE: &str = concat!("ringmq ", env!("CARGO_PKG_VERSION"));
const MANUAL: &str = "RingMQ Manual";

#[derive(Debug, Args)]
pub struct GenerateOptions {
    /// What to make
    what: What,
    /// Directory to write it to; it is created
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Date of the manual pages [default: that of SOURCE_DATE_EPOCH, or today]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    date: Option<NaiveDate>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Manual pages: one for each command, and ringmq.toml(5)
    Man,
    /// Completions for bash, zsh and fish
    Completions,
}

pub fn run(options: &GenerateOptions) -> ExitCode {
    let generated = std::fs::create_dir_all(&options.dir).and_then(|()| match options.what {
        What::Man => manual_pages(&options.dir, options.date.unwrap_or_else(today)),
        What::Completions => completions(&options.dir),
    });
    match generated {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringmq: cannot write to {}: {error}", options.dir.display());
            ExitCode::from(EXIT_ENVIRONMENT)
        }
    }
}

fn date(text: &str) -> Result<NaiveDate, String> {
    text.parse().map_err(|_| "a date is wanted, such as 2026-11-24".into())
}

/// The day of the build, or the one that builds that are to be equal agree on
/// (<https://reproducible-builds.org/specs/source-date-epoch/>).
fn today() -> NaiveDate {
    let agreed =
        std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| DateTime::from_timestamp(seconds.parse().ok()?, 0));
    agreed.unwrap_or_else(Utc::now).date_naive()
}

fn manual_pages(dir: &Path, date: NaiveDate) -> io::Result<()> {
    let date = &date.to_string();
    // The command `help` is of no use in a manual, and what all have in common has sections of its own there.
    let mut command = CommandLine::command().disable_help_subcommand(true).after_long_help(None);
    command.build();
    write_pages(&command, dir, date)?;
    let common = section("ENVIRONMENT", &ENVIRONMENT) + &section("EXIT STATUS", &EXIT_STATUS);
    File::options().append(true).open(dir.join("ringmq.1"))?.write_all(common.as_bytes())?;
    std::fs::write(dir.join("ringmq.toml.5"), configuration_page(EXAMPLE, date))
}

/// Names with their meanings, in the language of man(7).
fn section(title: &str, entries: &[(&str, &str)]) -> String {
    let entry = |(name, meaning): &(&str, &str)| format!(".TP\n\\fB{name}\\fR\n{meaning}\n").replace("--", "\\-\\-");
    format!(".SH \"{title}\"\n{}", entries.iter().map(entry).collect::<String>())
}

/// One page for the command, and one for each below it.
fn write_pages(command: &Command, dir: &Path, date: &str) -> io::Result<()> {
    Man::new(command.clone()).date(date).source(SOURCE).manual(MANUAL).generate_to(dir)?;
    command.get_subcommands().try_for_each(|below| write_pages(below, dir, date))
}

fn completions(dir: &Path) -> io::Result<()> {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut CommandLine::command(), "ringmq", dir)?;
    }
    Ok(())
}

/// ringmq.toml(5) is the example with its comments, as it is: there every key is documented, and nowhere else.
fn configuration_page(example: &str, date: &str) -> String {
    let mut page = format!(
        ".TH ringmq.toml 5 \"{date}\" \"{SOURCE}\" \"{MANUAL}\"\n.SH NAME\nringmq.toml \\- configuration of the MQTT broker ringmq\n\
         .SH DESCRIPTION\n.nf\n"
    );
    for line in example.lines() {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        // A control line begins with one of these.
        if line.starts_with(['.', '\'']) {
            page.push_str("\\&");
        }
        page.push_str(&line);
        page.push('\n');
    }
    page.push_str(".fi\n.SH SEE ALSO\n.BR ringmq (1),\n.BR ringmq\\-serve (1),\n.BR ringmq\\-check\\-config (1)\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        manual_pages(dir.path(), date("2026-11-23").unwrap()).unwrap();
        for page in
            ["ringmq.1", "ringmq-serve.1", "ringmq-pub.1", "ringmq-ctl-why.1", "ringmq-generate.1", "ringmq.toml.5"]
        {
            let text = std::fs::read_to_string(dir.path().join(page)).unwrap();
            assert!(text.contains(".SH NAME") && text.contains("2026-11-23"), "{page}: {text}");
        }
        let page = std::fs::read_to_string(dir.path().join("ringmq.1")).unwrap();
        assert!(page.contains("\\fBRINGMQ_CTL_URL\\fR\n") && page.contains(".SH \"EXIT STATUS\"\n"), "{page}");
        assert_eq!(page.matches("RINGMQ_CTL_URL").count(), 1, "{page}");
    }

    #[test]
    fn the_shells_know_every_command() {
        let dir = tempfile::tempdir().unwrap();
        completions(dir.path()).unwrap();
        for file in ["ringmq.bash", "_ringmq", "ringmq.fish"] {
            let text = std::fs::read_to_string(dir.path().join(file)).unwrap();
            for command in CommandLine::command().get_subcommands() {
                assert!(text.contains(command.get_name()), "{} is not in {file}", command.get_name());
            }
        }
    }

    #[test]
    fn nothing_in_the_configuration_is_a_command_of_the_page() {
        let page = configuration_page(".so /etc/passwd\n'x\na\\b\n", "2026-11-23");
        assert!(page.contains("\n\\&.so /etc/passwd\n\\&'x\na\\eb\n"), "{page}");
    }
}
