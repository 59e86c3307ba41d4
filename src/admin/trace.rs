//! `/api/v1/trace`: the packets of one client, or the publishes to some topics, line by line as they pass.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Bytes, Frame};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;

use super::answer::Failure;
use super::packet::PacketReader;
use super::query::Parameters;
use super::thread::RequestTime;
use crate::broker::trace::TraceSubject;
use crate::codec::topic::Filter;
use crate::limits::{TRACE_READ_INTERVAL_MS, TRACE_TIME_MAX_MS};
use crate::runtime::{ServerHandle, Trace, TraceError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedTrace {
    client_id: Option<String>,
    /// A topic filter.
    topic: Option<String>,
    /// With the bytes of the packets.
    #[serde(default)]
    bytes: bool,
}

/// Answers when the trace is in force, and goes on until the reader leaves or the time is over.
pub async fn trace(
    State(server): State<ServerHandle>,
    Extension(time): Extension<RequestTime>,
    Parameters(WantedTrace { client_id, topic, bytes }): Parameters<WantedTrace>,
) -> Result<Response, Failure> {
    let subject = match (client_id, topic) {
        (Some(client_id), None) => TraceSubject::Client(client_id.into()),
        (None, Some(filter)) => TraceSubject::Topic(checked(filter)?.into()),
        _ => return Err(Failure::bad_request("either client_id or topic says what is to be traced")),
    };
    let shown = format!("{subject:?}");
    let trace = server.trace(subject).await.map_err(|error| match error {
        TraceError::TooMany(error) => {
            Failure::with_status(StatusCode::TOO_MANY_REQUESTS, "too-many-traces", error.to_string())
        }
        TraceError::Ended(_) | TraceError::Abandoned => Failure::ENDED,
    })?;
    tracing::info!(subject = shown, "an administrator traces");
    time.extend(TRACE_TIME_MAX_MS);
    // One part on its way and one that waits: behind them the shards leave out what is too much, and count it.
    let (lines, body) = channel(1);
    tokio::spawn(follow(trace, PacketReader::new(server, bytes), lines));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::new(Lines(body))).into_response())
}

fn checked(filter: String) -> Result<String, Failure> {
    match Filter::parse(&filter, usize::MAX, usize::MAX) {
        Ok(parsed) if parsed.share.is_none() => Ok(filter),
        Ok(_) => Err(Failure::bad_request("topic: a shared subscription matches what its filter matches: name that")),
        Err(violation) => Err(Failure::bad_request(format!("topic: {violation}"))),
    }
}

/// Asks for what has passed until nobody reads it any more, or the time is over.
async fn follow(mut trace: Trace, mut reader: PacketReader, lines: Sender<Bytes>) {
    let mut time = pin!(sleep(Duration::from_millis(TRACE_TIME_MAX_MS)));
    loop {
        let (text, is_last) = match trace.passed().await {
            Ok(_) if time.is_elapsed() => (line(&json!({ "ended": "the time for one trace is over" })), true),
            Ok(passed) => {
                let mut text: String =
                    passed.packets.iter().map(|(shard, it)| line(&reader.shown(*shard, it))).collect();
                if passed.left_out > 0 {
                    text += &line(&json!({ "left_out": passed.left_out }));
                }
                (text, false)
            }
            Err(error) => (line(&json!({ "ended": error.to_string() })), true),
        };
        if (!text.is_empty() && lines.send(text.into()).await.is_err()) || is_last {
            return;
        }
        tokio::select! {
            () = lines.closed() => return,
            () = sleep(Duration::from_millis(TRACE_READ_INTERVAL_MS)) => {}
            () = &mut time => {}
        }
    }
}

fn line(value: &impl serde::Serialize) -> String {
    // It has neither maps with other keys than strings nor numbers that JSON does not have.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

/// The body of the answer.
struct Lines(Receiver<Bytes>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|text| text.map(|text| Ok(Frame::data(text))))
    }
}
