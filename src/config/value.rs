//! A value on its way into the configuration, wherever it comes from, and what it can be read as.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as SerdeError, StrDeserializer};
use toml::de::DeValue;

/// What is wrong with a value, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub problem: String,
    pub remedy: String,
}

impl Problem {
    pub fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }
}

/// A value of the file (with its type), or of an environment variable or flag (which are all text).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Integer(i128),
    Boolean(bool),
    Text(String),
    List(Vec<Value>),
    Table(Vec<(String, Value)>),
    /// Text without a type: it is whatever its key needs. Lists are separated by commas.
    Untyped(String),
}

impl Value {
    /// Takes over a value of a TOML file; fails for the kinds of value that no key has.
    pub fn from_toml(value: &DeValue<'_>) -> Result<Self, Problem> {
        let remedy = "write a string, an integer, true or false, or a list of them";
        Ok(match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Boolean(boolean) => Self::Boolean(*boolean),
            DeValue::Integer(integer) => {
                let parsed = i128::from_str_radix(integer.as_str(), integer.radix());
                Self::Integer(parsed.map_err(|_| Problem::new(format!("{integer} is not a usable integer"), remedy))?)
            }
            DeValue::Array(array) => {
                Self::List(array.iter().map(|item| Self::from_toml(item.get_ref())).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => Self::Table(
                table
                    .iter()
                    .map(|(name, item)| Ok((name.get_ref().to_string(), Self::from_toml(item.get_ref())?)))
                    .collect::<Result<_, _>>()?,
            ),
            DeValue::Float(_) | DeValue::Datetime(_) => {
                return Err(Problem::new(format!("a {} is of no use here", value.type_str()), remedy));
            }
        })
    }

    pub fn boolean(&self) -> Result<bool, Problem> {
        match self {
            Self::Boolean(boolean) => Ok(*boolean),
            Self::Untyped(text) if text == "true" => Ok(true),
            Self::Untyped(text) if text == "false" => Ok(false),
            _ => Err(Problem::new(format!("{self} is neither true nor false"), "write true or false, without quotes")),
        }
    }

    /// An integer within `range`, in whatever type the setting has.
    pub fn integer<T: TryFrom<i128> + Into<i128> + Copy>(&self, range: RangeInclusive<i128>) -> Result<T, Problem> {
        let integer = match self {
            Self::Integer(integer) => Some(*integer),
            Self::Untyped(text) => text.trim().replace('_', "").parse().ok(),
            _ => None,
        };
        let remedy = format!("write an integer from {} to {}", range.start(), range.end());
        let Some(integer) = integer else {
            return Err(Problem::new(format!("{self} is not an integer"), remedy));
        };
        in_range(integer, &range).ok_or_else(|| Problem::new(format!("{integer} is out of bounds"), remedy))
    }

    /// As [`Value::integer`], for settings of type `usize`.
    pub fn count(&self, range: RangeInclusive<i128>) -> Result<usize, Problem> {
        self.integer::<u64>(range).map(|count| count as usize)
    }

    /// Bytes: an integer, or an integer with one of the units B, KB, MB, GB (powers of 1,000), KiB, MiB, GiB (of 1,024).
    pub fn size(&self, range: RangeInclusive<i128>) -> Result<u64, Problem> {
        let size = match self {
            Self::Integer(integer) => Some(*integer),
            Self::Text(text) | Self::Untyped(text) => parse_size(text),
            _ => None,
        };
        let bounds = format!("from {} to {}", show_size(*range.start() as u64), show_size(*range.end() as u64));
        let Some(size) = size else {
            return Err(Problem::new(
                format!("{self} is not a size"),
                format!("write a number of bytes, or a string with a unit, such as \"16MiB\", {bounds}"),
            ));
        };
        in_range::<i128>(size, &range)
            .map(|size| size as u64)
            .ok_or_else(|| Problem::new(format!("{self} is out of bounds"), format!("write a size {bounds}")))
    }

    /// A time with its unit: us, ms, s, m, h or d.
    pub fn duration(&self, range: RangeInclusive<Duration>) -> Result<Duration, Problem> {
        let bounds = format!("from {} to {}", show_duration(*range.start()), show_duration(*range.end()));
        let Some(duration) = self.as_text().and_then(parse_duration) else {
            return Err(Problem::new(
                format!("{self} is not a time"),
                format!("write a string with a number and a unit (us, ms, s, m, h, d), such as \"10s\", {bounds}"),
            ));
        };
        if range.contains(&duration) {
            Ok(duration)
        } else {
            Err(Problem::new(format!("{self} is out of bounds"), format!("write a time {bounds}")))
        }
    }

    /// One word of an enumeration, by the names that serde knows it by.
    pub fn word<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Problem> {
        let text = self.text()?;
        let deserializer: StrDeserializer<'de, SerdeError> = text.into_deserializer();
        T::deserialize(deserializer).map_err(|error| {
            let words = error.to_string().split_once("expected ").map_or(String::new(), |(_, words)| words.to_owned());
            Problem::new(format!("\"{text}\" is not one of its values"), format!("write {}", words.replace('`', "\"")))
        })
    }

    pub fn text(&self) -> Result<&str, Problem> {
        self.as_text().ok_or_else(|| Problem::new(format!("{self} is not a string"), "write it in quotes"))
    }

    /// Where to listen.
    pub fn url(&self) -> Result<&str, Problem> {
        let remedy = "write a URL such as \"tcp://0.0.0.0:1883\", or a list of them";
        self.text().map_err(|problem| Problem { remedy: remedy.into(), ..problem })
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Untyped(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list; a single value is a list of one.
    pub fn list(&self) -> Vec<Value> {
        match self {
            Self::List(items) => items.clone(),
            Self::Untyped(text) => text.split(',').map(|item| Self::Untyped(item.trim().to_owned())).collect(),
            single => vec![single.clone()],
        }
    }

    /// The items of a list, each a string; an empty string is an empty list.
    pub fn texts(&self) -> Result<Vec<String>, Problem> {
        match self.as_text() {
            Some("") => Ok(Vec::new()),
            _ => self.list().iter().map(|item| Ok(item.text()?.to_owned())).collect(),
        }
    }

    /// Makes paths in it that are relative start at `directory`.
    pub fn rebase(self, directory: &Path) -> Self {
        match self {
            Self::Text(path) if !path.is_empty() => Self::Text(directory.join(path).to_string_lossy().into_owned()),
            Self::List(items) => Self::List(items.into_iter().map(|item| item.rebase(directory)).collect()),
            // Of a table with paths, what is a list is none of them: the server names of a certificate.
            Self::Table(entries) => {
                let rebase = |value: Self| if matches!(value, Self::Text(_)) { value.rebase(directory) } else { value };
                Self::Table(entries.into_iter().map(|(name, value)| (name, rebase(value))).collect())
            }
            other => other,
        }
    }

    /// As a TOML file has it.
    pub fn to_toml(&self) -> String {
        match self {
            Self::Integer(integer) => integer.to_string(),
            Self::Boolean(boolean) => boolean.to_string(),
            Self::Text(text) | Self::Untyped(text) => show_text(text),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Self::to_toml).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Table(entries) => {
                let entries: Vec<_> =
                    entries.iter().map(|(name, value)| format!("{name:?} = {}", value.to_toml())).collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }

    /// Names and values of a table; without types it is `name=value,name=value`.
    pub fn table(&self) -> Result<Vec<(String, Value)>, Problem> {
        let problem =
            || Problem::new(format!("{self} is not a table"), "write name = \"value\" pairs in a table of this name");
        match self {
            Self::Table(entries) => Ok(entries.clone()),
            Self::Untyped(text) => text
                .split(',')
                .filter(|entry| !entry.trim().is_empty())
                .map(|entry| entry.split_once('=').ok_or_else(problem))
                .map(|entry| entry.map(|(n, v)| (n.trim().to_owned(), Self::Untyped(v.trim().to_owned()))))
                .collect(),
            _ => Err(problem()),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(integer) => write!(formatter, "{integer}"),
            Self::Boolean(boolean) => write!(formatter, "{boolean}"),
            Self::Text(text) | Self::Untyped(text) => write!(formatter, "{text:?}"),
            Self::List(_) => formatter.write_str("a list"),
            Self::Table(_) => formatter.write_str("a table"),
        }
    }
}

/// A string as TOML has it.
pub fn show_text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A list of strings as TOML has it.
pub fn show_list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| show_text(&item)).collect();
    format!("[{}]", items.join(", "))
}

/// A size as an operator would write it: the largest unit of which it is a whole number.
pub fn show_size(bytes: u64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes != 0 && bytes.is_multiple_of(1 << shift) {
            return format!("\"{}{unit}\"", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// A time as an operator would write it: the largest unit of which it is a whole number.
pub fn show_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    let (unit, size) =
        UNITS.into_iter().rev().find(|(_, size)| micros.is_multiple_of(*size) && micros != 0).unwrap_or(("s", 1));
    format!("\"{}{unit}\"", micros / size)
}

/// Units of time, in microseconds.
const UNITS: [(&str, u128); 6] =
    [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000), ("d", 86_400_000_000)];

/// `None` when it is no number with a unit, or beyond any use.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let unit = if unit == "µs" { "us" } else { unit };
    let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let micros = u128::try_from(number).ok()?.checked_mul(size)?;
    Some(Duration::from_micros(u64::try_from(micros).ok()?))
}

fn parse_size(text: &str) -> Option<i128> {
    let (number, unit) = split_unit(text)?;
    let factor: i128 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

fn split_unit(text: &str) -> Option<(i128, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.replace('_', "").parse().ok()?, unit.trim()))
}

fn in_range<T: TryFrom<i128>>(integer: i128, range: &RangeInclusive<i128>) -> Option<T> {
    range.contains(&integer).then(|| T::try_from(integer).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let size = |text: &str| Value::Text(text.into()).size(0..=1 << 40).ok();
        assert_eq!(size("16MiB"), Some(16 << 20));
        assert_eq!(size("16 MiB"), Some(16 << 20));
        assert_eq!(size("2MB"), Some(2_000_000));
        assert_eq!(size("1_000"), Some(1_000));
        assert_eq!(size("12 parsecs"), None);
        assert_eq!(size("-1"), None);
        assert_eq!(size("99999999999999999999GiB"), None);
        assert_eq!(Value::Integer(5).size(0..=4).ok(), None);
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("10s"), Some(Duration::from_secs(10)));
        assert_eq!(parse_duration("50µs"), Some(Duration::from_micros(50)));
        assert_eq!(parse_duration("2h"), Some(Duration::from_secs(7_200)));
        assert_eq!(parse_duration("10"), None);
        assert_eq!(parse_duration("s"), None);
        assert_eq!(parse_duration("99999999999999999999999d"), None);
        assert!(Value::Integer(10).duration(Duration::ZERO..=Duration::MAX).is_err());
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for bytes in [0, 1, 1_023, 1 << 10, 3 << 20, 2_000_000, 4 << 30] {
            assert_eq!(parse_size(show_size(bytes).trim_matches('"')), Some(i128::from(bytes)));
        }
        for micros in [0, 1, 50, 1_000, 1_500_000, 86_400_000_000] {
            let duration = Duration::from_micros(micros);
            assert_eq!(parse_duration(show_duration(duration).trim_matches('"')), Some(duration));
        }
    }

    #[test]
    fn text_without_a_type_is_what_its_key_needs() {
        assert_eq!(Value::Untyped("7".into()).integer::<u16>(0..=9), Ok(7));
        assert!(Value::Text("7".into()).integer::<u16>(0..=9).is_err());
        assert_eq!(Value::Untyped("true".into()).boolean(), Ok(true));
        assert_eq!(Value::Untyped("a, b".into()).list().len(), 2);
        assert_eq!(Value::Untyped("net=debug".into()).table().map(|table| table.len()), Ok(1));
    }
}
