//! Values of a site's file, each of which is valid once it exists.

use crate::message::PAYLOAD_BYTES_MIN;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "i64")]
pub struct Count(pub usize);

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Number")]
pub struct Positive(pub f64);

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(try_from = "i64")]
pub struct Qos(pub u8);

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "i64")]
pub struct PayloadBytes(pub usize);

/// A topic name with placeholders: `{n}` is the client's number in its group, `{line}` and `{site}` are counted from it.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Topic(String);

/// A topic filter with the same placeholders.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Filter(String);

/// TOML tells 1 from 1.0; people do not.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Whole(i64),
    Real(f64),
}

const PAYLOAD_BYTES_MAX: usize = 16 * 1_024 * 1_024;

impl Default for Count {
    fn default() -> Self {
        Self(1)
    }
}

impl Default for PayloadBytes {
    fn default() -> Self {
        Self(64)
    }
}

impl TryFrom<i64> for Count {
    type Error = String;

    fn try_from(value: i64) -> Result<Self, String> {
        match usize::try_from(value) {
            Ok(count) if (1..=10_000_000).contains(&count) => Ok(Self(count)),
            _ => Err("must be at least 1 and at most ten million".into()),
        }
    }
}

impl TryFrom<Number> for Positive {
    type Error = String;

    fn try_from(number: Number) -> Result<Self, String> {
        let value = match number {
            Number::Whole(value) => value as f64,
            Number::Real(value) => value,
        };
        if value > 0.0 && value <= 1e9 { Ok(Self(value)) } else { Err("must be a number above zero".into()) }
    }
}

impl TryFrom<i64> for Qos {
    type Error = String;

    fn try_from(value: i64) -> Result<Self, String> {
        u8::try_from(value).ok().filter(|&qos| qos <= 2).map(Self).ok_or("QoS is 0, 1 or 2".into())
    }
}

impl TryFrom<i64> for PayloadBytes {
    type Error = String;

    fn try_from(value: i64) -> Result<Self, String> {
        match usize::try_from(value) {
            Ok(bytes) if (PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_MAX).contains(&bytes) => Ok(Self(bytes)),
            _ => Err(format!("a payload has {PAYLOAD_BYTES_MIN} to {PAYLOAD_BYTES_MAX} bytes")),
        }
    }
}

impl TryFrom<String> for Topic {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        check_placeholders(&text)?;
        if text.contains(['+', '#']) {
            return Err("a topic that is published to has no wildcard".into());
        }
        Ok(Self(text))
    }
}

impl TryFrom<String> for Filter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        check_placeholders(&text)?;
        let levels: Vec<&str> = text.split('/').collect();
        let (last, others) = levels.split_last().ok_or("a filter is not empty")?;
        let is_wrong = |level: &&str| level.len() > 1 && level.contains(['+', '#']);
        if others.contains(&"#") || levels.iter().any(is_wrong) {
            return Err(format!("+ and # stand alone in a level, and # in the last one, which here is {last:?}"));
        }
        Ok(Self(text))
    }
}

impl Topic {
    pub fn expand(&self, number: usize, sites: Count, lines: Count) -> String {
        expand(&self.0, number, sites, lines)
    }
}

impl Filter {
    pub fn expand(&self, number: usize, sites: Count, lines: Count) -> String {
        expand(&self.0, number, sites, lines)
    }
}

/// Lines count fastest, so that neighbours are on different lines; then sites.
fn expand(template: &str, number: usize, sites: Count, lines: Count) -> String {
    let (line, site) = (number % lines.0, number / lines.0 % sites.0);
    let text = template.replace("{n}", &number.to_string());
    text.replace("{line}", &line.to_string()).replace("{site}", &site.to_string())
}

fn check_placeholders(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > 1_000 {
        return Err("must have 1 to 1,000 bytes".into());
    }
    let rest = ["{n}", "{line}", "{site}"].iter().fold(text.to_owned(), |text, known| text.replace(known, ""));
    match rest.find(['{', '}']) {
        Some(place) => Err(format!("{} is not one of {{n}}, {{line}} and {{site}}", &rest[place..])),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_count_lines_first_and_then_sites() {
        let topic = Topic::try_from("s{site}/l{line}/{n}".to_owned()).unwrap();
        let expanded: Vec<String> = [0, 1, 2, 5, 6].map(|number| topic.expand(number, Count(3), Count(2))).into();
        assert_eq!(expanded, ["s0/l0/0", "s0/l1/1", "s1/l0/2", "s2/l1/5", "s0/l0/6"]);
    }

    #[test]
    fn filters_are_those_of_the_specification() {
        for good in ["#", "+", "a/+/b/#", "a//+", "/"] {
            assert!(Filter::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a#", "#/a", "a/b+", "{x}"] {
            assert!(Filter::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
