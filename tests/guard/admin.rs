//! The administration over HTTP, and `ringmq ctl`.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use ringmq::admin::{Admin, AdminConfig, AdminError};
use ringmq::runtime::{GuardConfig, Server};
use serde_json::{Value, json};

use crate::client::Outcome::ConnAck;
use crate::client::{Client, PATIENCE};
use crate::{eventually, listener, start};

const TOKEN: &str = "a-token-that-nobody-guesses";

struct Rig {
    admin: Admin,
    server: Server,
    address: SocketAddr,
    directory: tempfile::TempDir,
}

impl Rig {
    /// With a token if `has_token`.
    fn start(has_token: bool) -> Self {
        let (server, address) = start(2, listener(), GuardConfig::default());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, format!("{TOKEN}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let config = AdminConfig { listen: any_port(), token_file: has_token.then_some(path) };
        let admin = Admin::start(&config, server.handle()).unwrap();
        Self { admin, server, address, directory }
    }

    /// Sends one request as it stands and returns the status and the body.
    fn send(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.admin.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, Value) {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let host = self.admin.address();
        let (status, body) =
            self.send(&format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}{length}\r\n{body}"));
        (status, if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() })
    }

    fn authorized(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let headers = format!("Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n");
        self.request(method, path, &headers, body)
    }

    fn ctl(&self, arguments: &[&str]) -> Output {
        let url = format!("http://{}", self.admin.address());
        let token = self.directory.path().join("token");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
        command.args(["ctl", "--url", &url, "--token-file"]).arg(token).args(arguments).output().unwrap()
    }
}

fn any_port() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

#[track_caller]
fn assert_failure(answer: &(u16, Value), status: u16, reason: &str) {
    assert_eq!((answer.0, &answer.1["reason"]), (status, &json!(reason)), "{answer:?}");
    assert!(answer.1["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer:?}");
}

#[test]
fn bans_are_made_listed_and_lifted() {
    let rig = Rig::start(true);
    let (mut client, _) = Client::connect(rig.address, "a/b ü");
    let body = json!({ "kind": "client_id", "value": "a/b ü", "seconds": 600, "reason": "a test" });
    let made = rig.authorized("POST", "/api/v1/bans", &body.to_string());
    assert_eq!(made, (201, body.clone()));
    assert_eq!(client.read_disconnect(), 0x98);
    assert_eq!(Client::connect(rig.address, "a/b ü").1, ConnAck(0x8A));
    let network = json!({ "kind": "address", "value": "10.1.2.3/8" });
    assert_eq!(rig.authorized("POST", "/api/v1/bans", &network.to_string()).0, 201);
    let (status, listed) = rig.authorized("GET", "/api/v1/bans", "");
    assert_eq!(status, 200);
    let network = json!({ "kind": "address", "value": "10.0.0.0/8", "seconds": null, "reason": "" });
    assert_eq!(listed["bans"][0], network);
    assert_eq!(listed["bans"][1]["value"], "a/b ü");
    assert!(listed["bans"][1]["seconds"].as_u64().is_some_and(|seconds| (1..=600).contains(&seconds)));
    let path = "/api/v1/bans/client_id/a%2Fb%20%C3%BC";
    assert_eq!(rig.authorized("DELETE", path, ""), (204, Value::Null));
    assert_failure(&rig.authorized("DELETE", path, ""), 404, "no-such-ban");
    eventually("it is lifted", || Client::connect(rig.address, "a/b ü").1 == ConnAck(0));
    assert_eq!(rig.server.bans().len(), 1);
}

#[test]
fn who_does_not_bring_the_token_may_do_nothing() {
    let rig = Rig::start(true);
    for authorization in [
        "",
        "Authorization: Bearer a-token-that-nobody-guesseS\r\n",
        "Authorization: Basic YTpi\r\n",
        "Authorization: Bearer \r\n",
    ] {
        for (method, path) in [
            ("GET", "/api/v1/bans"),
            ("POST", "/api/v1/bans"),
            ("DELETE", "/api/v1/bans/client_id/a"),
            ("GET", "/nowhere"),
        ] {
            assert_failure(&rig.request(method, path, authorization, ""), 401, "unauthorized");
        }
    }
    assert_eq!(rig.request("GET", "/health", "", ""), (200, json!({ "status": "ok" })));
}

#[test]
fn what_cannot_be_understood_is_told() {
    let rig = Rig::start(true);
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"kind": "client_id"}"#,
        r#"{"kind": "client_id", "value": 7}"#,
        r#"{"kind": "client_id", "value": ""}"#,
        r#"{"kind": "client", "value": "a"}"#,
        r#"{"kind": "address", "value": "example.org"}"#,
        r#"{"kind": "client_id", "value": "a", "seconds": 0}"#,
        r#"{"kind": "client_id", "value": "a", "seconds": -1}"#,
        r#"{"kind": "client_id", "value": "a", "seconds": 18446744073709551615}"#,
        r#"{"kind": "client_id", "value": "a", "second": 5}"#,
    ] {
        let answer = rig.authorized("POST", "/api/v1/bans", body);
        assert!(matches!(answer.0, 400 | 422), "{body}: {answer:?}");
        assert_failure(&answer, answer.0, "bad-request");
    }
    assert_failure(&rig.authorized("DELETE", "/api/v1/bans/client/a", ""), 400, "bad-request");
    assert_failure(&rig.authorized("DELETE", "/api/v1/bans/client_id/%FF", ""), 400, "bad-request");
    assert_failure(&rig.authorized("GET", "/api/v1/nowhere", ""), 404, "unknown-route");
    assert_failure(&rig.authorized("PUT", "/api/v1/bans", ""), 405, "method-not-allowed");
    assert_eq!(rig.server.bans(), []);
}

#[test]
fn a_page_of_another_site_may_do_nothing() {
    let rig = Rig::start(false);
    let ban = r#"{"kind": "client_id", "value": "a"}"#;
    let json = "Content-Type: application/json\r\n";
    for origin in ["Origin: http://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        let answer = rig.request("POST", "/api/v1/bans", &format!("{json}{origin}"), ban);
        assert_failure(&answer, 403, "cross-site");
    }
    // What a form can send.
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let headers = format!("Content-Type: {content_type}\r\n");
        assert_failure(&rig.request("POST", "/api/v1/bans", &headers, ban), 415, "bad-request");
    }
    let rebound = rig.send("GET /api/v1/bans HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert!(rebound.0 == 403 && rebound.1.contains("wrong-host"), "{rebound:?}");
    assert_eq!(rig.server.bans(), []);
    assert_eq!(rig.request("POST", "/api/v1/bans", json, ban).0, 201);
}

#[test]
fn too_large_bodies_are_not_read() {
    let rig = Rig::start(false);
    let head = format!(
        "POST /api/v1/bans HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        100 << 20
    );
    let (status, body) = rig.send(&head);
    assert!(status == 413 && body.contains("too-large"), "{status} {body}");
}

#[test]
fn it_starts_only_where_it_is_safe() {
    let (server, _) = start(1, listener(), GuardConfig::default());
    let start = |listen: &str, token_file| {
        Admin::start(&AdminConfig { listen: listen.parse().unwrap(), token_file }, server.handle())
    };
    assert!(matches!(start("0.0.0.0:0", None), Err(AdminError::TokenMissing(_))));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    assert!(matches!(start("127.0.0.1:0", Some(path.clone())), Err(AdminError::Token(_))));
    fs::write(&path, "short").unwrap();
    let error = start("127.0.0.1:0", Some(path.clone())).unwrap_err();
    assert!(matches!(error, AdminError::Token(_)) && !error.to_string().contains("short"), "{error}");
    fs::write(&path, TOKEN).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let admin = start("127.0.0.1:0", Some(path.clone())).unwrap();
    assert!(admin.warnings().iter().any(|warning| warning.contains("everybody")), "{:?}", admin.warnings());
    let taken = admin.address().to_string();
    assert!(matches!(start(&taken, Some(path)), Err(AdminError::Listen { .. })));
    let mut connection = TcpStream::connect(&taken).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    drop(admin);
    assert!(is_end(connection.read(&mut [0])));
}

#[test]
fn the_command_line_makes_lists_and_lifts_bans() {
    let rig = Rig::start(true);
    let text = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
    let run = |arguments: &[&str]| {
        let output = rig.ctl(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        text(&output)
    };
    assert_eq!(run(&["bans"]), "KIND  VALUE  LEFT  REASON\n");
    run(&["bans", "add", "client-id", "a/b", "--for", "10m", "--reason", "a test"]);
    run(&["bans", "add", "address", "2001:db8::/64"]);
    let listed = run(&["bans", "list"]);
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1], ["address", "2001:db8::/64", "-"]);
    assert_eq!(lines[2][..2], ["client-id", "a/b"]);
    assert!(lines[2].ends_with(&["a", "test"]), "{listed}");
    let json: Value = serde_json::from_str(&run(&["bans", "--json"])).unwrap();
    assert_eq!(json["bans"][1]["value"], "a/b");
    run(&["bans", "lift", "client-id", "a/b"]);
    run(&["bans", "lift", "address", "2001:db8::/64"]);
    assert_eq!(rig.server.bans(), []);

    let fails = |arguments: &[&str], code: i32, message: &str| {
        let output = rig.ctl(arguments);
        let told = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        assert!(told.contains(message) && !told.contains(TOKEN), "{told}");
    };
    fails(&["bans", "lift", "client-id", "a/b"], 1, "there is no such ban");
    fails(&["bans", "add", "address", "nowhere"], 2, "no address");
    fails(&["bans", "add", "client-id", "a", "--for", "soon"], 2, "is not a time");
    fs::write(rig.directory.path().join("token"), "another-token-than-that").unwrap();
    fails(&["bans"], 1, "(401)");
    // Nobody listens at a port that needs a privilege.
    let output = Command::new(env!("CARGO_BIN_EXE_ringmq"))
        .args(["ctl", "--url", "http://127.0.0.1:1", "bans"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("no answer from"));
}

fn is_end(read: std::io::Result<usize>) -> bool {
    match read {
        Ok(size) => size == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}
