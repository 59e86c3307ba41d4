//! The keys of the server itself: all but those that each listener may have for itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::keys::{COUNT_MAX, Key, SECOND, SIZE_MAX, or_word};
use super::listen::{Endpoint, parse_url};
use super::placement::{set_cpus, set_idle, show_cpus, show_idle};
use super::storage::{set_dir, set_durability, show_dir, show_durability};
use super::value::{Problem, Value, show_duration, show_list, show_size};
use super::{Config, LogFormat, LogLevel};
use crate::broker::settings::QueuePolicy;
use crate::codec::Qos;
use crate::limits;
use crate::routing::Strategy;
use crate::runtime::ShardCount;

/// A setting of the core that is a number of bytes.
macro_rules! size {
    ($section:literal, $field:ident: $type:ty, $range:expr) => {
        Key {
            name: concat!($section, ".", stringify!($field)),
            is_path: false,
            set: |config, value| {
                config.runtime.settings.$field = value.size($range)? as $type;
                Ok(())
            },
            show: |config| show_size(config.runtime.settings.$field as u64),
        }
    };
}

/// A setting of the storage that is a number of bytes.
macro_rules! storage_size {
    ($field:ident, $range:expr) => {
        Key {
            name: concat!("storage.", stringify!($field)),
            is_path: false,
            set: |config, value| {
                config.runtime.storage.$field = value.size($range)?;
                Ok(())
            },
            show: |config| show_size(config.runtime.storage.$field),
        }
    };
}

/// A setting of the core that is a number.
macro_rules! count {
    ($section:literal, $field:ident: $type:ty, $range:expr) => {
        Key {
            name: concat!($section, ".", stringify!($field)),
            is_path: false,
            set: |config, value| {
                config.runtime.settings.$field = value.integer::<u64>($range)? as $type;
                Ok(())
            },
            show: |config| config.runtime.settings.$field.to_string(),
        }
    };
}

/// A setting of the core that is true or false.
macro_rules! switch {
    ($section:literal, $field:ident) => {
        Key {
            name: concat!($section, ".", stringify!($field)),
            is_path: false,
            set: |config, value| {
                config.runtime.settings.$field = value.boolean()?;
                Ok(())
            },
            show: |config| config.runtime.settings.$field.to_string(),
        }
    };
}

/// A setting of the core that is one word of an enumeration.
macro_rules! word {
    ($section:literal, $field:ident: $type:ty) => {
        Key {
            name: concat!($section, ".", stringify!($field)),
            is_path: false,
            set: |config, value| {
                config.runtime.settings.$field = value.word::<$type>()?;
                Ok(())
            },
            show: |config| serde_json::json!(config.runtime.settings.$field).to_string(),
        }
    };
}

/// An expiry of `u32::MAX` seconds is none (section 3.1.2.11.2), so the largest that ends is one less.
const EXPIRY_MAX: Duration = Duration::from_secs(u32::MAX as u64 - 1);

pub(super) static SERVER_KEYS: &[Key<Config>] = &[
    Key {
        name: "listen",
        is_path: false,
        set: |config, value| {
            let endpoints = value.list().iter().map(|item| parse_url(item.url()?)).collect::<Result<Vec<_>, _>>()?;
            config.runtime.listeners = endpoints.iter().map(Endpoint::to_listener).collect();
            Ok(())
        },
        show: |config| show_list(config.listeners_as_by_default().map(|endpoint| endpoint.to_string())),
    },
    Key {
        name: "runtime.shards",
        is_path: false,
        set: |config, value| {
            config.runtime.shards = match value.as_text() {
                Some("auto") => ShardCount::Auto,
                _ => ShardCount::Exactly(or_word(value.count(1..=limits::SHARDS_MAX as i128), "auto")?),
            };
            Ok(())
        },
        show: |config| match config.runtime.shards {
            ShardCount::Auto => "\"auto\"".into(),
            ShardCount::Exactly(shards) => shards.to_string(),
        },
    },
    Key { name: "runtime.cpus", is_path: false, set: set_cpus, show: show_cpus },
    Key { name: "runtime.idle", is_path: false, set: set_idle, show: show_idle },
    Key {
        name: "runtime.connections_max",
        is_path: false,
        set: |config, value| {
            config.runtime.connections_max = match value.as_text() {
                Some("auto") => None,
                _ => Some(or_word(value.count(1..=COUNT_MAX), "auto")?),
            };
            Ok(())
        },
        show: |config| config.runtime.connections_max.map_or("\"auto\"".into(), |count| count.to_string()),
    },
    Key {
        name: "runtime.shutdown_time_max",
        is_path: false,
        set: |config, value| {
            config.runtime.shutdown_time_max = value.duration(Duration::ZERO..=SECOND * 3_600)?;
            Ok(())
        },
        show: |config| show_duration(config.runtime.shutdown_time_max),
    },
    Key {
        name: "runtime.loop_lag_max",
        is_path: false,
        set: |config, value| {
            config.runtime.loop_lag_max = match value.as_text() {
                Some("none") => None,
                _ => Some(or_word(value.duration(Duration::from_micros(10)..=SECOND), "none")?),
            };
            Ok(())
        },
        show: |config| config.runtime.loop_lag_max.map_or("\"none\"".into(), show_duration),
    },
    Key {
        name: "runtime.receive_buffers",
        is_path: false,
        set: |config, value| {
            let count = value.integer::<u16>(16..=32_768)?;
            if !count.is_power_of_two() {
                return Err(Problem::new(
                    format!("{count} is not a power of two"),
                    format!("the kernel's buffer ring needs one: write {}", count.next_power_of_two()),
                ));
            }
            config.runtime.receive_buffers = count;
            Ok(())
        },
        show: |config| config.runtime.receive_buffers.to_string(),
    },
    Key {
        name: "runtime.receive_buffer_size",
        is_path: false,
        set: |config, value| {
            config.runtime.receive_buffer_size = value.size(512..=1 << 20)? as u32;
            Ok(())
        },
        show: |config| show_size(u64::from(config.runtime.receive_buffer_size)),
    },
    Key {
        name: "runtime.mailbox_high_water",
        is_path: false,
        set: |config, value| {
            config.runtime.mailbox_high_water = value.count(1..=COUNT_MAX)?;
            Ok(())
        },
        show: |config| config.runtime.mailbox_high_water.to_string(),
    },
    switch!("storage", persistence),
    Key { name: "storage.dir", is_path: true, set: set_dir, show: show_dir },
    Key { name: "storage.durability", is_path: false, set: set_durability, show: show_durability },
    storage_size!(size_max, (limits::STORE_SEGMENTS_MIN * limits::STORE_SEGMENT_SIZE_MIN) as i128..=SIZE_MAX),
    storage_size!(segment_size, limits::STORE_SEGMENT_SIZE_MIN as i128..=limits::STORE_SEGMENT_SIZE_MAX as i128),
    storage_size!(free_space_min, 0..=SIZE_MAX),
    size!("storage", queue_memory_max: usize, 64 << 10..=SIZE_MAX),
    size!("limits", packet_size_max: u32, 64..=limits::PACKET_SIZE_PROTOCOL_MAX as i128),
    size!("limits", connect_size_max: u32, 64..=limits::PACKET_SIZE_PROTOCOL_MAX as i128),
    Key {
        name: "limits.handshake_time_max",
        is_path: false,
        set: |config, value| {
            let time = value.duration(SECOND / 10..=SECOND * 3_600)?;
            config.runtime.settings.handshake_time_max_ms = time.as_millis() as u64;
            Ok(())
        },
        show: |config| show_duration(Duration::from_millis(config.runtime.settings.handshake_time_max_ms)),
    },
    Key {
        name: "limits.keep_alive_max",
        is_path: false,
        set: |config, value| {
            config.runtime.settings.keep_alive_max_s = match value.as_text() {
                Some("none") => 0,
                _ => or_word(value.duration(SECOND..=SECOND * u32::from(u16::MAX)), "none")?.as_secs() as u16,
            };
            Ok(())
        },
        show: |config| match config.runtime.settings.keep_alive_max_s {
            0 => "\"none\"".into(),
            seconds => show_duration(SECOND * u32::from(seconds)),
        },
    },
    count!("limits", in_flight_max: u16, 1..=limits::PACKET_ID_SPAN_MAX as i128),
    count!("limits", receive_maximum: u16, 1..=u16::MAX as i128),
    count!("limits", queued_messages_max: usize, 0..=COUNT_MAX),
    size!("limits", queued_bytes_max: usize, limits::OUTPUT_HIGH_WATER as i128 + 1..=SIZE_MAX),
    size!("limits", shard_bytes_max: usize, 1 << 20..=SIZE_MAX),
    word!("limits", queue_policy: QueuePolicy),
    count!("limits", topic_levels_max: usize, 1..=65_536),
    size!("limits", topic_length_max: usize, 1..=65_535),
    count!("limits", subscriptions_max: usize, 1..=COUNT_MAX),
    count!("limits", retained_messages_max: usize, 0..=COUNT_MAX),
    size!("limits", retained_bytes_max: usize, 0..=SIZE_MAX),
    count!("limits", sessions_max: usize, 1..=COUNT_MAX),
    Key {
        name: "limits.session_expiry_max",
        is_path: false,
        set: |config, value| {
            config.runtime.settings.session_expiry_max_s = expiry(value, "never")?;
            Ok(())
        },
        show: |config| show_expiry(config.runtime.settings.session_expiry_max_s, "never"),
    },
    Key {
        name: "limits.message_expiry_max",
        is_path: false,
        set: |config, value| {
            config.runtime.settings.message_expiry_max_s = match value.as_text() {
                Some("none") => None,
                _ => Some(expiry(value, "none")?),
            };
            Ok(())
        },
        show: |config| show_expiry(config.runtime.settings.message_expiry_max_s.unwrap_or(u32::MAX), "none"),
    },
    count!("limits", topic_alias_max: u16, 0..=u16::MAX as i128),
    count!("limits", topic_alias_out_max: u16, 0..=u16::MAX as i128),
    Key {
        name: "mqtt.maximum_qos",
        is_path: false,
        set: |config, value| {
            let qos = value.integer::<u8>(0..=2)?;
            config.runtime.settings.maximum_qos = Qos::from_bits(qos).unwrap_or(Qos::ExactlyOnce);
            Ok(())
        },
        show: |config| (config.runtime.settings.maximum_qos as u8).to_string(),
    },
    switch!("mqtt", retain_available),
    switch!("mqtt", wildcard_subscription_available),
    switch!("mqtt", subscription_identifiers_available),
    switch!("mqtt", shared_subscription_available),
    word!("mqtt", shared_strategy: Strategy),
    switch!("mqtt", queue_qos0),
    Key {
        name: "mqtt.session_expiry_v3",
        is_path: false,
        set: |config, value| {
            config.runtime.settings.session_expiry_v3_s = expiry(value, "never")?;
            Ok(())
        },
        show: |config| show_expiry(config.runtime.settings.session_expiry_v3_s, "never"),
    },
    switch!("mqtt", payload_format_checked),
    Key {
        name: "mqtt.response_information",
        is_path: false,
        set: |config, value| {
            let prefix = value.text()?;
            if prefix.contains(['+', '#', '\0']) {
                let remedy = "write a topic name without +, # and NUL, such as \"responses/\"";
                return Err(Problem::new(format!("{prefix:?} is no topic name"), remedy));
            }
            config.runtime.settings.response_information = (!prefix.is_empty()).then(|| prefix.to_owned());
            Ok(())
        },
        show: |config| format!("{:?}", config.runtime.settings.response_information.as_deref().unwrap_or("")),
    },
    switch!("mqtt", empty_client_id_allowed),
    Key {
        name: "log.level",
        is_path: false,
        set: |config, value| {
            config.log.level = value.word::<LogLevel>()?;
            Ok(())
        },
        show: |config| serde_json::json!(config.log.level).to_string(),
    },
    Key {
        name: "log.format",
        is_path: false,
        set: |config, value| {
            config.log.format = value.word::<LogFormat>()?;
            Ok(())
        },
        show: |config| serde_json::json!(config.log.format).to_string(),
    },
    Key {
        name: "log.modules",
        is_path: false,
        set: |config, value| {
            let entries = value.table()?.into_iter();
            let levels = entries.map(|(module, level)| Ok((module, level.word::<LogLevel>()?)));
            config.log.modules = levels.collect::<Result<BTreeMap<_, _>, Problem>>()?;
            Ok(())
        },
        show: |config| {
            let entries = config.log.modules.iter();
            let entries: Vec<_> =
                entries.map(|(module, level)| format!("{module:?} = {}", serde_json::json!(level))).collect();
            if entries.is_empty() { "{}".into() } else { format!("{{ {} }}", entries.join(", ")) }
        },
    },
    Key {
        name: "observe.sys_interval",
        is_path: false,
        set: |config, value| {
            // Shorter than a second would be a load of its own.
            config.runtime.sys_interval = match value.duration(Duration::ZERO..=SECOND * 86_400)? {
                interval if interval.is_zero() || interval >= SECOND => interval,
                interval => {
                    let problem = format!("{} is too short", show_duration(interval));
                    return Err(Problem::new(problem, "write at least \"1s\", or \"0s\" for no $SYS topics"));
                }
            };
            Ok(())
        },
        show: |config| show_duration(config.runtime.sys_interval),
    },
];

fn expiry(value: &Value, without_end: &str) -> Result<u32, Problem> {
    if value.as_text() == Some(without_end) {
        return Ok(u32::MAX);
    }
    Ok(or_word(value.duration(Duration::ZERO..=EXPIRY_MAX), without_end)?.as_secs() as u32)
}

fn show_expiry(seconds: u32, without_end: &str) -> String {
    if seconds == u32::MAX { format!("\"{without_end}\"") } else { show_duration(SECOND * seconds) }
}
