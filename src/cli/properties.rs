//! Properties of MQTT 5.0 as the command line names them: `-D COMMAND IDENTIFIER VALUE`.

use crate::codec::{ConnectProperties, PublishProperties, UserProperties, WillProperties, write_user_property};

/// The packet that a property goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Connect,
    Publish,
    Subscribe,
    Unsubscribe,
    Disconnect,
    Will,
}

/// All properties of a command line.
#[derive(Clone, Debug, Default)]
pub struct Properties {
    values: Vec<(Command, &'static str, String)>,
    user: Vec<(Command, String, String)>,
}

impl Properties {
    /// Reads the words of all `-D` flags, one after the other. A user property has a name and a value, every other
    /// property a value only.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut properties = Self::default();
        let mut words = words.iter();
        while let Some(command_word) = words.next() {
            let command = command(command_word)
                .ok_or_else(|| format!("Invalid command '{command_word}' given in --property argument."))?;
            let mut word = |what: &str| words.next().ok_or_else(|| format!("--property argument lacks its {what}."));
            let identifier = word("identifier")?;
            let (name, kind, commands) = *IDENTIFIERS
                .iter()
                .find(|(name, ..)| name == identifier)
                .ok_or_else(|| format!("Invalid property name '{identifier}' given in --property argument."))?;
            if !commands.contains(&command) {
                return Err(format!("{name} property not allowed for {command_word} in --property argument."));
            }
            let value = word("value")?.clone();
            match kind {
                Kind::Pair => {
                    let (pair_name, pair_value) = (value, word("second value")?.clone());
                    if pair_name.len() > TEXT_MAX || pair_value.len() > TEXT_MAX {
                        return Err(format!("Property value too long for property {name}."));
                    }
                    properties.user.push((command, pair_name, pair_value));
                    continue;
                }
                Kind::Number(max) if value.parse::<u32>().map_or(true, |number| number > max) => {
                    return Err(format!("Property value ({value}) out of range for property {name}."));
                }
                Kind::Text if value.len() > TEXT_MAX => {
                    return Err(format!("Property value too long for property {name}."));
                }
                Kind::Number(_) | Kind::Text => {}
            }
            properties.values.push((command, name, value));
        }
        Ok(properties)
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.user.is_empty()
    }

    /// The last value that was given.
    pub fn text(&self, command: Command, identifier: &str) -> Option<&str> {
        let mut values = self.values.iter().rev();
        values.find(|(of, name, _)| *of == command && *name == identifier).map(|(.., value)| value.as_str())
    }

    /// As [`Properties::text`], for numbers; parsing checked that it is one, within its bounds.
    pub fn number<T: TryFrom<u32>>(&self, command: Command, identifier: &str) -> Option<T> {
        T::try_from(self.text(command, identifier)?.parse().ok()?).ok()
    }

    /// The user properties of a packet, encoded.
    pub fn user_block(&self, command: Command) -> Vec<u8> {
        let mut block = Vec::new();
        for (_, name, value) in self.user.iter().filter(|(of, ..)| *of == command) {
            write_user_property(&mut block, name, value);
        }
        block
    }

    /// The properties of a PUBLISH or will that travel with the message unaltered, encoded; the others are fields.
    pub fn message_block(&self, command: Command) -> Vec<u8> {
        let mut block = Vec::new();
        if let Some(indicator) = self.number::<u8>(command, "payload-format-indicator") {
            block.extend_from_slice(&[0x01, indicator]);
        }
        for (name, identifier) in [("content-type", 0x03), ("response-topic", 0x08), ("correlation-data", 0x09)] {
            if let Some(text) = self.text(command, name) {
                block.push(identifier);
                block.extend_from_slice(&(text.len() as u16).to_be_bytes());
                block.extend_from_slice(text.as_bytes());
            }
        }
        block.append(&mut self.user_block(command));
        block
    }

    pub fn connect<'a>(&'a self, user_block: &'a [u8]) -> ConnectProperties<'a> {
        let command = Command::Connect;
        ConnectProperties {
            session_expiry_s: self.number(command, "session-expiry-interval"),
            receive_maximum: self.number(command, "receive-maximum"),
            packet_size_max: self.number(command, "maximum-packet-size"),
            topic_alias_max: self.number(command, "topic-alias-maximum"),
            request_response_information: self.number::<u8>(command, "request-response-information") == Some(1),
            request_problem_information: self.number(command, "request-problem-information").map(|flag: u8| flag == 1),
            user_properties: UserProperties { block: user_block },
            authentication_method: self.text(command, "authentication-method"),
            authentication_data: self.text(command, "authentication-data").map(str::as_bytes),
        }
    }

    pub fn publish<'a>(&'a self, block: &'a [u8]) -> PublishProperties<'a> {
        PublishProperties {
            block,
            forwardable: false,
            message_expiry_s: self.number(Command::Publish, "message-expiry-interval"),
            topic_alias: self.number(Command::Publish, "topic-alias"),
            ..PublishProperties::default()
        }
    }

    pub fn will<'a>(&'a self, block: &'a [u8]) -> WillProperties<'a> {
        WillProperties {
            delay_s: self.number(Command::Will, "will-delay-interval").unwrap_or(0),
            message_expiry_s: self.number(Command::Will, "message-expiry-interval"),
            payload_is_utf8: self.number::<u8>(Command::Will, "payload-format-indicator") == Some(1),
            block,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Number(u32),
    Text,
    Pair,
}

/// Bytes of a string (section 1.5.4).
const TEXT_MAX: usize = u16::MAX as usize;

use Command::{Connect, Disconnect, Publish, Subscribe, Unsubscribe, Will};

/// Every property that a client may set (section 2.2.2.2), by the name that mosquitto's clients have for it.
const IDENTIFIERS: [(&str, Kind, &[Command]); 17] = [
    ("authentication-data", Kind::Text, &[Connect]),
    ("authentication-method", Kind::Text, &[Connect]),
    ("content-type", Kind::Text, &[Publish, Will]),
    ("correlation-data", Kind::Text, &[Publish, Will]),
    ("maximum-packet-size", Kind::Number(u32::MAX), &[Connect]),
    ("message-expiry-interval", Kind::Number(u32::MAX), &[Publish, Will]),
    ("payload-format-indicator", Kind::Number(1), &[Publish, Will]),
    ("receive-maximum", Kind::Number(u16::MAX as u32), &[Connect]),
    ("request-problem-information", Kind::Number(1), &[Connect]),
    ("request-response-information", Kind::Number(1), &[Connect]),
    ("response-topic", Kind::Text, &[Publish, Will]),
    ("session-expiry-interval", Kind::Number(u32::MAX), &[Connect, Disconnect]),
    ("subscription-identifier", Kind::Number(268_435_455), &[Subscribe]),
    ("topic-alias", Kind::Number(u16::MAX as u32), &[Publish]),
    ("topic-alias-maximum", Kind::Number(u16::MAX as u32), &[Connect]),
    ("user-property", Kind::Pair, &[Connect, Publish, Subscribe, Unsubscribe, Disconnect, Will]),
    ("will-delay-interval", Kind::Number(u32::MAX), &[Will]),
];

fn command(word: &str) -> Option<Command> {
    Some(match word.to_ascii_lowercase().as_str() {
        "connect" => Connect,
        "publish" => Publish,
        "subscribe" => Subscribe,
        "unsubscribe" => Unsubscribe,
        "disconnect" => Disconnect,
        "will" => Will,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Properties, String> {
        Properties::parse(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn user_properties_have_one_word_more() {
        let words = "publish user-property k v PUBLISH content-type text connect receive-maximum 7";
        let properties = parse(words).expect("valid");
        assert_eq!(properties.user, [(Publish, "k".to_owned(), "v".to_owned())]);
        assert_eq!(properties.text(Publish, "content-type"), Some("text"));
        assert_eq!(properties.number::<u16>(Connect, "receive-maximum"), Some(7));
        assert_eq!(properties.number::<u16>(Will, "receive-maximum"), None);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for words in [
            "post content-type a",
            "publish colour red",
            "connect content-type a",
            "publish topic-alias 65536",
            "publish payload-format-indicator 2",
            "publish topic-alias -1",
            "publish user-property k",
            "publish",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
    }
}
