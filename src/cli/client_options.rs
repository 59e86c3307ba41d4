//! The flags that `pub` and `sub` have in common: where to connect, and as whom.

use clap::{ArgAction, Args};

use super::properties::{Command, Properties};
use crate::codec::{Connect, ConnectProperties, Qos, Version, Will};

#[derive(Clone, Debug, Args)]
pub struct ClientOptions {
    /// Host to connect to
    #[arg(short = 'h', long, value_name = "HOST", default_value = "localhost")]
    pub host: String,
    /// Port to connect to
    #[arg(short, long, value_name = "PORT", default_value_t = 1883)]
    pub port: u16,
    /// User, password, host, port and topic in one: mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC
    #[arg(short = 'L', long, value_name = "URL", conflicts_with_all = ["host", "port"])]
    pub url: Option<String>,
    /// Client id [default: ringmq- and the process id; empty for the server to choose with -V mqttv5]
    #[arg(short = 'i', long, value_name = "ID", allow_hyphen_values = true)]
    pub id: Option<String>,
    /// Client id of this prefix and the process id
    #[arg(short = 'I', long, value_name = "PREFIX", conflicts_with = "id", allow_hyphen_values = true)]
    pub id_prefix: Option<String>,
    /// User name
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true)]
    pub username: Option<String>,
    /// Password
    #[arg(short = 'P', long = "pw", alias = "password", value_name = "PASSWORD", allow_hyphen_values = true)]
    pub password: Option<String>,
    /// Version of the protocol: mqttv31 (31), mqttv311 (311) or mqttv5 (5)
    #[arg(short = 'V', long, value_name = "VERSION", default_value = "mqttv311", value_parser = version)]
    pub protocol_version: Version,
    /// Keep-alive in seconds; 0 is none
    #[arg(short, long, value_name = "SECONDS", default_value_t = 60)]
    pub keepalive: u16,
    /// Keep the session: no Clean Session (3.x), no Clean Start (5.0)
    #[arg(short = 'c', long)]
    pub disable_clean_session: bool,
    /// Session expiry in seconds (5.0); -1 is never, and the default with -c
    #[arg(short = 'x', long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = session_expiry)]
    pub session_expiry_interval: Option<u32>,
    /// Topic of the will
    #[arg(long, value_name = "TOPIC", allow_hyphen_values = true)]
    pub will_topic: Option<String>,
    /// Payload of the will
    #[arg(long, value_name = "PAYLOAD", requires = "will_topic", allow_hyphen_values = true)]
    pub will_payload: Option<String>,
    /// QoS of the will
    #[arg(long, value_name = "QOS", requires = "will_topic", default_value = "0", value_parser = qos)]
    pub will_qos: Qos,
    /// Retain the will
    #[arg(long, requires = "will_topic")]
    pub will_retain: bool,
    /// Property of a packet (5.0), such as: publish content-type text/plain, connect user-property NAME VALUE
    #[arg(short = 'D', long, value_names = ["PACKET", "NAME", "VALUE"], num_args = 3..=4, action = ArgAction::Append)]
    pub property: Vec<String>,
    /// Tell on standard error what is sent and received
    #[arg(short, long)]
    pub debug: bool,
    /// Print no errors
    #[arg(long)]
    pub quiet: bool,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

impl ClientOptions {
    /// Splits the URL, if there is one, into the other options; gives the topic that it names.
    pub fn take_url(&mut self) -> Result<Option<String>, String> {
        let Some(url) = self.url.take() else { return Ok(None) };
        let rest = url.strip_prefix("mqtt://").ok_or("Invalid URL: it does not start with mqtt://.")?;
        let (authority, topic) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host_port) = match authority.rsplit_once('@') {
            Some((user, host_port)) => (Some(user), host_port),
            None => (None, authority),
        };
        if let Some(user) = user {
            let (name, password) = match user.split_once(':') {
                Some((name, password)) => (name, Some(percent_decoded(password)?)),
                None => (user, None),
            };
            self.username = Some(percent_decoded(name)?);
            self.password = password;
        }
        let (host, port) = match host_port.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| format!("Invalid URL: '{port}' is no port."))?)
            }
            _ => (host_port, 1883),
        };
        if host.is_empty() {
            return Err("Invalid URL: it names no host.".into());
        }
        self.host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        self.port = port;
        (!topic.is_empty()).then(|| percent_decoded(topic)).transpose()
    }

    /// The client id to connect with; empty asks the server for one, which 3.1 does not know.
    pub fn client_id(&self) -> String {
        match (&self.id, &self.id_prefix) {
            (Some(id), _) => id.clone(),
            (None, Some(prefix)) => format!("{prefix}{}", std::process::id()),
            (None, None) if self.protocol_version == Version::V5_0 && !self.disable_clean_session => String::new(),
            (None, None) => format!("ringmq-{}", std::process::id()),
        }
    }

    /// Checks what the flags cannot check one by one.
    pub fn properties(&self) -> Result<Properties, String> {
        let properties = Properties::parse(&self.property)?;
        if self.protocol_version != Version::V5_0 {
            if !properties.is_empty() {
                return Err("--property needs -V mqttv5.".into());
            }
            if self.session_expiry_interval.is_some() {
                return Err("-x needs -V mqttv5.".into());
            }
        }
        if self.disable_clean_session && self.id.is_none() && self.id_prefix.is_none() {
            return Err("You must provide a client id if you are using the -c option.".into());
        }
        Ok(properties)
    }

    /// The CONNECT that these options make. The blocks are the encoded properties of connect and will.
    pub fn connect<'a>(
        &'a self,
        client_id: &'a str,
        properties: &'a Properties,
        connect_block: &'a [u8],
        will_block: &'a [u8],
    ) -> Connect<'a> {
        let given = properties.connect(connect_block);
        let session_expiry_s = self
            .session_expiry_interval
            .or(given.session_expiry_s)
            .or((self.disable_clean_session && self.protocol_version == Version::V5_0).then_some(u32::MAX));
        Connect {
            version: self.protocol_version,
            bridge: false,
            clean_start: !self.disable_clean_session,
            keep_alive_s: self.keepalive,
            client_id,
            will: self.will_topic.as_deref().map(|topic| Will {
                topic,
                payload: self.will_payload.as_deref().unwrap_or_default().as_bytes(),
                qos: self.will_qos,
                retain: self.will_retain,
                properties: properties.will(will_block),
            }),
            user_name: self.username.as_deref(),
            password: self.password.as_deref().map(str::as_bytes),
            properties: ConnectProperties { session_expiry_s, ..given },
        }
    }

    /// Encoded properties of connect and will, for [`ClientOptions::connect`].
    pub fn blocks(properties: &Properties) -> (Vec<u8>, Vec<u8>) {
        (properties.user_block(Command::Connect), properties.message_block(Command::Will))
    }

    /// Prints an error unless errors are unwanted.
    pub fn error(&self, error: &dyn std::fmt::Display) {
        if !self.quiet {
            eprintln!("{error}");
        }
    }
}

/// The value of a `-q` flag.
pub fn qos(text: &str) -> Result<Qos, String> {
    let bits = text.parse().map_err(|_| "it is 0, 1 or 2".to_owned())?;
    Qos::from_bits(bits).ok_or_else(|| "it is 0, 1 or 2".to_owned())
}

fn version(text: &str) -> Result<Version, String> {
    match text {
        "mqttv31" | "31" => Ok(Version::V3_1),
        "mqttv311" | "311" => Ok(Version::V3_1_1),
        "mqttv5" | "5" => Ok(Version::V5_0),
        _ => Err("it is mqttv31, mqttv311 or mqttv5".into()),
    }
}

fn session_expiry(text: &str) -> Result<u32, String> {
    match text {
        "-1" | "∞" => Ok(u32::MAX),
        _ => text.parse().map_err(|_| "it is -1, or 0 to 4294967295".to_owned()),
    }
}

fn percent_decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| format!("Invalid URL: '{text}' is not UTF-8."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    #[command(disable_help_flag = true)]
    struct Line {
        #[command(flatten)]
        options: ClientOptions,
    }

    fn parse(line: &str) -> Result<ClientOptions, String> {
        let words = std::iter::once("ringmq").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.options).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_names_everything() {
        let mut options = parse("-L mqtt://me:s%40crt@[::1]:1884/a/b").expect("valid");
        assert_eq!(options.take_url(), Ok(Some("a/b".into())));
        assert_eq!((options.host.as_str(), options.port), ("::1", 1884));
        assert_eq!((options.username.as_deref(), options.password.as_deref()), (Some("me"), Some("s@crt")));

        let mut options = parse("-L mqtt://example.org").expect("valid");
        assert_eq!(options.take_url(), Ok(None));
        assert_eq!((options.host.as_str(), options.port), ("example.org", 1883));
        for url in ["mqtts://a/b", "mqtt:///a", "mqtt://a:b/c"] {
            assert!(parse(&format!("-L {url}")).expect("a line").take_url().is_err(), "{url}");
        }
    }

    #[test]
    fn flags_are_those_of_mosquitto() {
        let options = parse("-h host -p 1 -V 5 -c -i me -x -1 -k 7 -u a -P b --will-topic w --will-qos 2 --will-retain -d --quiet -D connect user-property k v -D will will-delay-interval 3").expect("valid");
        let properties = options.properties().expect("valid");
        let (connect_block, will_block) = ClientOptions::blocks(&properties);
        let connect = options.connect("me", &properties, &connect_block, &will_block);
        assert!(!connect.clean_start);
        assert_eq!(connect.properties.session_expiry_s, Some(u32::MAX));
        let will = connect.will.expect("a will");
        assert_eq!((will.qos, will.retain, will.properties.delay_s), (Qos::ExactlyOnce, true, 3));
        for line in ["-V 6", "-x never", "--will-payload x", "-i a -I b"] {
            assert!(parse(line).is_err(), "{line}");
        }
        for line in ["-c", "-x 5", "-D connect user-property k v"] {
            assert!(parse(line).expect("a line").properties().is_err(), "{line}");
        }
    }
}
