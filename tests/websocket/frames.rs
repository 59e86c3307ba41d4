//! Frames and what must come of them, in the order of the Autobahn test suite's groups of cases. MQTT is in binary messages
//! ([MQTT-6.0.0-1]), so text is refused.

use ringmq::net::websocket::{End, Received, WebSocket, WebSocketFailure as Failure};

use crate::wire::{BINARY, CLOSE, CONTINUATION, FINAL, PING, PONG, TEXT};
use crate::wire::{Outcome, binary, close_payload, feed, frame, reply};

/// Checks what comes of these frames: in one chunk, byte by byte, and cut once at each of the first places.
#[track_caller]
fn check(frames: &[Vec<u8>], plain: &[u8], out: &[u8], end: Option<End>) {
    let bytes = frames.concat();
    let expected = Outcome { plain: plain.to_vec(), out: out.to_vec(), end };
    assert_eq!(feed([bytes.as_slice()]), expected);
    assert_eq!(feed(bytes.chunks(1)), expected);
    for place in 1..bytes.len().min(200) {
        let (head, tail) = bytes.split_at(place);
        assert_eq!(feed([head, tail]), expected, "cut at {place}");
    }
}

#[track_caller]
fn check_failure(frames: &[Vec<u8>], plain: &[u8], failure: Failure, code: u16) {
    check(frames, plain, &reply(0x88, &code.to_be_bytes()), Some(End::Failed(failure)));
}

#[test]
fn group_1_lengths() {
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 100_000] {
        let payload: Vec<u8> = (0..length).map(|position| (position * 7) as u8).collect();
        check(&[binary(&payload), binary(b"next")], &[&payload[..], b"next"].concat(), b"", None);
    }
}

#[test]
fn group_2_pings_and_pongs() {
    check(&[frame(FINAL | PING, b"")], b"", &[0x8A, 0], None);
    check(&[frame(FINAL | PING, b"hello")], b"", &reply(0x8A, b"hello"), None);
    check(&[frame(FINAL | PING, &[0xFE; 125])], b"", &reply(0x8A, &[0xFE; 125]), None);
    check_failure(&[frame(FINAL | PING, &[0xFE; 126])], b"", Failure::ControlTooLong, 1002);
    check(&[frame(FINAL | PONG, b"not asked for"), frame(FINAL | PING, b"1")], b"", &reply(0x8A, b"1"), None);
    let pings: Vec<Vec<u8>> = (0..10).map(|number| frame(FINAL | PING, &[number])).collect();
    let pongs: Vec<u8> = (0..10).flat_map(|number| reply(0x8A, &[number])).collect();
    check(&pings, b"", &pongs, None);
}

#[test]
fn group_3_reserved_bits() {
    for bits in 1..8 {
        let broken = frame(FINAL | bits << 4 | BINARY, b"x");
        check_failure(&[binary(b"one"), broken], b"one", Failure::ReservedBits, 1002);
        check_failure(&[frame(FINAL | bits << 4 | PING, b"")], b"", Failure::ReservedBits, 1002);
    }
}

#[test]
fn group_4_reserved_opcodes() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        let frames = [binary(b"one"), frame(FINAL | opcode, b""), frame(FINAL | PING, b"")];
        check_failure(&frames, b"one", Failure::ReservedOpcode, 1002);
    }
}

#[test]
fn group_5_fragments() {
    let [first, middle, last] = [BINARY, CONTINUATION, FINAL | CONTINUATION];
    check(&[frame(first, b"a"), frame(middle, b"b"), frame(last, b"c"), binary(b"d")], b"abcd", b"", None);
    check(&[frame(first, b""), frame(middle, b""), frame(last, b""), binary(b"d")], b"d", b"", None);
    let interleaved = [frame(first, b"a"), frame(FINAL | PING, b"!"), frame(last, b"b")];
    check(&interleaved, b"ab", &reply(0x8A, b"!"), None);
    check_failure(&[frame(PING, b"a"), frame(last, b"b")], b"", Failure::ControlFragmented, 1002);
    check_failure(&[frame(PONG, b"a")], b"", Failure::ControlFragmented, 1002);
    check_failure(&[frame(CLOSE, b"")], b"", Failure::ControlFragmented, 1002);
    check_failure(&[frame(last, b"a"), binary(b"b")], b"", Failure::NothingToContinue, 1002);
    check_failure(&[frame(middle, b"a"), frame(last, b"b")], b"", Failure::NothingToContinue, 1002);
    check_failure(&[binary(b"a"), frame(last, b"b")], b"a", Failure::NothingToContinue, 1002);
    check_failure(&[frame(first, b"a"), binary(b"b")], b"a", Failure::MessageNotEnded, 1002);
    check_failure(&[frame(first, b"a"), frame(first, b"b")], b"a", Failure::MessageNotEnded, 1002);
    check_failure(&[frame(first, b"a"), frame(FINAL | TEXT, b"b")], b"a", Failure::MessageNotEnded, 1002);
}

#[test]
fn group_6_text() {
    check_failure(&[binary(b"a"), frame(FINAL | TEXT, b"b")], b"a", Failure::TextMessage, 1003);
    check_failure(&[frame(TEXT, b""), frame(FINAL | CONTINUATION, b"b")], b"", Failure::TextMessage, 1003);
}

#[test]
fn group_7_closing() {
    let close = |code, reason: &str| frame(FINAL | CLOSE, &close_payload(code, reason));
    check(&[frame(FINAL | CLOSE, b"")], b"", &[0x88, 0], Some(End::Closed(None)));
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        let echo = reply(0x88, &close_payload(code, ""));
        check(&[binary(b"a"), close(code, "bye"), binary(b"b")], b"a", &echo, Some(End::Closed(Some(code))));
        check(&[close(code, ""), close(code, "")], b"", &echo, Some(End::Closed(Some(code))));
        check(&[close(code, ""), frame(FINAL | PING, b"")], b"", &echo, Some(End::Closed(Some(code))));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        check_failure(&[close(code, "")], b"", Failure::CloseCodeInvalid, 1002);
    }
    check(&[close(1000, &"x".repeat(123))], b"", &reply(0x88, &[3, 232]), Some(End::Closed(Some(1000))));
    check_failure(&[close(1000, &"x".repeat(124))], b"", Failure::ControlTooLong, 1002);
    check_failure(&[frame(FINAL | CLOSE, b"\x03")], b"", Failure::CloseCodeCut, 1002);
    check_failure(&[frame(FINAL | CLOSE, b"\x03\xE8\xCE\xBA\xE1\xED\xA0\x80")], b"", Failure::CloseReasonNotUtf8, 1007);
}

#[test]
fn frames_that_are_not_masked() {
    check_failure(&[vec![0x82, 0x01, b'x']], b"", Failure::NotMasked, 1002);
    check_failure(&[binary(b"a"), vec![0x89, 0x00]], b"a", Failure::NotMasked, 1002);
}

#[test]
fn lengths_that_are_wrong() {
    for bytes in [
        vec![0x82, 0xFE, 0, 0],
        vec![0x82, 0xFE, 0, 125],
        vec![0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0],
        vec![0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
    ] {
        check_failure(&[bytes], b"", Failure::LengthNotMinimal, 1002);
    }
    check_failure(&[vec![0x82, 0xFF, 0x80, 0, 0, 0, 0, 1, 0, 0]], b"", Failure::LengthTooLarge, 1002);
}

#[test]
fn pongs_are_bounded_by_what_was_not_sent() {
    let ping = frame(FINAL | PING, &[7; 125]);
    let pings = ping.repeat(1_000);
    let mut socket = WebSocket::default();
    let mut out = Vec::new();
    for _ in 0..5 {
        assert_eq!(socket.receive(&mut pings.clone(), &mut out), Received { plain: &[], end: None });
        assert_eq!(out.len(), 4_096 / 127 * 127);
    }
    // The socket has taken it: pings are answered again.
    out.clear();
    socket.receive(&mut ping.clone(), &mut out);
    assert_eq!(out, reply(0x8A, &[7; 125]));
    // A close frame has room always.
    socket.receive(&mut pings.clone(), &mut out);
    let pongs = out.len();
    socket.close(1001, &mut out);
    assert_eq!(out[pongs..], reply(0x88, &1001_u16.to_be_bytes()));
}

#[test]
fn frames_without_payload_are_bounded() {
    let fragments = [frame(BINARY, b""), frame(CONTINUATION, b"").repeat(1_023)].concat();
    let with_payload = frame(CONTINUATION, b"x");
    let outcome = feed([&fragments[..], &with_payload, &frame(CONTINUATION, b"").repeat(1_024)]);
    assert_eq!(outcome, Outcome { plain: b"x".to_vec(), ..Outcome::default() });
    let outcome = feed([&fragments[..], &frame(CONTINUATION, b"")]);
    assert_eq!(outcome.end, Some(End::Failed(Failure::EmptyFrames)));
    assert_eq!(outcome.out, reply(0x88, &1008_u16.to_be_bytes()));
}

#[test]
fn the_server_closes_once_and_waits_for_the_client() {
    let mut socket = WebSocket::default();
    let mut out = Vec::new();
    socket.close(1001, &mut out);
    socket.close(1011, &mut out);
    let close = reply(0x88, &1001_u16.to_be_bytes());
    assert_eq!(out, close);
    // What the client had on its way is ignored, and nothing may be sent any more.
    let mut late = [binary(b"late"), frame(FINAL | PING, b"late"), frame(FINAL | TEXT, b"late")].concat();
    assert_eq!(socket.receive(&mut late, &mut out), Received { plain: &[], end: None });
    let mut answer = frame(FINAL | CLOSE, &close_payload(1001, ""));
    let closed = Some(End::Closed(Some(1001)));
    assert_eq!(socket.receive(&mut answer.clone(), &mut out), Received { plain: &[], end: closed });
    assert_eq!(socket.receive(&mut answer, &mut out), Received { plain: &[], end: Some(End::Ended) });
    socket.close(1000, &mut out);
    assert_eq!(out, close);
}

#[test]
fn a_failure_after_the_servers_close_is_not_told() {
    let mut socket = WebSocket::default();
    let mut out = Vec::new();
    socket.close(1000, &mut out);
    let closed = out.clone();
    let mut broken = [0xFF, 0xFF];
    let received = socket.receive(&mut broken, &mut out);
    assert_eq!(received.end, Some(End::Failed(Failure::ReservedBits)));
    assert_eq!(out, closed);
}
