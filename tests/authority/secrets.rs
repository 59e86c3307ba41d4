//! What is secret is in no log line and in no Debug output.

use std::io::Write;
use std::sync::{Arc, Mutex};

use ringmq::access::Denial;
use ringmq::authority::password_hash::PasswordHash;

use crate::http::{Program, config};
use crate::{Rig, denied, login, secret, write};

/// All that is logged in this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("a lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn logs_have_no_secrets() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .init();
    let dir = tempfile::tempdir().expect("a directory");
    let program = Program::start(|_| b"HTTP/1.1 500 topsecret\r\nContent-Length: 9\r\n\r\ntopsecret".to_vec());
    let mut config = config(&program.url);
    config.http.as_mut().expect("HTTP").authorization_file = Some(write(&dir, "authorization", b"Bearer topsecret"));
    let rig = Rig::start(&[config]).expect("a good configuration");
    assert_eq!(rig.ask(login("anna", "topsecret")), denied(Denial::Unavailable));
    let text = String::from_utf8_lossy(&log.0.lock().expect("a lock")).into_owned();
    assert!(text.contains("gives no answer that is one"), "the log is not captured: {text}");
    assert!(!text.contains("topsecret") && !text.contains("746f 7073"), "{text}");
    assert!(!text.contains("ureq"), "what the library says of a login is nobody's business: {text}");
}

#[test]
fn debug_output_has_no_secrets() {
    let hash = "$argon2id$v=19$m=64,t=2,p=2$AAECAwQFBgcICQoL$CpwrMEICylmxaQY0GdEAOoJj9iiViw/uVG/ioDgm6XA";
    let hash = PasswordHash::parse(hash).expect("a hash");
    let shown = format!("{hash:?}");
    assert!(shown.contains("memory_kib: 64") && !shown.contains("[0, 1, 2"), "{shown}");
    let rig = Rig::with_file(&format!("anna:{hash}\n")).expect("a file");
    assert_eq!(format!("{:?}", rig.authority), "Authority");
    let shown = format!("{:?} {:?}", login("anna", "topsecret"), secret(b"topsecret"));
    assert!(!shown.contains("topsecret") && !shown.contains("116, 111, 112"), "{shown}");
}
