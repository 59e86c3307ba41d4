//! What a configuration that is read again can change, and what must wait for a restart.

use toml::de::DeTable;

use super::Config;
use super::keys::{self, ConfigKey};
use super::value::Value;
use crate::broker::Settings;
use crate::runtime::ListenerConfig;

/// What differs between the configuration in force and one that is read again.
#[derive(Clone, Debug)]
pub struct Reload {
    /// The new configuration, but with the former values of what cannot change now.
    pub in_force: Config,
    pub changed: Vec<Change>,
    pub needs_restart: Vec<Change>,
}

/// A key whose value is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `listeners` for one with a table of its own.
    pub key: String,
    /// As TOML; of a listener its URL, and of one that is new or gone the word `none`.
    pub from: String,
    pub to: String,
    /// Why it cannot change now; empty if it can.
    pub why: &'static str,
}

/// What was made when the server started.
const MADE_AT_START: &str = "it is made when the server starts";

/// What connected clients were told that they may do.
const PROMISED: &str = "connected clients were promised the wider one";

/// These, and all keys of the sections whose names end with a dot.
const FIXED: [&str; 12] = [
    "runtime.shards",
    "runtime.cpus",
    "runtime.idle",
    "runtime.receive_buffers",
    "runtime.receive_buffer_size",
    "runtime.mailbox_high_water",
    "runtime.loop_lag_max",
    "guard.addresses_max",
    "log.format",
    "admin.",
    "observe.",
    "storage.",
];

/// Keys of those sections that can change all the same.
const FREE: [&str; 1] = ["storage.queue_memory_max"];

/// Keys that CONNACK tells (section 3.2.2.3), and how much each allows: that can grow while clients are connected.
type Promise = (&'static str, fn(&Settings) -> u64);
const PROMISES: [Promise; 8] = [
    ("limits.packet_size_max", |settings| u64::from(settings.packet_size_max)),
    ("limits.receive_maximum", |settings| u64::from(settings.receive_maximum)),
    ("limits.topic_alias_max", |settings| u64::from(settings.topic_alias_max)),
    ("mqtt.maximum_qos", |settings| settings.maximum_qos as u64),
    ("mqtt.retain_available", |settings| u64::from(settings.retain_available)),
    ("mqtt.wildcard_subscription_available", |settings| u64::from(settings.wildcard_subscription_available)),
    ("mqtt.subscription_identifiers_available", |settings| u64::from(settings.subscription_identifiers_available)),
    ("mqtt.shared_subscription_available", |settings| u64::from(settings.shared_subscription_available)),
];

impl Config {
    /// Compares with one that has been read again.
    pub fn reload(&self, read: &Config) -> Reload {
        let mut reload = Reload { in_force: read.clone(), changed: Vec::new(), needs_restart: Vec::new() };
        for key in keys::keys() {
            let (from, to) = (key.show(self), key.show(read));
            if from == to {
                continue;
            }
            let why = self.why_not(key, read);
            let shown = |value: String| if is_secret(key.name()) { "...".to_owned() } else { value };
            let change = Change { key: key.name().to_owned(), from: shown(from.clone()), to: shown(to), why };
            if why.is_empty() {
                reload.changed.push(change);
            } else {
                // What was shown is read again, which a test holds.
                let former = parsed(&from).map(|former| key.set(&mut reload.in_force, &former));
                debug_assert_eq!(former, Some(Ok(())), "{} = {from}", key.name());
                reload.needs_restart.push(change);
            }
        }
        reload.changed.extend(self.changed_listeners(read));
        reload
    }

    /// The whole configuration as a JSON object, without what may be secret.
    pub fn to_json(&self) -> serde_json::Value {
        let mut shown = toml::from_str(&self.to_toml()).unwrap_or(serde_json::Value::Null);
        hide(&mut shown, "");
        shown
    }

    fn why_not(&self, key: ConfigKey, read: &Config) -> &'static str {
        let name = key.name();
        let is_fixed = |fixed: &str| name == fixed || (fixed.ends_with('.') && name.starts_with(fixed));
        if FIXED.iter().any(|fixed| is_fixed(fixed)) && !FREE.contains(&name) {
            return MADE_AT_START;
        }
        let allowed = PROMISES.iter().find(|(promised, _)| *promised == name).map(|(_, allowed)| allowed);
        match allowed {
            Some(allowed) if allowed(&read.runtime.settings) < allowed(&self.runtime.settings) => PROMISED,
            _ => "",
        }
    }

    /// Listeners with tables of their own: what is said for all of them is told by its key, and so is `listen`.
    fn changed_listeners(&self, read: &Config) -> Vec<Change> {
        let own = |config: &Config| -> Vec<ListenerConfig> {
            config.runtime.listeners.iter().skip(config.listeners_as_by_default().count()).cloned().collect()
        };
        let (before, after) = (own(self), own(read));
        let find = |listeners: &[ListenerConfig], wanted: &ListenerConfig| {
            listeners.iter().find(|listener| listener.address == wanted.address).cloned()
        };
        let change = |from: Option<&ListenerConfig>, to: Option<&ListenerConfig>| {
            let shown = |listener: Option<&ListenerConfig>| listener.map_or("none".into(), ToString::to_string);
            Change { key: "listeners".into(), from: shown(from), to: shown(to), why: "" }
        };
        let gone = before.iter().filter(|listener| find(&after, listener).is_none());
        let gone: Vec<Change> = gone.map(|listener| change(Some(listener), None)).collect();
        let new_or_other = after.iter().filter_map(|listener| {
            let former = find(&before, listener);
            (former.as_ref() != Some(listener)).then(|| change(former.as_ref(), Some(listener)))
        });
        gone.into_iter().chain(new_or_other).collect()
    }
}

/// Somebody may write a password into it by mistake.
fn is_secret(key: &str) -> bool {
    key.ends_with("http.url")
}

fn hide(value: &mut serde_json::Value, name: &str) {
    match value {
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                hide(value, &format!("{name}.{key}"));
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| hide(item, name)),
        serde_json::Value::String(text) if is_secret(name) && !text.is_empty() => "...".clone_into(text),
        _ => {}
    }
}

fn parsed(toml: &str) -> Option<Value> {
    let text = format!("value = {toml}");
    let table = DeTable::parse(&text).ok()?;
    let (_, value) = table.get_ref().iter().next()?;
    Value::from_toml(value.get_ref()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::from_toml(text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn names(changes: &[Change]) -> Vec<&str> {
        changes.iter().map(|change| change.key.as_str()).collect()
    }

    #[test]
    fn what_can_change_is_told_apart_from_what_cannot() {
        let before =
            config("[runtime]\nshards = 2\n[storage]\npersistence = false\n[limits]\npacket_size_max = 201000\n");
        let after = config(
            "[runtime]\nshards = 3\nconnections_max = 9\n[storage]\nsize_max = \"1GiB\"\nqueue_memory_max = \"2MiB\"\n\
             [limits]\npacket_size_max = 200900\nqueued_messages_max = 7\n[log]\nlevel = \"debug\"\nformat = \"json\"\n\
             [guard]\nconnects_per_s = 5\naddresses_max = 4096\n[admin]\nlisten = \"127.0.0.1:1\"\n",
        );
        let reload = before.reload(&after);
        let changed = [
            "guard.connects_per_s",
            "runtime.connections_max",
            "storage.queue_memory_max",
            "limits.queued_messages_max",
            "log.level",
        ];
        assert_eq!(names(&reload.changed), changed);
        let needs_restart = [
            "guard.addresses_max",
            "admin.listen",
            "runtime.shards",
            "storage.persistence",
            "storage.size_max",
            "limits.packet_size_max",
            "log.format",
        ];
        assert_eq!(names(&reload.needs_restart), needs_restart);
        // What is in force differs from what was read in nothing else.
        assert_eq!(names(&before.reload(&reload.in_force).needs_restart), Vec::<&str>::new());
        assert_eq!(names(&reload.in_force.reload(&after).changed), Vec::<&str>::new());
        assert_eq!(reload.in_force.runtime.settings.packet_size_max, 201_000);
        assert_eq!(reload.in_force.runtime.settings.queued_messages_max, 7);
        let wider = config("[limits]\npacket_size_max = 202000\n");
        assert_eq!(names(&before.reload(&wider).changed), ["limits.packet_size_max"]);
    }

    #[test]
    fn every_key_that_is_named_here_exists() {
        let known = |name: &&str| {
            keys::keys().any(|key| key.name() == *name || key.name().starts_with(*name) && name.ends_with('.'))
        };
        let named = FIXED.iter().chain(&FREE).chain(PROMISES.iter().map(|(name, _)| name));
        assert_eq!(named.filter(|name| !known(name)).collect::<Vec<_>>(), Vec::<&&str>::new());
    }

    #[test]
    fn listeners_are_compared_by_their_addresses() {
        let before = config(
            "[[listeners]]\nurl = \"tcp://127.0.0.1:1\"\nconnections_max = 5\n[[listeners]]\nurl = \"tcp://127.0.0.1:2\"\nconnections_max = 5\n",
        );
        let after = config(
            "[[listeners]]\nurl = \"tcp://127.0.0.1:1\"\nconnections_max = 6\n[[listeners]]\nurl = \"tcp://127.0.0.1:3\"\nconnections_max = 5\n",
        );
        let changes = before.reload(&after).changed;
        let shown: Vec<_> = changes.iter().map(|it| (it.key.as_str(), it.from.as_str(), it.to.as_str())).collect();
        let [one, two, three] = [1, 2, 3].map(|port| format!("tcp://127.0.0.1:{port}"));
        let expected = [("listeners", &*two, "none"), ("listeners", &*one, &*one), ("listeners", "none", &*three)];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_secret_is_not_shown() {
        let text = "[access.http]\nurl = \"http://127.0.0.1:1/hidden\"\n";
        let shown = config(text).to_json();
        assert!(!shown.to_string().contains("hidden") && shown["access"]["http"]["url"] == "...", "{shown}");
        assert_eq!(shown["limits"]["in_flight_max"], 1_024);
        let changes = config("").reload(&config(text)).changed;
        assert!(!format!("{changes:?}").contains("hidden"), "{changes:?}");
    }
}
