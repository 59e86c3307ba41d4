//! Values of their own kind: which CPUs the shards run on, and what they do when idle.

use std::time::Duration;

use super::Config;
use super::value::{Problem, Value, parse_duration, show_duration};
use crate::runtime::IdlePolicy;

/// The kernel's own bound of CPU numbers (`CONFIG_NR_CPUS` of its largest configuration).
const CPUS_MAX: usize = 8_192;
/// Longest time to look for work; beyond it "busy" is meant.
const SPIN_TIME_MAX: Duration = Duration::from_secs(1);

pub fn set_cpus(config: &mut Config, value: &Value) -> Result<(), Problem> {
    let remedy = "write \"auto\", or a list of CPU numbers such as [0, 1]; in a flag or variable also 0-3,8";
    if value.as_text() == Some("auto") {
        config.runtime.cpus = None;
        return Ok(());
    }
    let mut cpus = Vec::new();
    for item in value.list() {
        let problem = || Problem::new(format!("{item} is no CPU"), remedy);
        match item.as_text().and_then(|text| text.split_once('-')) {
            Some((first, last)) => {
                let first: usize = first.trim().parse().map_err(|_| problem())?;
                let last: usize = last.trim().parse().map_err(|_| problem())?;
                if last >= CPUS_MAX {
                    return Err(problem());
                }
                cpus.extend(first..=last);
            }
            None => cpus.push(item.count(0..=CPUS_MAX as i128 - 1).map_err(|_| problem())?),
        }
    }
    let mut sorted = cpus.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if cpus.is_empty() || sorted.len() != cpus.len() {
        return Err(Problem::new("a CPU is missing or named twice", remedy));
    }
    config.runtime.cpus = Some(cpus);
    Ok(())
}

pub fn show_cpus(config: &Config) -> String {
    config.runtime.cpus.as_ref().map_or("\"auto\"".into(), |cpus| format!("{cpus:?}"))
}

pub fn set_idle(config: &mut Config, value: &Value) -> Result<(), Problem> {
    let problem = || {
        Problem::new(format!("{value} is no way to idle"), "write \"park\", \"busy\", or \"spin = 50us\" (up to 1s)")
    };
    let spin = |text: &str| {
        let text = text.trim().trim_start_matches('=').trim();
        let time = parse_duration(text).or_else(|| text.parse().ok().map(Duration::from_micros))?;
        (time <= SPIN_TIME_MAX).then_some(IdlePolicy::Spin(time))
    };
    let policy = match value {
        Value::Table(entries) => match entries.as_slice() {
            [(name, Value::Integer(micros))] if name == "spin" => spin(&micros.to_string()),
            [(name, Value::Text(text))] if name == "spin" => spin(text),
            _ => None,
        },
        _ => match value.as_text() {
            Some("park") => Some(IdlePolicy::Park),
            Some("busy") => Some(IdlePolicy::Busy),
            Some(text) => text.strip_prefix("spin").and_then(spin),
            None => None,
        },
    };
    config.runtime.idle = policy.ok_or_else(problem)?;
    Ok(())
}

pub fn show_idle(config: &Config) -> String {
    match config.runtime.idle {
        IdlePolicy::Park => "\"park\"".into(),
        IdlePolicy::Busy => "\"busy\"".into(),
        IdlePolicy::Spin(time) => format!("\"spin = {}\"", show_duration(time).trim_matches('"')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_may_be_ranges_where_lists_are_text() {
        let mut config = Config::default();
        assert_eq!(set_cpus(&mut config, &Value::Untyped("0-2,7".into())), Ok(()));
        assert_eq!(config.runtime.cpus, Some(vec![0, 1, 2, 7]));
        for text in ["", "0,0", "2-1", "0-99999999", "x"] {
            assert!(set_cpus(&mut config, &Value::Untyped(text.into())).is_err(), "{text}");
        }
    }

    #[test]
    fn idling_has_three_ways() {
        let idle = |value: Value| {
            let mut config = Config::default();
            set_idle(&mut config, &value).ok().map(|()| config.runtime.idle)
        };
        let spin = |micros| Some(IdlePolicy::Spin(Duration::from_micros(micros)));
        assert_eq!(idle(Value::Text("park".into())), Some(IdlePolicy::Park));
        assert_eq!(idle(Value::Untyped("busy".into())), Some(IdlePolicy::Busy));
        assert_eq!(idle(Value::Text("spin = 50us".into())), spin(50));
        assert_eq!(idle(Value::Text("spin=1ms".into())), spin(1_000));
        assert_eq!(idle(Value::Text("spin 7".into())), spin(7));
        assert_eq!(idle(Value::Table(vec![("spin".into(), Value::Integer(9))])), spin(9));
        for text in ["spin", "spin = 2s", "spinning", "", "sleep"] {
            assert_eq!(idle(Value::Text(text.into())), None, "{text}");
        }
    }
}
