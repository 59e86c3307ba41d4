//! Another program decides: one that answers well, and ones that answer late, wrong, endlessly or not at all.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ringmq::access::acl::{Permission, Rule};
use ringmq::access::{Address, Denial, Grant, Login, Verdict};
use ringmq::authority::{AccessConfig, AuthorityError, HttpConfig};
use serde_json::{Value, json};

use crate::{Rig, denied, login, secret, write};

/// A program that answers each request as `answer` says; empty closes the connection.
pub struct Program {
    pub url: String,
    pub connections: Arc<AtomicUsize>,
    requests: Receiver<Request>,
}

struct Request {
    head: String,
    body: Value,
}

impl Program {
    pub fn start(answer: impl Fn(&Value) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/login?a=b", listener.local_addr().expect("an address"));
        let connections = Arc::new(AtomicUsize::new(0));
        let (sender, requests) = channel();
        let (count, answer) = (connections.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                let (sender, answer) = (sender.clone(), answer.clone());
                thread::spawn(move || {
                    let mut stream = stream;
                    while let Some(request) = read_request(&mut stream) {
                        let bytes = answer(&request.body);
                        // The test may have ended.
                        let _ = sender.send(request);
                        if bytes.is_empty() || stream.write_all(&bytes).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { url, connections, requests }
    }

    fn next_request(&self) -> Request {
        self.requests.recv_timeout(crate::PATIENCE).expect("a request")
    }
}

fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).ok()?.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse::<usize>().ok()?;
            let body = &bytes[end + 4..];
            if body.len() >= length {
                return Some(Request { head, body: serde_json::from_slice(body).expect("JSON") });
            }
        }
        let mut chunk = [0; 4_096];
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
    }
}

pub fn ok(body: &Value) -> Vec<u8> {
    status("200 OK", &body.to_string())
}

fn status(line: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub fn config(url: &str) -> AccessConfig {
    let http = HttpConfig {
        url: url.into(),
        authorization_file: None,
        authority_file: None,
        timeout: Duration::from_secs(30),
        cache_time: Duration::ZERO,
    };
    AccessConfig { http: Some(http), ..AccessConfig::default() }
}

fn start(program: &Program, change: impl FnOnce(&mut HttpConfig)) -> Rig {
    let mut config = config(&program.url);
    config.http.as_mut().map(change);
    Rig::start(&[config]).expect("a good configuration")
}

#[test]
fn it_is_told_who_wants_in() {
    let program = Program::start(|_| ok(&json!({"result": "allow"})));
    let dir = tempfile::tempdir().expect("a directory");
    let file = write(&dir, "authorization", b"Bearer topsecret\n");
    let rig = start(&program, |http| http.authorization_file = Some(file));
    let certificate = Some("device-1".into());
    assert_eq!(rig.ask(Login { certificate, ..login("anna", "secret") }), Verdict::Allowed(Grant::default()));
    let request = program.next_request();
    assert!(request.head.starts_with("post /login?a=b http/1.1\r\n"), "{}", request.head);
    assert!(request.head.contains("\r\ncontent-type: application/json"), "{}", request.head);
    assert!(request.head.contains("\r\nauthorization: bearer topsecret"), "{}", request.head);
    let expected = json!({"client_id": "client-1", "user_name": "anna", "password": "secret", "address": "192.0.2.1",
        "listener": 0, "certificate": "device-1"});
    assert_eq!(request.body, expected);
    rig.ask(Login { user_name: None, password: None, address: Address::Local, ..login("", "") });
    let expected =
        json!({"client_id": "client-1", "user_name": null, "address": "local", "listener": 0, "certificate": null});
    assert_eq!(program.next_request().body, expected);
    rig.ask(Login { password: Some(secret(b"\xFF")), ..login("anna", "") });
    assert_eq!(program.next_request().body["password_base64"], json!("/w=="));
    assert_eq!(program.connections.load(Ordering::SeqCst), 1, "the connection is used again");
}

#[test]
fn its_answers_are_understood() {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let next = answers.clone();
    let program = Program::start(move |_| next.lock().expect("a lock").pop().expect("an answer"));
    let rig = start(&program, |_| {});
    let ask = |answer: Vec<u8>| {
        answers.lock().expect("a lock").push(answer);
        rig.ask(login("anna", "secret"))
    };
    let all = json!({"result": "allow", "user_name": "bert", "acl": {"sub": ["a"]}, "expires_in": 60, "more": 1});
    let rules = Some(vec![Rule { permission: Permission::Read, filter: "a".into() }]);
    let grant = Grant { user_name: Some("bert".into()), rules, valid_for_ms: Some(60_000) };
    assert_eq!(ask(ok(&all)), Verdict::Allowed(grant));
    assert_eq!(ask(ok(&json!({"result": "deny"}))), denied(Denial::Refused));
    assert_eq!(ask(ok(&json!({"result": "ignore"}))), denied(Denial::Credentials), "nobody decides");
    assert_eq!(ask(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()), denied(Denial::Credentials));
    assert_eq!(ask(status("401 Unauthorized", "no")), denied(Denial::Refused));
    assert_eq!(ask(status("403 Forbidden", "")), denied(Denial::Refused));
}

#[test]
fn whoever_answers_wrong_has_not_agreed() {
    let allow = json!({"result": "allow"}).to_string();
    let huge = format!("{{\"result\": \"allow\", \"more\": \"{}\"}}", "x".repeat(300 * 1024));
    let answers: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"garbage\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"result\": \"allow\"}".to_vec(),
        status("200 OK", ""),
        status("200 OK", "allow"),
        status("200 OK", "true"),
        status("200 OK", "{}"),
        status("200 OK", "{\"result\": \"Allow\"}"),
        status("200 OK", "{\"result\": \"allow\", \"acl\": {\"publish\": [\"a\"]}}"),
        status("200 OK", "{\"result\": \"allow\", \"acl\": {\"pub\": [\"a/#/b\"]}}"),
        status("200 OK", "{\"result\": \"allow\", \"expires_in\": -1}"),
        status("200 OK", &huge),
        status("500 Internal Server Error", &allow),
        status("404 Not Found", &allow),
        status("201 Created", &allow),
        format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: {}\r\n\r\n{allow}", "x".repeat(1 << 20), allow.len())
            .into_bytes(),
    ];
    for answer in answers {
        let shown = String::from_utf8_lossy(&answer).chars().take(80).collect::<String>();
        let closes = answer.len() < 200;
        let answer = Arc::new(answer);
        let given = answer.clone();
        // One answer, then the connection is closed.
        let program = Program::start(move |_| given.to_vec());
        let timeout = if closes { Duration::from_millis(500) } else { Duration::from_secs(30) };
        let rig = start(&program, |http| http.timeout = timeout);
        assert_eq!(rig.ask(login("anna", "secret")), denied(Denial::Unavailable), "{shown}");
    }
}

#[test]
fn a_redirection_is_not_followed() {
    let other = Program::start(|_| ok(&json!({"result": "allow"})));
    let url = other.url.clone();
    let program = Program::start(move |_| {
        format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    });
    let rig = start(&program, |_| {});
    assert_eq!(rig.ask(login("anna", "secret")), denied(Denial::Unavailable));
    assert_eq!(other.connections.load(Ordering::SeqCst), 0);
}

#[test]
fn who_does_not_answer_in_time_has_not_agreed() {
    let program = Program::start(|_| {
        thread::sleep(Duration::from_secs(3_600));
        Vec::new()
    });
    let rig = start(&program, |http| http.timeout = Duration::from_millis(100));
    assert_eq!(rig.ask(login("anna", "secret")), denied(Denial::Unavailable));
    // Nobody listens on a port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let rig = Rig::start(&[config(&format!("http://{free}/"))]).expect("a good configuration");
    assert_eq!(rig.ask(login("anna", "secret")), denied(Denial::Unavailable));
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_no_refusal() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                read_request(&mut stream).map(|_| stream.write_all(&ok(&json!({"result": "allow"}))));
                // The second question is read, and the connection closed.
                read_request(&mut stream)
            });
        }
    });
    let rig = Rig::start(&[config(&url)]).expect("a good configuration");
    for _ in 0..5 {
        assert_eq!(rig.ask(login("anna", "secret")), Verdict::Allowed(Grant::default()));
    }
}

#[test]
fn answers_are_kept_for_their_time() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let program = Program::start(move |login| {
        count.fetch_add(1, Ordering::SeqCst);
        if login["user_name"] == "anna" {
            ok(&json!({"result": "allow", "expires_in": 30}))
        } else {
            ok(&json!({"result": "deny"}))
        }
    });
    let rig = start(&program, |http| http.cache_time = Duration::from_secs(60));
    let valid_for = |verdict| match verdict {
        Verdict::Allowed(grant) => grant.valid_for_ms,
        Verdict::Denied(denial) => panic!("{denial:?}"),
    };
    assert_eq!(valid_for(rig.ask(login("anna", "secret"))), Some(30_000));
    rig.time.pass(Duration::from_secs(10));
    assert_eq!(
        valid_for(rig.ask(login("anna", "secret"))),
        Some(20_000),
        "the grant goes on to end when it would have"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    rig.time.pass(Duration::from_secs(20));
    assert_eq!(valid_for(rig.ask(login("anna", "secret"))), Some(30_000), "a grant that has ended is asked for again");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    // Everything that the other program is told can change its answer.
    for other in [
        login("anna", "other"),
        login("bert", "secret"),
        Login { client_id: "client-2".into(), ..login("anna", "secret") },
        Login { address: Address::Local, ..login("anna", "secret") },
        Login { certificate: Some("anna".into()), ..login("anna", "secret") },
        Login { password: None, ..login("anna", "") },
        login("anna", ""),
    ] {
        let before = asked.load(Ordering::SeqCst);
        rig.ask(other.clone());
        rig.ask(other.clone());
        assert_eq!(asked.load(Ordering::SeqCst), before + 1, "{other:?}");
    }
    let before = asked.load(Ordering::SeqCst);
    rig.time.pass(Duration::from_secs(60));
    assert_eq!(rig.ask(login("bert", "secret")), denied(Denial::Refused));
    assert_eq!(asked.load(Ordering::SeqCst), before + 1);
}

#[test]
fn a_failure_is_not_kept() {
    let broken = Arc::new(AtomicUsize::new(1));
    let state = broken.clone();
    let program = Program::start(move |_| match state.load(Ordering::SeqCst) {
        0 => ok(&json!({"result": "allow"})),
        _ => status("500 Internal Server Error", ""),
    });
    let rig = start(&program, |http| http.cache_time = Duration::from_secs(60));
    assert_eq!(rig.ask(login("anna", "secret")), denied(Denial::Unavailable));
    broken.store(0, Ordering::SeqCst);
    assert!(matches!(rig.ask(login("anna", "secret")), Verdict::Allowed(_)));
}

#[test]
fn tls_needs_an_authority_that_vouches() {
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".into()]).expect("a name").self_signed(&key).expect("signed");
    let server = tls_server(&certificate, &key);
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = config(&format!("https://localhost:{server}/"));
    let set = |config: &mut AccessConfig, pem: &str| {
        let path = write(&dir, "authority.pem", pem.as_bytes());
        config.http.as_mut().expect("HTTP").authority_file = Some(path);
    };
    set(&mut config, &certificate.pem());
    let rig = Rig::start(std::slice::from_ref(&config)).expect("a good configuration");
    assert_eq!(rig.ask(login("anna", "secret")), Verdict::Allowed(Grant::default()));
    let other_key = rcgen::KeyPair::generate().expect("a key");
    let other = rcgen::CertificateParams::new(vec!["localhost".into()])
        .expect("a name")
        .self_signed(&other_key)
        .expect("signed");
    set(&mut config, &other.pem());
    rig.authority.reload(std::slice::from_ref(&config)).expect("a good configuration");
    assert_eq!(rig.ask(login("anna", "secret")), denied(Denial::Unavailable));
    set(&mut config, "nothing");
    assert!(rig.authority.reload(&[config]).is_err());
}

/// Allows everybody, over TLS.
fn tls_server(certificate: &rcgen::Certificate, key: &rcgen::KeyPair) -> u16 {
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a certificate");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = rustls::ServerConnection::new(config.clone()).expect("a connection");
            let mut stream = rustls::StreamOwned::new(connection, stream);
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"}") {
                let mut chunk = [0; 4_096];
                match stream.read(&mut chunk) {
                    Ok(count) if count > 0 => bytes.extend_from_slice(&chunk[..count]),
                    _ => break,
                }
            }
            let _ = stream.write_all(&ok(&json!({"result": "allow"})));
        }
    });
    port
}

#[test]
fn urls_are_checked_at_the_start() {
    for (url, expected) in [
        ("", "it is not a URL"),
        ("localhost", "neither http nor https"),
        ("/login", "neither http nor https"),
        ("ftp://localhost/", "neither http nor https"),
        ("http://", "it is not a URL"),
        ("http://anna:topsecret@localhost/", "a user and a password"),
    ] {
        let error: AuthorityError = Rig::start(&[config(url)]).err().expect(url);
        assert!(error.problem.contains(expected), "{url}: {error}");
        assert!(!error.to_string().contains("topsecret"), "{error}");
    }
    let rig = Rig::start(&[config("http://192.0.2.1/")]).expect("a good configuration");
    assert!(rig.warnings[0].problem.contains("in the clear"), "{:?}", rig.warnings);
    let rig = Rig::start(&[config("http://[::1]:1/")]).expect("a good configuration");
    assert_eq!(rig.warnings, []);
}
