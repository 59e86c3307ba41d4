//! `ringmq pub` and `ringmq sub` against the server, in all versions.

use crate::process::{Server, Subscriber, run, run_with_input, signal};

const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];

fn publish(server: &Server, arguments: &[&str]) {
    let port = server.port();
    let arguments = [&["pub", "-h", "127.0.0.1", "-p", &port], arguments].concat();
    let outcome = run(&arguments);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{arguments:?}");
}

#[test]
fn every_version_and_qos() {
    let server = Server::start();
    for version in VERSIONS {
        for qos in ["0", "1", "2"] {
            for (topic, payload) in [("a/b", "hello"), ("a", "")] {
                let arguments = ["-V", version, "-q", qos, "-t", "a/#", "-C", "1", "-F", "%t %p %q %r"];
                let subscriber = Subscriber::start(&server, &arguments);
                publish(&server, &["-V", version, "-q", qos, "-t", topic, "-m", payload]);
                let expected = format!("{topic} {payload} {qos} 0\n");
                assert_eq!(subscriber.finish(), (expected, Some(0)), "{version} {qos}");
            }
        }
    }
}

#[test]
fn lines_keep_their_order() {
    let server = Server::start();
    let port = server.port();
    let lines: String = (0..2_000).map(|number| format!("{number}\n")).collect();
    for qos in ["0", "1", "2"] {
        let subscriber = Subscriber::start(&server, &["-q", qos, "-t", "lines", "-C", "2000"]);
        let arguments = ["pub", "-h", "127.0.0.1", "-p", &port, "-q", qos, "-t", "lines", "-l"];
        let outcome = run_with_input(&arguments, lines.as_bytes());
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
        assert_eq!(subscriber.finish(), (lines.clone(), Some(0)));
    }
}

#[test]
fn properties_arrive_as_they_were_sent() {
    let server = Server::start();
    let format = "%t|%p|%C|%R|%D|%P|%F|%S";
    let arguments = ["-V", "5", "-t", "p", "-C", "1", "-F", format, "-D", "subscribe", "subscription-identifier", "5"];
    let subscriber = Subscriber::start(&server, &arguments);
    let properties = "-D publish content-type text -D publish response-topic answer -D publish correlation-data id \
                      -D publish user-property k v -D publish payload-format-indicator 1";
    let arguments = ["-V", "5", "-t", "p", "-m", "x"].into_iter().chain(properties.split_whitespace());
    publish(&server, &arguments.collect::<Vec<_>>());
    assert_eq!(subscriber.finish(), ("p|x|text|answer|id|k:v|1|5\n".to_owned(), Some(0)));
}

#[test]
fn retained_messages_are_kept_and_removed() {
    let server = Server::start();
    publish(&server, &["-r", "-q", "1", "-t", "state/a", "-m", "on"]);
    publish(&server, &["-r", "-q", "1", "-t", "state/b", "-m", "off"]);
    let subscriber = Subscriber::start(&server, &["-t", "state/a", "-C", "1", "-v"]);
    assert_eq!(subscriber.finish(), ("state/a on\n".to_owned(), Some(0)));

    let remover = Subscriber::start(&server, &["-t", "state/#", "-C", "2", "--remove-retained"]);
    assert_eq!(remover.finish().1, Some(0));
    // What is retained would come before this.
    let subscriber = Subscriber::start(&server, &["-t", "state/#", "-t", "end", "-C", "1", "-v"]);
    publish(&server, &["-t", "end", "-m", "of"]);
    assert_eq!(subscriber.finish(), ("end of\n".to_owned(), Some(0)));
}

#[test]
fn a_session_waits_for_its_client() {
    let server = Server::start();
    for (version, expiry) in [("mqttv311", ["-k", "60"]), ("mqttv5", ["-x", "60"])] {
        let port = server.port();
        let session = [&["-V", version, "-c", "-i", version, "-q", "1", "-t", version], &expiry[..]].concat();
        let arguments = [&["sub", "-h", "127.0.0.1", "-p", &port, "-E"], &session[..]].concat();
        assert_eq!(run(&arguments).code, Some(0));
        for text in ["first", "second"] {
            publish(&server, &["-q", "1", "-t", version, "-m", text]);
        }
        let arguments = [&["sub", "-h", "127.0.0.1", "-p", &port, "-C", "2", "-W", "30"], &session[..]].concat();
        let outcome = run(&arguments);
        assert_eq!((outcome.stdout.as_str(), outcome.code), ("first\nsecond\n", Some(0)), "{version}");
    }
}

#[test]
fn a_signal_ends_a_subscriber_without_its_will() {
    let server = Server::start();
    let watcher = Subscriber::start(&server, &["-t", "will/#", "-t", "end", "-C", "2", "-v"]);
    let will = ["-t", "x", "--will-payload", "gone", "--will-topic"];
    let dying = Subscriber::start(&server, &[&will[..], &["will/killed"]].concat());
    signal("KILL", dying.id());
    dying.finish();
    // This will has no reason to come.
    let leaving = Subscriber::start(&server, &[&will[..], &["will/terminated"]].concat());
    signal("TERM", leaving.id());
    assert_eq!(leaving.finish().1, Some(0));
    publish(&server, &["-t", "end", "-m", "of"]);
    let (printed, code) = watcher.finish();
    let mut lines: Vec<_> = printed.lines().collect();
    lines.sort_unstable();
    assert_eq!((lines, code), (vec!["end of", "will/killed gone"], Some(0)));
}

#[test]
fn a_subscriber_may_leave_on_time() {
    let server = Server::start();
    let port = server.port();
    let outcome = run(&["sub", "-h", "127.0.0.1", "-p", &port, "-t", "silence", "-W", "1"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(27), "Timed out\n"));
}
