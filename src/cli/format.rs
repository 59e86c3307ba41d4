//! How `ringmq sub` prints a message: the format strings of mosquitto_sub's `-F`.

use chrono::{DateTime, Local};
use serde_json::{Map, Value, json};

use crate::codec::{Publish, PublishProperties};

/// A format string, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(Vec<u8>),
    /// `@X`: one directive of strftime.
    Time(String),
    Field(Field),
}

/// `%[-0][width][.maximum]letter`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Field {
    letter: u8,
    align_left: bool,
    zero_padded: bool,
    width: usize,
    width_max: Option<usize>,
}

/// Letters that may follow a `%`.
const LETTERS: &[u8] = b"%ACDEFIJjlmPpqRrStUXx";
/// A field is not padded to more than this: a format is no reason to fill the memory.
const WIDTH_MAX: usize = 10_000;

impl Format {
    /// The payload alone.
    pub fn payload() -> Self {
        Self { parts: vec![field(b'p')] }
    }

    /// Topic and payload, for `-v`; the caller says `(null)` for an empty payload.
    pub fn verbose() -> Self {
        Self { parts: vec![field(b't'), Part::Literal(b" ".to_vec()), field(b'p')] }
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            match first {
                b'%' => {
                    let (field, after) = parse_field(rest)?;
                    rest = after;
                    if field.letter == b'%' {
                        literal.push(b'%');
                    } else {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                        parts.push(Part::Field(field));
                    }
                }
                b'@' | b'\\' => {
                    let (&second, after) = rest.split_first().ok_or("Error: Incomplete format specifier.")?;
                    rest = after;
                    if second == first {
                        literal.push(second);
                    } else if first == b'@' {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                        parts.push(Part::Time(time_directive(second)?));
                    } else {
                        literal.push(escape(second)?);
                    }
                }
                other => literal.push(other),
            }
        }
        parts.push(Part::Literal(literal));
        parts.retain(|part| !matches!(part, Part::Literal(bytes) if bytes.is_empty()));
        Ok(Self { parts })
    }

    /// Appends a message that was received at `now`. Fails when `%J` meets a payload that is not JSON.
    pub fn write(&self, message: &Publish<'_>, now: DateTime<Local>, out: &mut Vec<u8>) -> Result<(), String> {
        for part in &self.parts {
            match part {
                Part::Literal(bytes) => out.extend_from_slice(bytes),
                Part::Time(directive) => out.extend_from_slice(now.format(directive).to_string().as_bytes()),
                Part::Field(field) => write_field(*field, message, now, out)?,
            }
        }
        Ok(())
    }
}

fn field(letter: u8) -> Part {
    Part::Field(Field { letter, align_left: false, zero_padded: false, width: 0, width_max: None })
}

fn parse_field(mut rest: &[u8]) -> Result<(Field, &[u8]), String> {
    let mut field = Field { letter: 0, align_left: false, zero_padded: false, width: 0, width_max: None };
    while let Some((&flag @ (b'-' | b'0'), after)) = rest.split_first() {
        field.align_left |= flag == b'-';
        field.zero_padded |= flag == b'0';
        rest = after;
    }
    (field.width, rest) = parse_number(rest)?;
    if let Some((b'.', after)) = rest.split_first() {
        let (width_max, after) = parse_number(after)?;
        field.width_max = Some(width_max);
        rest = after;
    }
    let (&letter, rest) = rest.split_first().ok_or("Error: Incomplete format specifier.")?;
    if !LETTERS.contains(&letter) {
        return Err(format!("Error: Invalid format specifier '{}'.", char::from(letter)));
    }
    Ok((Field { letter, ..field }, rest))
}

fn parse_number(rest: &[u8]) -> Result<(usize, &[u8]), String> {
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(end);
    let digits = String::from_utf8_lossy(digits);
    let number = if digits.is_empty() { Some(0) } else { digits.parse().ok() };
    let number = number.filter(|number| *number <= WIDTH_MAX);
    Ok((number.ok_or_else(|| format!("Error: Invalid format width '{digits}'."))?, rest))
}

fn time_directive(letter: u8) -> Result<String, String> {
    let invalid = || format!("Error: Invalid time format specifier '{}'.", char::from(letter));
    // Nanoseconds are mosquitto's own addition to strftime; its letter is one that strftime does not have.
    let directive = if letter == b'N' { "%9f".to_owned() } else { format!("%{}", char::from(letter)) };
    let known = chrono::format::StrftimeItems::new(&directive).all(|item| item != chrono::format::Item::Error);
    if known { Ok(directive) } else { Err(invalid()) }
}

fn escape(letter: u8) -> Result<u8, String> {
    Ok(match letter {
        b'0' => 0,
        b'a' => 0x07,
        b'e' => 0x1B,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0B,
        _ => return Err(format!("Error: Invalid escape specifier '{}'.", char::from(letter))),
    })
}

fn write_field(field: Field, message: &Publish<'_>, now: DateTime<Local>, out: &mut Vec<u8>) -> Result<(), String> {
    let properties = &message.properties;
    let number = |value: Option<u32>| value.map_or(String::new(), |value| value.to_string());
    match field.letter {
        b'A' => pad(field, &number(properties.topic_alias.map(u32::from)), true, out),
        b'C' => pad(field, properties.content_type.unwrap_or_default(), false, out),
        b'D' => out.extend_from_slice(properties.correlation_data.unwrap_or_default()),
        b'E' => pad(field, &number(properties.message_expiry_s), true, out),
        b'F' => pad(field, &number(properties.payload_is_utf8.then_some(1)), true, out),
        b'I' => pad(field, &now.format("%Y-%m-%dT%H:%M:%S%z").to_string(), false, out),
        b'j' => out.extend_from_slice(json(message, now, json_text(message.payload)).as_bytes()),
        b'J' => {
            let payload = serde_json::from_slice(message.payload)
                .map_err(|_| format!("Error: Message payload is not valid JSON on topic {}", message.topic))?;
            out.extend_from_slice(json(message, now, payload).as_bytes());
        }
        b'l' => pad(field, &message.payload.len().to_string(), true, out),
        b'm' => pad(field, &message.packet_id.to_string(), true, out),
        b'P' => {
            let pairs: Vec<_> =
                properties.user_properties().iter().map(|(name, value)| format!("{name}:{value}")).collect();
            out.extend_from_slice(pairs.join(" ").as_bytes());
        }
        b'p' if field.width == 0 && field.width_max.is_none() => out.extend_from_slice(message.payload),
        b'p' => pad(field, &String::from_utf8_lossy(message.payload), false, out),
        b'q' => out.extend_from_slice((message.qos as u8).to_string().as_bytes()),
        b'R' => pad(field, properties.response_topic.unwrap_or_default(), false, out),
        b'r' => out.extend_from_slice(if message.retain { b"1" } else { b"0" }),
        b'S' => pad(field, &subscription_ids(properties), true, out),
        b't' => pad(field, message.topic, false, out),
        b'U' => out.extend_from_slice(now.format("%s.%9f").to_string().as_bytes()),
        b'X' => pad(field, &hexadecimal(message.payload).to_ascii_uppercase(), true, out),
        _ => pad(field, &hexadecimal(message.payload), true, out),
    }
    Ok(())
}

/// Cuts to the maximum width and fills to the width, both in characters. Only numbers are filled with zeros.
fn pad(field: Field, text: &str, is_number: bool, out: &mut Vec<u8>) {
    let cut: String = text.chars().take(field.width_max.unwrap_or(usize::MAX)).collect();
    let missing = field.width.saturating_sub(cut.chars().count());
    let zero = is_number && field.zero_padded && !field.align_left;
    let fill = if zero { b'0' } else { b' ' };
    if !field.align_left {
        out.resize(out.len() + missing, fill);
    }
    out.extend_from_slice(cut.as_bytes());
    if field.align_left {
        out.resize(out.len() + missing, b' ');
    }
}

fn json_text(payload: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(payload).into_owned())
}

/// One line in the order and with the names of mosquitto_sub, which serde_json's own map would sort.
fn json(message: &Publish<'_>, now: DateTime<Local>, payload: Value) -> String {
    let mut fields = vec![
        ("tst", json!(now.format("%Y-%m-%dT%H:%M:%S%.6f%z").to_string())),
        ("topic", json!(message.topic)),
        ("qos", json!(message.qos as u8)),
        ("retain", json!(u8::from(message.retain))),
        ("payloadlen", json!(message.payload.len())),
    ];
    if message.packet_id > 0 {
        fields.push(("mid", json!(message.packet_id)));
    }
    let properties = json_properties(&message.properties);
    if !properties.is_empty() {
        fields.push(("properties", Value::Object(properties)));
    }
    fields.push(("payload", payload));
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn json_properties(properties: &PublishProperties<'_>) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            map.insert(name.to_owned(), value);
        }
    };
    put("payload-format-indicator", properties.payload_is_utf8.then(|| json!(1)));
    put("message-expiry-interval", properties.message_expiry_s.map(|value| json!(value)));
    put("topic-alias", properties.topic_alias.map(|value| json!(value)));
    put("content-type", properties.content_type.map(|value| json!(value)));
    put("response-topic", properties.response_topic.map(|value| json!(value)));
    put("correlation-data", properties.correlation_data.map(json_text));
    put("subscription-identifier", properties.subscription_id.map(|value| json!(value)));
    let user = properties.user_properties();
    let user: Map<_, _> = user.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    put("user-properties", (!user.is_empty()).then_some(Value::Object(user)));
    map
}

fn subscription_ids(properties: &PublishProperties<'_>) -> String {
    properties.subscription_ids().map(|id| id.to_string()).collect::<Vec<_>>().join(" ")
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Qos;

    fn show(format: &str, payload: &[u8]) -> Result<String, String> {
        let message = Publish {
            dup: false,
            qos: Qos::AtLeastOnce,
            retain: true,
            topic: "a/b",
            packet_id: 7,
            properties: PublishProperties { content_type: Some("x"), ..PublishProperties::default() },
            payload,
        };
        let now = DateTime::UNIX_EPOCH + chrono::TimeDelta::nanoseconds(5);
        let mut out = Vec::new();
        Format::parse(format)?.write(&message, now.with_timezone(&Local), &mut out)?;
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn fields_are_those_of_mosquitto() {
        let shown = show("%t|%5t|%-5t|%.2t|%q|%r|%l|%05l|%m|%P|%C|%E|%x|%X|%U|@N|%%|\\\\|@@|\\n", b"{J}");
        let expected = "a/b|  a/b|a/b  |a/|1|1|3|00003|7||x||7b4a7d|7B4A7D|0.000000005|000000005|%|\\|@|\n";
        assert_eq!(shown.as_deref(), Ok(expected));
    }

    #[test]
    fn json_is_quoted_or_not() {
        let quoted = show("%j", b"{\"a\":1}").expect("a line");
        let end = ",\"topic\":\"a/b\",\"qos\":1,\"retain\":1,\"payloadlen\":7,\"mid\":7,\"properties\":{\"content-type\":\"x\"},\"payload\":\"{\\\"a\\\":1}\"}";
        assert!(quoted.ends_with(end), "{quoted}");
        assert!(show("%J", b"{\"a\":1}").expect("a line").ends_with("\"payload\":{\"a\":1}}"));
        assert!(show("%J", b"no JSON").is_err());
    }

    #[test]
    fn what_is_no_format_is_refused() {
        for format in ["%z", "%", "%5", "@", "\\", "\\q", "@\u{1}", "%99999999999999999999t"] {
            assert!(Format::parse(format).is_err(), "{format:?}");
        }
    }
}
