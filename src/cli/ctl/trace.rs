//! `ringmq ctl trace`: packets as they pass, on the terminal or into a file for Wireshark.

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Local};
use clap::Args;
use serde_json::Value as Json;

use super::capture::Capture;
use super::client::{Client, Failure, Query};
use super::table::{bytes, number, printable, shown};
use crate::config::Value;
use crate::limits::TRACE_TIME_MAX_MS;

/// Bytes of a payload that are shown.
const PREVIEW_SIZE: usize = 40;
/// Bytes of a line of the answer: a packet that is kept whole, in base64, and what is said about it.
const LINE_SIZE_MAX: u64 = 1 << 20;
/// Lines that were read and not printed.
const LINES_WAITING_MAX: usize = 1_024;

#[derive(Debug, Args)]
pub struct TraceOptions {
    /// All packets of this client; if it is not connected, from its next CONNECT on
    #[arg(long, value_name = "ID", required_unless_present = "topic", conflicts_with = "topic")]
    client: Option<String>,
    /// Publishes whose topics match this filter, and what becomes of them for each client
    #[arg(long, value_name = "FILTER")]
    topic: Option<String>,
    /// Write a pcapng file for Wireshark and tshark instead; - is the standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pcap: Option<PathBuf>,
    /// Stop after so many packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Stop after this time, such as 30s or 5m
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let all = Duration::from_millis(1)..=Duration::from_millis(TRACE_TIME_MAX_MS);
    Value::Untyped(text.to_owned()).duration(all).map_err(|problem| format!("{}: {}", problem.problem, problem.remedy))
}

/// Where the packets go.
enum Sink<'a> {
    Terminal,
    Json,
    Capture(Capture<Box<dyn Write + 'a>>),
}

pub fn run(client: &Client, options: &TraceOptions, as_json: bool) -> Result<String, Failure> {
    let query = Query::new("/api/v1/trace")
        .with("client_id", options.client.as_deref())
        .with("topic", options.topic.as_deref())
        .with("bytes", (!as_json).then_some("true"));
    let mut sink = match &options.pcap {
        Some(path) => Sink::Capture(Capture::new(opened(path)?).map_err(|error| in_file(path, &error))?),
        None if as_json => Sink::Json,
        None => Sink::Terminal,
    };
    let lines = follow(client.lines(&query)?);
    eprintln!("ringmq: the trace has begun, Ctrl-C ends it");
    let deadline = options.duration.map(|duration| Instant::now() + duration);
    let mut left = options.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(line) = next(&lines, deadline) else { break };
        let line = line?;
        if let Some(why) = line["ended"].as_str() {
            return Err(Failure::Answer(format!("the trace has ended: {}", printable(why))));
        }
        if let Some(count) = line["left_out"].as_u64() {
            eprintln!("ringmq: {count} packets were left out: they pass faster than they are read");
        } else {
            left -= 1;
        }
        match sink.write(&line) {
            // Whoever reads it may stop reading.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            result => result.map_err(|error| in_file(options.pcap.as_deref().unwrap_or(Path::new("-")), &error))?,
        }
    }
    Ok(String::new())
}

/// Reads lines on a thread of its own, so that a trace in which nothing passes can end in time.
fn follow(mut answer: impl BufRead + Send + 'static) -> Receiver<Result<Json, Failure>> {
    let (sender, lines) = sync_channel(LINES_WAITING_MAX);
    thread::spawn(move || {
        loop {
            let mut line = Vec::new();
            let read = answer.by_ref().take(LINE_SIZE_MAX).read_until(b'\n', &mut line);
            let line = match read {
                Ok(0) => return,
                Ok(_) => serde_json::from_slice(&line).map_err(|error| Failure::Answer(error.to_string())),
                Err(error) => Err(Failure::Answer(error.to_string())),
            };
            let is_last = line.is_err();
            if sender.send(line).is_err() || is_last {
                return;
            }
        }
    });
    lines
}

/// The next line; `None` when the time is over.
fn next(lines: &Receiver<Result<Json, Failure>>, deadline: Option<Instant>) -> Option<Result<Json, Failure>> {
    let ended = || Some(Err(Failure::Answer("the server has ended it".into())));
    match deadline {
        None => lines.recv().ok().or_else(ended),
        Some(deadline) => match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => ended(),
        },
    }
}

fn opened(path: &Path) -> Result<Box<dyn Write>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    File::create(path).map(|file| Box::new(file) as Box<dyn Write>).map_err(|error| in_file(path, &error))
}

fn in_file(path: &Path, error: &io::Error) -> Failure {
    Failure::Usage(format!("{}: {error}", path.display()))
}

impl Sink<'_> {
    fn write(&mut self, line: &Json) -> io::Result<()> {
        let is_packet = line["packet"].is_string();
        match self {
            Self::Json => writeln!(io::stdout(), "{line}"),
            Self::Terminal if is_packet => writeln!(io::stdout(), "{}", described(line)),
            Self::Capture(capture) if is_packet => capture.packet(line),
            Self::Terminal | Self::Capture(_) => Ok(()),
        }
    }
}

/// `12:34:56.789012  in   PUBLISH   meter-7  plant/1  QoS 1  id 5  12 B  "21.5"`
fn described(line: &Json) -> String {
    let time = DateTime::from_timestamp_micros(number(&line["time_us"]).cast_signed()).unwrap_or_default();
    let time = time.with_timezone(&Local).format("%H:%M:%S%.6f");
    let direction = if line["direction"] == "in" { "in " } else { "out" };
    let packet = shown(&line["packet"]);
    let client_id = if line["client_id"] == "" { "-".into() } else { shown(&line["client_id"]) };
    format!("{time}  {direction}  {packet:<11}  {client_id}  {}", fields(line).join("  ")).trim_end().to_owned()
}

fn fields(line: &Json) -> Vec<String> {
    let mut fields = Vec::new();
    let mut add = |name: &str, before: &str| {
        if !line[name].is_null() {
            fields.push(format!("{before}{}", shown(&line[name])));
        }
    };
    let is_connect = line["packet"] == "CONNECT";
    if is_connect {
        add("protocol", "MQTT ");
        add("user_name", "user ");
        add("keep_alive_s", "keep alive ");
    }
    add("topic", if is_connect { "will to " } else { "" });
    add("topic_alias", "alias ");
    add("qos", "QoS ");
    add("packet_id", "id ");
    add("reason", "");
    add("reason_string", "");
    for (flag, name) in [
        ("retain", "retain"),
        ("duplicate", "dup"),
        ("clean_start", "clean start"),
        ("session_present", "session present"),
    ] {
        if line[flag] == true {
            fields.push(name.to_owned());
        }
    }
    for list in ["filters", "reasons"] {
        let entries = line[list].as_array().into_iter().flatten().map(shown).collect::<Vec<_>>();
        if !entries.is_empty() {
            fields.push(entries.join(" "));
        }
    }
    if let Some(size) = line["payload_size"].as_u64() {
        fields.push(bytes(size));
        fields.extend(payload(line, size).filter(|it| !it.is_empty()).map(|payload| preview(&payload, size)));
    }
    fields
}

/// What is there of the payload, which is the end of the packet.
fn payload(line: &Json, payload_size: u64) -> Option<Vec<u8>> {
    let packet = STANDARD.decode(line["bytes_base64"].as_str()?).ok()?;
    let start = number(&line["size"]).checked_sub(payload_size)?;
    packet.get(usize::try_from(start).ok()?..).map(<[u8]>::to_vec)
}

/// Text as text, anything else as its first bytes.
fn preview(payload: &[u8], size: u64) -> String {
    let beginning = &payload[..payload.len().min(PREVIEW_SIZE)];
    let more = if (beginning.len() as u64) < size { "..." } else { "" };
    let text = match std::str::from_utf8(beginning) {
        Ok(text) => Some(text),
        // The last letter may have been cut.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&beginning[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    match text {
        Some(text) => format!("\"{}\"{more}", printable(text)),
        None => beginning.iter().take(PREVIEW_SIZE / 2).map(|byte| format!("{byte:02x}")).collect::<String>() + more,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_packet_is_a_line() {
        let packet = b"\x32\x0a\x00\x01t\x00\x05\x0021.5";
        let line = json!({
            "time_us": 1, "direction": "in", "packet": "PUBLISH", "client_id": "meter\u{1b}7", "topic": "t", "qos": 1,
            "packet_id": 5, "payload_size": 4, "retain": true, "duplicate": false, "size": packet.len(),
            "bytes_base64": STANDARD.encode(packet),
        });
        let described = described(&line);
        let (_, rest) = described.split_once("  ").unwrap();
        assert_eq!(rest, "in   PUBLISH      meter\\u{1b}7  t  QoS 1  id 5  retain  4 B  \"21.5\"");
    }

    #[test]
    fn payloads_are_shown_as_what_they_are() {
        assert_eq!(preview("größer\n".as_bytes(), 9), "\"größer\\u{a}\"");
        let long = "ä".repeat(40);
        assert_eq!(preview(long.as_bytes(), 80), format!("\"{}\"...", "ä".repeat(20)));
        assert_eq!(preview(b"\xff\x00\x01", 3), "ff0001");
    }
}
