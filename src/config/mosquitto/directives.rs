//! Every directive of mosquitto.conf(5), versions 2.0 and 2.1, and what becomes of it.

use std::time::Duration;

use super::super::value::{Problem, Value};
use super::lines::Line;
use super::reading::Reading;
use super::special;
use super::values::{boolean, count, duration, expiration, first, number, path};
use crate::config::keys::COUNT_MAX;

/// What becomes of a directive.
#[derive(Clone, Copy)]
pub enum Meaning {
    /// A key of the server; `None` is the default.
    Server(&'static str, Read),
    /// A key of the listener.
    Listener(&'static str, Read),
    /// A key of all listeners, or of this one with `per_listener_settings`.
    Security(&'static str, Read),
    /// A listener's in mosquitto; a key of the whole server here.
    Everywhere(&'static str, Read),
    Special(fn(&mut Reading, &Line) -> Result<(), Problem>),
    /// There is nothing to choose: it is as with this value, which needs no note.
    Fixed(&'static str, &'static str),
    /// It has no equivalent.
    Missing(&'static str),
    /// It has no equivalent, and without it more would be open than was. Its listener is left out, or all are, if it is theirs.
    LeavesOut(Scope, &'static str),
    /// It is a part of what `connection` began.
    Bridge,
}

type Read = fn(&Line) -> Result<Option<Value>, Problem>;

/// Whose a directive is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Listener,
    /// The listener's with `per_listener_settings`, else that of all.
    Security,
    Server,
}

pub fn find(name: &str) -> Option<Meaning> {
    // The names of these go on with what the plugin calls the option.
    if name.starts_with("auth_opt_") || name.starts_with("plugin_opt_") {
        return Some(Meaning::Missing("it is an option of a plugin"));
    }
    DIRECTIVES.iter().find(|(directive, _)| *directive == name).map(|(_, meaning)| *meaning)
}

use Meaning::{Bridge, Everywhere, Fixed, LeavesOut, Listener, Missing, Security, Server, Special};

const PLUGINS: &str =
    "RingMQ has no plugins; what this one decides, [access] must (a password file, tokens, or a program asked by HTTP)";
const OPENSSL: &str = "TLS is rustls here: keys are PEM files, and there are no engines";
const CIPHERS: &str =
    "RingMQ offers the cipher suites of TLS 1.2 and 1.3 that are not broken; there is nothing to choose";
const LOG: &str = "the log goes to standard error, with the time; systemd or a redirection brings it elsewhere";

/// In the order of their names.
pub static DIRECTIVES: &[(&str, Meaning)] = &[
    ("accept_protocol_versions", Special(special::accept_protocol_versions)),
    ("acl_file", Security("access.acl_file", read_path)),
    ("address", Bridge),
    ("addresses", Bridge),
    ("allow_anonymous", Special(special::allow_anonymous)),
    (
        "allow_duplicate_messages",
        Fixed("false", "a client gets a message once, however many of its subscriptions match"),
    ),
    ("allow_zero_length_clientid", Everywhere("mqtt.empty_client_id_allowed", read_boolean)),
    ("auth_plugin", LeavesOut(Scope::Security, PLUGINS)),
    ("auth_plugin_deny_special_chars", Missing("RingMQ has no plugins")),
    ("auto_id_prefix", Missing("client ids that the server gives have no prefix")),
    (
        "autosave_interval",
        Missing("what was acknowledged is on the disk already; storage.durability trades that for speed"),
    ),
    ("autosave_on_changes", Fixed("false", "what was acknowledged is on the disk already")),
    ("bind_address", Special(special::bind_address)),
    ("bind_interface", LeavesOut(Scope::Listener, "listeners have addresses; name that of the interface")),
    ("bridge_alpn", Bridge),
    ("bridge_attempt_unsubscribe", Bridge),
    ("bridge_bind_address", Bridge),
    ("bridge_cafile", Bridge),
    ("bridge_capath", Bridge),
    ("bridge_certfile", Bridge),
    ("bridge_ciphers", Bridge),
    ("bridge_ciphers_tls1.3", Bridge),
    ("bridge_identity", Bridge),
    ("bridge_insecure", Bridge),
    ("bridge_keyfile", Bridge),
    ("bridge_max_packet_size", Bridge),
    ("bridge_max_topic_alias", Bridge),
    ("bridge_outgoing_retain", Bridge),
    ("bridge_protocol_version", Bridge),
    ("bridge_psk", Bridge),
    ("bridge_receive_maximum", Bridge),
    ("bridge_reload_type", Bridge),
    ("bridge_require_ocsp", Bridge),
    ("bridge_session_expiry_interval", Bridge),
    ("bridge_tcp_keepalive", Bridge),
    ("bridge_tcp_user_timeout", Bridge),
    ("bridge_tls_use_os_certs", Bridge),
    ("bridge_tls_version", Bridge),
    ("cafile", Special(special::cafile)),
    ("capath", Special(special::capath)),
    ("certfile", Listener("tls.certificate", read_path)),
    (
        "check_retain_source",
        Fixed("false", "the rights of who publishes a retained message are looked at when it is published"),
    ),
    ("ciphers", Missing(CIPHERS)),
    ("ciphers_tls1.3", Missing(CIPHERS)),
    ("cleansession", Bridge),
    ("clientid", Bridge),
    ("clientid_prefixes", Missing("client ids are not restricted; access rules with %c can be")),
    ("connection", Special(special::connection)),
    ("connection_messages", Fixed("true", "log.level and log.modules choose what is logged")),
    ("crlfile", Special(special::crlfile)),
    ("dhparamfile", Missing("key exchange is by elliptic curves, which have no such parameters")),
    ("disable_client_cert_date_checks", Fixed("false", "a certificate that is not valid now is refused")),
    ("enable_control_api", Fixed("false", "there are no $CONTROL topics")),
    ("enable_proxy_protocol", Listener("proxy_protocol", read_proxy_protocol)),
    ("global_max_clients", Server("limits.sessions_max", read_unlimited)),
    ("global_max_connections", Server("runtime.connections_max", read_unlimited)),
    ("global_plugin", LeavesOut(Scope::Server, PLUGINS)),
    ("http_dir", Missing("RingMQ serves no files")),
    ("idle_timeout", Bridge),
    // In the main file it is done when the lines are read.
    ("include_dir", Special(special::include_dir)),
    ("keepalive_interval", Bridge),
    ("keyfile", Listener("tls.key", read_path)),
    ("listener", Special(special::listener)),
    ("listener_allow_anonymous", Listener("access.allow_anonymous", read_boolean)),
    ("listener_auto_id_prefix", Missing("client ids that the server gives have no prefix")),
    ("local_cleansession", Bridge),
    ("local_clientid", Bridge),
    ("local_password", Bridge),
    ("local_username", Bridge),
    ("log_dest", Special(special::log_dest)),
    ("log_facility", Missing(LOG)),
    ("log_timestamp", Fixed("true", LOG)),
    ("log_timestamp_format", Missing(LOG)),
    ("log_type", Special(special::log_type)),
    ("max_connections", Listener("connections_max", read_unlimited)),
    ("max_inflight_bytes", Fixed("0", "messages in flight are counted, not their bytes: limits.in_flight_max")),
    ("max_inflight_messages", Special(special::max_inflight_messages)),
    ("max_keepalive", Server("limits.keep_alive_max", read_keep_alive)),
    ("max_packet_size", Special(special::max_packet_size)),
    ("max_qos", Everywhere("mqtt.maximum_qos", read_qos)),
    ("max_queued_bytes", Special(special::max_queued_bytes)),
    ("max_queued_messages", Server("limits.queued_messages_max", read_queue)),
    ("max_topic_alias", Everywhere("limits.topic_alias_max", read_u16)),
    ("max_topic_alias_broker", Everywhere("limits.topic_alias_out_max", read_u16)),
    ("maximum_qos", Everywhere("mqtt.maximum_qos", read_qos)),
    (
        "memory_limit",
        Fixed("0", "memory is bounded by what is in it: limits.shard_bytes_max, retained_bytes_max and others"),
    ),
    ("message_size_limit", Fixed("0", "packets are bounded, not payloads: limits.packet_size_max")),
    ("mount_point", LeavesOut(Scope::Listener, "listeners share one tree of topics; access rules keep clients apart")),
    ("notification_topic", Bridge),
    ("notifications", Bridge),
    ("notifications_local_only", Bridge),
    ("packet_buffer_size", Missing("runtime.receive_buffer_size is of another kind: buffers are shared")),
    ("password", Bridge),
    ("password_file", Security("access.password_file", read_path)),
    ("per_listener_settings", Special(special::per_listener_settings)),
    ("persistence", Special(special::persistence)),
    ("persistence_file", Missing("the store is a directory of files: storage.dir")),
    ("persistence_location", Special(special::persistence_location)),
    ("persistent_client_expiration", Server("limits.session_expiry_max", |line| expiration(line).map(Some))),
    ("pid_file", Missing("a service manager knows the process")),
    ("plugin", LeavesOut(Scope::Security, PLUGINS)),
    ("plugin_load", Missing("RingMQ has no plugins")),
    ("plugin_use", LeavesOut(Scope::Listener, PLUGINS)),
    ("port", Special(special::port)),
    ("protocol", Special(special::protocol)),
    ("proxy_protocol_v2_require_tls", Fixed("false", "whether the proxy had TLS is not looked at")),
    ("psk_file", Missing("there is no TLS with pre-shared keys")),
    ("psk_hint", LeavesOut(Scope::Listener, "there is no TLS with pre-shared keys; use certificates")),
    ("queue_qos0_messages", Server("mqtt.queue_qos0", read_boolean)),
    ("remote_clientid", Bridge),
    ("remote_password", Bridge),
    ("remote_username", Bridge),
    ("require_certificate", Special(special::require_certificate)),
    ("restart_timeout", Bridge),
    ("retain_available", Server("mqtt.retain_available", read_boolean)),
    (
        "retain_expiry_interval",
        Missing(
            "retained messages expire by what their publisher says, or by limits.message_expiry_max with all others",
        ),
    ),
    ("retained_persistence", Special(special::persistence)),
    ("retry_interval", Missing("nothing is sent again while a connection lasts, as MQTT 5.0 has it")),
    ("round_robin", Bridge),
    ("set_tcp_nodelay", Fixed("true", "TCP_NODELAY is always set")),
    ("socket_domain", Special(special::socket_domain)),
    ("start_type", Bridge),
    ("sys_interval", Server("observe.sys_interval", read_sys_interval)),
    ("threshold", Bridge),
    ("tls_engine", Missing(OPENSSL)),
    ("tls_engine_kpass_sha1", Missing(OPENSSL)),
    ("tls_keyform", Fixed("pem", OPENSSL)),
    ("tls_version", Special(special::tls_version)),
    ("topic", Bridge),
    ("try_private", Bridge),
    ("upgrade_outgoing_qos", Fixed("false", "the QoS of a message is never raised, as MQTT has it")),
    ("use_identity_as_username", Special(special::use_identity_as_username)),
    ("use_subject_as_username", Special(special::use_subject_as_username)),
    (
        "use_username_as_clientid",
        Fixed("false", "client ids are what clients say; who takes over a session is not bound to a user name"),
    ),
    ("user", Missing("RingMQ runs as the user who starts it (User= of systemd)")),
    ("username", Bridge),
    ("websockets_headers_size", Missing("the size of a request is bounded already")),
    ("websockets_log_level", Missing("log.modules chooses what is logged")),
    ("websockets_origin", Special(special::websockets_origin)),
];

fn read_boolean(line: &Line) -> Result<Option<Value>, Problem> {
    boolean(line).map(|boolean| Some(Value::Boolean(boolean)))
}

fn read_path(line: &Line) -> Result<Option<Value>, Problem> {
    path(line).map(|path| Some(Value::Text(path)))
}

/// A bound where 0 and below are none.
fn read_unlimited(line: &Line) -> Result<Option<Value>, Problem> {
    let count = count(line, COUNT_MAX as u64, Some(0))?;
    Ok((count > 0).then(|| number(count)))
}

/// As many as there are.
fn read_queue(line: &Line) -> Result<Option<Value>, Problem> {
    let count = count(line, COUNT_MAX as u64, Some(0))?;
    Ok(Some(number(if count == 0 { COUNT_MAX as u64 } else { count })))
}

fn read_keep_alive(line: &Line) -> Result<Option<Value>, Problem> {
    let seconds = count(line, u64::from(u16::MAX), None)?;
    let is_bound = seconds != 0 && seconds != u64::from(u16::MAX);
    Ok(is_bound.then(|| duration(Duration::from_secs(seconds))))
}

fn read_sys_interval(line: &Line) -> Result<Option<Value>, Problem> {
    // What is longer than a day is no interval at which anybody looks.
    count(line, 65_535, None).map(|seconds| Some(duration(Duration::from_secs(seconds))))
}

fn read_qos(line: &Line) -> Result<Option<Value>, Problem> {
    count(line, 2, None).map(|qos| Some(number(qos)))
}

fn read_u16(line: &Line) -> Result<Option<Value>, Problem> {
    count(line, u64::from(u16::MAX), None).map(|count| Some(number(count)))
}

/// mosquitto believes whoever connects.
fn read_proxy_protocol(line: &Line) -> Result<Option<Value>, Problem> {
    match first(line) {
        "1" | "2" => Ok(Some(Value::List(["0.0.0.0/0", "::/0"].map(|text| Value::Text(text.to_owned())).into()))),
        other => Err(Problem::new(format!("{other:?} is no version of the PROXY protocol"), "write 1 or 2")),
    }
}
