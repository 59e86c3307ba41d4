//! The file that describes a site. Values are checked while it is read, so that each error names its line and key.

use super::values::{Count, Filter, PayloadBytes, Positive, Qos, Topic};
use anyhow::{Context, ensure};
use serde::Deserialize;
use std::path::Path;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Measured seconds.
    #[serde(default = "default_seconds")]
    pub seconds: Positive,
    /// Seconds before that, which do not count.
    #[serde(default = "default_warmup")]
    pub warmup: Positive,
    #[serde(default)]
    pub sensors: Vec<Sensors>,
    #[serde(default)]
    pub dashboards: Vec<Dashboards>,
    #[serde(default)]
    pub shared: Vec<Shared>,
    #[serde(default)]
    pub commands: Vec<Commands>,
    #[serde(default)]
    pub idle: Vec<Idle>,
    pub churn: Option<Churn>,
}

/// Clients that publish, each to one topic.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sensors {
    pub name: String,
    pub count: Count,
    /// Messages per second of each.
    pub rate: Positive,
    pub topic: Topic,
    #[serde(default)]
    pub qos: Qos,
    #[serde(default)]
    pub payload: PayloadBytes,
    #[serde(default)]
    pub retain: bool,
    #[serde(default)]
    pub sites: Count,
    #[serde(default)]
    pub lines: Count,
}

/// Clients that subscribe.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dashboards {
    pub name: String,
    pub count: Count,
    /// Of each client; no topic may match two of them.
    pub filters: Vec<Filter>,
    #[serde(default)]
    pub qos: Qos,
    #[serde(default)]
    pub sites: Count,
    #[serde(default)]
    pub lines: Count,
}

/// Clients that share a subscription: each message goes to one of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shared {
    /// Also the name of the share group.
    pub name: String,
    pub count: Count,
    pub filter: Filter,
    #[serde(default)]
    pub qos: Qos,
}

/// Clients that each subscribe to a topic of their own, and others that publish to all of these in turn.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commands {
    pub name: String,
    /// Receivers.
    pub count: Count,
    #[serde(default)]
    pub senders: Count,
    /// Messages per second of all senders together.
    pub rate: Positive,
    pub topic: Topic,
    #[serde(default)]
    pub qos: Qos,
    #[serde(default)]
    pub payload: PayloadBytes,
    #[serde(default)]
    pub sites: Count,
    #[serde(default)]
    pub lines: Count,
}

/// Clients that are connected and nothing else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Idle {
    pub count: Count,
}

/// Clients that come and go.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    pub count: Count,
    /// How often each reconnects in a minute.
    pub per_minute: Positive,
}

fn default_seconds() -> Positive {
    Positive(30.0)
}

fn default_warmup() -> Positive {
    Positive(2.0)
}

impl Site {
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let site: Self = toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        let publishes = !site.sensors.is_empty() || !site.commands.is_empty();
        ensure!(publishes, "{}: nobody publishes: add [[sensors]] or [[commands]]", path.display());
        Ok(site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        toml::from_str::<Site>(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let text = "[[sensors]]\nname = 'a'\ncount = 3\nrate = 0.5\ntopic = 'a/{n}'";
        let site: Site = toml::from_str(text).unwrap();
        let sensors = &site.sensors[0];
        assert_eq!((sensors.qos.0, sensors.payload.0, sensors.sites.0, site.seconds.0), (0, 64, 1, 30.0));
    }

    #[test]
    fn errors_name_the_line_and_the_key() {
        let head = "[[sensors]]\nname = 'a'\ncount = 3\nrate = 1\n";
        for (line, expected) in [
            ("topics = 'a'", "unknown field `topics`"),
            ("topic = 'a/{m}'", "{m}"),
            ("topic = 'a/+'", "wildcard"),
            ("topic = 'a'\nqos = 3", "QoS"),
            ("topic = 'a'\npayload = 31", "payload"),
            ("topic = 'a'\nsites = 0", "at least 1"),
        ] {
            let error = error(&format!("{head}{line}"));
            assert!(error.contains(expected), "{error}");
            assert!(error.contains(&format!("line {}", 4 + line.lines().count())), "{error}");
        }
        assert!(error("[[dashboards]]\nname = 'a'\ncount = 1\nfilters = ['a/#/b']").contains('#'));
    }
}
