//! Values of the storage: where it is, and when an acknowledgement leaves.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Config;
use super::value::{Problem, Value, parse_duration, show_duration};
use crate::storage::Durability;

/// Below a millisecond each write is its own sync; beyond a minute "memory" is meant.
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);

/// Where systemd tells a service to keep its state (`StateDirectory=`): one directory, or several between colons.
const STATE_DIRECTORY: &str = "STATE_DIRECTORY";

/// The default of the directory, as the environment has it.
pub fn take_environment(config: &mut Config, environment: &[(String, String)]) {
    let state = environment.iter().find(|(variable, _)| variable == STATE_DIRECTORY);
    let first = state.and_then(|(_, directories)| directories.split(':').next());
    if let Some(dir) = first.filter(|dir| !dir.is_empty()) {
        config.runtime.storage.dir = dir.into();
    }
}

pub fn set_dir(config: &mut Config, value: &Value) -> Result<(), Problem> {
    let dir = value.text()?;
    if dir.is_empty() || dir.contains('\0') {
        return Err(Problem::new(format!("{dir:?} is no directory"), "write a path, such as \"/var/lib/ringmq\""));
    }
    config.runtime.storage.dir = dir.into();
    Ok(())
}

pub fn show_dir(config: &Config) -> String {
    toml::Value::from(config.runtime.storage.dir.to_string_lossy().into_owned()).to_string()
}

pub fn set_durability(config: &mut Config, value: &Value) -> Result<(), Problem> {
    let problem = || {
        let remedy = "write \"commit\", \"memory\", or \"interval = 100ms\" (1ms to 1m)";
        Problem::new(format!("{value} is no durability"), remedy)
    };
    let interval = |text: &str| {
        let interval = parse_duration(text.trim().trim_start_matches('=').trim())?;
        INTERVALS.contains(&interval).then_some(Durability::Interval(interval))
    };
    let durability = match value {
        Value::Table(entries) => match entries.as_slice() {
            [(name, Value::Text(text))] if name == "interval" => interval(text),
            _ => None,
        },
        _ => match value.as_text() {
            Some("commit") => Some(Durability::Commit),
            Some("memory") => Some(Durability::Memory),
            Some(text) => text.strip_prefix("interval").and_then(interval),
            None => None,
        },
    };
    config.runtime.storage.durability = durability.ok_or_else(problem)?;
    Ok(())
}

pub fn show_durability(config: &Config) -> String {
    match config.runtime.storage.durability {
        Durability::Commit => "\"commit\"".into(),
        Durability::Memory => "\"memory\"".into(),
        Durability::Interval(interval) => format!("\"interval = {}\"", show_duration(interval).trim_matches('"')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durability_has_three_ways() {
        let durability = |value: Value| {
            let mut config = Config::default();
            set_durability(&mut config, &value).ok().map(|()| config.runtime.storage.durability)
        };
        let interval = |millis| Some(Durability::Interval(Duration::from_millis(millis)));
        assert_eq!(durability(Value::Text("commit".into())), Some(Durability::Commit));
        assert_eq!(durability(Value::Untyped("memory".into())), Some(Durability::Memory));
        assert_eq!(durability(Value::Text("interval = 100ms".into())), interval(100));
        assert_eq!(durability(Value::Untyped("interval=1s".into())), interval(1_000));
        assert_eq!(durability(Value::Table(vec![("interval".into(), Value::Text("2s".into()))])), interval(2_000));
        for text in ["interval", "interval = 1us", "interval = 2m", "interval = 100", "", "always"] {
            assert_eq!(durability(Value::Text(text.into())), None, "{text}");
        }
    }

    #[test]
    fn the_directory_is_that_of_the_service() {
        let dir = |state: &str| {
            let mut config = Config::default();
            take_environment(&mut config, &[("HOME".into(), "/root".into()), (STATE_DIRECTORY.into(), state.into())]);
            show_dir(&config)
        };
        assert_eq!(dir("/var/lib/ringmq"), "\"/var/lib/ringmq\"");
        assert_eq!(dir("/var/lib/a:/var/lib/b"), "\"/var/lib/a\"");
        assert_eq!(dir(""), "\"./ringmq-data\"");
    }
}
