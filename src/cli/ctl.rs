//! `ringmq ctl`: administrates a running server over its HTTP listener.

mod client;

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{EXIT_CONFIGURATION, EXIT_ENVIRONMENT};
use crate::config::Value;
use crate::limits::BAN_TIME_MAX_S;
use client::{Client, Failure, encoded};

#[derive(Debug, Args)]
pub struct CtlOptions {
    #[command(flatten)]
    connection: ConnectionOptions,
    #[command(subcommand)]
    command: CtlCommand,
}

#[derive(Debug, Args)]
struct ConnectionOptions {
    /// Where the server is administrated (admin.listen)
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:18830", env = "RINGMQ_CTL_URL", global = true)]
    url: String,
    /// File with the token for it (admin.token_file)
    #[arg(long, value_name = "FILE", env = "RINGMQ_CTL_TOKEN_FILE", global = true)]
    token_file: Option<std::path::PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum CtlCommand {
    /// Who is banned; without a command it lists
    Bans {
        #[command(subcommand)]
        command: Option<BansCommand>,
    },
}

#[derive(Debug, Subcommand)]
enum BansCommand {
    /// List the bans in force
    List,
    /// Ban, and disconnect who is connected
    Add {
        kind: Kind,
        /// Address or network (192.0.2.1, 2001:db8::/64), client id, or user name
        value: String,
        /// How long, such as 10m or 7d; without it until it is lifted, or the server stops
        #[arg(long = "for", value_name = "TIME")]
        time: Option<String>,
        /// Why, for those who list it
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// End a ban
    Lift { kind: Kind, value: String },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Address,
    ClientId,
    UserName,
}

#[derive(Deserialize)]
struct Ban {
    kind: String,
    value: String,
    seconds: Option<u64>,
    reason: String,
}

pub fn run(options: &CtlOptions) -> ExitCode {
    let CtlOptions { connection, command: CtlCommand::Bans { command } } = options;
    let client = Client::new(&connection.url, connection.token_file.as_deref());
    let done = client.and_then(|client| match command {
        None | Some(BansCommand::List) => list(&client, connection.json),
        Some(BansCommand::Add { kind, value, time, reason }) => {
            let seconds = time.as_deref().map(seconds).transpose()?;
            let wanted = json!({ "kind": kind.name(), "value": value, "seconds": seconds, "reason": reason });
            let made = client.post("/api/v1/bans", &wanted)?;
            Ok(if connection.json { made.to_string() + "\n" } else { String::new() })
        }
        Some(BansCommand::Lift { kind, value }) => {
            client.delete(&format!("/api/v1/bans/{}/{}", kind.name(), encoded(value)))?;
            Ok(String::new())
        }
    });
    match done {
        Ok(output) => {
            print!("{output}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("ringmq: {failure}");
            ExitCode::from(if failure.is_usage() { EXIT_CONFIGURATION } else { EXIT_ENVIRONMENT })
        }
    }
}

fn list(client: &Client, as_json: bool) -> Result<String, Failure> {
    let answer = client.get("/api/v1/bans")?;
    if as_json {
        return Ok(answer.to_string() + "\n");
    }
    let bans: Vec<Ban> = Deserialize::deserialize(answer.get("bans").unwrap_or(&Json::Null))
        .map_err(|_| Failure::Answer("it is not a list of bans".into()))?;
    Ok(table(&bans))
}

fn table(bans: &[Ban]) -> String {
    let rows = bans.iter().map(|ban| {
        [
            ban.kind.replace('_', "-"),
            printable(&ban.value),
            ban.seconds.map_or("-".into(), left),
            printable(&ban.reason),
        ]
    });
    let rows: Vec<[String; 4]> =
        std::iter::once(["KIND", "VALUE", "LEFT", "REASON"].map(String::from)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut out = String::new();
    for [kind, value, left, reason] in &rows {
        // Writing to a string cannot fail.
        let line = format!("{kind:<0$}  {value:<1$}  {left:<2$}  {reason}", widths[0], widths[1], widths[2]);
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// The two largest units of a time: `1h 5m`.
fn left(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let largest = units.iter().position(|(_, size)| seconds >= *size).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let parts = units[largest..].iter().take(2).map(|(unit, size)| {
        let count = rest / size;
        rest %= size;
        (count, format!("{count}{unit}"))
    });
    let parts: Vec<_> = parts.enumerate().filter(|(place, (count, _))| *place == 0 || *count > 0).collect();
    parts.into_iter().map(|(_, (_, text))| text).collect::<Vec<_>>().join(" ")
}

/// Strangers have chosen the names: nothing in them may steer a terminal.
fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn seconds(time: &str) -> Result<u64, Failure> {
    let second = Duration::from_secs(1);
    let time = Value::Untyped(time.to_owned()).duration(second..=Duration::from_secs(BAN_TIME_MAX_S));
    time.map(|time| time.as_secs())
        .map_err(|problem| Failure::Usage(format!("{}: {}", problem.problem, problem.remedy)))
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::ClientId => "client_id",
            Self::UserName => "user_name",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_are_a_table() {
        let ban = |kind: &str, value: &str, seconds, reason: &str| Ban {
            kind: kind.into(),
            value: value.into(),
            seconds,
            reason: reason.into(),
        };
        let bans = [ban("address", "10.0.0.0/8", None, ""), ban("client_id", "a\u{1b}[2J", Some(299), "flapping")];
        let expected = "KIND       VALUE       LEFT    REASON\n\
                        address    10.0.0.0/8  -\n\
                        client-id  a\\u{1b}[2J  4m 59s  flapping\n";
        assert_eq!(table(&bans), expected);
    }

    #[test]
    fn times_are_short() {
        let shown = [0, 59, 60, 3_601, 90_000, 86_400].map(left);
        assert_eq!(shown, ["0s", "59s", "1m", "1h", "1d 1h", "1d"]);
    }
}
