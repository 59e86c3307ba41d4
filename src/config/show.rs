//! Shows a configuration as a file that means the same.

use std::fmt::Write;

use super::keys::{self, Key};
use super::listener::ListenerSettings;
use super::{Config, Endpoint};

impl Config {
    /// The whole configuration, every key with its value, in a form that [`Config::from_toml`] reads again. Of a listener's own
    /// table it shows what differs from the defaults of all listeners.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        write_keys(&mut out, "", keys::keys().map(|key| (key.name(), key.show(self))));
        for listener in self.runtime.listeners.iter().skip(self.listeners_as_by_default().count()) {
            let settings = ListenerSettings::of(listener, &self.listener_defaults);
            let differs = |key: &&Key<ListenerSettings>| (key.show)(&settings) != (key.show)(&self.listener_defaults);
            let own = keys::listener_keys().iter().filter(differs).map(|key| (key.name, (key.show)(&settings)));
            out.push_str("\n[[listeners]]\n");
            write_keys(&mut out, "listeners.", own);
        }
        out
    }

    /// Those at the beginning of the list that a URL is enough for.
    pub(super) fn listeners_as_by_default(&self) -> impl Iterator<Item = Endpoint> {
        let by_default = |listener| {
            let endpoint = Endpoint::of(listener);
            let settings = ListenerSettings { endpoints: vec![endpoint.clone()], ..self.listener_defaults.clone() };
            (settings.to_listeners().first() == Some(listener)).then_some(endpoint)
        };
        self.runtime.listeners.iter().map_while(by_default)
    }
}

/// Keys by section; those without a section must come first.
fn write_keys(out: &mut String, prefix: &str, keys: impl Iterator<Item = (&'static str, String)>) {
    let mut section = "";
    for (key, value) in keys {
        let (own_section, name) = key.rsplit_once('.').unwrap_or(("", key));
        if own_section != section {
            section = own_section;
            // Writing to a string cannot fail.
            let _ = write!(out, "\n[{prefix}{section}]\n");
        }
        let _ = writeln!(out, "{name} = {value}");
    }
}
