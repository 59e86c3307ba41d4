//! The page for people: what is served, with which headers, and to whom.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use ringmq::admin::{Admin, AdminConfig};

use crate::rig::{PATIENCE, Rig};

#[test]
fn all_that_the_page_needs_is_served_and_runs_nothing_else() {
    let rig = Rig::start(1);
    let (mut wanted, mut seen) = (vec!["/".to_owned()], BTreeSet::new());
    while let Some(path) = wanted.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let answer = ask(rig.admin.address(), "GET", &path);
        assert_eq!(answer.status, 200, "{path}");
        let kind = match path.rsplit_once('.') {
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!(answer.header("content-type"), kind, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("cache-control"), "no-cache", "{path}");
        let policy = answer.header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.split("; ").any(|it| it == rule), "{path}: {rule} is not in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'), "{policy}");
        wanted.extend(references(&answer.body));
    }
    assert!(seen.len() > 10 && seen.contains("/page/page.css"), "{seen:?}");
}

#[test]
fn no_text_becomes_markup() {
    let rig = Rig::start(1);
    let page = ask(rig.admin.address(), "GET", "/").body;
    assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=\"/page/").count());
    assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" on"), "{page}");
    let mut scripts = vec!["/page/page.js".to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(path) = scripts.pop() {
        let body = ask(rig.admin.address(), "GET", &path).body;
        for way in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser"]
        {
            assert!(!body.contains(way), "{path}: {way}");
        }
        scripts.extend(references(&body).into_iter().filter(|path| seen.insert(path.clone())));
    }
}

#[test]
fn the_page_needs_no_token_but_its_figures_do() {
    let rig = Rig::start(1);
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    std::fs::write(&token_file, "0123456789abcdef0123").unwrap();
    let config = AdminConfig { listen: ([127, 0, 0, 1], 0).into(), token_file: Some(token_file) };
    let admin = Admin::start(&config, rig.server.handle()).unwrap();
    for path in ["/", "/page/page.js", "/page/page.css"] {
        assert_eq!(ask(admin.address(), "GET", path).status, 200, "{path}");
    }
    for path in ["/api/v1/metrics", "/api/v1/server", "/page/", "/page/page.rs", "/page/../mod.rs"] {
        assert_eq!(ask(admin.address(), "GET", path).status, 401, "{path}");
    }
}

#[test]
fn there_are_no_other_files_and_no_other_methods() {
    let rig = Rig::start(1);
    for path in ["/page", "/page/", "/page/other.js", "/index.html", "/page/%2e%2e/mod.rs", "//"] {
        assert_eq!(ask(rig.admin.address(), "GET", path).status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(ask(rig.admin.address(), method, "/").status, 405, "{method}");
    }
    assert_eq!(ask(rig.admin.address(), "HEAD", "/").body, "");
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    #[track_caller]
    fn header(&self, wanted: &str) -> &str {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.unwrap_or_else(|| panic!("{wanted} is missing: {}", self.head)).1
    }
}

fn ask(address: SocketAddr, method: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head: head.into(), body: body.into() }
}

/// Paths of this server that a file refers to: in attributes, and in `import`.
fn references(content: &str) -> Vec<String> {
    let after = |mark: &'static str| content.split(mark).skip(1).filter_map(|rest| rest.split('"').next());
    let paths = after("href=\"/").chain(after("src=\"/")).map(|path| format!("/{path}"));
    paths.chain(after("from \"./").map(|name| format!("/page/{name}"))).collect()
}
