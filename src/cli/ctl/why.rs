//! `ringmq ctl why`: what has happened to a client and to its messages, as a report.

use chrono::{DateTime, Local};
use clap::Args;
use serde_json::{Value as Json, json};

use super::client::{Client, Failure, Query, encoded};
use super::table::{number, printable, shown, table, time};

/// Most lines of what has happened.
const EVENTS_SHOWN: usize = 40;

#[derive(Debug, Args)]
pub struct WhyOptions {
    /// Its client id
    #[arg(value_name = "CLIENT")]
    client_id: String,
    /// Say too whether a subscription of the client matches this topic, and whether the access rules let the client read it
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
}

pub fn run(client: &Client, options: &WhyOptions, as_json: bool) -> Result<String, Failure> {
    let path = format!("/api/v1/clients/{}", encoded(&options.client_id));
    let wanted = Query::new(&format!("{path}/history")).with("topic", options.topic.as_deref());
    let history = client.get(wanted.path())?;
    let detail = match client.get(&path) {
        Err(Failure::Refused(404, ..)) => Json::Null,
        other => other?,
    };
    let matching = options.topic.as_deref().map(|topic| matching(client, &options.client_id, topic)).transpose()?;
    if as_json {
        return Ok(json!({ "client": detail, "history": history, "matching": matching }).to_string() + "\n");
    }
    let mut out = format!("{}  {}\n", printable(&options.client_id), headline(&detail));
    let findings = history["findings"].as_array().into_iter().flatten().map(shown);
    findings.for_each(|finding| out += &format!("  {finding}\n"));
    if let (Some(matching), Some(topic)) = (&matching, &options.topic) {
        out += &format!("  {}\n", matched(matching, topic));
    }
    out += &dropped(&history["dropped"], !detail.is_null());
    out += &events(&history["events"]);
    out += &format!("\nEvents are remembered since the server started, {}.\n", clock(&history["since_ms"]));
    Ok(out)
}

/// The client's subscriptions that match a topic.
fn matching(client: &Client, client_id: &str, topic: &str) -> Result<Vec<Json>, Failure> {
    let query = Query::new("/api/v1/subscriptions").with("client_id", Some(client_id)).with("topic", Some(topic));
    Ok(client.list(&query, "subscriptions", 0)?.entries)
}

fn matched(matching: &[Json], topic: &str) -> String {
    let topic = printable(topic);
    if matching.is_empty() {
        return format!("No subscription of it matches {topic}: it does not get what is published there.");
    }
    let filters: Vec<String> = matching.iter().map(super::topics::subscription).collect();
    format!("{topic} is matched by {}.", filters.join(", "))
}

fn headline(detail: &Json) -> String {
    let (connection, session) = (&detail["connection"], &detail["session"]);
    if detail.is_null() {
        return "is not here".into();
    }
    let subscriptions = match number(&session["subscriptions"]) {
        1 => "1 subscription".to_owned(),
        count => format!("{count} subscriptions"),
    };
    if connection.is_null() {
        return format!("is away, with a session and {subscriptions}");
    }
    format!(
        "is connected for {} from {}, MQTT {}, {subscriptions}\n  It has published {} messages and was sent {} since; {} of these are not \
         acknowledged.",
        time(number(&connection["connected_for_s"])),
        shown(&connection["address"]),
        shown(&connection["protocol"]),
        shown(&connection["publishes_received"]),
        shown(&connection["publishes_sent"]),
        shown(&session["in_flight"]),
    )
}

fn dropped(dropped: &Json, has_session: bool) -> String {
    let dropped = dropped.as_array().map(Vec::as_slice).unwrap_or_default();
    if dropped.is_empty() {
        return if has_session { "\nNo message of its session was dropped.\n".into() } else { String::new() };
    }
    let of_one = |it: &Json| {
        let messages = number(&it["messages"]);
        let when = match (clock(&it["first_ms"]), clock(&it["last_ms"])) {
            (first, last) if first == last => format!("at {first}"),
            (first, last) => format!("from {first} to {last}"),
        };
        format!("  {messages} {}, {when}:\n      {}\n", shown(&it["reason"]), shown(&it["explanation"]))
    };
    let total: u64 = dropped.iter().map(|it| number(&it["messages"])).sum();
    let of_each: String = dropped.iter().map(of_one).collect();
    format!("\nDropped: {total} {}\n{of_each}", if total == 1 { "message" } else { "messages" })
}

fn events(events: &Json) -> String {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    if events.is_empty() {
        return "\nNothing that has happened to it is remembered.\n".into();
    }
    let left_out = events.len().saturating_sub(EVENTS_SHOWN);
    let rows = events[left_out..].iter().map(|it| [clock(&it["time_ms"]), shown(&it["message"])]);
    let earlier = if left_out > 0 { format!("... {left_out} earlier: see --json\n") } else { String::new() };
    format!("\n{earlier}{}", table(["WHEN", "WHAT HAPPENED"], rows))
}

/// Local time; with the day, if it is another than today.
fn clock(time_ms: &Json) -> String {
    let time = DateTime::from_timestamp_millis(number(time_ms).cast_signed()).unwrap_or_default().with_timezone(&Local);
    let is_today = time.date_naive() == Local::now().date_naive();
    time.format(if is_today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" }).to_string()
}
