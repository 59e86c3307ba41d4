//! SCRAM-SHA-256: the vector of RFC 7677, and clients that try what RFC 5802 warns of.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ringmq::access::{AuthenticationExchange, AuthenticationMethod, AuthenticationStep, ListenerId};
use ringmq::authority::scram::Scram;
use ringmq::authority::scram_file::{Credentials, ScramFile};
use ringmq::authority::{AccessConfig, Sources};
use ringmq::codec::ReasonCode;

use crate::{Time, write};

const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const REFUSED: AuthenticationStep = AuthenticationStep::Failure(ReasonCode::NotAuthorized);

fn line(user: &str, password: &str) -> String {
    let salt = BASE64.decode(SALT).expect("base64");
    let iterations = NonZeroU32::new(4_096).expect("not zero");
    format!("{user}:{}\n", Credentials::create(password, &salt, iterations).expect("credentials"))
}

fn load(content: &str, sources: &Sources) -> Scram {
    let dir = tempfile::tempdir().expect("a directory");
    let scram_file = Some(write(&dir, "scram", content.as_bytes()));
    let listeners = [AccessConfig::default(), AccessConfig { scram_file, ..AccessConfig::default() }];
    let (scram, warnings) = Scram::load(&listeners, sources).expect("a good file");
    assert_eq!(warnings, []);
    scram
}

fn method(scram: &Scram) -> Box<dyn AuthenticationMethod> {
    let mut methods = scram.methods().into_iter();
    methods.find(|method| method.serves(ListenerId(1))).expect("the method of the listener")
}

fn begin(scram: &Scram, user_name: Option<&str>) -> Box<dyn AuthenticationExchange> {
    method(scram).begin("client-1", user_name)
}

fn server_first(step: AuthenticationStep) -> String {
    match step {
        AuthenticationStep::Continue(data) => String::from_utf8(data).expect("UTF-8"),
        other => panic!("{other:?}"),
    }
}

/// What a client does, written from RFC 5802 alone.
struct Client {
    password: &'static str,
    gs2_header: &'static str,
    bare: String,
}

impl Client {
    fn new(user: &str, password: &'static str) -> Self {
        Self { password, gs2_header: "n,,", bare: format!("n={user},r=rOprNGfwEbeRWgbNEkqO") }
    }

    fn first(&self) -> String {
        format!("{}{}", self.gs2_header, self.bare)
    }

    /// client-final, and the server-final that is due.
    fn answer(&self, server_first: &str) -> (String, String) {
        let attribute =
            |name: &str| server_first.split(',').find_map(|part| part.strip_prefix(name)).expect("an attribute");
        let salt = BASE64.decode(attribute("s=")).expect("base64");
        let iterations = attribute("i=").parse().expect("a number");
        let mut salted = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, self.password.as_bytes(), &mut salted);
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let without_proof = format!("c={},r={}", BASE64.encode(self.gs2_header), attribute("r="));
        let messages = format!("{},{server_first},{without_proof}", self.bare);
        let signature = sign(stored_key.as_ref(), messages.as_bytes());
        let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        let server_key = sign(&salted, b"Server Key");
        let server = sign(server_key.as_ref(), messages.as_bytes());
        (format!("{without_proof},p={}", BASE64.encode(proof)), format!("v={}", BASE64.encode(server)))
    }
}

fn success(user: &str, data: &str) -> AuthenticationStep {
    AuthenticationStep::Success { user_name: Some(user.into()), data: Some(data.into()) }
}

/// The client's whole exchange; the last step, and what it should have been for the right password.
fn exchange(scram: &Scram, client: &Client) -> (AuthenticationStep, String) {
    let mut exchange = begin(scram, None);
    let first = server_first(exchange.step(Some(client.first().as_bytes())));
    let (answer, due) = client.answer(&first);
    (exchange.step(Some(answer.as_bytes())), due)
}

/// RFC 7677, section 3, up to the server's nonce, which is ours to choose; the proof is computed by the client above, which is
/// checked against the vector first.
#[test]
fn the_vector_of_rfc_7677() {
    let client = Client::new("user", "pencil");
    let first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    let (answer, due) = client.answer(first);
    let proof =
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    assert_eq!(answer, proof);
    assert_eq!(due, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    let (step, due) = exchange(&load(&line("user", "pencil"), &Time::default().sources()), &client);
    assert_eq!(step, success("user", &due));
}

#[test]
fn the_server_challenges_with_a_nonce_of_its_own() {
    let count = AtomicU8::new(0);
    let sources = Sources {
        random: Arc::new(move |bytes| bytes.fill(count.fetch_add(1, Ordering::SeqCst))),
        ..Time::default().sources()
    };
    let scram = load(&line("user", "pencil"), &sources);
    let client = Client::new("user", "pencil");
    let mut first = begin(&scram, None);
    let mut second = begin(&scram, None);
    let first_challenge = server_first(first.step(Some(client.first().as_bytes())));
    let second_challenge = server_first(second.step(Some(client.first().as_bytes())));
    assert!(first_challenge.starts_with("r=rOprNGfwEbeRWgbNEkqO"), "{first_challenge}");
    assert!(first_challenge.ends_with(",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"), "{first_challenge}");
    assert_ne!(first_challenge, second_challenge);
    // What was heard of one exchange is worth nothing in another, nor a second time in its own.
    let (heard, due) = client.answer(&first_challenge);
    assert_eq!(second.step(Some(heard.as_bytes())), REFUSED);
    assert_eq!(first.step(Some(heard.as_bytes())), success("user", &due));
    assert_eq!(first.step(Some(heard.as_bytes())), REFUSED);
    assert_eq!(first.step(Some(client.first().as_bytes())), REFUSED);
}

#[test]
fn wrong_passwords_and_unknown_users_look_alike() {
    let scram = load(&line("user", "pencil"), &Time::default().sources());
    assert_eq!(exchange(&scram, &Client::new("user", "Pencil")).0, REFUSED);
    assert_eq!(exchange(&scram, &Client::new("nobody", "pencil")).0, REFUSED);
    let salt = |user: &str| {
        let challenge = server_first(begin(&scram, None).step(Some(Client::new(user, "").first().as_bytes())));
        challenge.split_once(",s=").expect("a salt").1.to_owned()
    };
    assert_eq!(salt("nobody"), salt("nobody"), "a salt that changes is that of nobody");
    assert_ne!(salt("nobody"), salt("nobody2"));
    assert_eq!(salt("nobody").split_once(",").expect("iterations").0.len(), SALT.len());
}

#[test]
fn names_are_unescaped_and_compared() {
    let content = line("a,b=c", "pencil") + &line("käse", "pencil");
    let scram = load(&content, &Time::default().sources());
    let (step, due) = exchange(&scram, &Client::new("a=2Cb=3Dc", "pencil"));
    assert_eq!(step, success("a,b=c", &due));
    let (step, due) = exchange(&scram, &Client::new("käse", "pencil"));
    assert_eq!(step, success("käse", &due));
    // The name in the CONNECT must be the same, if there is one.
    let first = Client::new("käse", "pencil").first();
    assert!(matches!(begin(&scram, Some("käse")).step(Some(first.as_bytes())), AuthenticationStep::Continue(_)));
    assert!(matches!(begin(&scram, Some("")).step(Some(first.as_bytes())), AuthenticationStep::Continue(_)));
    assert_eq!(begin(&scram, Some("other")).step(Some(first.as_bytes())), REFUSED);
}

#[test]
fn first_messages_that_are_none_are_refused() {
    let scram = load(&line("user", "pencil"), &Time::default().sources());
    let good = ["n,,n=user,r=abc", "y,,n=user,r=abc", "n,a=user,n=user,r=abc", "n,,n=user,r=abc,x=extension"];
    for message in good {
        let step = begin(&scram, None).step(Some(message.as_bytes()));
        assert!(matches!(step, AuthenticationStep::Continue(_)), "{message}: {step:?}");
    }
    let bad = [
        "",
        "n",
        "n,,",
        "n,,n=user",
        "n,,n=user,r=",
        "n,,n=,r=abc",
        "n,,r=abc,n=user",
        "n,,m=must,n=user,r=abc",
        "n,,n=us=er,r=abc",
        "n,,n=user=,r=abc",
        "n,,n=user=2c,r=abc",
        "n,,n=us\u{0}er,r=abc",
        "n,,n=user,r=a b",
        "n,,n=user,r=ä",
        "n,a=other,n=user,r=abc",
        "n,b=user,n=user,r=abc",
        "p=tls-unique,,n=user,r=abc",
        "p=tls-exporter,,n=user,r=abc",
        "x,,n=user,r=abc",
    ];
    for message in bad {
        assert_eq!(begin(&scram, None).step(Some(message.as_bytes())), REFUSED, "{message:?}");
    }
    assert_eq!(begin(&scram, None).step(None), REFUSED);
    assert_eq!(begin(&scram, None).step(Some(b"n,,n=\xFF,r=abc")), REFUSED);
    let long = format!("n,,n=user,r={}", "x".repeat(5_000));
    assert_eq!(begin(&scram, None).step(Some(long.as_bytes())), REFUSED);
}

#[test]
fn final_messages_that_are_none_are_refused() {
    let scram = load(&line("user", "pencil"), &Time::default().sources());
    let client = Client::new("user", "pencil");
    type Change = fn(&str) -> String;
    let attempts: [(&str, Change); 10] = [
        ("as it is", str::to_owned),
        ("another binding", |good| good.replace("c=biws", "c=eSws")),
        ("no binding", |good| good.replace("c=biws,", "")),
        ("another nonce", |good| good.replace("r=rO", "r=rP")),
        ("the client's nonce alone", |good| {
            let (before, proof) = good.rsplit_once(",p=").expect("a proof");
            format!("{},p={proof}", before.get(..30).expect("a nonce"))
        }),
        ("no proof", |good| good.rsplit_once(",p=").expect("a proof").0.to_owned()),
        ("an empty proof", |good| format!("{},p=", good.rsplit_once(",p=").expect("a proof").0)),
        ("a proof of zeros", |good| {
            format!("{},p={}", good.rsplit_once(",p=").expect("a proof").0, BASE64.encode([0; 32]))
        }),
        ("an extension that must be understood", |good| good.replace(",p=", ",m=x,p=")),
        ("something behind", |good| format!("{good},x=y")),
    ];
    for (name, change) in attempts {
        let mut exchange = begin(&scram, None);
        let challenge = server_first(exchange.step(Some(client.first().as_bytes())));
        let (good, due) = client.answer(&challenge);
        let step = exchange.step(Some(change(&good).as_bytes()));
        let expected = if name == "as it is" { success("user", &due) } else { REFUSED };
        assert_eq!(step, expected, "{name}");
    }
}

#[test]
fn a_listener_has_its_own_users() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = |name: &str, user: &str| {
        let scram_file = Some(write(&dir, name, line(user, "pencil").as_bytes()));
        AccessConfig { scram_file, ..AccessConfig::default() }
    };
    let listeners = [config("a", "anna"), AccessConfig::default(), config("b", "bert")];
    let (scram, _) = Scram::load(&listeners, &Time::default().sources()).expect("good files");
    let methods = scram.methods();
    let at = |number: u16| methods.iter().find(|method| method.serves(ListenerId(number)));
    assert!(at(1).is_none() && at(3).is_none() && at(u16::MAX).is_none());
    let login = |number: u16, user: &str| {
        let client = Client::new(user, "pencil");
        let mut exchange = at(number).expect("a method").begin("", None);
        let challenge = server_first(exchange.step(Some(client.first().as_bytes())));
        exchange.step(Some(client.answer(&challenge).0.as_bytes())) != REFUSED
    };
    assert_eq!([login(0, "anna"), login(0, "bert"), login(2, "anna"), login(2, "bert")], [true, false, false, true]);
    let swapped = [config("a", "bert")];
    scram.reload(&swapped).expect("a good file");
    assert_eq!([login(0, "anna"), login(0, "bert")], [false, true]);
    assert!(at(2).is_none());
    write(&dir, "a", b"anna:$scram-sha-256$1$AAAA$AAAA$AAAA");
    let error = scram.reload(&swapped).expect_err("a bad file").to_string();
    assert!(error.contains("a:1: user \"anna\": its iterations are less than 4096"), "{error}");
    assert!(login(0, "bert"), "the old state stays");
}

#[test]
fn files_are_checked() {
    let good = line("anna", "pencil");
    let file = ScramFile::parse(format!("# users\n\n{good}").as_bytes()).expect("a good file");
    assert!(file.get("anna").is_some() && file.get("bert").is_none());
    assert_eq!(format!("{:?}", file.get("anna").expect("anna")), "Credentials { iterations: 4096, .. }");
    let (start, end) = good.trim().rsplit_once('$').expect("keys");
    for wrong in [
        good.replace("anna", ""),
        good.replace("$scram-sha-256$", "$scram-sha-1$"),
        good.replace("$4096$", "$4095$"),
        good.replace("$4096$", "$4294967295$"),
        good.replace(SALT, ""),
        good.replace(SALT, "!"),
        start.to_owned(),
        format!("{start}${}", &end[4..]),
        format!("{start}${end}$"),
        good.repeat(2),
        "anna".into(),
    ] {
        assert!(ScramFile::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
    for password in ["", "pässword", "tab\t", "\u{7f}"] {
        assert!(Credentials::create(password, b"salt", NonZeroU32::MIN).is_err(), "{password:?}");
    }
}
