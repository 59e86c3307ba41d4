//! The keys of a listener. Those in a section (`tls.`, `websocket.`, `access.`, `quotas.`) may also be set for all listeners.

use std::time::Duration;

use super::files::{
    paths, set_certificate, set_certificates, set_key, show_certificate, show_certificates, show_paths,
};
use super::keys::{COUNT_MAX, Key, SECOND, SIZE_MAX, or_word};
use super::listen::parse_url;
use super::listener::{ClientCertificatesMode, ListenerSettings};
use super::networks::{networks, show_networks};
use super::value::{Problem, Value, show_duration, show_list, show_size, show_text};
use crate::access::OverQuota;
use crate::authority::Method;
use crate::net::tls::{CertificateIdentity, SessionResumption, TlsVersions};

/// A path, or none.
macro_rules! path {
    ($name:literal, $($field:ident).+) => {
        Key {
            name: $name,
            is_path: true,
            set: |listener, value| {
                let path = value.text()?;
                listener.$($field).+ = (!path.is_empty()).then(|| path.into());
                Ok(())
            },
            show: |listener| {
                let path = listener.$($field).+.as_ref();
                show_text(&path.map_or(String::new(), |path| path.to_string_lossy().into_owned()))
            },
        }
    };
}

/// Paths.
macro_rules! paths {
    ($name:literal, $($field:ident).+) => {
        Key {
            name: $name,
            is_path: true,
            set: |listener, value| {
                listener.$($field).+ = paths(value)?;
                Ok(())
            },
            show: |listener| show_paths(&listener.$($field).+),
        }
    };
}

/// A text, or none.
macro_rules! optional_text {
    ($name:literal, $($field:ident).+) => {
        Key {
            name: $name,
            is_path: false,
            set: |listener, value| {
                let text = value.text()?;
                listener.$($field).+ = (!text.is_empty()).then(|| text.to_owned());
                Ok(())
            },
            show: |listener| show_text(listener.$($field).+.as_deref().unwrap_or("")),
        }
    };
}

/// Texts.
macro_rules! texts {
    ($name:literal, $($field:ident).+) => {
        Key {
            name: $name,
            is_path: false,
            set: |listener, value| {
                listener.$($field).+ = value.texts()?;
                Ok(())
            },
            show: |listener| show_list(listener.$($field).+.iter().cloned()),
        }
    };
}

/// True or false.
macro_rules! switch {
    ($name:literal, $($field:ident).+) => {
        Key {
            name: $name,
            is_path: false,
            set: |listener, value| {
                listener.$($field).+ = value.boolean()?;
                Ok(())
            },
            show: |listener| listener.$($field).+.to_string(),
        }
    };
}

/// One word of an enumeration.
macro_rules! word {
    ($name:literal, $($field:ident).+: $type:ty) => {
        Key {
            name: $name,
            is_path: false,
            set: |listener, value| {
                listener.$($field).+ = value.word::<$type>()?;
                Ok(())
            },
            show: |listener| serde_json::json!(listener.$($field).+).to_string(),
        }
    };
}

/// Networks.
macro_rules! networks {
    ($name:literal, $($field:ident).+) => {
        Key {
            name: $name,
            is_path: false,
            set: |listener, value| {
                listener.$($field).+ = networks(value)?;
                Ok(())
            },
            show: |listener| show_networks(&listener.$($field).+),
        }
    };
}

/// A name that a claim must have.
macro_rules! claim {
    ($name:literal, $($field:ident).+) => {
        Key {
            name: $name,
            is_path: false,
            set: |listener, value| {
                let claim = value.text()?;
                if claim.is_empty() {
                    return Err(Problem::new("it is empty", "write the name of the claim"));
                }
                listener.$($field).+ = claim.to_owned();
                Ok(())
            },
            show: |listener| show_text(&listener.$($field).+),
        }
    };
}

/// A time.
macro_rules! duration {
    ($name:literal, $($field:ident).+, $range:expr) => {
        Key {
            name: $name,
            is_path: false,
            set: |listener, value| {
                listener.$($field).+ = value.duration($range)?;
                Ok(())
            },
            show: |listener| show_duration(listener.$($field).+),
        }
    };
}

/// A number that may be replaced by a word.
macro_rules! count_or {
    ($name:literal, $($field:ident).+, $word:literal) => {
        Key {
            name: $name,
            is_path: false,
            set: |listener, value| {
                listener.$($field).+ = match value.as_text() {
                    Some($word) => None,
                    _ => Some(or_word(value.integer::<u64>(1..=COUNT_MAX), $word)?),
                };
                Ok(())
            },
            show: |listener| listener.$($field).+.map_or(show_text($word), |count| count.to_string()),
        }
    };
}

/// A number of bytes that may be replaced by a word.
macro_rules! size_or {
    ($name:literal, $($field:ident).+, $word:literal) => {
        Key {
            name: $name,
            is_path: false,
            set: |listener, value| {
                listener.$($field).+ = match value.as_text() {
                    Some($word) => None,
                    _ => Some(or_word(value.size(1..=SIZE_MAX), $word)?),
                };
                Ok(())
            },
            show: |listener| listener.$($field).+.map_or(show_text($word), show_size),
        }
    };
}

pub(super) static LISTENER_KEYS: &[Key<ListenerSettings>] = &[
    Key {
        name: "url",
        is_path: false,
        set: |listener, value| {
            listener.endpoints = value.list().iter().map(|item| parse_url(item.text()?)).collect::<Result<_, _>>()?;
            Ok(())
        },
        show: |listener| {
            let mut urls = listener.endpoints.iter().map(ToString::to_string);
            match (urls.next(), urls.next()) {
                (Some(url), None) => show_text(&url),
                _ => show_list(listener.endpoints.iter().map(ToString::to_string)),
            }
        },
    },
    Key {
        name: "connections_max",
        is_path: false,
        set: |listener, value| {
            listener.connections_max = match value.as_text() {
                Some("none") => None,
                _ => Some(or_word(value.count(1..=COUNT_MAX), "none")?),
            };
            Ok(())
        },
        show: |listener| listener.connections_max.map_or(show_text("none"), |count| count.to_string()),
    },
    networks!("proxy_protocol", proxy_protocol),
    Key { name: "mode", is_path: false, set: set_mode, show: show_mode },
    optional_text!("owner", owner),
    optional_text!("group", group),
    Key {
        name: "tls.certificate",
        is_path: true,
        set: |listener, value| set_certificate(&mut listener.tls.certificates, value),
        show: |listener| show_certificate(&listener.tls.certificates, |files| &files.chain),
    },
    Key {
        name: "tls.key",
        is_path: true,
        set: |listener, value| set_key(&mut listener.tls.certificates, value),
        show: |listener| show_certificate(&listener.tls.certificates, |files| &files.key),
    },
    Key {
        name: "tls.certificates",
        is_path: true,
        set: |listener, value| set_certificates(&mut listener.tls.certificates, value),
        show: |listener| show_certificates(&listener.tls.certificates),
    },
    word!("tls.client_certificates", tls.client_certificates: ClientCertificatesMode),
    paths!("tls.client_authorities", tls.client_files.authorities),
    paths!("tls.revocation_lists", tls.client_files.revocation_lists),
    word!("tls.identity", tls.identity: CertificateIdentity),
    Key {
        name: "tls.version_min",
        is_path: false,
        set: |listener, value| {
            listener.tls.versions = match value.as_text() {
                Some("1.2") => TlsVersions::Tls12AndTls13,
                Some("1.3") => TlsVersions::Tls13,
                _ => {
                    let remedy = "write \"1.2\" or \"1.3\"; older versions are broken (RFC 8996)";
                    return Err(Problem::new(format!("{value} is no version of TLS that there is here"), remedy));
                }
            };
            Ok(())
        },
        show: |listener| match listener.tls.versions {
            TlsVersions::Tls12AndTls13 => "\"1.2\"".into(),
            TlsVersions::Tls13 => "\"1.3\"".into(),
        },
    },
    Key {
        name: "tls.resumption",
        is_path: false,
        set: |listener, value| {
            listener.tls.resumption = match value.as_text() {
                Some("tickets") => SessionResumption::Tickets,
                Some("cache") => SessionResumption::CACHE,
                Some("disabled") => SessionResumption::Disabled,
                _ => {
                    let remedy = "write \"tickets\", \"cache\" or \"disabled\"";
                    return Err(Problem::new(format!("{value} is no way to resume"), remedy));
                }
            };
            Ok(())
        },
        show: |listener| match listener.tls.resumption {
            SessionResumption::Tickets => "\"tickets\"".into(),
            SessionResumption::Cache { .. } => "\"cache\"".into(),
            SessionResumption::Disabled => "\"disabled\"".into(),
        },
    },
    texts!("websocket.paths", websocket.paths),
    texts!("websocket.origins", websocket.origins),
    networks!("websocket.trusted_proxies", websocket.trusted_proxies),
    Key {
        name: "access.allow_anonymous",
        is_path: false,
        set: |listener, value| {
            listener.access.allow_anonymous = match value.as_text() {
                Some("auto") => None,
                _ => Some(or_word(value.boolean(), "auto")?),
            };
            Ok(())
        },
        show: |listener| listener.access.allow_anonymous.map_or("\"auto\"".into(), |allow| allow.to_string()),
    },
    path!("access.password_file", access.password_file),
    path!("access.scram_file", access.scram_file),
    path!("access.acl_file", access.acl_file),
    switch!("access.certificate_is_user", access.certificate_is_user),
    Key {
        name: "access.methods",
        is_path: false,
        set: |listener, value| {
            let methods: Vec<Method> = match value.as_text() {
                Some("") => Vec::new(),
                _ => value.list().iter().map(|item| item.word::<Method>()).collect::<Result<_, _>>()?,
            };
            if (1..methods.len()).any(|index| methods[..index].contains(&methods[index])) {
                return Err(Problem::new("a method is named twice", "name each once, in the order to ask them in"));
            }
            listener.access.methods = methods;
            Ok(())
        },
        show: |listener| serde_json::json!(listener.access.methods).to_string().replace("\",\"", "\", \""),
    },
    Key {
        name: "access.jwt.key_file",
        is_path: true,
        set: |listener, value| {
            listener.jwt.key_file = value.text()?.into();
            Ok(())
        },
        show: |listener| show_text(&listener.jwt.key_file.to_string_lossy()),
    },
    Key {
        name: "access.jwt.algorithms",
        is_path: false,
        set: |listener, value| {
            let algorithms = value.texts()?;
            if let Some(unknown) = algorithms.iter().find(|name| !JWT_ALGORITHMS.contains(&name.as_str())) {
                let remedy = format!("write some of {}", JWT_ALGORITHMS.join(", "));
                return Err(Problem::new(format!("{unknown:?} is no algorithm of tokens"), remedy));
            }
            listener.jwt.algorithms = algorithms;
            Ok(())
        },
        show: |listener| show_list(listener.jwt.algorithms.iter().cloned()),
    },
    optional_text!("access.jwt.issuer", jwt.issuer),
    optional_text!("access.jwt.audience", jwt.audience),
    claim!("access.jwt.user_name_claim", jwt.user_name_claim),
    optional_text!("access.jwt.client_id_claim", jwt.client_id_claim),
    claim!("access.jwt.acl_claim", jwt.acl_claim),
    duration!("access.jwt.leeway", jwt.leeway, Duration::ZERO..=SECOND * 3_600),
    switch!("access.jwt.expiry_required", jwt.expiry_required),
    Key { name: "access.http.url", is_path: false, set: set_http_url, show: |listener| show_text(&listener.http.url) },
    path!("access.http.authorization_file", http.authorization_file),
    path!("access.http.authority_file", http.authority_file),
    duration!("access.http.timeout", http.timeout, SECOND / 10..=SECOND * 60),
    duration!("access.http.cache_time", http.cache_time, Duration::ZERO..=SECOND * 86_400),
    count_or!("quotas.messages_per_s", quotas.messages.per_second, "none"),
    count_or!("quotas.messages_burst", quotas.messages.burst, "auto"),
    size_or!("quotas.bytes_per_s", quotas.bytes.per_second, "none"),
    size_or!("quotas.bytes_burst", quotas.bytes.burst, "auto"),
    word!("quotas.over", quotas.over: OverQuota),
];

/// Of RFC 7518 section 3.1 and RFC 8037 section 3.1, without "none".
const JWT_ALGORITHMS: [&str; 12] =
    ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

fn set_mode(listener: &mut ListenerSettings, value: &Value) -> Result<(), Problem> {
    let mode = match value {
        Value::Integer(mode) => u32::try_from(*mode).ok(),
        Value::Text(text) if text == "umask" => {
            listener.mode = None;
            return Ok(());
        }
        Value::Text(text) => u32::from_str_radix(text.trim_start_matches("0o"), 8).ok(),
        _ => None,
    };
    // A number without 0o is easily meant as octal, and a mode without any right for the owner then is a sign of it.
    match mode.filter(|mode| *mode <= 0o777 && mode & 0o600 == 0o600) {
        Some(mode) => {
            listener.mode = Some(mode);
            Ok(())
        }
        None => {
            let remedy = "write permissions in octal that let the owner read and write, such as \"0660\", or \"umask\"";
            Err(Problem::new(format!("{value} cannot be the mode of a socket"), remedy))
        }
    }
}

fn show_mode(listener: &ListenerSettings) -> String {
    listener.mode.map_or(show_text("umask"), |mode| show_text(&format!("{mode:04o}")))
}

fn set_http_url(listener: &mut ListenerSettings, value: &Value) -> Result<(), Problem> {
    let url = value.text()?;
    let remedy = "write a URL such as \"https://auth.example.org/mqtt\"";
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    match authority {
        None if url.is_empty() => {}
        None | Some("") => return Err(Problem::new("it is no URL of http:// or https://", remedy)),
        Some(authority) if authority.contains('@') => {
            return Err(Problem::new(
                "a URL is no place for a password",
                "put the value of the Authorization header into a file, and name that in access.http.authorization_file",
            ));
        }
        Some(_) if url.contains(|c: char| c.is_ascii_control() || c == ' ') => {
            return Err(Problem::new("there is a space or a control character in it", remedy));
        }
        Some(_) => {}
    }
    listener.http.url = url.to_owned();
    Ok(())
}
