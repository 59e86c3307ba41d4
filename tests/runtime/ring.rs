//! One ring in this thread, ordinary blocking clients in others.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Barrier, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringmq::net::{BufferRingConfig, Completion, SendParts, SocketId, SocketRing, bind_shared};

/// No wait in these tests is longer, unless something is lost.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A ring that listens on a free port.
pub fn ring(count: u16, size: u32) -> (SocketRing, SocketAddr) {
    let mut ring = SocketRing::new(BufferRingConfig { count, size }).unwrap();
    let listener = bind_shared("127.0.0.1:0".parse().unwrap(), 1).unwrap();
    listener.listen().unwrap();
    for socket in listener.sockets {
        ring.listen(socket);
    }
    (ring, listener.address)
}

/// Waits for a completion, at most for about so many milliseconds.
pub fn wait(ring: &mut SocketRing, ms: u64) {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let now = START.elapsed().as_millis() as u64;
    ring.wait(now, now + ms).unwrap();
}

pub fn next(ring: &mut SocketRing) -> Completion {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(completion) = ring.next_completion() {
            return completion;
        }
        assert!(Instant::now() < deadline, "nothing completes");
        wait(ring, 5);
    }
}

pub fn accept(ring: &mut SocketRing) -> SocketId {
    match next(ring) {
        Completion::Accepted { listener, socket } => {
            ring.accept(listener);
            ring.attach(socket)
        }
        other => panic!("{other:?} instead of a connection"),
    }
}

/// Sends back what comes, until `connections` have ended.
fn echo(ring: &mut SocketRing, connections: usize) {
    let mut waiting: HashMap<SocketId, (bool, Vec<u8>)> = HashMap::new();
    let mut ended = 0;
    while ended < connections {
        match next(ring) {
            Completion::Accepted { listener, socket } => {
                ring.accept(listener);
                let id = ring.attach(socket);
                waiting.insert(id, (false, Vec::new()));
                ring.receive(id);
            }
            Completion::Received { socket, buffer } => {
                let (_, bytes) = waiting.get_mut(&socket).unwrap();
                bytes.extend_from_slice(ring.received(&buffer));
                ring.recycle(buffer);
                send_waiting(ring, socket, &mut waiting);
            }
            Completion::Sent { socket, .. } => {
                if let Some((sending, _)) = waiting.get_mut(&socket) {
                    *sending = false;
                    send_waiting(ring, socket, &mut waiting);
                }
            }
            Completion::Ended { socket } | Completion::SendFailed { socket, .. } => {
                waiting.remove(&socket);
                ring.close(socket);
                ended += 1;
            }
            other => panic!("{other:?}"),
        }
    }
}

fn send_waiting(ring: &mut SocketRing, socket: SocketId, waiting: &mut HashMap<SocketId, (bool, Vec<u8>)>) {
    let Some((sending, bytes)) = waiting.get_mut(&socket) else { return };
    if !*sending && !bytes.is_empty() {
        *sending = true;
        let bytes = std::mem::take(bytes);
        ring.send(socket, SendParts { bytes, shared: Vec::new() });
    }
}

pub fn pattern(len: usize, start: usize) -> Vec<u8> {
    (start..start + len).map(|position| (position * 31 % 251) as u8).collect()
}

#[test]
fn many_clients_get_their_own_bytes_back_through_few_buffers() {
    const CLIENTS: usize = 24;
    const BYTES: usize = 20_000;
    // So few and small that receives run out of them again and again.
    let (mut ring, address) = ring(4, 64);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                let sent = pattern(BYTES, client);
                let mut writer = stream.try_clone().unwrap();
                let copy = sent.clone();
                let writing =
                    thread::spawn(move || copy.chunks(700).for_each(|chunk| writer.write_all(chunk).unwrap()));
                let mut received = vec![0; BYTES];
                stream.read_exact(&mut received).unwrap();
                writing.join().unwrap();
                assert!(received == sent, "client {client}");
            })
        })
        .collect();
    echo(&mut ring, CLIENTS);
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert!(ring.counters().buffers_exhausted > 0, "the test did not reach what it is for");
    ring.submit().unwrap();
    assert_eq!(ring.socket_count(), 0);
}

#[test]
fn a_large_output_reaches_a_slow_reader_whole() {
    let (mut ring, address) = ring(8, 4096);
    // More parts than one SENDMSG can name, and more bytes than any socket buffer holds.
    let bytes = pattern(3 << 20, 1);
    let shared: Vec<(usize, Bytes)> =
        (0..3_000).map(|part| (part * 1_000, Bytes::from(pattern(5_000, part)))).collect();
    let mut expected = Vec::new();
    for part in 0..3_000 {
        expected.extend_from_slice(&bytes[part.max(1) * 1_000 - 1_000..part * 1_000]);
        expected.extend_from_slice(&shared[part].1);
    }
    expected.extend_from_slice(&bytes[2_999_000..]);

    let length = expected.len();
    let reader = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut received = Vec::with_capacity(length);
        let mut chunk = vec![0; 100_000];
        while received.len() < length {
            let read = stream.read(&mut chunk).unwrap();
            assert!(read > 0, "the output ends after {} bytes", received.len());
            received.extend_from_slice(&chunk[..read]);
            thread::yield_now();
        }
        received
    });
    let socket = accept(&mut ring);
    ring.send(socket, SendParts { bytes, shared });
    let Completion::Sent { socket: sent, parts } = next(&mut ring) else { panic!("not sent") };
    assert_eq!((sent, parts.len()), (socket, length));
    assert!(reader.join().unwrap() == expected);
}

#[test]
fn closing_in_the_middle_of_a_send_frees_the_slot_for_another() {
    let (mut ring, address) = ring(8, 4096);
    let mut former = None;
    for _ in 0..50 {
        let client = TcpStream::connect(address).unwrap();
        let socket = accept(&mut ring);
        ring.receive(socket);
        // The client reads nothing, so that this stays in flight.
        ring.send(socket, SendParts { bytes: vec![7; 16 << 20], shared: Vec::new() });
        ring.submit().unwrap();
        ring.close(socket);
        ring.close(socket);
        let deadline = Instant::now() + PATIENCE;
        while ring.socket_count() > 0 {
            assert!(Instant::now() < deadline, "the slot is not freed");
            wait(&mut ring, 10);
            assert!(ring.next_completion().is_none(), "a closed socket reports nothing");
        }
        if let Some(former) = former {
            assert_ne!(former, socket);
            // An id of the past does nothing to the present.
            ring.close(former);
            assert!(ring.detach(former).is_none());
        }
        assert_eq!(socket.slot, 0);
        former = Some(socket);
        drop(client);
    }
}

#[test]
fn a_socket_moves_to_another_ring_with_nothing_lost() {
    let (mut first, address) = ring(8, 4096);
    let (mut second, _) = ring(8, 4096);
    let mut client = TcpStream::connect(address).unwrap();
    let socket = accept(&mut first);
    first.watch(socket).unwrap();
    client.write_all(b"one").unwrap();
    assert!(matches!(next(&mut first), Completion::Readable));
    assert_eq!(first.next_readable(), Some(socket));
    let mut bytes = [0; 8];
    assert_eq!(first.read(socket, &mut bytes).unwrap(), 3);
    assert_eq!(&bytes[..3], b"one");
    assert_eq!(first.read(socket, &mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
    client.write_all(b"two").unwrap();
    let socket = first.detach(socket).unwrap();
    let socket = second.attach(socket);
    second.receive(socket);
    let Completion::Received { buffer, .. } = next(&mut second) else { panic!("nothing received") };
    assert_eq!(second.received(&buffer), b"two");
    second.recycle(buffer);
    client.shutdown(Shutdown::Write).unwrap();
    assert!(matches!(next(&mut second), Completion::Ended { socket: ended } if ended == socket));
}

#[test]
fn watched_sockets_are_told_of_until_they_are_read_or_receive_or_leave() {
    // More than the kernel tells of in one call.
    const SOCKETS: usize = 40;
    let (mut ring, address) = ring(8, 4096);
    let mut clients = Vec::new();
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        clients.push(TcpStream::connect(address).unwrap());
        sockets.push(accept(&mut ring));
    }
    for &socket in &sockets {
        ring.watch(socket).unwrap();
        ring.watch(socket).unwrap();
    }
    wait(&mut ring, 10);
    assert!(ring.next_completion().is_none() && ring.next_readable().is_none(), "nobody has said anything");
    for round in 0..3 {
        for client in &mut clients {
            client.write_all(b"word").unwrap();
        }
        assert!(matches!(next(&mut ring), Completion::Readable), "round {round}");
        let mut heard = Vec::new();
        while let Some(socket) = ring.next_readable() {
            // Nobody comes a second time before all have come once.
            assert!(!heard[heard.len() / SOCKETS * SOCKETS..].contains(&socket));
            heard.push(socket);
            if heard.len() > SOCKETS {
                assert_eq!(ring.read(socket, &mut [0; 8]).unwrap(), 4);
            }
        }
        assert_eq!(heard.len(), 2 * SOCKETS);
    }
    for client in &mut clients {
        client.write_all(b"last").unwrap();
    }
    assert!(matches!(next(&mut ring), Completion::Readable));
    // One has been told of already, others have not, when they leave.
    let first = ring.next_readable().unwrap();
    let mut others = sockets.iter().copied().filter(|&socket| socket != first);
    ring.pause(first);
    let (closed, received) = (others.next().unwrap(), others.next().unwrap());
    ring.close(closed);
    ring.receive(received);
    let mut left: Vec<_> = others.collect();
    while let Some(socket) = ring.next_readable() {
        let place = left.iter().position(|&other| other == socket).expect("it is watched and was not read");
        assert_eq!(ring.read(left.swap_remove(place), &mut [0; 8]).unwrap(), 4);
    }
    assert!(left.is_empty());
    let Completion::Received { socket, buffer } = next(&mut ring) else { panic!("nothing received") };
    assert_eq!((socket, ring.received(&buffer)), (received, &b"last"[..]));
    ring.recycle(buffer);
    // The end is something to read, too.
    ring.watch(first).unwrap();
    assert!(matches!(next(&mut ring), Completion::Readable));
    assert_eq!(ring.next_readable(), Some(first));
    assert_eq!(ring.read(first, &mut [0; 8]).unwrap(), 4);
    drop(clients.remove(sockets.iter().position(|&socket| socket == first).unwrap()));
    assert_eq!(ring.next_readable(), Some(first));
    assert_eq!(ring.read(first, &mut [0; 8]).unwrap(), 0);
}

/// Each sends as fast as it can, more than all buffers hold.
#[test]
fn who_sends_as_fast_as_it_can_takes_turns_with_others() {
    const CLIENTS: usize = 6;
    const BYTES: usize = 2 << 20;
    let (mut ring, address) = ring(8, 4096);
    let (go, mut clients) = (Arc::new(Barrier::new(CLIENTS + 1)), Vec::new());
    let mut received = HashMap::new();
    for _ in 0..CLIENTS {
        let mut client = TcpStream::connect(address).unwrap();
        received.insert(accept(&mut ring), 0);
        let go = go.clone();
        clients.push(thread::spawn(move || {
            // What fits into the buffers of both sockets is there when the first is read.
            client.set_nonblocking(true).unwrap();
            let sent = client.write(&vec![7; BYTES]).unwrap();
            client.set_nonblocking(false).unwrap();
            go.wait();
            client.write_all(&vec![7; BYTES - sent]).unwrap();
            client
        }));
    }
    go.wait();
    for &socket in received.keys() {
        ring.receive(socket);
    }
    let first = loop {
        let Completion::Received { socket, buffer } = next(&mut ring) else { panic!("nothing received") };
        let bytes = received.get_mut(&socket).unwrap();
        *bytes += buffer.len();
        ring.recycle(buffer);
        if *bytes == BYTES {
            break socket;
        }
    };
    let least = received.values().min().unwrap();
    assert!(*least >= BYTES / 2, "when {first:?} is through: {received:?}");
    while received.values().any(|&bytes| bytes < BYTES) {
        let Completion::Received { socket, buffer } = next(&mut ring) else { panic!("nothing received") };
        *received.get_mut(&socket).unwrap() += buffer.len();
        ring.recycle(buffer);
    }
    clients.into_iter().for_each(|client| drop(client.join().unwrap()));
}

#[test]
fn a_ring_that_is_dropped_with_operations_in_flight_leaves_the_kernel_nothing() {
    for _ in 0..20 {
        let (mut ring, address) = ring(8, 4096);
        let client = TcpStream::connect(address).unwrap();
        let socket = accept(&mut ring);
        ring.receive(socket);
        ring.send(socket, SendParts { bytes: vec![7; 16 << 20], shared: Vec::new() });
        ring.submit().unwrap();
        let began = Instant::now();
        drop(ring);
        assert!(began.elapsed() < Duration::from_millis(900), "it gave up waiting and leaked");
        drop(client);
    }
}

#[test]
fn a_stopped_listener_refuses() {
    let (mut ring, address) = ring(8, 4096);
    drop(TcpStream::connect(address).unwrap());
    let _ = accept(&mut ring);
    ring.stop_accepting(0);
    assert!(matches!(next(&mut ring), Completion::AcceptEnded { listener: 0, .. }));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_wait_ends_at_its_time_although_the_alarm_of_an_earlier_one_is_later() {
    let (mut ring, _) = ring(8, 4096);
    ring.wake_handle().unwrap().wake();
    wait(&mut ring, PATIENCE.as_millis() as u64);
    assert!(matches!(ring.next_completion(), Some(Completion::Woken)));
    let began = Instant::now();
    wait(&mut ring, 20);
    assert!(ring.next_completion().is_none());
    assert!(began.elapsed() < PATIENCE, "it slept until the other alarm");
}
