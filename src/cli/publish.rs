//! `ringmq pub`: publishes messages and leaves when the server has them.

use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::EXIT_ENVIRONMENT;
use super::client::{Client, ClientError, Input, reason_text};
use super::client_options::{ClientOptions, qos};
use super::properties::{Command, Properties};
use crate::codec::encode::{self, AckKind};
use crate::codec::{Ack, Packet, Publish, Qos, topic};
use crate::limits;

#[derive(Debug, Args)]
pub struct PublishOptions {
    #[command(flatten)]
    client: ClientOptions,
    /// Topic to publish to
    #[arg(short, long, value_name = "TOPIC", allow_hyphen_values = true)]
    topic: Option<String>,
    #[command(flatten)]
    payload: PayloadOptions,
    /// QoS of the messages
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = qos)]
    qos: Qos,
    /// Retain the messages
    #[arg(short, long)]
    retain: bool,
    /// Publish the message of -m, -f, -s or -n this many times
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// Seconds between repetitions, such as 0.5
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    repeat_delay: Duration,
    /// QoS 1 and 2 messages that may be without an acknowledgement
    #[arg(short = 'M', long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    max_inflight: u16,
}

/// What to publish.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct PayloadOptions {
    /// Payload
    #[arg(short, long, value_name = "PAYLOAD", allow_hyphen_values = true)]
    message: Option<String>,
    /// Payload is the content of a file
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// A message for each line of standard input
    #[arg(short = 'l', long)]
    stdin_line: bool,
    /// Payload is all of standard input
    #[arg(short = 's', long)]
    stdin_file: bool,
    /// Payload is empty; with -r it removes the retained message
    #[arg(short, long)]
    null_message: bool,
}

/// Exit codes as mosquitto_pub: 0 when all was acknowledged, the code of a refusing CONNACK, otherwise an error's.
pub fn run(options: &PublishOptions) -> ExitCode {
    let mut client_options = options.client.clone();
    let prepared = client_options.take_url().and_then(|url_topic| {
        let topic = options.topic.clone().or(url_topic).ok_or("Error: Both topic and message must be supplied.")?;
        let aliased = topic.is_empty() && options.client.property.iter().any(|word| word == "topic-alias");
        if !aliased && topic::check_name(&topic, limits::TOPIC_LENGTH_MAX_DEFAULT, usize::MAX).is_err() {
            return Err(format!("Error: Invalid publish topic '{topic}', does it contain '+' or '#'?"));
        }
        Ok((topic, client_options.properties()?, payload(&options.payload)?))
    });
    let (topic, properties, payload) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            client_options.error(&error);
            return ExitCode::from(EXIT_ENVIRONMENT);
        }
    };
    match publish(options, &client_options, &topic, &properties, payload) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            client_options.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// The payload to publish; `None` when lines are to come.
fn payload(options: &PayloadOptions) -> Result<Option<Vec<u8>>, String> {
    if let Some(text) = &options.message {
        return Ok(Some(text.clone().into_bytes()));
    }
    if let Some(path) = &options.file {
        return std::fs::read(path)
            .map(Some)
            .map_err(|error| format!("Error: Unable to read file \"{}\": {error}", path.display()));
    }
    if options.stdin_file {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        return read.map(|_| Some(bytes)).map_err(|error| format!("Error: Unable to read standard input: {error}"));
    }
    Ok(options.null_message.then(Vec::new))
}

fn publish(
    options: &PublishOptions,
    client_options: &ClientOptions,
    topic: &str,
    properties: &Properties,
    payload: Option<Vec<u8>>,
) -> Result<u8, ClientError> {
    let (connect_block, will_block) = ClientOptions::blocks(properties);
    let client_id = client_options.client_id();
    let connect = client_options.connect(&client_id, properties, &connect_block, &will_block);
    let client = Client::connect(&client_options.host, client_options.port, &connect, client_options.debug)?;
    let window = usize::from(options.max_inflight.min(client.limits().receive_maximum));
    let mut publisher = Publisher {
        client,
        options,
        topic,
        properties,
        block: properties.message_block(Command::Publish),
        in_flight: HashMap::new(),
        window,
        exit_code: 0,
    };
    match payload {
        Some(payload) => publisher.repeat(&payload)?,
        None => publisher.lines()?,
    }
    publisher.await_acknowledgements()?;
    let expiry = properties.number(Command::Disconnect, "session-expiry-interval");
    publisher.client.disconnect(expiry, &properties.user_block(Command::Disconnect))?;
    Ok(publisher.exit_code)
}

struct Publisher<'a> {
    client: Client,
    options: &'a PublishOptions,
    topic: &'a str,
    properties: &'a Properties,
    block: Vec<u8>,
    /// By packet identifier: the acknowledgement that would complete the message.
    in_flight: HashMap<u16, Qos>,
    window: usize,
    exit_code: u8,
}

impl Publisher<'_> {
    fn repeat(&mut self, payload: &[u8]) -> Result<(), ClientError> {
        for round in 0..self.options.repeat {
            if round > 0 && !self.options.repeat_delay.is_zero() {
                let due = Instant::now() + self.options.repeat_delay;
                while let Some(input) = self.client.next(Some(due))? {
                    self.input(input)?;
                }
            }
            self.one(payload)?;
            while self.in_flight.len() >= self.window {
                self.wait()?;
            }
        }
        Ok(())
    }

    /// Publishes the lines of standard input. A permit lets the reader bring one line, so that a fast input waits for
    /// a slow server instead of filling the memory: lines on their way and messages in flight are at most the window.
    fn lines(&mut self) -> Result<(), ClientError> {
        let (permits, permitted) = channel();
        let inputs = self.client.inputs();
        thread::spawn(move || read_lines(&permitted, |input| inputs.send(input).is_ok()));
        let mut awaited = 0;
        loop {
            while awaited + self.in_flight.len() < self.window {
                // The reader has left when the input has ended; then it needs no permits.
                let _ = permits.send(());
                awaited += 1;
            }
            match self.client.next(None)? {
                Some(Input::Line(line)) => {
                    awaited -= 1;
                    self.one(&line)?;
                }
                Some(Input::EndOfLines) | None => return Ok(()),
                Some(input) => self.input(input)?,
            }
        }
    }

    fn await_acknowledgements(&mut self) -> Result<(), ClientError> {
        while !self.in_flight.is_empty() {
            self.wait()?;
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<(), ClientError> {
        match self.client.next(None)? {
            Some(input) => self.input(input),
            None => Ok(()),
        }
    }

    fn one(&mut self, payload: &[u8]) -> Result<(), ClientError> {
        let qos = self.options.qos;
        let packet_id = if qos == Qos::AtMostOnce { 0 } else { self.client.next_packet_id() };
        let version = self.client.version();
        let packet = Publish {
            dup: false,
            qos,
            retain: self.options.retain,
            topic: self.topic,
            packet_id,
            properties: self.properties.publish(&self.block),
            payload,
        };
        let size = self.topic.len() + self.block.len() + payload.len();
        if size > self.client.limits().packet_size_max as usize {
            return Err(ClientError::Protocol(format!(
                "the message of {size} bytes is larger than the server's maximum packet size"
            )));
        }
        if qos != Qos::AtMostOnce {
            self.in_flight.insert(packet_id, qos);
        }
        self.client.send(&format!("PUBLISH ({packet_id}, '{}', {} bytes)", self.topic, payload.len()), |out| {
            encode::publish(out, version, &packet);
        })
    }

    fn input(&mut self, input: Input) -> Result<(), ClientError> {
        let Input::Frame(bytes) = input else { return Ok(()) };
        match self.client.decode(&bytes)? {
            Packet::PubAck(ack) | Packet::PubComp(ack) => {
                self.in_flight.remove(&ack.packet_id);
                self.refused(&ack);
            }
            Packet::PubRec(ack) if ack.reason.is_error() => {
                self.in_flight.remove(&ack.packet_id);
                self.refused(&ack);
            }
            Packet::PubRec(ack) => self.client.send_ack(AckKind::PubRel, ack.packet_id)?,
            // A session that is taken up again may have subscriptions.
            Packet::Publish(publish) => match publish.qos {
                Qos::AtMostOnce => {}
                Qos::AtLeastOnce => self.client.send_ack(AckKind::PubAck, publish.packet_id)?,
                Qos::ExactlyOnce => self.client.send_ack(AckKind::PubRec, publish.packet_id)?,
            },
            Packet::PubRel(ack) => self.client.send_ack(AckKind::PubComp, ack.packet_id)?,
            _ => {}
        }
        Ok(())
    }

    fn refused(&mut self, ack: &Ack<'_>) {
        if ack.reason.is_error() {
            self.options.client.error(&format!(
                "Warning: Publish {} failed: {}.",
                ack.packet_id,
                ack.properties.reason_string.map_or_else(|| reason_text(ack.reason), str::to_owned)
            ));
            self.exit_code = ack.reason as u8;
        }
    }
}

fn read_lines(permits: &Receiver<()>, send: impl Fn(Input) -> bool) {
    let mut stdin = std::io::stdin().lock();
    while permits.recv().is_ok() {
        let mut line = Vec::new();
        match stdin.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                if !send(Input::Line(line)) {
                    return;
                }
            }
        }
    }
    send(Input::EndOfLines);
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "it is a number of seconds, not negative".to_owned())
}
