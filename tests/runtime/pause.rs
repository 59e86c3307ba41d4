//! Sockets of a ring that are not read for a while.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ringmq::net::{Completion, SendParts, SocketId, SocketRing};

use crate::ring::{PATIENCE, accept, next, pattern, ring, wait};

/// Takes what completes within about so many milliseconds; received bytes go to `into`, an end is told.
fn take(ring: &mut SocketRing, ms: u64, into: &mut Vec<u8>) -> bool {
    wait(ring, ms);
    let mut ended = false;
    while let Some(completion) = ring.next_completion() {
        match completion {
            Completion::Received { buffer, .. } => {
                into.extend_from_slice(ring.received(&buffer));
                ring.recycle(buffer);
            }
            Completion::Ended { .. } => ended = true,
            other => panic!("{other:?}"),
        }
    }
    ended
}

/// Reads until `count` bytes are there.
#[track_caller]
fn take_all(ring: &mut SocketRing, count: usize, into: &mut Vec<u8>) {
    let deadline = Instant::now() + PATIENCE;
    while into.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} bytes came", into.len());
        assert!(!take(ring, 5, into), "it ended after {} of {count} bytes", into.len());
    }
}

/// Pauses, and takes what was in flight.
fn pause(ring: &mut SocketRing, socket: SocketId, into: &mut Vec<u8>) {
    ring.pause(socket);
    ring.submit().unwrap();
    assert!(!take(ring, 5, into));
}

#[test]
fn a_paused_socket_gives_nothing_until_it_is_resumed() {
    let (mut ring, address) = ring(8, 4096);
    let mut client = TcpStream::connect(address).unwrap();
    let socket = accept(&mut ring);
    let mut received = Vec::new();
    ring.receive(socket);
    client.write_all(b"one").unwrap();
    take_all(&mut ring, 3, &mut received);
    for round in 0..20 {
        pause(&mut ring, socket, &mut received);
        client.write_all(b"two").unwrap();
        (0..4).for_each(|_| assert!(!take(&mut ring, 5, &mut received)));
        assert_eq!(received.len(), 3 + round * 3);
        ring.receive(socket);
        take_all(&mut ring, 6 + round * 3, &mut received);
    }
    assert_eq!(received, [&b"one"[..], &b"two".repeat(20)].concat());
}

#[test]
fn who_is_not_read_is_held_up_and_loses_nothing() {
    const BYTES: usize = 24 << 20;
    let (mut ring, address) = ring(16, 4096);
    let writer = thread::spawn(move || {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(&pattern(BYTES, 0)).unwrap();
        client
    });
    let socket = accept(&mut ring);
    ring.receive(socket);
    let mut received = Vec::new();
    take_all(&mut ring, 100_000, &mut received);
    pause(&mut ring, socket, &mut received);
    let before = received.len();
    (0..20).for_each(|_| assert!(!take(&mut ring, 5, &mut received)));
    assert_eq!(received.len(), before);
    assert!(!writer.is_finished(), "the kernel took all of it: the test did not reach what it is for");
    ring.receive(socket);
    take_all(&mut ring, BYTES, &mut received);
    assert!(received == pattern(BYTES, 0));
    drop(writer.join().unwrap());
}

#[test]
fn pausing_and_resuming_at_once_is_as_nothing() {
    let (mut ring, address) = ring(8, 4096);
    let mut client = TcpStream::connect(address).unwrap();
    let socket = accept(&mut ring);
    ring.receive(socket);
    let mut received = Vec::new();
    for round in 0..50 {
        // In every order of calls and system calls; the last one counts.
        for step in 0..6 {
            if step % 2 == 0 {
                ring.pause(socket)
            } else {
                ring.receive(socket)
            }
            if round & (1 << step) != 0 {
                ring.submit().unwrap();
            }
        }
        client.write_all(&[round as u8; 5]).unwrap();
        take_all(&mut ring, (round + 1) * 5, &mut received);
    }
    ring.pause(socket);
    ring.pause(socket);
    ring.receive(socket);
    ring.receive(socket);
    client.write_all(b"end").unwrap();
    take_all(&mut ring, 253, &mut received);
}

#[test]
fn the_end_is_not_lost_while_paused() {
    let (mut ring, address) = ring(8, 4096);
    for with_data in [false, true] {
        let mut client = TcpStream::connect(address).unwrap();
        let socket = accept(&mut ring);
        let mut received = Vec::new();
        ring.receive(socket);
        pause(&mut ring, socket, &mut received);
        if with_data {
            client.write_all(b"last words").unwrap();
        }
        client.shutdown(Shutdown::Write).unwrap();
        (0..4).for_each(|_| assert!(!take(&mut ring, 5, &mut received)));
        ring.receive(socket);
        let deadline = Instant::now() + PATIENCE;
        while !take(&mut ring, 5, &mut received) {
            assert!(Instant::now() < deadline, "the end does not come");
        }
        assert_eq!(received, if with_data { &b"last words"[..] } else { b"" });
        ring.close(socket);
    }
}

#[test]
fn an_end_that_comes_while_the_receive_is_cancelled_is_told_once() {
    for _ in 0..200 {
        let (mut ring, address) = ring(4, 256);
        let client = TcpStream::connect(address).unwrap();
        let socket = accept(&mut ring);
        ring.receive(socket);
        ring.submit().unwrap();
        let ending = thread::spawn(move || drop(client));
        ring.pause(socket);
        ring.submit().unwrap();
        ring.receive(socket);
        let mut ends = 0;
        let deadline = Instant::now() + PATIENCE;
        while ends == 0 {
            ends += usize::from(take(&mut ring, 5, &mut Vec::new()));
            assert!(Instant::now() < deadline, "the end does not come");
        }
        ending.join().unwrap();
        assert!(!take(&mut ring, 1, &mut Vec::new()));
    }
}

#[test]
fn closing_frees_the_slot_wherever_the_pause_has_come_to() {
    let (mut ring, address) = ring(8, 4096);
    for round in 0..64 {
        let mut client = TcpStream::connect(address).unwrap();
        let socket = accept(&mut ring);
        assert_eq!(socket.slot, 0);
        ring.receive(socket);
        client.write_all(&[1; 100]).unwrap();
        for (step, resumes) in [(0, false), (1, true), (2, false)] {
            if round & (1 << step) != 0 {
                ring.submit().unwrap();
            }
            if resumes { ring.receive(socket) } else { ring.pause(socket) }
        }
        if round & 8 != 0 {
            ring.submit().unwrap();
        }
        if round & 16 != 0 {
            ring.send(socket, SendParts { bytes: vec![7; 8 << 20], shared: Vec::new() });
        }
        if round & 32 != 0 {
            let _ = take(&mut ring, 5, &mut Vec::new());
        }
        ring.close(socket);
        ring.pause(socket);
        ring.receive(socket);
        let deadline = Instant::now() + PATIENCE;
        while ring.socket_count() > 0 {
            assert!(Instant::now() < deadline, "round {round}: the slot is not freed");
            wait(&mut ring, 5);
            assert!(ring.next_completion().is_none(), "round {round}: a closed socket reports nothing");
        }
        drop(client);
    }
}

#[test]
fn who_waits_for_a_buffer_may_be_paused() {
    const BYTES: usize = 4 << 10;
    let (mut ring, address) = ring(2, 64);
    let mut clients: Vec<_> = (0..4)
        .map(|number| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&pattern(BYTES, number)).unwrap();
            (stream, accept(&mut ring))
        })
        .map(|(stream, socket)| (stream, socket, Vec::new()))
        .collect();
    for (_, socket, _) in &clients {
        ring.receive(*socket);
    }
    // No buffer is given back, so that all that can starve do.
    let mut held = Vec::new();
    for _ in 0..10 {
        wait(&mut ring, 5);
        while let Some(Completion::Received { socket, buffer }) = ring.next_completion() {
            held.push((socket, buffer));
        }
    }
    assert!(ring.counters().buffers_exhausted > 0, "the test did not reach what it is for");
    for (_, socket, _) in &clients {
        ring.pause(*socket);
    }
    ring.submit().unwrap();
    ring.receive(clients[0].1);
    ring.pause(clients[1].1);
    ring.receive(clients[1].1);
    let mut paused = 0;
    for (socket, buffer) in held {
        let (_, _, received) = clients.iter_mut().find(|client| client.1 == socket).unwrap();
        received.extend_from_slice(ring.received(&buffer));
        ring.recycle(buffer);
    }
    let deadline = Instant::now() + PATIENCE;
    while clients.iter().any(|(_, _, received)| received.len() < BYTES) {
        assert!(Instant::now() < deadline, "bytes are lost");
        if clients[..2].iter().all(|(_, _, received)| received.len() == BYTES) && paused == 0 {
            paused = clients[2..].iter().map(|(_, _, received)| received.len()).sum::<usize>();
            assert!(paused < 2 * BYTES, "they were not paused");
            ring.receive(clients[2].1);
            ring.receive(clients[3].1);
            paused = paused.max(1);
        }
        let Completion::Received { socket, buffer } = next(&mut ring) else { panic!("no bytes") };
        let (_, _, received) = clients.iter_mut().find(|client| client.1 == socket).unwrap();
        received.extend_from_slice(ring.received(&buffer));
        ring.recycle(buffer);
    }
    for (number, (_, _, received)) in clients.iter().enumerate() {
        assert!(*received == pattern(BYTES, number), "client {number}");
    }
}

#[test]
fn pauses_at_random_under_traffic_change_no_byte() {
    const CLIENTS: usize = 12;
    const BYTES: usize = 2_500_000;
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    println!("seed {seed}");
    let mut state = seed | 1;
    let mut below = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) % bound
    };
    let mut pauses = 0;
    for (count, size) in [(4, 64), (16, 1024), (64, 65_536)] {
        let (mut ring, address) = ring(count, size);
        let mut sockets = Vec::new();
        let mut writers = Vec::new();
        for number in 0..CLIENTS {
            let mut stream = TcpStream::connect(address).unwrap();
            sockets.push((accept(&mut ring), Vec::new(), false));
            writers.push(thread::spawn(move || {
                pattern(BYTES, number).chunks(7_001).for_each(|chunk| stream.write_all(chunk).unwrap());
                stream.shutdown(Shutdown::Write).unwrap();
                assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
            }));
        }
        sockets.iter().for_each(|(socket, ..)| ring.receive(*socket));
        let deadline = Instant::now() + PATIENCE * 3;
        while sockets.iter().any(|(.., ended)| !ended) {
            assert!(Instant::now() < deadline, "bytes are lost; seed {seed}");
            for _ in 0..below(4) {
                let (socket, _, ended) = &sockets[below(CLIENTS as u64) as usize];
                if !ended && below(3) == 0 {
                    ring.pause(*socket);
                    pauses += 1;
                } else if !ended {
                    ring.receive(*socket);
                }
            }
            // Nobody stays paused for good.
            if below(8) == 0 {
                sockets.iter().filter(|(.., ended)| !ended).for_each(|(socket, ..)| ring.receive(*socket));
            }
            if below(3) == 0 {
                wait(&mut ring, 1)
            } else {
                ring.submit().unwrap()
            }
            for _ in 0..below(12) {
                let Some(completion) = ring.next_completion() else { break };
                let (Completion::Received { socket, .. } | Completion::Ended { socket }) = &completion else {
                    panic!("{completion:?}; seed {seed}")
                };
                let (socket, received, ended) = sockets.iter_mut().find(|(id, ..)| id == socket).unwrap();
                assert!(!*ended, "seed {seed}");
                match completion {
                    Completion::Received { buffer, .. } => {
                        received.extend_from_slice(ring.received(&buffer));
                        ring.recycle(buffer);
                    }
                    _ => {
                        *ended = true;
                        ring.close(*socket);
                    }
                }
            }
        }
        ring.submit().unwrap();
        for (number, (_, received, _)) in sockets.iter().enumerate() {
            assert!(*received == pattern(BYTES, number), "client {number}; seed {seed}");
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    }
    assert!(pauses > 100, "the test did not reach what it is for; seed {seed}");
}
