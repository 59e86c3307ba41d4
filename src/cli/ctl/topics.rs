//! `ringmq ctl subscriptions`, `topics`, `retained` and `publish`.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::client::{Client, Failure, Query, encoded};
use super::table::{bytes, number, printable, shown, table, time};
use crate::limits::ADMIN_BODY_SIZE_MAX;

/// Bytes of a payload that a request has room for: it goes as base64, and the topic and the rest with it.
const PAYLOAD_SIZE_MAX: usize = (ADMIN_BODY_SIZE_MAX - 256 * 1024) / 4 * 3;

#[derive(Debug, Args)]
pub struct SubscriptionsOptions {
    /// Those of this client
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Those with this filter, as it was subscribed to
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// Those that this topic goes to
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Shared ones
    #[arg(long)]
    shared: bool,
    /// At most so many; 0 is all
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: usize,
}

#[derive(Debug, Subcommand)]
pub enum RetainedCommand {
    /// List topics with a retained message
    List {
        /// Filter that the topics match; those that begin with $ need one that says so, such as '$SYS/#'
        #[arg(default_value = "#")]
        filter: String,
        /// At most so many; 0 is all
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        limit: usize,
    },
    /// Print the payload of a topic's retained message, as it is
    Get {
        /// The topic
        topic: String,
    },
    /// Delete a topic's retained message
    Delete {
        /// The topic
        topic: String,
    },
}

#[derive(Debug, Args)]
pub struct PublishOptions {
    /// The topic
    topic: String,
    /// The payload; without it, it is read from standard input
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Its QoS: 0, 1 or 2
    #[arg(short, long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,
    /// Retain it; an empty payload deletes what is retained
    #[arg(short, long)]
    retain: bool,
}

pub fn subscriptions(client: &Client, options: &SubscriptionsOptions, as_json: bool) -> Result<String, Failure> {
    let query = Query::new("/api/v1/subscriptions")
        .with("client_id", options.client_id.as_deref())
        .with("filter", options.filter.as_deref())
        .with("topic", options.topic.as_deref())
        .with("shared", options.shared.then_some("true"));
    let listed = client.list(&query, "subscriptions", options.limit)?;
    if as_json {
        return Ok(listed.json("subscriptions"));
    }
    let rows = listed.entries.iter().map(|it| [shown(&it["client_id"]), shown(&it["is_connected"]), subscription(it)]);
    Ok(table(["CLIENT ID", "CONNECTED", "FILTER"], rows) + &listed.rest())
}

/// A filter with what it was subscribed with.
pub fn subscription(it: &Json) -> String {
    let mut parts = vec![format!("QoS {}", shown(&it["qos"]))];
    let flags = [("no_local", "no local"), ("retain_as_published", "retain as published")];
    parts.extend(flags.into_iter().filter(|(name, _)| it[*name] == true).map(|(_, said)| said.to_owned()));
    if it["retain_handling"] != "send" {
        parts.push(format!("retained: {}", shown(&it["retain_handling"]).replace('_', " ")));
    }
    parts.extend(it["subscription_id"].as_u64().map(|id| format!("id {id}")));
    format!("{}  ({})", shown(&it["filter"]), parts.join(", "))
}

pub fn topics(client: &Client, limit: usize, as_json: bool) -> Result<String, Failure> {
    let listed = client.list(&Query::new("/api/v1/topics"), "topics", limit)?;
    if as_json {
        return Ok(listed.json("topics"));
    }
    let rows = listed.entries.iter().map(|it| {
        let groups = it["groups"].as_object().into_iter().flatten();
        let groups: Vec<String> = groups.map(|(name, members)| format!("{}: {members}", printable(name))).collect();
        [shown(&it["subscribers"]), shown(&it["filter"]), groups.join(", ")]
    });
    Ok(table(["SUBSCRIBERS", "FILTER", "GROUPS"], rows) + &listed.rest())
}

pub fn retained(client: &Client, command: &RetainedCommand, as_json: bool) -> Result<String, Failure> {
    match command {
        RetainedCommand::List { filter, limit } => {
            let query = Query::new("/api/v1/retained").with("filter", Some(filter));
            let listed = client.list(&query, "retained", *limit)?;
            if as_json {
                return Ok(listed.json("retained"));
            }
            let rows = listed.entries.iter().map(|it| {
                let expires = it["expires_in_s"].as_u64().map_or("-".into(), time);
                [shown(&it["qos"]), bytes(number(&it["payload_size"])), expires, shown(&it["topic"])]
            });
            Ok(table(["QOS", "SIZE", "EXPIRES IN", "TOPIC"], rows) + &listed.rest())
        }
        RetainedCommand::Get { topic } => {
            let answer = client.get(&format!("/api/v1/retained/{}", encoded(topic)))?;
            if as_json {
                return Ok(answer.to_string() + "\n");
            }
            let payload = answer["payload_base64"].as_str().and_then(|payload| STANDARD.decode(payload).ok());
            let payload = payload.ok_or_else(|| Failure::Answer("it has no payload".into()))?;
            // As `ringmq sub -N` prints it: whoever asks for it may want to have it in a file.
            let written = std::io::stdout().write_all(&payload).and_then(|()| std::io::stdout().flush());
            written.map(|()| String::new()).map_err(|error| Failure::Output(error.to_string()))
        }
        RetainedCommand::Delete { topic } => {
            client.delete(&format!("/api/v1/retained/{}", encoded(topic)))?;
            Ok(String::new())
        }
    }
}

pub fn publish(client: &Client, options: &PublishOptions, as_json: bool) -> Result<String, Failure> {
    let payload = match &options.message {
        Some(message) => message.clone().into_bytes(),
        None => {
            let mut payload = Vec::new();
            let read = std::io::stdin().take(PAYLOAD_SIZE_MAX as u64 + 1).read_to_end(&mut payload);
            read.map_err(|error| Failure::Usage(format!("standard input cannot be read: {error}")))?;
            payload
        }
    };
    if payload.len() > PAYLOAD_SIZE_MAX {
        return Err(Failure::Usage(format!(
            "the payload has more than {PAYLOAD_SIZE_MAX} bytes, which a request has no room for: publish it over MQTT, with ringmq pub"
        )));
    }
    let message = json!({
        "topic": options.topic, "payload_base64": STANDARD.encode(payload), "qos": options.qos, "retain": options.retain
    });
    let answer = client.post("/api/v1/publish", &message)?;
    if as_json {
        return Ok(answer.to_string() + "\n");
    }
    Ok(match number(&answer["subscribers"]) {
        0 => "nobody has subscribed\n".into(),
        1 => "1 subscriber\n".into(),
        count => format!("{count} subscribers\n"),
    })
}
