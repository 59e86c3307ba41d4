//! `ringmq ctl clients`, `client`, `disconnect` and `slow`.

use clap::Args;
use serde_json::Value as Json;

use super::client::{Client, Failure, Query, encoded};
use super::table::{bytes, list, number, printable, shown, table, time};

#[derive(Debug, Args)]
pub struct ClientsOptions {
    /// Those whose client id has this in it
    #[arg(long, value_name = "TEXT")]
    client_id: Option<String>,
    /// Those that were let in under this name
    #[arg(long, value_name = "NAME")]
    user_name: Option<String>,
    /// Those that connect from this address or network
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Those of this listener (URL), or of all of a scheme (tcp, tls, ws, wss, unix)
    #[arg(long, value_name = "URL")]
    listener: Option<String>,
    /// Those that are connected
    #[arg(long, conflicts_with = "away")]
    connected: bool,
    /// Those that are away, and have a session
    #[arg(long)]
    away: bool,
    /// At most so many; 0 is all
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: usize,
}

pub fn clients(client: &Client, options: &ClientsOptions, as_json: bool) -> Result<String, Failure> {
    let connected = (options.connected || options.away).then(|| options.connected.to_string());
    let query = Query::new("/api/v1/clients")
        .with("client_id", options.client_id.as_deref())
        .with("user_name", options.user_name.as_deref())
        .with("address", options.address.as_deref())
        .with("listener", options.listener.as_deref())
        .with("connected", connected.as_deref());
    let listed = client.list(&query, "clients", options.limit)?;
    if as_json {
        return Ok(listed.json("clients"));
    }
    let rows = listed.entries.iter().map(row);
    let heads = ["CLIENT ID", "ADDRESS", "VIA", "USER", "MQTT", "SINCE", "SUBS", "QUEUED", "IN FLIGHT", "DROPPED"];
    Ok(table(heads, rows) + &listed.rest())
}

/// The slowest subscribers.
pub fn slow(client: &Client, limit: usize, as_json: bool) -> Result<String, Failure> {
    let answer = client.get(&format!("/api/v1/slow?limit={limit}"))?;
    if as_json {
        return Ok(answer.to_string() + "\n");
    }
    let clients = answer["clients"].as_array().cloned().unwrap_or_default();
    let rows = clients.iter().map(|it| {
        let session = &it["session"];
        [
            shown(&it["client_id"]),
            bytes(number(&it["waiting_bytes"])),
            shown(&session["queued_messages"]),
            shown(&session["in_flight"]),
            shown(&session["dropped"]),
            shown(&it["connection"]["address"]),
        ]
    });
    Ok(table(["CLIENT ID", "WAITING", "QUEUED", "IN FLIGHT", "DROPPED", "ADDRESS"], rows))
}

/// One client in detail.
pub fn client(client: &Client, client_id: &str, as_json: bool) -> Result<String, Failure> {
    let answer = client.get(&format!("/api/v1/clients/{}", encoded(client_id)))?;
    if as_json {
        return Ok(answer.to_string() + "\n");
    }
    let (connection, session) = (&answer["connection"], &answer["session"]);
    let mut entries = vec![("client id", shown(&answer["client_id"])), ("shard", shown(&answer["shard"]))];
    if connection.is_null() {
        let ends = session["ends_in_s"].as_u64().map_or("it stays".into(), |left| format!("it ends in {}", time(left)));
        entries.push(("connected", format!("no; the session: {ends}")));
    } else {
        let keep_alive = match number(&connection["keep_alive_s"]) {
            0 => "none".to_owned(),
            seconds => time(seconds),
        };
        entries.extend([
            ("connected", format!("for {}", time(number(&connection["connected_for_s"])))),
            ("address", shown(&connection["address"])),
            ("listener", shown(&connection["listener"])),
            ("user name", shown(&connection["user_name"])),
            ("protocol", format!("MQTT {}", shown(&connection["protocol"]))),
            ("keep alive", format!("{keep_alive}; silent for {}", time(number(&connection["silent_for_s"])))),
            ("receive maximum", shown(&connection["receive_maximum"])),
            ("maximum packet size", shown(&connection["maximum_packet_size"])),
            ("not taken", bytes(number(&connection["unsent_bytes"]))),
        ]);
    }
    let expiry = session["expiry_s"].as_u64().map_or("never".into(), time);
    let queued = number(&session["queued_bytes"]);
    entries.extend([
        ("clean start", shown(&session["clean_start"])),
        ("session expiry", format!("{expiry}{}", if session["is_kept"] == true { ", kept on disk" } else { "" })),
        ("will", shown(&session["has_will"])),
        ("queued", format!("{} messages, {}", shown(&session["queued_messages"]), bytes(queued))),
        ("in flight", format!("{} to it, {} from it", shown(&session["in_flight"]), shown(&session["unreleased"]))),
    ]);
    let dropped = answer["dropped_by_reason"].as_object().into_iter().flatten();
    let dropped: Vec<String> = dropped.map(|(reason, count)| format!("{count} {}", printable(reason))).collect();
    entries.push(("dropped", if dropped.is_empty() { "none".into() } else { dropped.join(", ") }));
    entries.push(("subscriptions", shown(&session["subscriptions"])));
    let subscriptions = answer["subscriptions"].as_array().cloned().unwrap_or_default();
    let filters = subscriptions.iter().map(|it| format!("  {}", super::topics::subscription(it)));
    Ok(list(entries) + &filters.map(|line| line + "\n").collect::<String>())
}

fn row(it: &Json) -> [String; 10] {
    let (connection, session) = (&it["connection"], &it["session"]);
    let since = match connection["connected_for_s"].as_u64() {
        Some(seconds) => time(seconds),
        None => "away".into(),
    };
    [
        shown(&it["client_id"]),
        shown(&connection["address"]),
        shown(&connection["transport"]),
        shown(&connection["user_name"]),
        shown(&connection["protocol"]),
        since,
        shown(&session["subscriptions"]),
        shown(&session["queued_messages"]),
        shown(&session["in_flight"]),
        shown(&session["dropped"]),
    ]
}
