//! The keys of `[guard]` and `[admin]`: who may connect how often, and where the server is administrated.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::Config;
use super::keys::{COUNT_MAX, Key, SECOND, or_word};
use super::listener::RateSettings;
use super::networks::{networks, show_networks};
use super::value::{Problem, Value, show_duration, show_text};
use crate::admin::AdminConfig;
use crate::limits::GUARD_ADDRESSES_MAX_DEFAULT;
use crate::runtime::{Flapping, GuardConfig};

/// As it is written, key by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardSettings {
    connects: RateSettings,
    connections_per_address_max: Option<u64>,
    connections_per_user_max: Option<u64>,
    flapping_connects: Option<u64>,
    flapping_window: Duration,
    flapping_ban: Duration,
    exempt: Vec<IpNet>,
    addresses_max: u64,
}

/// As it is written, key by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminSettings {
    listen: Option<SocketAddr>,
    pub token_file: Option<PathBuf>,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self {
            connects: RateSettings::default(),
            connections_per_address_max: None,
            connections_per_user_max: None,
            flapping_connects: None,
            flapping_window: SECOND * 60,
            flapping_ban: SECOND * 300,
            exempt: Vec::new(),
            addresses_max: GUARD_ADDRESSES_MAX_DEFAULT as u64,
        }
    }
}

impl GuardSettings {
    pub fn to_config(&self) -> GuardConfig {
        GuardConfig {
            connects: self.connects.to_rate(),
            connections_per_address_max: self.connections_per_address_max.map(|most| most as usize),
            connections_per_user_max: self.connections_per_user_max.map(|most| most as usize),
            flapping: self.flapping_connects.map(|connects| Flapping {
                connects: connects as u32,
                window: self.flapping_window,
                ban: self.flapping_ban,
            }),
            exempt: self.exempt.clone(),
            addresses_max: self.addresses_max as usize,
        }
    }
}

impl AdminSettings {
    pub fn to_config(&self) -> Option<AdminConfig> {
        Some(AdminConfig { listen: self.listen?, token_file: self.token_file.clone() })
    }
}

/// A setting of the guard that is a number, or none.
macro_rules! count_or {
    ($name:literal, $($field:ident).+, $range:expr, $word:literal) => {
        Key {
            name: $name,
            is_path: false,
            set: |config, value| {
                config.guard.$($field).+ = match value.as_text() {
                    Some($word) => None,
                    _ => Some(or_word(value.integer::<u64>($range), $word)?),
                };
                config.runtime.guard = config.guard.to_config();
                Ok(())
            },
            show: |config| {
                config.guard.$($field).+.map_or(concat!("\"", $word, "\"").into(), |count: u64| count.to_string())
            },
        }
    };
}

/// A setting of the guard that is read by a function.
macro_rules! setting {
    ($name:literal, $field:ident, $read:expr, $show:expr) => {
        Key {
            name: $name,
            is_path: false,
            set: |config, value| {
                config.guard.$field = $read(value)?;
                config.runtime.guard = config.guard.to_config();
                Ok(())
            },
            show: |config| $show(&config.guard.$field),
        }
    };
}

/// More than a machine can accept in a second.
const CONNECTS_MAX: i128 = 1_000_000;
/// Ten years, as bans that are made by command.
const BAN_MAX: Duration = Duration::from_secs(crate::limits::BAN_TIME_MAX_S);

pub(super) static GUARD_KEYS: &[Key<Config>] = &[
    count_or!("guard.connects_per_s", connects.per_second, 1..=CONNECTS_MAX, "none"),
    count_or!("guard.connects_burst", connects.burst, 1..=CONNECTS_MAX, "auto"),
    count_or!("guard.connections_per_address_max", connections_per_address_max, 1..=COUNT_MAX, "none"),
    count_or!("guard.connections_per_user_max", connections_per_user_max, 1..=COUNT_MAX, "none"),
    count_or!("guard.flapping_connects", flapping_connects, 1..=CONNECTS_MAX, "none"),
    setting!(
        "guard.flapping_window",
        flapping_window,
        |value: &Value| value.duration(SECOND..=SECOND * 86_400),
        |time: &Duration| show_duration(*time)
    ),
    setting!(
        "guard.flapping_ban",
        flapping_ban,
        |value: &Value| value.duration(SECOND..=BAN_MAX),
        |time: &Duration| show_duration(*time)
    ),
    setting!("guard.exempt", exempt, networks, |exempt: &Vec<IpNet>| show_networks(exempt)),
    setting!(
        "guard.addresses_max",
        addresses_max,
        |value: &Value| value.integer::<u64>(1_024..=1 << 30),
        u64::to_string
    ),
    Key {
        name: "admin.listen",
        is_path: false,
        set: |config, value| {
            let text = value.text()?;
            let remedy = "write ADDRESS:PORT, such as \"127.0.0.1:18830\" or \"[::1]:18830\", or \"\" for none";
            let address = (!text.is_empty()).then(|| text.parse::<SocketAddr>()).transpose();
            config.admin.listen =
                address.map_err(|_| Problem::new(format!("{text:?} is no address with a port"), remedy))?;
            Ok(())
        },
        show: |config| show_text(&config.admin.listen.map_or(String::new(), |address| address.to_string())),
    },
    Key {
        name: "admin.token_file",
        is_path: true,
        set: |config, value| {
            let path = value.text()?;
            config.admin.token_file = (!path.is_empty()).then(|| path.into());
            Ok(())
        },
        show: |config| {
            let path = config.admin.token_file.as_ref();
            show_text(&path.map_or(String::new(), |path| path.to_string_lossy().into_owned()))
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Rate;

    #[test]
    fn nothing_is_counted_and_nobody_administrates_by_default() {
        let config = Config::default();
        assert_eq!(config.runtime.guard, GuardConfig::default());
        assert_eq!(config.guard.to_config(), GuardConfig::default());
        assert_eq!(config.admin(), None);
    }

    #[test]
    fn the_guard_is_what_its_keys_say_in_any_order() {
        let text = "[guard]\nconnects_burst = 50\nconnects_per_s = 10\nconnections_per_address_max = 100\n\
                    connections_per_user_max = 3\nflapping_ban = \"1h\"\nflapping_connects = 15\nexempt = [\"10.0.0.0/8\"]\n";
        let guard = Config::from_toml(text).unwrap().runtime.guard;
        let expected = GuardConfig {
            connects: Some(Rate { per_second: 10, burst: 50 }),
            connections_per_address_max: Some(100),
            connections_per_user_max: Some(3),
            flapping: Some(Flapping { connects: 15, window: SECOND * 60, ban: SECOND * 3_600 }),
            exempt: vec!["10.0.0.0/8".parse().unwrap()],
            ..GuardConfig::default()
        };
        assert_eq!(guard, expected);
        let burst = |text: &str| Config::from_toml(text).unwrap().runtime.guard.connects.map(|rate| rate.burst);
        assert_eq!(burst("[guard]\nconnects_per_s = 7"), Some(7));
        assert_eq!(burst("[guard]\nconnects_burst = 7"), None);
    }

    #[test]
    fn other_machines_need_a_token() {
        let admin = |text: &str| Config::from_toml(&format!("[admin]\n{text}")).map(|config| config.admin());
        let listen = "127.0.0.1:18830".parse().unwrap();
        assert_eq!(admin("listen = \"127.0.0.1:18830\""), Ok(Some(AdminConfig { listen, token_file: None })));
        assert!(admin("listen = \"0.0.0.0:18830\"\ntoken_file = \"/etc/token\"").is_ok());
        let error = admin("listen = \"0.0.0.0:18830\"").unwrap_err().to_string();
        assert!(error.contains("admin.listen: ") && error.contains("token_file"), "{error}");
        assert!(admin("listen = \"localhost\"").is_err());
    }
}
