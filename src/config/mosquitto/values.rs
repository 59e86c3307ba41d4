//! Values of mosquitto.conf, in the way that mosquitto reads them.

use std::path::Path;
use std::time::Duration;

use super::super::value::{Problem, Value, show_duration};
use super::lines::Line;

/// `true` or `1`, `false` or `0`.
pub fn boolean(line: &Line) -> Result<bool, Problem> {
    match first(line) {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(Problem::new(format!("{other:?} is neither true nor false"), "write true or false")),
    }
}

/// A number that is not negative; a negative one is what `negative` says.
pub fn count(line: &Line, maximum: u64, negative: Option<u64>) -> Result<u64, Problem> {
    let text = first(line);
    let problem = || Problem::new(format!("{text:?} is not an integer"), format!("write an integer up to {maximum}"));
    if text.strip_prefix('-').is_some_and(|digits| digits.parse::<u64>().is_ok()) {
        return negative.ok_or_else(problem);
    }
    text.parse().ok().filter(|count| *count <= maximum).ok_or_else(problem)
}

/// The whole rest of the line.
pub fn text(line: &Line) -> Result<&str, Problem> {
    match line.value.as_str() {
        "" => Err(Problem::new("it has no value", "write one, or take the line out")),
        value => Ok(value),
    }
}

/// A path. A relative one starts in the working directory, not at the file.
pub fn path(line: &Line) -> Result<String, Problem> {
    text(line).map(absolute)
}

pub fn absolute(path: &str) -> String {
    let absolute = std::path::absolute(Path::new(path));
    absolute.map_or_else(|_| path.to_owned(), |path| path.to_string_lossy().into_owned())
}

/// The first word.
pub fn first(line: &Line) -> &str {
    words(line).next().unwrap_or_default()
}

/// The words up to a comment.
pub fn words(line: &Line) -> impl Iterator<Item = &str> {
    line.value.split_whitespace().take_while(|word| !word.starts_with('#'))
}

/// An expiration: a number of hours, days, weeks, months of 30 days or years of 365.
pub fn expiration(line: &Line) -> Result<Value, Problem> {
    let text = first(line);
    let unit = text.chars().next_back().unwrap_or_default();
    let unit_s: Option<u64> = match unit {
        's' => Some(1),
        'h' => Some(3_600),
        'd' => Some(86_400),
        'w' => Some(7 * 86_400),
        'm' => Some(30 * 86_400),
        'y' => Some(365 * 86_400),
        _ => None,
    };
    let number = text.strip_suffix(unit).and_then(|digits| digits.parse::<u64>().ok()).filter(|number| *number > 0);
    let seconds = number.zip(unit_s).and_then(|(number, unit_s)| number.checked_mul(unit_s));
    match seconds {
        // Beyond what the protocol can count, it is without end.
        Some(seconds) if seconds >= u64::from(u32::MAX) => Ok(Value::Text("never".to_owned())),
        Some(seconds) => Ok(duration(Duration::from_secs(seconds))),
        None => Err(Problem::new(
            format!("{text:?} is no expiration"),
            "write a number with h, d, w, m (30 days) or y, such as 14d",
        )),
    }
}

pub fn duration(duration: Duration) -> Value {
    Value::Text(show_duration(duration).trim_matches('"').to_owned())
}

pub fn number(count: u64) -> Value {
    Value::Integer(i128::from(count))
}
