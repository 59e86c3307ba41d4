//! Directives that are more than one key.

use super::super::value::{Problem, Value};
use super::lines::Line;
use super::reading::{Bridge, Domain, Listener, Reading, set};
use super::values::{absolute, boolean, count, first, number, path, text, words};
use crate::limits;

pub fn listener(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let mut words = words(line);
    let port = words.next().and_then(|port| port.parse::<u16>().ok());
    let host = words.next().map(str::to_owned);
    let remedy = "write listener PORT, listener PORT ADDRESS, or listener 0 PATH";
    let Some(port) = port else { return Err(Problem::new(format!("{:?} is no port", line.value), remedy)) };
    if port == 0 && host.is_none() {
        return Err(Problem::new("port 0 is a unix socket, and its path is missing", remedy));
    }
    reading.is_open = true;
    reading.add_listener(Listener::new(line.origin.clone(), port, host));
    Ok(())
}

pub fn port(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let port = first(line).parse::<u16>().ok().filter(|port| *port > 0);
    let Some(port) = port else {
        return Err(Problem::new(format!("{:?} is no port", line.value), "write a number from 1 to 65535"));
    };
    open_default(reading, line, |listener| listener.port = port);
    Ok(())
}

pub fn bind_address(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let host = text(line)?.to_owned();
    open_default(reading, line, |listener| listener.host = Some(host));
    Ok(())
}

/// The default listener, wherever it is spoken of.
fn open_default(reading: &mut Reading, line: &Line, change: impl FnOnce(&mut Listener)) {
    reading.is_open = true;
    let index = match reading.default_listener {
        Some(index) => index,
        None => {
            let index = reading.add_listener(Listener::new(line.origin.clone(), 1883, None));
            reading.default_listener = Some(index);
            index
        }
    };
    let listener = &mut reading.listeners[index];
    listener.origin = line.origin.clone();
    listener.implied_by = None;
    change(listener);
}

pub fn per_listener_settings(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let per_listener = boolean(line)?;
    if per_listener && !reading.security.is_empty() {
        let remedy = "make it the first line of the file";
        return Err(Problem::new("security settings are before it", remedy));
    }
    // Once it is set, mosquitto does not let it be unset.
    reading.per_listener |= per_listener;
    Ok(())
}

pub fn allow_anonymous(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let allow = Value::Boolean(boolean(line)?);
    set(reading.security(line), "access.allow_anonymous", allow, &line.origin);
    Ok(())
}

pub fn protocol(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    match first(line) {
        "mqtt" => reading.listener(line).has_websocket = false,
        "websockets" => reading.listener(line).has_websocket = true,
        "http_api" => {
            let reason = "there is no API over HTTP";
            reading.listener(line).leaves_out = Some(reason);
            reading.note(line, reason.to_owned() + ". Its listener is left out");
        }
        other => {
            return Err(Problem::new(format!("{other:?} is no protocol"), "write mqtt or websockets"));
        }
    }
    Ok(())
}

pub fn socket_domain(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let domain = match first(line) {
        "ipv4" => Domain::Ipv4,
        "ipv6" => Domain::Ipv6,
        other => return Err(Problem::new(format!("{other:?} is no domain"), "write ipv4 or ipv6")),
    };
    reading.listener(line).domain = Some(domain);
    Ok(())
}

pub fn accept_protocol_versions(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let versions: Vec<_> = line.value.split([',', ' ', '\t']).filter(|version| !version.is_empty()).collect();
    if !["3", "4", "5"].iter().all(|version| versions.contains(version)) {
        reading.note(line, "clients of MQTT 3.1, 3.1.1 and 5.0 are all let in");
    }
    Ok(())
}

pub fn websockets_origin(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let origin = Value::Text(text(line)?.to_owned());
    let own = &mut reading.listener(line).own;
    let known = own.iter().find(|known| known.key == "websocket.origins").map(|known| known.value.list());
    let origins = known.into_iter().flatten().chain([origin]).collect();
    set(own, "websocket.origins", Value::List(origins), &line.origin);
    Ok(())
}

pub fn cafile(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let file = path(line)?;
    reading.listener(line).authorities.push((file, line.origin.clone()));
    Ok(())
}

/// OpenSSL looks a certificate up in the directory when it needs it; here its files are read at the start.
pub fn capath(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let directory = path(line)?;
    let entries = std::fs::read_dir(&directory).map_err(|error| {
        Problem::new(format!("{directory} cannot be read: {error}"), "name a directory that this user may read")
    })?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "pem")).collect();
    files.sort();
    let listener = reading.listener(line);
    let named = files.iter().map(|file| (file.to_string_lossy().into_owned(), line.origin.clone()));
    listener.authorities.extend(named);
    reading.note(line, "files are named one by one: those that come into the directory later are not seen");
    Ok(())
}

pub fn crlfile(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let file = path(line)?;
    reading.listener(line).revocation_lists = vec![(file, line.origin.clone())];
    Ok(())
}

pub fn require_certificate(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    reading.listener(line).requires_certificate = boolean(line)?.then(|| line.origin.clone());
    Ok(())
}

pub fn use_identity_as_username(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    use_as_username(reading, line, "common-name")
}

pub fn use_subject_as_username(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    use_as_username(reading, line, "subject")
}

/// The common name goes before the subject if both are asked for.
fn use_as_username(reading: &mut Reading, line: &Line, identity: &'static str) -> Result<(), Problem> {
    let is_used = boolean(line)?;
    let known = &mut reading.listener(line).identity;
    let is_same = known.as_ref().is_some_and(|(known, _)| *known == identity);
    if !is_used && is_same {
        *known = None;
    } else if is_used && known.as_ref().is_none_or(|(known, _)| *known != "common-name") {
        *known = Some((identity, line.origin.clone()));
    }
    Ok(())
}

pub fn tls_version(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    match text(line)? {
        "tlsv1.3" => {
            let version = Value::Text("1.3".to_owned());
            set(&mut reading.listener(line).own, "tls.version_min", version, &line.origin);
        }
        "tlsv1.2" => reading.listener(line).own.retain(|known| known.key != "tls.version_min"),
        "tlsv1.1" | "tlsv1" => reading.note(line, "versions below 1.2 are broken (RFC 8996) and not offered"),
        other => {
            return Err(Problem::new(format!("{other:?} is no version of TLS"), "write tlsv1.2 or tlsv1.3"));
        }
    }
    Ok(())
}

/// It bounds both directions: the server's window, and the Receive Maximum that clients are told.
pub fn max_inflight_messages(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let none = u64::from(u16::MAX);
    let written = match count(line, none, Some(0))? {
        0 => none,
        written => written,
    };
    let in_flight = written.min(limits::PACKET_ID_SPAN_MAX as u64);
    set(&mut reading.server, "limits.in_flight_max", number(in_flight), &line.origin);
    set(&mut reading.server, "limits.receive_maximum", number(written), &line.origin);
    if in_flight < written && written != none {
        reading.note(line, format!("the server has at most {in_flight} messages in flight to a client"));
    }
    Ok(())
}

pub fn max_packet_size(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let written = count(line, limits::PACKET_SIZE_PROTOCOL_MAX as u64, None)?;
    let size = written.max(64);
    if size != written {
        reading.note(line, "it is raised to 64 bytes, the smallest that there is");
    }
    set(&mut reading.server, "limits.packet_size_max", number(size), &line.origin);
    // A CONNECT cannot be larger than a packet.
    if size < u64::from(crate::broker::Settings::default().connect_size_max) {
        set(&mut reading.server, "limits.connect_size_max", number(size), &line.origin);
    }
    Ok(())
}

pub fn max_queued_bytes(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let written = count(line, 1 << 46, Some(0))?;
    let (smallest, largest) =
        (limits::OUTPUT_HIGH_WATER as u64 + 1, crate::broker::Settings::default().shard_bytes_max as u64);
    let bytes = if written == 0 { largest } else { written.clamp(smallest, largest) };
    if written != 0 && bytes != written {
        reading.note(line, format!("it is set to {bytes}: it may be {smallest} to limits.shard_bytes_max"));
    }
    set(&mut reading.server, "limits.queued_bytes_max", number(bytes), &line.origin);
    Ok(())
}

pub fn persistence(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let persistence = Value::Boolean(boolean(line)?);
    set(&mut reading.server, "storage.persistence", persistence, &line.origin);
    Ok(())
}

/// A directory below: the files are of another kind than mosquitto.db, and a store has its directory for itself.
pub fn persistence_location(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    let directory = absolute(&format!("{}/ringmq", text(line)?.trim_end_matches('/')));
    set(&mut reading.server, "storage.dir", Value::Text(directory), &line.origin);
    reading.note(line, "what is in mosquitto.db is not taken over; the store begins empty");
    Ok(())
}

pub fn log_dest(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    match first(line) {
        "stderr" => reading.is_silent = None,
        "none" => reading.is_silent = Some(line.origin.clone()),
        "stdout" | "syslog" | "topic" | "file" | "dlt" | "android" => {
            reading.is_silent = None;
            reading.note(line, "the log goes to standard error; systemd or a redirection brings it elsewhere");
        }
        other => {
            return Err(Problem::new(format!("{other:?} is no destination"), "write stderr, or none"));
        }
    }
    Ok(())
}

/// Kinds of lines make a level: that of the most verbose.
pub fn log_type(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    const LEVELS: [&str; 5] = ["off", "error", "warn", "info", "debug"];
    let level = match first(line) {
        "none" => "off",
        "error" => "error",
        "warning" => "warn",
        "notice" | "information" | "subscribe" | "unsubscribe" => "info",
        "debug" | "websockets" | "internal" | "all" => "debug",
        other => {
            let remedy = "write error, warning, notice, information, debug, all or none";
            return Err(Problem::new(format!("{other:?} is no kind of line"), remedy));
        }
    };
    let place = |level: &str| LEVELS.iter().position(|known| *known == level);
    let known = reading.server.iter().find(|known| known.key == "log.level").and_then(|known| known.value.as_text());
    if level == "off" || known.and_then(place) < place(level) {
        set(&mut reading.server, "log.level", Value::Text(level.to_owned()), &line.origin);
    }
    Ok(())
}

pub fn include_dir(_: &mut Reading, _: &Line) -> Result<(), Problem> {
    Err(Problem::new("a file that is included cannot include others", "put it into the main file"))
}

pub fn connection(reading: &mut Reading, line: &Line) -> Result<(), Problem> {
    reading.end_bridge();
    reading.bridge = Some(Bridge { line: line.clone(), lines: 0 });
    Ok(())
}
