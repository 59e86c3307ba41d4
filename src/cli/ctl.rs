//! `ringmq ctl`: administrates a running server over its HTTP listener.

mod bans;
mod capture;
mod client;
mod clients;
mod steer;
mod table;
mod top;
mod topics;
mod trace;
mod why;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value as Json;

use super::{EXIT_CONFIGURATION, EXIT_ENVIRONMENT, output};
use bans::BansCommand;
use client::{Client, Failure, encoded};
use clients::ClientsOptions;
use top::TopOptions;
use topics::{PublishOptions, RetainedCommand, SubscriptionsOptions};
use trace::TraceOptions;
use why::WhyOptions;

#[derive(Debug, Args)]
pub struct CtlOptions {
    #[command(flatten)]
    connection: ConnectionOptions,
    #[command(subcommand)]
    command: CtlCommand,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every ctl command")]
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
    /// What runs, and whether it is ready for clients
    Status,
    /// A view of rates, latencies, shards and slow subscribers, drawn again and again
    Top(TopOptions),
    /// List clients, connected or away with a session
    Clients(ClientsOptions),
    /// Show one client: connection, session, subscriptions, what it did not get
    Client {
        /// Its client id
        #[arg(value_name = "ID")]
        client_id: String,
    },
    /// Say what has happened to a client and to its messages, and what is wrong with it
    Why(WhyOptions),
    /// Disconnect a client; its session stays if it wanted that
    Disconnect {
        /// Its client id
        #[arg(value_name = "ID")]
        client_id: String,
    },
    /// List the connected clients for which most bytes wait
    Slow {
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// List subscriptions
    Subscriptions(SubscriptionsOptions),
    /// List the filters that are subscribed to, with how many subscribe
    Topics {
        /// At most so many; 0 is all
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        limit: usize,
    },
    /// List, print and delete retained messages
    Retained {
        #[command(subcommand)]
        command: RetainedCommand,
    },
    /// Show packets of one client, or publishes to some topics, as they pass
    Trace(TraceOptions),
    /// Publish a message
    Publish(PublishOptions),
    /// Who is banned; without a command it lists
    Bans {
        #[command(subcommand)]
        command: Option<BansCommand>,
    },
    /// Have the configuration read again, as SIGHUP does, and say what has changed and what needs a restart
    Reload,
    /// Show the level of the log, or set it until the next reload
    LogLevel {
        /// off, error, warn, info, debug or trace; without it and without --module the levels are shown
        level: Option<String>,
        /// The level of a module, such as ringmq::net=debug
        #[arg(long = "module", value_name = "MODULE=LEVEL")]
        modules: Vec<String>,
    },
}

/// Exit code 0 when the server has done it, 2 when what was asked for cannot be, 1 otherwise.
pub fn run(options: &CtlOptions) -> ExitCode {
    let CtlOptions { connection, command } = options;
    let client = Client::new(&connection.url, connection.token_file.as_deref());
    match client.and_then(|client| asked(&client, command, connection.json)) {
        Ok(text) => output::print(text.as_bytes()),
        Err(failure) => {
            eprintln!("ringmq: {failure}");
            ExitCode::from(if failure.is_usage() { EXIT_CONFIGURATION } else { EXIT_ENVIRONMENT })
        }
    }
}

fn asked(client: &Client, command: &CtlCommand, as_json: bool) -> Result<String, Failure> {
    match command {
        CtlCommand::Status => steer::status(client, as_json),
        CtlCommand::Top(options) => top::run(client, options, as_json),
        CtlCommand::Clients(options) => clients::clients(client, options, as_json),
        CtlCommand::Client { client_id } => clients::client(client, client_id, as_json),
        CtlCommand::Why(options) => why::run(client, options, as_json),
        CtlCommand::Disconnect { client_id } => {
            let done: Json = client.delete(&format!("/api/v1/clients/{}", encoded(client_id)))?;
            Ok(if as_json { done.to_string() + "\n" } else { String::new() })
        }
        CtlCommand::Slow { limit } => clients::slow(client, usize::from(*limit), as_json),
        CtlCommand::Subscriptions(options) => topics::subscriptions(client, options, as_json),
        CtlCommand::Topics { limit } => topics::topics(client, *limit, as_json),
        CtlCommand::Retained { command } => topics::retained(client, command, as_json),
        CtlCommand::Trace(options) => trace::run(client, options, as_json),
        CtlCommand::Publish(options) => topics::publish(client, options, as_json),
        CtlCommand::Bans { command } => bans::run(client, command.as_ref(), as_json),
        CtlCommand::Reload => steer::reload(client, as_json),
        CtlCommand::LogLevel { level, modules } => steer::log_level(client, level.as_deref(), modules, as_json),
    }
}
