//! From what mosquitto was told to what RingMQ is told.

use std::net::IpAddr;

use super::super::error::{Mistake, Origin};
use super::super::value::{Problem, Value};
use super::super::written::{Assignment, ListenerTable, Written};
use super::reading::{Domain, Listener, Reading, set};
use super::{Import, Note};

pub fn finish(mut reading: Reading) -> Import {
    reading.end_bridge();
    if !reading.server.iter().any(|known| known.key == "storage.persistence") {
        set(&mut reading.server, "storage.persistence", Value::Boolean(false), &Origin::Default);
    }
    if let Some(origin) = reading.is_silent.take() {
        set(&mut reading.server, "log.level", Value::Text("off".to_owned()), &origin);
    }
    open_default_listener(&mut reading);
    decide_on_anonymous(&mut reading);
    hold_everywhere(&mut reading);
    let mut written = Written::default();
    let first = reading.listeners.first().map_or(Origin::Default, |listener| listener.origin.clone());
    for listener in std::mem::take(&mut reading.listeners) {
        if listener.leaves_out.or(reading.leaves_out).is_none() {
            written.listeners.extend(table(listener, &mut reading));
        }
    }
    if written.listeners.is_empty() {
        // Without a word about it there would be the default one.
        set(&mut reading.server, "listen", Value::List(Vec::new()), &first);
    }
    written.server = std::mem::take(&mut reading.server);
    written.server.append(&mut reading.security);
    written.mistakes = reading.mistakes;
    Import { written, notes: reading.notes }
}

/// Without any listener mosquitto can be reached from its own machine.
fn open_default_listener(reading: &mut Reading) {
    if reading.is_open {
        for listener in &reading.listeners {
            let Some(name) = &listener.implied_by else { continue };
            let remedy = "put it below the listener that it is for, or write \"port 1883\" before it";
            let problem = "it is before any listener, which makes mosquitto 2.0 listen on port 1883 as well";
            let problem = Problem::new(problem, remedy);
            reading.mistakes.push(Mistake::new(name.clone(), listener.origin.clone(), problem));
        }
        return;
    }
    if reading.default_listener.is_none() {
        reading.listeners.push(Listener::new(Origin::Default, 1883, None));
    }
    for listener in &mut reading.listeners {
        listener.host = Some("localhost".to_owned());
    }
}

/// Where a listener was written, clients without a user name are refused unless they are allowed, on loopback too; without
/// one they are let in, even beside a password file.
fn decide_on_anonymous(reading: &mut Reading) {
    const KEY: &str = "access.allow_anonymous";
    let is_decided = |assignments: &[Assignment]| assignments.iter().any(|known| known.key == KEY);
    let default = Value::Boolean(!reading.is_open);
    if !reading.per_listener {
        if !is_decided(&reading.security) {
            set(&mut reading.security, KEY, default, &Origin::Default);
        }
        return;
    }
    for listener in &mut reading.listeners {
        if !is_decided(&listener.own) {
            set(&mut listener.own, KEY, default.clone(), &Origin::Default);
        }
    }
}

/// What listeners have each for themselves in mosquitto, and all together here, is taken over where they agree.
fn hold_everywhere(reading: &mut Reading) {
    let of_all: Vec<Vec<(String, Assignment)>> =
        reading.listeners.iter_mut().map(|listener| std::mem::take(&mut listener.everywhere)).collect();
    for (name, assignment) in of_all.iter().flatten() {
        let last = |of_one: &Vec<(String, Assignment)>| {
            of_one.iter().rev().find(|(_, known)| known.key == assignment.key).map(|(_, known)| known.value.clone())
        };
        if of_all.iter().all(|of_one| last(of_one).as_ref() == Some(&assignment.value)) {
            set(&mut reading.server, assignment.key, assignment.value.clone(), &assignment.origin);
        } else {
            let reason = format!("{} holds for all listeners, and these do not agree", assignment.key);
            reading.notes.push(Note { origin: assignment.origin.clone(), directive: name.clone(), reason });
        }
    }
}

/// A listener's table; `None` if it cannot be one, which is told.
fn table(mut listener: Listener, reading: &mut Reading) -> Option<ListenerTable> {
    let has_tls = take_tls(&mut listener, &mut reading.notes);
    let scheme = match (listener.has_websocket, has_tls) {
        (false, false) => "tcp",
        (false, true) => "tls",
        (true, false) => "ws",
        (true, true) => "wss",
    };
    let mut mistake = |problem: String, remedy: &str| {
        let problem = Problem::new(problem, remedy);
        reading.mistakes.push(Mistake::new("listener".to_owned(), listener.origin.clone(), problem));
    };
    let urls = match (listener.port, &listener.host) {
        (0, Some(path)) if scheme != "tcp" => {
            mistake(format!("{scheme} over the unix socket {path} is nothing that RingMQ has"), "use a port for it");
            return None;
        }
        (0, Some(path)) => vec![format!("unix://{}", super::values::absolute(path))],
        (port, host) => match addresses(host.as_deref(), listener.domain, reading.machine.has_ipv6) {
            Some(addresses) => addresses.into_iter().map(|address| format!("{scheme}://{address}:{port}")).collect(),
            None => {
                let host = host.as_deref().unwrap_or_default();
                match host.parse::<IpAddr>() {
                    Ok(_) => mistake(format!("{host} is no address of its socket_domain"), "take one of the two out"),
                    Err(_) => {
                        mistake(format!("{host:?} is not an IP address"), "write the address in place of the name")
                    }
                }
                return None;
            }
        },
    };
    if listener.has_websocket {
        // mosquitto does not look at the path.
        let any = Value::List(vec![Value::Text("*".to_owned())]);
        set(&mut listener.own, "websocket.paths", any, &Origin::Default);
    } else if let Some(place) = listener.own.iter().position(|known| known.key == "websocket.origins") {
        let (origin, directive) = (listener.own.remove(place).origin, "websockets_origin".to_owned());
        reading.notes.push(Note { origin, directive, reason: "the listener is without WebSocket".to_owned() });
    }
    let url = match urls.as_slice() {
        [url] => Value::Text(url.clone()),
        _ => Value::List(urls.into_iter().map(Value::Text).collect()),
    };
    let mut assignments = vec![Assignment { key: "url", value: url, origin: listener.origin.clone() }];
    assignments.append(&mut listener.own);
    Some(ListenerTable { origin: listener.origin, assignments })
}

/// The addresses of a host; `None` for a name that only a resolver knows, and for an address of another domain.
fn addresses(host: Option<&str>, domain: Option<Domain>, has_ipv6: bool) -> Option<Vec<String>> {
    let (v4, v6) = match host {
        None => ("0.0.0.0", "[::]"),
        Some("localhost") => ("127.0.0.1", "[::1]"),
        Some(host) => {
            let address: IpAddr = host.parse().ok()?;
            let own_domain = if address.is_ipv6() { Domain::Ipv6 } else { Domain::Ipv4 };
            let shown = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
            return domain.is_none_or(|domain| domain == own_domain).then(|| vec![shown]);
        }
    };
    let mut addresses = Vec::new();
    if domain != Some(Domain::Ipv6) {
        addresses.push(v4.to_owned());
    }
    if domain == Some(Domain::Ipv6) || (domain.is_none() && has_ipv6) {
        addresses.push(v6.to_owned());
    }
    Some(addresses)
}

/// Whether the listener speaks TLS: it does with a certificate. What it says of clients' certificates counts if they are required.
fn take_tls(listener: &mut Listener, notes: &mut Vec<Note>) -> bool {
    let has_tls = listener.own.iter().any(|known| known.key == "tls.certificate");
    let mut note = |directive: &str, origin: &Origin, reason: &str| {
        notes.push(Note { origin: origin.clone(), directive: directive.to_owned(), reason: reason.to_owned() });
    };
    let Some(required) = listener.requires_certificate.clone().filter(|_| has_tls) else {
        let reason = if has_tls { "clients are asked for no certificate" } else { "without certfile there is no TLS" };
        for (_, origin) in &listener.authorities {
            let chain = "; certificates that lead to the authority must be in certfile";
            note("cafile or capath", origin, &format!("{reason}{}", if has_tls { chain } else { "" }));
        }
        for (_, origin) in &listener.revocation_lists {
            note("crlfile", origin, reason);
        }
        if let Some((_, origin)) = &listener.identity {
            note("use_identity_as_username or use_subject_as_username", origin, reason);
        }
        if let Some(origin) = &listener.requires_certificate {
            note("require_certificate", origin, reason);
        }
        if !has_tls {
            for known in listener.own.iter().filter(|known| known.key.starts_with("tls.")) {
                note("keyfile or tls_version", &known.origin, reason);
            }
            listener.own.retain(|known| !known.key.starts_with("tls."));
        }
        return has_tls;
    };
    let own = &mut listener.own;
    set(own, "tls.client_certificates", Value::Text("required".to_owned()), &required);
    for (key, files) in
        [("tls.client_authorities", &listener.authorities), ("tls.revocation_lists", &listener.revocation_lists)]
    {
        if let Some((_, origin)) = files.first() {
            let paths = files.iter().map(|(path, _)| Value::Text(path.clone())).collect();
            set(own, key, Value::List(paths), origin);
        }
    }
    if let Some((identity, origin)) = &listener.identity {
        set(own, "access.certificate_is_user", Value::Boolean(true), origin);
        if *identity != "common-name" {
            set(own, "tls.identity", Value::Text((*identity).to_owned()), origin);
        }
    }
    true
}
