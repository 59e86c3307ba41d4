//! `ringmq sub`: subscribes and prints what comes.

use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use chrono::Local;
use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::EXIT_ENVIRONMENT;
use super::client::{Client, ClientError, Input, reason_text};
use super::client_options::{ClientOptions, qos};
use super::format::Format;
use super::properties::{Command, Properties};
use crate::codec::encode::{self, AckKind};
use crate::codec::topic::Filter;
use crate::codec::{
    Packet, Publish, PublishProperties, Qos, ReasonCode, RetainHandling, SubAck, Subscribe, SubscribeFilter,
    SubscribeProperties, SubscriptionOptions, Unsubscribe, UserProperties,
};
use crate::limits;

/// Time between two attempts to connect again after the connection was lost.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub struct SubscribeOptions {
    #[command(flatten)]
    client: ClientOptions,
    /// Filter to subscribe to; may be repeated
    #[arg(short, long, value_name = "FILTER", allow_hyphen_values = true)]
    topic: Vec<String>,
    /// Filter of messages not to print; may be repeated
    #[arg(short = 'T', long, value_name = "FILTER", allow_hyphen_values = true)]
    filter_out: Vec<String>,
    /// Filter to unsubscribe from; may be repeated
    #[arg(short = 'U', long, value_name = "FILTER", allow_hyphen_values = true)]
    unsubscribe: Vec<String>,
    /// QoS of the subscriptions
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = qos)]
    qos: Qos,
    /// Leave after this many messages
    #[arg(short = 'C', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Leave after this many seconds, with exit code 27
    #[arg(short = 'W', value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
    /// Leave when all subscriptions are acknowledged
    #[arg(short = 'E')]
    exit_after_subscribe: bool,
    /// Do not print messages that were retained before
    #[arg(short = 'R')]
    no_retained: bool,
    /// Print retained messages only, and leave at the first that is not
    #[arg(long, conflicts_with = "no_retained")]
    retained_only: bool,
    /// Remove the retained messages that come
    #[arg(long)]
    remove_retained: bool,
    /// Do not receive what this client publishes (5.0)
    #[arg(long)]
    no_local: bool,
    /// Keep the retain flag as it was published (5.0)
    #[arg(long)]
    retain_as_published: bool,
    /// When retained messages are sent (5.0): always, new (subscriptions only) or never
    #[arg(long, value_name = "WHEN", default_value = "always", value_parser = retain_handling)]
    retain_handling: RetainHandling,
    /// Print the topic before the payload
    #[arg(short, long)]
    verbose: bool,
    /// Print in this format: %t topic, %p payload, %q QoS, %r retain, %l length, %m packet id, %x hex, %j JSON, ...
    #[arg(short = 'F', value_name = "FORMAT", conflicts_with = "verbose", allow_hyphen_values = true)]
    format: Option<String>,
    /// Print no end of line after a message
    #[arg(short = 'N')]
    no_newline: bool,
}

/// Exit codes as mosquitto_sub: 0 when it leaves as asked, 27 after `-W`, the code of a refusing CONNACK, otherwise
/// an error's.
pub fn run(options: &SubscribeOptions) -> ExitCode {
    let mut client = options.client.clone();
    let prepared = client.take_url().and_then(|url_topic| Plan::new(options, &client, url_topic));
    let plan = match prepared {
        Ok(plan) => plan,
        Err(error) => {
            client.error(&error);
            return ExitCode::from(EXIT_ENVIRONMENT);
        }
    };
    let deadline = options.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut printed = 0;
    let mut was_connected = false;
    loop {
        match subscribe(options, &client, &plan, deadline, &mut printed, &mut was_connected) {
            Ok(code) => return ExitCode::from(code),
            Err(error @ (ClientError::Lost | ClientError::Io(_) | ClientError::Timeout)) if was_connected => {
                client.error(&format!("{error} Connecting again."));
                let now = Instant::now();
                let until = deadline.map_or(now + RECONNECT_DELAY, |deadline| deadline.min(now + RECONNECT_DELAY));
                thread::sleep(until.saturating_duration_since(now));
                if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                    return ExitCode::from(timed_out(&client));
                }
            }
            Err(error) => {
                client.error(&error);
                return ExitCode::from(error.exit_code());
            }
        }
    }
}

/// What the options come to, checked.
struct Plan {
    filters: Vec<String>,
    format: Format,
    properties: Properties,
}

impl Plan {
    fn new(options: &SubscribeOptions, client: &ClientOptions, url_topic: Option<String>) -> Result<Self, String> {
        let filters: Vec<_> = url_topic.into_iter().chain(options.topic.iter().cloned()).collect();
        if filters.is_empty() && options.unsubscribe.is_empty() {
            return Err("Error: You must specify a topic to subscribe to.".into());
        }
        for filter in filters.iter().chain(&options.unsubscribe).chain(&options.filter_out) {
            if Filter::parse(filter, limits::TOPIC_LENGTH_MAX_DEFAULT, usize::MAX).is_err() {
                return Err(format!(
                    "Error: Invalid subscription topic '{filter}', are all '+' and '#' wildcards correct?"
                ));
            }
        }
        let format = match &options.format {
            Some(format) => Format::parse(format)?,
            None if options.verbose => Format::verbose(),
            None => Format::payload(),
        };
        Ok(Self { filters, format, properties: client.properties()? })
    }
}

fn subscribe(
    options: &SubscribeOptions,
    client_options: &ClientOptions,
    plan: &Plan,
    deadline: Option<Instant>,
    printed: &mut u64,
    was_connected: &mut bool,
) -> Result<u8, ClientError> {
    let properties = &plan.properties;
    let (connect_block, will_block) = ClientOptions::blocks(properties);
    let client_id = client_options.client_id();
    let connect = client_options.connect(&client_id, properties, &connect_block, &will_block);
    let client = Client::connect(&client_options.host, client_options.port, &connect, client_options.debug)?;
    let signals = forward_signals(&client)?;
    *was_connected = true;
    let mut subscriber =
        Subscriber { client, options, client_options, plan, received: HashMap::new(), printed, acknowledged: 0 };
    let left = subscriber.subscribe().and_then(|()| subscriber.receive(deadline));
    signals.close();
    let code = left?;
    let expiry = properties.number(Command::Disconnect, "session-expiry-interval");
    subscriber.client.disconnect(expiry, &properties.user_block(Command::Disconnect))?;
    Ok(code)
}

struct Subscriber<'a> {
    client: Client,
    options: &'a SubscribeOptions,
    client_options: &'a ClientOptions,
    plan: &'a Plan,
    /// QoS 2 messages that wait for their PUBREL, by packet identifier: printed once, and after that.
    received: HashMap<u16, Vec<u8>>,
    printed: &'a mut u64,
    acknowledged: usize,
}

impl Subscriber<'_> {
    fn subscribe(&mut self) -> Result<(), ClientError> {
        let version = self.client.version();
        let options = SubscriptionOptions {
            qos: self.options.qos,
            no_local: self.options.no_local,
            retain_as_published: self.options.retain_as_published,
            retain_handling: self.options.retain_handling,
        };
        let filters: Vec<_> = self.plan.filters.iter().map(|filter| SubscribeFilter { filter, options }).collect();
        if !filters.is_empty() {
            let block = self.plan.properties.user_block(Command::Subscribe);
            let properties = SubscribeProperties {
                subscription_id: self.plan.properties.number(Command::Subscribe, "subscription-identifier"),
                user_properties: UserProperties { block: &block },
            };
            let packet = Subscribe { packet_id: self.client.next_packet_id(), properties, filters };
            self.client.send("SUBSCRIBE", |out| encode::subscribe(out, version, &packet))?;
        }
        if !self.options.unsubscribe.is_empty() {
            let block = self.plan.properties.user_block(Command::Unsubscribe);
            let packet = Unsubscribe {
                packet_id: self.client.next_packet_id(),
                user_properties: UserProperties { block: &block },
                filters: self.options.unsubscribe.iter().map(String::as_str).collect(),
            };
            self.client.send("UNSUBSCRIBE", |out| encode::unsubscribe(out, version, &packet))?;
        }
        Ok(())
    }

    /// Takes packets until there is a reason to leave; gives the exit code.
    fn receive(&mut self, deadline: Option<Instant>) -> Result<u8, ClientError> {
        loop {
            let bytes = match self.client.next(deadline)? {
                Some(Input::Frame(bytes)) => bytes,
                Some(Input::Signal) => return Ok(0),
                Some(_) => continue,
                None => return Ok(timed_out(self.client_options)),
            };
            let packet = self.client.decode(&bytes)?;
            let leave = match &packet {
                Packet::Publish(publish) => match publish.qos {
                    Qos::AtMostOnce => self.message(publish)?,
                    Qos::AtLeastOnce => {
                        self.client.send_ack(AckKind::PubAck, publish.packet_id)?;
                        self.message(publish)?
                    }
                    Qos::ExactlyOnce => {
                        let packet_id = publish.packet_id;
                        self.received.entry(packet_id).or_insert(bytes);
                        self.client.send_ack(AckKind::PubRec, packet_id)?;
                        None
                    }
                },
                Packet::PubRel(ack) => {
                    self.client.send_ack(AckKind::PubComp, ack.packet_id)?;
                    match self.received.remove(&ack.packet_id) {
                        Some(bytes) => self.stored(&bytes)?,
                        None => None,
                    }
                }
                Packet::SubAck(suback) => self.subscribed(suback),
                Packet::UnsubAck(_) => {
                    let ready = self.plan.filters.is_empty() && self.options.exit_after_subscribe;
                    ready.then_some(0)
                }
                _ => None,
            };
            if let Some(code) = leave {
                return Ok(code);
            }
        }
    }

    fn stored(&mut self, bytes: &[u8]) -> Result<Option<u8>, ClientError> {
        match self.client.decode(bytes)? {
            Packet::Publish(publish) => self.message(&publish),
            _ => Ok(None),
        }
    }

    fn subscribed(&mut self, suback: &SubAck<'_>) -> Option<u8> {
        let refused = suback.reasons.iter().filter(|reason| **reason >= ReasonCode::UnspecifiedError as u8).count();
        for (filter, reason) in self.plan.filters.iter().zip(suback.reasons) {
            if *reason >= ReasonCode::UnspecifiedError as u8 {
                let text = ReasonCode::from_u8(*reason).map_or_else(|| format!("0x{reason:02x}"), reason_text);
                self.client_options.error(&format!("Warning: Subscription to '{filter}' failed: {text}."));
            }
        }
        self.acknowledged += suback.reasons.len();
        if refused > 0 && refused == self.plan.filters.len() {
            self.client_options.error(&"All subscription requests were denied.");
            return suback.reasons.first().copied();
        }
        (self.options.exit_after_subscribe && self.acknowledged >= self.plan.filters.len()).then_some(0)
    }

    /// Prints a message, or does not; gives the exit code if it was the last.
    fn message(&mut self, message: &Publish<'_>) -> Result<Option<u8>, ClientError> {
        if self.options.retained_only && !message.retain {
            return Ok(Some(0));
        }
        if message.retain && self.options.no_retained {
            return Ok(None);
        }
        if self.options.filter_out.iter().any(|filter| matches(filter, message.topic)) {
            return Ok(None);
        }
        if self.options.remove_retained && message.retain {
            self.remove_retained(message.topic)?;
        }
        if !self.print(message)? {
            return Ok(Some(0));
        }
        *self.printed += 1;
        Ok((self.options.count == Some(*self.printed)).then_some(0))
    }

    fn remove_retained(&mut self, topic: &str) -> Result<(), ClientError> {
        let version = self.client.version();
        let packet = Publish {
            dup: false,
            qos: Qos::AtMostOnce,
            retain: true,
            topic,
            packet_id: 0,
            properties: PublishProperties::default(),
            payload: &[],
        };
        self.client.send("PUBLISH", |out| encode::publish(out, version, &packet))
    }

    /// False when nobody reads any more.
    fn print(&self, message: &Publish<'_>) -> Result<bool, ClientError> {
        let mut line = Vec::with_capacity(message.payload.len() + 128);
        if let Err(error) = self.plan.format.write(message, Local::now(), &mut line) {
            self.client_options.error(&error);
            return Ok(true);
        }
        if self.options.verbose && message.payload.is_empty() {
            line.extend_from_slice(b"(null)");
        }
        if !self.options.no_newline {
            line.push(b'\n');
        }
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(&line).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(ClientError::Output(error.to_string())),
        }
    }
}

fn timed_out(options: &ClientOptions) -> u8 {
    options.error(&"Timed out");
    ClientError::Timeout.exit_code()
}

/// Lets SIGINT and SIGTERM end the loop, so that the client leaves with a DISCONNECT and without its will.
fn forward_signals(client: &Client) -> Result<signal_hook::iterator::Handle, ClientError> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .map_err(|error| ClientError::Io(format!("signals cannot be caught: {error}")))?;
    let handle = signals.handle();
    let inputs = client.inputs();
    thread::spawn(move || {
        for _ in &mut signals {
            if inputs.send(Input::Signal).is_err() {
                return;
            }
        }
    });
    Ok(handle)
}

/// Whether a valid filter matches a topic name (section 4.7).
fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for level in filter.split('/') {
        match (level, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(topic_level)) if level == topic_level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

fn retain_handling(text: &str) -> Result<RetainHandling, String> {
    match text {
        "always" => Ok(RetainHandling::Send),
        "new" => Ok(RetainHandling::SendIfNew),
        "never" => Ok(RetainHandling::DoNotSend),
        _ => Err("it is always, new or never".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_server_matches() {
        for (filter, topic) in [("#", "a"), ("a/#", "a"), ("a/#", "a/b/c"), ("+/b", "a/b"), ("/+", "/a"), ("a", "a")] {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in
            [("#", "$SYS/a"), ("+/a", "$SYS/a"), ("a", "a/b"), ("a/+", "a"), ("+", "/a"), ("a/b", "a")]
        {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
    }
}
