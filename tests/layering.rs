//! The layers, read from the sources: what may name what, who reads a clock, where `unsafe` is, how large files are.
//! A rule that lives only in a document erodes.

#[path = "layering/source.rs"]
mod source;

use std::path::Path;

use source::{Name, Source};

/// Synchronous, no clock, no socket, no thread, no lock; bytes, time and randomness are arguments.
const CORE: [&str; 7] = ["codec", "connection", "session", "routing", "access", "broker", "store"];

/// What the core must not name, and what to do instead. A path matches with all that is below it.
const FORBIDDEN_IN_CORE: [(&str, &str); 15] = [
    ("glommio", "let the runtime do it, and hand the result to a handle_* function"),
    ("io_uring", "let the socket ring do it, and hand the bytes to a handle_* function"),
    ("rustls", "let the transport do it, below the codec"),
    ("crossbeam", "answer with a PeerMessage from poll_peer"),
    ("crossbeam_channel", "answer with a PeerMessage from poll_peer"),
    ("std::net", "take bytes as arguments; only the address types are allowed"),
    ("std::fs", "let the shell read and write, and pass the content"),
    ("std::thread", "a shard is one thread's; let the runtime start threads"),
    ("std::sync", "a shard's state is not shared; send a PeerMessage"),
    ("async", "return from handle_* and be called again"),
    ("await", "return from handle_* and be called again"),
    ("std::collections::HashMap", "use hashbrown with a seeded hash, so that a run depends on its seed alone"),
    ("std::collections::HashSet", "use hashbrown with a seeded hash, so that a run depends on its seed alone"),
    ("std::time::Instant", "take the time as an argument, in Millis"),
    ("std::time::SystemTime", "take the time as an argument, in Millis"),
];

/// Values, not sockets.
const ALLOWED_OF_STD_NET: [&str; 6] = ["SocketAddr", "SocketAddrV4", "SocketAddrV6", "IpAddr", "Ipv4Addr", "Ipv6Addr"];

/// Reading a clock or the system's entropy.
const CLOCKS_AND_ENTROPY: [&str; 9] = [
    "Instant::now",
    "SystemTime::now",
    "getrandom",
    "rand::rng",
    "rand::random",
    "thread_rng",
    "from_os_rng",
    "from_entropy",
    "OsRng",
];

/// Of the broker, what connections and sessions are made of.
const BROKER_VALUES: [&str; 14] = [
    "broker::ConnectionId",
    "broker::DropReason",
    "broker::Gate",
    "broker::Incoming",
    "broker::NEVER",
    "broker::Message",
    "broker::Millis",
    "broker::QueuePolicy",
    "broker::Settings",
    "broker::Transport",
    "broker::event",
    "broker::message",
    "broker::settings",
    "broker::timer_wheel",
];

/// What each module may name of the crate, besides itself and `limits`: a module, or a path in it.
fn allowed_imports(module: &str) -> Option<Vec<&'static str>> {
    let imports: &[&str] = match module {
        // The core, from the bottom up.
        "limits" | "codec" | "latency" => &[],
        "routing" | "access" => &["codec"],
        "connection" | "session" => {
            return Some(["codec", "routing", "access"].into_iter().chain(BROKER_VALUES).collect());
        }
        "broker" => &["codec", "routing", "access", "connection", "latency", "session"],
        "store" => &["broker", "codec", "routing", "session::GroupName"],
        // The shell. The ring knows no MQTT; the runtime knows the broker's values, and no packet.
        "net" => &[],
        "storage" => &["broker", "latency", "routing", "store"],
        "authority" => &["access", "codec::ReasonCode", "codec::topic"],
        "admin" => &[
            "access",
            "authority::AuthorityError",
            "authority::Warning",
            "authority::secret_file",
            "broker",
            "codec",
            "latency",
            "runtime",
        ],
        "runtime" => {
            &["access", "authority", "broker", "connection::Output", "latency", "routing", "net", "storage", "store"]
        }
        "config" => {
            &["access", "admin", "authority", "broker", "codec::Qos", "net", "routing::Strategy", "runtime", "storage"]
        }
        "embedded" => &["access", "config", "runtime"],
        // The commands, with the clients `pub` and `sub` that speak MQTT by the same codec.
        "capacity" => &[],
        "doctor" => &["capacity"],
        "cli" | "main" => &[
            "admin",
            "authority",
            "capacity",
            "cli",
            "codec",
            "config",
            "doctor",
            "net::check_support",
            "runtime",
            "storage",
            "store",
        ],
        "lib" => &[],
        _ => return None,
    };
    Some(imports.to_vec())
}

/// `unsafe` is allowed in files whose names begin like this.
const UNSAFE_ALLOWED: &str = "src/net/ring";

/// Where bytes from the network are taken apart.
const PANICS_FORBIDDEN: [&str; 3] = ["src/codec/", "src/connection/", "src/net/tls/"];

const MEDIAN_LINES_MAX: usize = 250;
const LINES_MAX: usize = 1_000;
const LINES_MAX_UNLISTED: usize = 600;

/// Files of more than `LINES_MAX_UNLISTED` lines, with their size: a ratchet. A size here may shrink, not grow, and a file
/// that has shrunk below the bound is taken off.
const LARGE_FILES: [(&str, usize); 0] = [];

#[test]
fn core_is_synchronous_and_touches_nothing() {
    report(sources().iter().flat_map(check_core).collect());
}

#[test]
fn modules_import_only_what_is_below_them() {
    report(sources().iter().flat_map(check_imports).collect());
}

#[test]
fn one_file_reads_the_clock_and_the_entropy() {
    report(sources().iter().flat_map(check_clocks).collect());
}

#[test]
fn unsafe_is_only_in_the_ring() {
    report(sources().iter().flat_map(check_unsafe).collect());
}

#[test]
fn bytes_from_the_network_cannot_panic() {
    report(sources().iter().flat_map(check_panics).collect());
}

#[test]
fn files_are_small() {
    report(check_sizes(&sources()));
}

fn sources() -> Vec<Source> {
    let sources = source::read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "src");
    assert!(sources.len() > 20, "the sources are not where this test looks for them");
    sources
}

#[track_caller]
fn report(violations: Vec<String>) {
    assert!(violations.is_empty(), "{} broken rules:\n{}\n", violations.len(), violations.join("\n"));
}

fn violation(source: &Source, name: &Name, rule: &str, remedy: &str) -> String {
    format!("{}:{}: `{}`: {rule}: {remedy}", source.file, name.line, name.path)
}

/// Whether `path` is `prefix` or below it.
fn is_within(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn check_core(source: &Source) -> Vec<String> {
    if !CORE.contains(&source.top_module()) {
        return Vec::new();
    }
    let is_address = |path: &str| {
        let item = path.strip_prefix("std::net::").and_then(|item| item.split("::").next());
        item.is_some_and(|item| ALLOWED_OF_STD_NET.contains(&item))
    };
    let broken = source.names.iter().filter(|name| !is_address(&name.path)).filter_map(|name| {
        let (_, remedy) = FORBIDDEN_IN_CORE.iter().find(|(forbidden, _)| is_within(&name.path, forbidden))?;
        Some(violation(source, name, "the core must not name this", remedy))
    });
    broken.collect()
}

fn check_imports(source: &Source) -> Vec<String> {
    let module = source.top_module();
    let Some(allowed) = allowed_imports(module) else {
        return vec![format!("{}: the module `{module}` has no row in allowed_imports: give it one", source.file)];
    };
    let broken = source.names.iter().filter(|name| {
        let Some(path) = name.path.strip_prefix("crate::") else { return false };
        // In the root file this also excuses items of the crate itself.
        let is_own = module == "lib" || is_within(path, module) || is_within(path, "limits");
        !is_own && !allowed.iter().any(|allowed| is_within(path, allowed))
    });
    let remedy = "move the shared part down, pass it as an argument, or argue for a new entry in allowed_imports";
    broken.map(|name| violation(source, name, &format!("`{module}` must not import this"), remedy)).collect()
}

fn check_clocks(source: &Source) -> Vec<String> {
    // `ringmq pub` and `ringmq sub` are clients, in a process of their own.
    if source.file == "src/runtime/clock.rs" || source.top_module() == "cli" {
        return Vec::new();
    }
    let reads = |path: &str| {
        CLOCKS_AND_ENTROPY.iter().any(|reader| is_within(path, reader) || path.ends_with(&format!("::{reader}")))
    };
    let broken = source.names.iter().filter(|name| reads(&name.path));
    let rule = "only runtime/clock.rs reads a clock or the system's entropy";
    broken.map(|name| violation(source, name, rule, "take the time or the seed as an argument")).collect()
}

fn check_unsafe(source: &Source) -> Vec<String> {
    if source.file.starts_with(UNSAFE_ALLOWED) {
        return Vec::new();
    }
    let broken = source.names.iter().filter(|name| name.path == "unsafe");
    broken
        .map(|name| violation(source, name, "unsafe is only in net/ring*", "use a safe crate, or move it there"))
        .collect()
}

fn check_panics(source: &Source) -> Vec<String> {
    if !PANICS_FORBIDDEN.iter().any(|place| source.file.starts_with(place)) {
        return Vec::new();
    }
    let panics = |name: &&Name| {
        let by_method = name.is_member && matches!(name.path.as_str(), "unwrap" | "expect");
        by_method || matches!(name.path.as_str(), "panic" | "unreachable" | "todo" | "unimplemented")
    };
    let broken = source.names.iter().filter(panics);
    let rule = "no bytes from the network may panic";
    broken.map(|name| violation(source, name, rule, "return a Violation, or a value that needs no check")).collect()
}

fn check_sizes(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for Source { file, line_count, .. } in sources {
        let listed = LARGE_FILES.iter().find(|(listed, _)| listed == file).map(|(_, lines)| *lines);
        let complaint = match listed {
            _ if *line_count > LINES_MAX => format!("more than {LINES_MAX}: split it by use case"),
            None if *line_count > LINES_MAX_UNLISTED => {
                format!("more than {LINES_MAX_UNLISTED}: split it by use case, or argue for an entry in LARGE_FILES")
            }
            Some(lines) if *line_count > lines => {
                format!("it has grown from {lines}: split it, do not raise the ratchet")
            }
            Some(_) if *line_count <= LINES_MAX_UNLISTED => "it is small now: take it off LARGE_FILES".into(),
            _ => continue,
        };
        violations.push(format!("{file}: {line_count} lines: {complaint}"));
    }
    for (file, _) in LARGE_FILES {
        if !sources.iter().any(|source| source.file == file) {
            violations.push(format!("{file}: it is gone: take it off LARGE_FILES"));
        }
    }
    let mut sizes: Vec<usize> = sources.iter().map(|source| source.line_count).collect();
    sizes.sort();
    let median = sizes.get(sizes.len() / 2).copied().unwrap_or(0);
    if median > MEDIAN_LINES_MAX {
        violations.push(format!("the median file has {median} lines, more than {MEDIAN_LINES_MAX}: split the largest"));
    }
    violations
}

/// The rules themselves, on sources that break them.
mod rules {
    use super::*;

    fn lines(violations: Vec<String>) -> Vec<usize> {
        violations.iter().map(|text| text.split(':').nth(1).unwrap().parse().unwrap()).collect()
    }

    #[test]
    fn what_the_core_must_not_name_is_found() {
        let text = "use std::net::SocketAddr;\nuse std::net::{IpAddr, TcpStream};\nuse std::{rc::Rc,\n    sync::Arc};\n\
                    async fn f() { g().await }\nlet t = std::thread::spawn(f);\nuse crossbeam_channel as c;\n\
                    // std::fs\nlet s = \"std::fs\";\nlet glommio_like = 1;\n\
                    #[cfg(test)]\nmod tests {\n    use std::fs;\n}\nfn g() { std::fs::read(p) }\n";
        assert_eq!(lines(check_core(&Source::parse("src/session/x.rs", text))), [2, 4, 5, 5, 6, 7, 15]);
        assert_eq!(lines(check_core(&Source::parse("src/runtime/x.rs", text))), []);
    }

    #[test]
    fn imports_from_above_are_found() {
        let text = "use crate::codec::Qos;\nuse crate::{limits, broker::{Message, Millis, Shard}};\nuse super::index;\n\
                    use super::super::runtime::Server;\nfn f(x: &crate::net::Ring) {}\nuse self::deeper::thing;\n";
        assert_eq!(lines(check_imports(&Source::parse("src/session/x.rs", text))), [2, 4, 5]);
        assert_eq!(lines(check_imports(&Source::parse("src/routing/x.rs", text))), [2, 2, 2, 4, 5]);
        assert_eq!(lines(check_imports(&Source::parse("src/codec/mod.rs", "use super::routing::ShardIndex;"))), [1]);
        assert_eq!(check_imports(&Source::parse("src/novel/mod.rs", "")).len(), 1);
    }

    #[test]
    fn clocks_unsafe_and_panics_are_found() {
        let text = "let t = std::time::Instant::now();\nlet s = SystemTime::now();\nlet r = rand::rng();\n\
                    fn f<'a>(x: &'a str) { unsafe { g('\\'', '\"') } }\n/* unwrap() /* nested */ unsafe */\n\
                    x.unwrap();\nx.expect(r#\"a \" unsafe\"#);\nx.unwrap_or(1);\n#[expect(dead_code)]\nx\n    .unwrap();\n";
        let source = Source::parse("src/codec/x.rs", text);
        assert_eq!(lines(check_clocks(&source)), [1, 2, 3]);
        assert_eq!(lines(check_unsafe(&source)), [4]);
        assert_eq!(lines(check_panics(&source)), [6, 7, 11]);
    }

    #[test]
    fn large_files_are_found() {
        let source = |file: &str, lines: usize| Source::parse(file, &"\n".repeat(lines));
        let sources = [source("src/a.rs", 1_001), source("src/b.rs", 601), source("src/c.rs", 250)];
        // Each for itself, and the median.
        assert_eq!(check_sizes(&sources).len(), 3);
        let sources = [source("src/a.rs", 250), source("src/b.rs", 250), source("src/c.rs", 600)];
        assert_eq!(check_sizes(&sources), Vec::<String>::new());
    }
}
