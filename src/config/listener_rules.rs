//! Rules within a listener and between listeners, which no key can check alone.

use super::listen::Endpoint;
use super::listener::{ClientCertificatesMode, ListenerSettings};
use super::load::Origins;
use super::value::Problem;
use crate::authority::Method;
use crate::runtime::{ListenAddress, ListenerConfig};

/// What is wrong: which listener, the key to complain about, and the problem. The three lists belong together, item by item.
pub fn check(
    listeners: &[ListenerConfig],
    settings: &[ListenerSettings],
    own: &[Origins],
) -> Vec<(usize, &'static str, Problem)> {
    let mut problems = Vec::new();
    for (index, ((listener, settings), own)) in listeners.iter().zip(settings).zip(own).enumerate() {
        let mut found = Vec::new();
        found.extend(check_address(listener, &listeners[..index]));
        found.extend(check_tls(listener));
        found.extend(check_misplaced(listener, own));
        found.extend(check_methods(listener, settings, own));
        found.extend(check_exposure(listener));
        problems.extend(found.into_iter().map(|(key, problem)| (index, key, problem)));
    }
    problems
}

type Found = (&'static str, Problem);

fn check_address(listener: &ListenerConfig, before: &[ListenerConfig]) -> Option<Found> {
    let is_same = |other: &ListenerConfig| match (&listener.address, &other.address) {
        (ListenAddress::Tcp(this), ListenAddress::Tcp(that)) => this == that && this.port() != 0,
        (ListenAddress::Unix(this), ListenAddress::Unix(that)) => this.path == that.path,
        _ => false,
    };
    let problem = format!("{} is listened on twice", listener.address);
    before.iter().any(is_same).then(|| ("url", Problem::new(problem, "name each address once")))
}

fn check_tls(listener: &ListenerConfig) -> Vec<Found> {
    let Some(tls) = &listener.tls else { return Vec::new() };
    let mut found = Vec::new();
    if tls.certificates.is_empty() {
        let remedy = "name one with certificate and key in section [tls], or with --tls-certificate and --tls-key";
        found.push(("url", Problem::new(format!("{listener} has no certificate"), remedy)));
    }
    for files in &tls.certificates {
        if files.chain.as_os_str().is_empty() {
            found.push(("tls.key", Problem::new("there is a key without a certificate", "name tls.certificate, too")));
        }
        if files.key.as_os_str().is_empty() {
            found.push(("tls.certificate", Problem::new("there is a certificate without a key", "name tls.key, too")));
        }
    }
    if tls.client_certificates.files().is_some_and(|files| files.authorities.is_empty()) {
        let remedy = "name the authorities that sign them in tls.client_authorities";
        let problem = "nothing says which certificates of clients are good";
        found.push(("tls.client_certificates", Problem::new(problem, remedy)));
    }
    found
}

/// What a listener's own table says, and what it has no use for.
fn check_misplaced(listener: &ListenerConfig, own: &Origins) -> Vec<Found> {
    let scheme = Endpoint::of(listener).scheme;
    let mut found: Vec<Found> = Vec::new();
    let mut keys: Vec<_> = own.keys().copied().collect();
    keys.sort_unstable();
    for key in keys {
        let misplaced = match key.split('.').next() {
            Some("tls") if !scheme.has_tls() => Some(("TLS", "listen on tls:// or wss://")),
            Some("websocket") if !scheme.has_websocket() => Some(("WebSocket", "listen on ws:// or wss://")),
            Some("mode" | "owner" | "group") if matches!(listener.address, ListenAddress::Tcp(_)) => {
                Some(("a unix socket", "listen on unix://"))
            }
            _ => None,
        };
        if let Some((what, remedy)) = misplaced {
            let remedy = format!("{remedy}, or leave it out");
            found.push((key, Problem::new(format!("{listener} is without {what}"), remedy)));
        }
    }
    found
}

fn check_methods(listener: &ListenerConfig, settings: &ListenerSettings, own: &Origins) -> Vec<Found> {
    let mut found = Vec::new();
    let access = &listener.access;
    for method in &access.methods {
        let (is_configured, key) = match method {
            Method::PasswordFile => (access.password_file.is_some(), "access.password_file"),
            Method::Jwt => (access.jwt.is_some(), "access.jwt.key_file"),
            Method::Http => (access.http.is_some(), "access.http.url"),
        };
        if !is_configured {
            let name = serde_json::json!(method);
            let problem = format!("{name} is to be asked, and is not configured");
            found.push(("access.methods", Problem::new(problem, format!("set {key}, or take it off the list"))));
        }
    }
    if access.jwt.as_ref().is_some_and(|jwt| jwt.algorithms.is_empty()) {
        let remedy = "name those that tokens are signed with in access.jwt.algorithms, such as [\"RS256\"]";
        found.push(("access.jwt.key_file", Problem::new("nothing says which algorithms are good", remedy)));
    }
    // What is half configured must not be taken for a lock on the door. A listener's own empty value is an "off".
    let defaults = ListenerSettings::default();
    if access.jwt.is_none() && settings.jwt != defaults.jwt && !own.contains_key("access.jwt.key_file") {
        let problem = Problem::new("tokens are configured without a key", "set access.jwt.key_file, too");
        found.push(("access.jwt.algorithms", problem));
    }
    if access.http.is_none() && settings.http != defaults.http && !own.contains_key("access.http.url") {
        let problem = Problem::new("a program is to be asked, and its URL is missing", "set access.http.url, too");
        found.push(("access.http.authorization_file", problem));
    }
    let has_certificates = settings.tls.client_certificates != ClientCertificatesMode::None && listener.tls.is_some();
    if own.contains_key("access.certificate_is_user") && settings.access.certificate_is_user && !has_certificates {
        let problem = format!("{listener} asks for no certificates");
        let remedy = "set tls.client_certificates = \"required\" with tls.client_authorities, or leave it out";
        found.push(("access.certificate_is_user", Problem::new(problem, remedy)));
    }
    found
}

/// A door to the network that nobody has decided on is closed.
fn check_exposure(listener: &ListenerConfig) -> Option<Found> {
    if listener.allows_anonymous() || listener.authenticates() {
        return None;
    }
    let remedy = "add --password-file FILE (access.password_file) or another method of [access], or \
                  --allow-anonymous (access.allow_anonymous = true) to let everybody in";
    Some(if listener.access.allow_anonymous.is_none() {
        let problem = format!("{listener} can be reached from other machines, and nothing says who may come in");
        ("url", Problem::new(problem, remedy))
    } else {
        let problem = format!("nobody could come in at {listener}: there is no method to find out who a client is");
        ("access.allow_anonymous", Problem::new(problem, remedy))
    })
}
