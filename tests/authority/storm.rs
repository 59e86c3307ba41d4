//! Crowds: what waits is bounded, everyone gets one answer, and a flood from one address delays only its own.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use ringmq::access::{Address, Denial, Login, Verdict};
use ringmq::authority::Ticket;
use ringmq::limits;
use serde_json::json;

use crate::http::{Program, config, ok};
use crate::{PATIENCE, Rig, allowed, denied, login, secret, ticket};

/// A door that is opened once, for all that wait before it.
#[derive(Clone, Default)]
struct Door(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    is_open: bool,
    waiting: usize,
}

impl Door {
    fn open(&self) {
        self.0.0.lock().expect("a lock").is_open = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        self.0.0.lock().expect("a lock").waiting += 1;
        self.0.1.notify_all();
        self.wait_until(|state| state.is_open);
    }

    fn wait_until(&self, condition: impl Fn(&State) -> bool) {
        let guard = self.0.0.lock().expect("a lock");
        let waited = self.0.1.wait_timeout_while(guard, PATIENCE, |state| !condition(state));
        assert!(!waited.expect("a lock").1.timed_out(), "nobody came to the door, or it stayed shut");
    }
}

/// How many logins wait at the door, one for each thread, with the tickets from 0 on.
const AT_THE_DOOR: usize = limits::HTTP_THREADS;

/// Asks another program that answers only when the door is open. All threads that ask wait before it, so that what comes
/// next stands in line.
fn behind_a_door() -> (Rig, Door) {
    let door = Door::default();
    let closed = door.clone();
    let program = Program::start(move |_| {
        closed.pass();
        ok(&json!({"result": "allow"}))
    });
    let mut config = config(&program.url);
    config.http.as_mut().expect("HTTP").timeout = PATIENCE;
    let rig = Rig::start(&[config]).expect("a good configuration");
    for connection in 0..AT_THE_DOOR as u64 {
        rig.authority.ask(ticket(connection), login("anna", "secret"));
    }
    door.wait_until(|state| state.waiting == AT_THE_DOOR);
    (rig, door)
}

fn from(address: &str, login: Login) -> Login {
    Login { address: Address::Ip(format!("{address}:1").parse().expect("an address")), ..login }
}

#[test]
fn a_crowd_is_bounded_and_everyone_is_answered_once() {
    let (rig, door) = behind_a_door();
    let crowd = AT_THE_DOOR + limits::LOGIN_LINE_MAX + 500;
    for connection in AT_THE_DOOR..crowd {
        rig.authority.ask(ticket(connection as u64), login("anna", "secret"));
    }
    // All that find no place are told while nobody has been served.
    let mut answers: HashMap<Ticket, Verdict> = HashMap::new();
    for _ in 0..500 {
        let (ticket, verdict) = rig.next_answer();
        assert_eq!(verdict, denied(Denial::Busy));
        assert_eq!(answers.insert(ticket, verdict), None);
    }
    door.open();
    for _ in 500..crowd {
        let (ticket, verdict) = rig.next_answer();
        assert!(matches!(verdict, Verdict::Allowed(_)), "{verdict:?}");
        assert_eq!(answers.insert(ticket, verdict), None, "an answer too many");
    }
}

#[test]
fn a_flood_from_one_address_leaves_room_for_others() {
    let (rig, door) = behind_a_door();
    let last = (AT_THE_DOOR + limits::LOGIN_LINE_MAX) as u64;
    for connection in AT_THE_DOOR as u64..last {
        rig.authority.ask(ticket(connection), from("192.0.2.1", login("anna", "secret")));
    }
    // The line is full, and one of the flood gives way to somebody else.
    rig.authority.ask(ticket(last), from("192.0.2.2", login("bert", "secret")));
    assert_eq!(rig.next_answer(), (ticket(last - 1), denied(Denial::Busy)));
    door.open();
    let before = std::iter::from_fn(|| Some(rig.next_answer())).position(|(answered, verdict)| {
        assert!(matches!(verdict, Verdict::Allowed(_)), "{verdict:?}");
        answered == ticket(last)
    });
    // The other line's turn is the second; its answer may be longer on its way than others, but not as long as a whole line.
    assert!(before.is_some_and(|before| before < 1_000), "{before:?} of the flood came first");
}

#[test]
fn passwords_of_a_crowd_are_hashed_once() {
    // 2,000 hashes would be minutes on two threads.
    let hash = "$argon2id$v=19$m=47104,t=1,p=1$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw$jN8KVtBuy9rOg+xx4HEO7K//Ei2hf4aegEDgCD4okj4rugUys2dVUsAyHcBFDFrGlWl198NIEs4dtHiTXPgqvA";
    let rig = Rig::with_file(&format!("anna:{hash}\n")).expect("a file");
    for connection in 0..2_000 {
        rig.authority.ask(ticket(connection), login("anna", "secret"));
    }
    for _ in 0..2_000 {
        assert_eq!(rig.next(), allowed("anna"));
    }
}

#[test]
fn what_waits_is_bounded_in_bytes() {
    let (rig, door) = behind_a_door();
    let bytes = 60_000;
    let large = Login { password: Some(secret(&vec![b'x'; bytes])), ..login("anna", "") };
    let weight = |password: usize| limits::LOGIN_WEIGHT + "client-1".len() + "anna".len() + password;
    let at_the_door = AT_THE_DOOR * weight("secret".len());
    let fit = (limits::LOGINS_WAITING_BYTES_MAX - at_the_door) / weight(bytes);
    assert!(fit < limits::LOGIN_LINE_MAX);
    for connection in 0..fit as u64 {
        rig.authority.ask(ticket(connection), large.clone());
    }
    let last = ticket(fit as u64);
    rig.authority.ask(last, large.clone());
    assert_eq!(rig.next_answer(), (last, denied(Denial::Busy)));
    door.open();
    for _ in 0..AT_THE_DOOR + fit {
        assert!(matches!(rig.next(), Verdict::Allowed(_)));
    }
    // The bytes were given back, each just after its answer.
    while rig.ask(large.clone()) == denied(Denial::Busy) {}
}

#[test]
fn who_has_waited_too_long_is_not_decided_any_more() {
    let (rig, door) = behind_a_door();
    let waiting = 5;
    for connection in 0..waiting {
        rig.authority.ask(ticket(connection), login("anna", "secret"));
    }
    rig.time.pass(Duration::from_millis(limits::LOGIN_WAIT_MAX_MS));
    door.open();
    let answers: Vec<_> = (0..AT_THE_DOOR as u64 + waiting).map(|_| rig.next()).collect();
    let busy = answers.iter().filter(|verdict| **verdict == denied(Denial::Busy)).count();
    // Those at the door were decided already.
    assert_eq!((busy, answers.len() - busy), (waiting as usize, AT_THE_DOOR));
}

#[test]
fn a_reload_in_a_crowd_loses_nobody() {
    let hash = "$7$20000$AAAAAAAAAAAAAAAA$".to_owned() + &"A".repeat(86) + "==";
    let rig = Rig::with_file(&format!("anna:{hash}\n")).expect("a file");
    let config = crate::password_file(&rig.dir, &format!("anna:{hash}\n"));
    for connection in 0..200 {
        rig.authority.ask(ticket(connection), login("anna", "wrong"));
        if connection % 20 == 0 {
            rig.authority.reload(std::slice::from_ref(&config)).expect("a file");
        }
    }
    for _ in 0..200 {
        assert_eq!(rig.next(), denied(Denial::Credentials));
    }
}
