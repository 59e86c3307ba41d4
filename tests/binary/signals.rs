//! The end of the server.

use crate::process::{Server, Subscriber, signal};

#[test]
fn sigterm_and_sigint_end_it_in_order() {
    for name in ["TERM", "INT"] {
        let server = Server::start();
        // A client that stays does not keep it.
        let subscriber = Subscriber::start(&server, &["-V", "5", "-t", "a"]);
        signal(name, server.id());
        let (code, log) = server.wait();
        assert_eq!(code, Some(0), "{log:#?}");
        assert!(log.iter().any(|line| line.contains("stopped")), "{log:#?}");
        // 0x8B, Server shutting down.
        assert_eq!(subscriber.finish(), (String::new(), Some(0x8B)));
    }
}
