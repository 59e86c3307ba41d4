//! Requests, and how they are answered.

use ringmq::limits::WEBSOCKET_REQUEST_MAX;
use ringmq::net::websocket::{Accepted, Handshake, Progress, Refused, WebSocketConfig};

const REQUEST: &str = "GET /mqtt HTTP/1.1\r\nHost: broker.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://page.example\r\nSec-WebSocket-Protocol: mqtt\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

/// REQUEST with one field (or the first line) replaced; an empty one takes it out.
fn request_with(before: &str, after: &str) -> String {
    assert!(REQUEST.contains(before), "{before:?} is not in the request");
    let line_end = if after.is_empty() { "" } else { "\r\n" };
    REQUEST.replace(&format!("{before}\r\n"), &format!("{after}{line_end}"))
}

fn in_one(config: &WebSocketConfig, request: &[u8]) -> Progress {
    Handshake::default().receive(config, request)
}

#[track_caller]
fn accepted(config: &WebSocketConfig, request: &str) -> Accepted {
    match in_one(config, request.as_bytes()) {
        Progress::Accepted(accepted) => accepted,
        other => panic!("{other:?} for {request:?}"),
    }
}

/// The request is refused, with a whole response, in one chunk and byte by byte.
#[track_caller]
fn check_refused(config: &WebSocketConfig, request: &str, status: u16) -> Refused {
    let Progress::Refused(refused) = in_one(config, request.as_bytes()) else { panic!("{request:?} is not refused") };
    assert_eq!(refused.status, status, "{:?} for {request:?}", refused.reason);
    let response = String::from_utf8(refused.response.clone()).unwrap();
    assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{response}");
    assert!(head.contains("\r\nConnection: ") && head.contains("close"), "{response}");
    assert_eq!(body.trim_end(), refused.reason);

    let mut handshake = Handshake::default();
    let decided = request.as_bytes().chunks(1).map(|byte| handshake.receive(config, byte));
    let decided = decided.into_iter().find(|progress| *progress != Progress::NeedMore);
    assert_eq!(decided, Some(Progress::Refused(refused.clone())), "byte by byte: {request:?}");
    refused
}

#[test]
fn the_example_of_the_rfc_is_accepted() {
    let accepted = accepted(&WebSocketConfig::default(), REQUEST);
    assert_eq!(String::from_utf8(accepted.response).unwrap(), RESPONSE);
    assert_eq!(accepted.consumed, REQUEST.len());
    assert_eq!(accepted.path, "/mqtt");
    assert_eq!(accepted.forwarded_for, None);
}

#[test]
fn any_split_is_accepted_and_what_follows_is_left() {
    let config = WebSocketConfig::default();
    let bytes = [REQUEST.as_bytes(), b"\x82\x80\r\n\r\n"].concat();
    for first in 0..bytes.len() {
        for second in [first, (first + 1).min(bytes.len()), (first + bytes.len()) / 2] {
            let mut handshake = Handshake::default();
            let mut before = 0;
            let mut decided = None;
            for chunk in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                match handshake.receive(&config, chunk) {
                    Progress::NeedMore => before += chunk.len(),
                    Progress::Accepted(accepted) => {
                        decided = Some(accepted);
                        break;
                    }
                    Progress::Refused(refused) => panic!("{refused:?}"),
                }
            }
            let accepted = decided.expect("decided with the last byte");
            assert_eq!(before + accepted.consumed, REQUEST.len(), "split at {first} and {second}");
            assert_eq!(accepted.response, RESPONSE.as_bytes());
        }
    }
}

#[test]
fn what_others_may_write() {
    let config = WebSocketConfig::default();
    for (before, after) in [
        ("Connection: Upgrade", "connection: keep-alive, upgrade"),
        ("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"),
        ("Upgrade: websocket", "UPGRADE: h2c, WebSocket"),
        ("Sec-WebSocket-Protocol: mqtt", "Sec-WebSocket-Protocol: soap,  mqtt,mqttv3.1"),
        ("Sec-WebSocket-Protocol: mqtt", "Sec-WebSocket-Protocol: soap\r\nSec-WebSocket-Protocol: mqtt"),
        ("Origin: https://page.example", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
        ("Origin: https://page.example", "Content-Length: 0"),
        ("Host: broker.example", "Host:"),
    ] {
        let accepted = accepted(&config, &request_with(before, after));
        assert_eq!(accepted.response, RESPONSE.as_bytes(), "with {after:?}");
    }
    // The first that the client names and the server knows.
    let older = request_with("Sec-WebSocket-Protocol: mqtt", "Sec-WebSocket-Protocol: x, mqttv3.1, mqtt");
    let response = String::from_utf8(accepted(&config, &older).response).unwrap();
    assert!(response.contains("\r\nSec-WebSocket-Protocol: mqttv3.1\r\n"), "{response}");
}

#[test]
fn paths() {
    let config = WebSocketConfig::default();
    let line = |target: &str| request_with("GET /mqtt HTTP/1.1", &format!("GET {target} HTTP/1.1"));
    for (target, path) in [
        ("/", "/"),
        ("/mqtt?token=%20/x", "/mqtt"),
        ("http://broker.example/mqtt", "/mqtt"),
        ("ws://broker.example", "/"),
    ] {
        assert_eq!(accepted(&config, &line(target)).path, path);
    }
    for target in ["/other", "/mqtt/", "/MQTT", "/mqtt#part", "//mqtt", "*", "mqtt", "http://broker.example/other"] {
        check_refused(&config, &line(target), 404);
    }
    let any = WebSocketConfig { paths: vec!["*".into()], ..config };
    assert_eq!(accepted(&any, &line("/a/b?c")).path, "/a/b");
}

#[test]
fn origins() {
    let config = WebSocketConfig { origins: vec!["https://page.example".into()], ..WebSocketConfig::default() };
    let with = |origin: &str| request_with("Origin: https://page.example", origin);
    accepted(&config, REQUEST);
    accepted(&config, &with("Origin: https://PAGE.example"));
    // Not a browser.
    accepted(&config, &with(""));
    for origin in ["https://page.example.evil", "http://page.example", "null", "https://page.example:8443", ""] {
        check_refused(&config, &with(&format!("Origin: {origin}")), 403);
    }
    accepted(&WebSocketConfig::default(), &with("Origin: null"));
}

#[test]
fn subprotocols() {
    let config = WebSocketConfig::default();
    for offered in ["", "Sec-WebSocket-Protocol: soap", "Sec-WebSocket-Protocol: MQTT", "Sec-WebSocket-Protocol:"] {
        let refused = check_refused(&config, &request_with("Sec-WebSocket-Protocol: mqtt", offered), 400);
        assert!(refused.reason.contains("Sec-WebSocket-Protocol"));
    }
    let none = WebSocketConfig { subprotocols: Vec::new(), ..config };
    let response = accepted(&none, REQUEST).response;
    assert!(!String::from_utf8(response).unwrap().contains("Sec-WebSocket-Protocol"));
}

#[test]
fn requests_that_lack_something() {
    for (before, after, status) in [
        ("GET /mqtt HTTP/1.1", "POST /mqtt HTTP/1.1", 405),
        ("GET /mqtt HTTP/1.1", "get /mqtt HTTP/1.1", 405),
        ("GET /mqtt HTTP/1.1", "GET /mqtt HTTP/1.0", 400),
        ("Host: broker.example", "", 400),
        ("Host: broker.example", "Host: a\r\nHost: b", 400),
        ("Upgrade: websocket", "", 426),
        ("Upgrade: websocket", "Upgrade: h2c", 426),
        ("Upgrade: websocket", "Upgrade: websockets", 426),
        ("Connection: Upgrade", "", 426),
        ("Connection: Upgrade", "Connection: close", 426),
        ("Sec-WebSocket-Version: 13", "", 426),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", 426),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQEC", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==", 400),
        ("Origin: https://page.example", "Origin: a\r\nOrigin: b", 400),
        ("Origin: https://page.example", "Content-Length: 5", 400),
        ("Origin: https://page.example", "Transfer-Encoding: chunked", 400),
    ] {
        let refused = check_refused(&WebSocketConfig::default(), &request_with(before, after), status);
        let response = String::from_utf8(refused.response).unwrap();
        assert_eq!(response.contains("\r\nAllow: GET\r\n"), status == 405, "{response}");
        let names_version = response.contains("\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
        assert_eq!(names_version, status == 426, "{response}");
    }
}

#[test]
fn what_is_not_http_is_refused_at_once() {
    let config = WebSocketConfig::default();
    for bytes in
        [&b"\x10\x0C\0\x04MQTT\x04"[..], b"\x16\x03\x01\x02", b"\0", b"PROXY\x7FTCP4", b"GET /\x01", b"GET / HTTP/2"]
    {
        let progress = in_one(&config, bytes);
        assert!(matches!(&progress, Progress::Refused(Refused { status: 400, .. })), "{progress:?} for {bytes:?}");
    }
    // Lines that end in LF, and fields over several lines.
    for request in [REQUEST.replace("\r\n", "\n"), request_with("Host: broker.example", "Host: a\r\n b")] {
        let progress = in_one(&config, request.as_bytes());
        assert!(matches!(&progress, Progress::Refused(Refused { status: 400, .. })), "{progress:?} for {request:?}");
    }
}

#[test]
fn requests_are_bounded() {
    let config = WebSocketConfig::default();
    let padded = |size: usize| {
        let field = format!("Origin: {}", "x".repeat(size - REQUEST.len() + "https://page.example".len()));
        request_with("Origin: https://page.example", &field)
    };
    let largest = padded(WEBSOCKET_REQUEST_MAX);
    assert_eq!(largest.len(), WEBSOCKET_REQUEST_MAX);
    accepted(&config, &largest);
    assert_eq!(accepted(&config, &(largest + &"\x01".repeat(10_000))).consumed, WEBSOCKET_REQUEST_MAX);
    check_refused(&config, &padded(WEBSOCKET_REQUEST_MAX + 1), 431);
    check_refused(&config, &padded(100_000), 431);
    let fields: Vec<String> = (0..60).map(|number| format!("X-{number}: x")).collect();
    check_refused(&config, &request_with("Origin: https://page.example", &fields.join("\r\n")), 431);
    accepted(&config, &request_with("Origin: https://page.example", &fields[..58].join("\r\n")));
}

#[test]
fn forwarded_addresses_of_all_fields_are_told() {
    let fields = "X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\nx-forwarded-for: 10.0.0.1";
    let accepted = accepted(&WebSocketConfig::default(), &request_with("Origin: https://page.example", fields));
    assert_eq!(accepted.forwarded_for.as_deref(), Some("192.0.2.1, 192.0.2.2,10.0.0.1"));
}
