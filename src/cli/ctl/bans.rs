//! `ringmq ctl bans`.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::client::{Client, Failure, encoded};
use super::table::{printable, table, time};
use crate::config::Value;
use crate::limits::BAN_TIME_MAX_S;

#[derive(Debug, Subcommand)]
pub enum BansCommand {
    /// List the bans in force
    List,
    /// Ban, and disconnect who is connected
    Add {
        /// What is banned
        kind: Kind,
        /// Address or network (192.0.2.1, 2001:db8::/64), client id, or user name
        value: String,
        /// How long, such as 10m or 7d; without it until it is lifted, or the server stops
        #[arg(long = "for", value_name = "TIME")]
        time: Option<String>,
        /// Why, for those who list it
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// End a ban
    Lift {
        /// What was banned
        kind: Kind,
        /// As the list of bans shows it
        value: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Kind {
    /// An address, or a network
    Address,
    /// A client id
    ClientId,
    /// A user name
    UserName,
}

#[derive(Deserialize)]
struct Ban {
    kind: String,
    value: String,
    seconds: Option<u64>,
    reason: String,
}

pub fn run(client: &Client, command: Option<&BansCommand>, as_json: bool) -> Result<String, Failure> {
    match command {
        None | Some(BansCommand::List) => list(client, as_json),
        Some(BansCommand::Add { kind, value, time, reason }) => {
            let seconds = time.as_deref().map(seconds).transpose()?;
            let wanted = json!({ "kind": kind.name(), "value": value, "seconds": seconds, "reason": reason });
            let made = client.post("/api/v1/bans", &wanted)?;
            Ok(if as_json { made.to_string() + "\n" } else { String::new() })
        }
        Some(BansCommand::Lift { kind, value }) => {
            client.delete(&format!("/api/v1/bans/{}/{}", kind.name(), encoded(value)))?;
            Ok(String::new())
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
    Ok(shown(&bans))
}

fn shown(bans: &[Ban]) -> String {
    let rows = bans.iter().map(|ban| {
        [
            ban.kind.replace('_', "-"),
            printable(&ban.value),
            ban.seconds.map_or("-".into(), time),
            printable(&ban.reason),
        ]
    });
    table(["KIND", "VALUE", "LEFT", "REASON"], rows)
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
        assert_eq!(shown(&bans), expected);
    }
}
