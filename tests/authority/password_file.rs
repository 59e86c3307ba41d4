//! Lines that mosquitto_passwd and the reference argon2 library wrote, and lines that nobody should have written.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use ringmq::access::{Address, Denial, ListenerId, Login};
use ringmq::authority::password_file::PasswordFile;
use ringmq::authority::password_hash::{PasswordHash, Scheme, Workspace};

use crate::{Rig, allowed, denied, login, password_file, write};

/// mosquitto_passwd 2.0.
const SHA512: &str =
    "$6$SLBmM3UC2CDeK20i$2c8394+t3h5JC9Jv4z7q/AU3hHKk87Da+rNcERnv77KoU5OglxB+oVQfZJsFJImzUN/oK8L7yxmDss8V6ymWwQ==";
const PBKDF2: &str =
    "$7$101$QR2wnWxa57Od+wVI$llF8XQ54T9MgdTv2PidvieFC0YYIeMLMMpGtDr9uNDv2Zh2YMrmnuyYTX19ls16LMBwZz5e905Ir9H63OTz+hQ==";
/// libargon2 with the arguments of mosquitto 2.1.
const ARGON2ID: &str = "$argon2id$v=19$m=47104,t=1,p=1$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw$jN8KVtBuy9rOg+xx4HEO7K//Ei2hf4aegEDgCD4okj4rugUys2dVUsAyHcBFDFrGlWl198NIEs4dtHiTXPgqvA";
/// libargon2 with other ones.
const ARGON2ID_SMALL: &str = "$argon2id$v=19$m=64,t=2,p=2$AAECAwQFBgcICQoL$CpwrMEICylmxaQY0GdEAOoJj9iiViw/uVG/ioDgm6XA";

#[test]
fn hashes_of_mosquitto_and_the_reference_are_understood() {
    let mut workspace = Workspace::default();
    for text in [SHA512, PBKDF2, ARGON2ID, ARGON2ID_SMALL] {
        let hash = PasswordHash::parse(text).expect(text);
        assert_eq!(hash.to_string(), text);
        assert!(hash.verify(b"secret", &mut workspace), "{text}");
        assert!(!hash.verify(b"Secret", &mut workspace), "{text}");
        assert!(!hash.verify(b"", &mut workspace), "{text}");
    }
}

#[test]
fn a_file_of_the_real_program_lets_its_users_in() {
    if Command::new("mosquitto_passwd").arg("--help").output().is_err() {
        eprintln!("mosquitto_passwd is not on the PATH: only the fixed lines are tested");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let config = password_file(&dir, "# users\n");
    let path = config.password_file.clone().expect("a path");
    let set = |arguments: &[&str], user: &str, password: &str| {
        let output =
            Command::new("mosquitto_passwd").arg("-b").args(arguments).arg(&path).args([user, password]).output();
        assert!(output.expect("it runs").status.success(), "{user}");
    };
    set(&["-H", "sha512"], "anna", "secret");
    set(&[], "bert", "pass word");
    set(&["-H", "sha512-pbkdf2", "-I", "2000"], "cäsar", "ünïcode");
    let rig = Rig::start_in(dir, &[config]).expect("the file is good");
    assert_eq!(rig.ask(login("anna", "secret")), allowed("anna"));
    assert_eq!(rig.ask(login("bert", "pass word")), allowed("bert"));
    assert_eq!(rig.ask(login("cäsar", "ünïcode")), allowed("cäsar"));
    assert_eq!(rig.ask(login("cäsar", "unicode")), denied(Denial::Credentials));
}

#[test]
fn users_come_in_with_their_own_password_only() {
    let rig = Rig::with_file(&format!("\n# comment\nanna:{PBKDF2}\r\n  bert:{ARGON2ID_SMALL}  \n\n")).expect("a file");
    assert_eq!(rig.warnings, []);
    assert_eq!(rig.ask(login("anna", "secret")), allowed("anna"));
    assert_eq!(rig.ask(login("bert", "secret")), allowed("bert"));
    for (user, password) in [("anna", "wrong"), ("nobody", "secret"), ("", "secret"), ("anna", ""), ("# comment", "")] {
        assert_eq!(rig.ask(login(user, password)), denied(Denial::Credentials), "{user}");
    }
    assert_eq!(rig.ask(Login { password: None, ..login("anna", "") }), denied(Denial::Credentials));
    assert_eq!(rig.ask(Login { user_name: None, password: None, ..login("", "") }), denied(Denial::Anonymous));
    let elsewhere = Login { listener: ListenerId(1), ..login("anna", "secret") };
    assert_eq!(rig.ask(elsewhere), denied(Denial::Credentials), "a listener that does not exist lets nobody in");
}

#[test]
fn a_password_that_was_right_is_right_again_without_a_hash() {
    let rig = Rig::with_file(&format!("anna:{ARGON2ID}\n")).expect("a file");
    assert_eq!(rig.ask(login("anna", "secret")), allowed("anna"));
    // 79 ms each would be a quarter of an hour; another client id, address and time do not matter.
    let again = Login { client_id: "other".into(), address: Address::Local, ..login("anna", "secret") };
    for _ in 0..10_000 {
        assert_eq!(rig.ask(again.clone()), allowed("anna"));
    }
    assert_eq!(rig.ask(login("anna", "wrong")), denied(Denial::Credentials));
}

#[test]
fn a_reload_is_in_force_at_once() {
    let rig = Rig::with_file(&format!("anna:{PBKDF2}\n")).expect("a file");
    assert_eq!(rig.ask(login("anna", "secret")), allowed("anna"));
    let config = password_file(&rig.dir, &format!("bert:{PBKDF2}\n"));
    assert_eq!(rig.ask(login("anna", "secret")), allowed("anna"), "nothing has been read yet");
    rig.authority.reload(std::slice::from_ref(&config)).expect("a good file");
    assert_eq!(rig.ask(login("anna", "secret")), denied(Denial::Credentials));
    assert_eq!(rig.ask(login("bert", "secret")), allowed("bert"));
    write(&rig.dir, "passwd", b"garbage");
    let error = rig.authority.reload(&[config]).expect_err("a bad file");
    assert!(error.to_string().contains("passwd:1: "), "{error}");
    assert_eq!(rig.ask(login("bert", "secret")), allowed("bert"), "the old state stays");
}

#[test]
fn wrong_lines_are_named_without_what_is_secret() {
    let lines = [
        ("anna", "there is no colon in it"),
        ("anna:plainsecret", "it is a password, not a hash"),
        ("anna:", "has no password"),
        (":$6$plainsecret", "the user name is empty"),
        ("an\u{7}na:$6$plainsecret", "control character"),
        ("anna:$5$plainsecret$x", "none of $6$, $7$ and $argon2id$"),
        ("anna:$6$plainsecret", "its salt is not base64"),
        ("anna:$6$AAAA$plainsecret", "its hash is not base64"),
        ("anna:$6$AAAA$AAAA", "its hash is not base64 of the right length"),
        ("anna:$7$0$AAAA$AAAA", "number of iterations"),
        ("anna:$7$-1$AAAA$AAAA", "number of iterations"),
        ("anna:$7$101$AAAA", "it ends too early"),
        ("anna:$argon2id$v=18$m=64,t=1,p=1$AAAA$AAAA", "not v=19"),
        ("anna:$argon2id$v=19$t=1,m=64,p=1$AAAA$AAAA", "m=...,t=...,p=..."),
    ];
    for (line, expected) in lines {
        let error = Rig::with_file(&format!("# comment\n{line}\n")).err().expect(line).to_string();
        assert!(error.contains(expected), "{line}: {error}");
        assert!(error.contains("passwd:2: "), "{error}");
        assert!(!error.contains("plainsecret"), "{error}");
    }
    let twice = format!("anna:{SHA512}\nbert:{SHA512}\nanna:{PBKDF2}\n");
    let error = Rig::with_file(&twice).err().expect("two lines for one user").to_string();
    assert!(error.contains("passwd:3: user \"anna\" has a line already: delete one of the two"), "{error}");
    let error = PasswordFile::parse(b"anna:\xFF").expect_err("not UTF-8");
    assert_eq!((error.line, &*error.problem), (1, "it is not UTF-8"));
    let plain = Rig::with_file("anna:plainsecret").err().expect("a password");
    assert!(plain.remedy.contains("ringmq passwd"), "{plain}");
    assert!(Rig::with_file(&format!("anna:{SHA512}$x")).is_err());
}

#[test]
fn a_file_cannot_demand_absurd_work() {
    let long = &SHA512[20..];
    for demand in
        ["m=4294967295,t=1,p=1", "m=262144,t=5,p=1", "m=64,t=65,p=1", "m=1024,t=1,p=17", "m=7,t=1,p=1", "m=8,t=0,p=1"]
    {
        assert!(PasswordHash::parse(&format!("$argon2id$v=19${demand}$AAECAwQFBgcICQoL{long}")).is_err(), "{demand}");
    }
    let text = PBKDF2.replace("$101$", "$5000001$");
    assert!(PasswordHash::parse(&text).is_err());
    let text = PBKDF2.replace("$101$", "$99999999999$");
    assert!(PasswordHash::parse(&text).is_err());
}

#[test]
fn what_is_written_is_read_again() {
    let mut workspace = Workspace::default();
    let few = std::num::NonZeroU32::new(10);
    let random = |bytes: &mut [u8]| aws_lc_rs::rand::fill(bytes).expect("random bytes");
    for scheme in [Scheme::Sha512, Scheme::sha512_pbkdf2(few), Scheme::argon2id()] {
        let hash = PasswordHash::create(scheme, b"secret", &random, &mut workspace).expect("a hash");
        let read = PasswordHash::parse(&hash.to_string()).expect("what was written");
        assert_eq!(read, hash);
        assert!(read.verify(b"secret", &mut workspace) && !read.verify(b"secre", &mut workspace));
    }
}

#[test]
fn a_file_that_everybody_can_read_is_worth_a_warning() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = password_file(&dir, &format!("anna:{SHA512}\n"));
    let path = config.password_file.clone().expect("a path");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("its mode is set");
    let rig = Rig::start_in(dir, &[config.clone(), config]).expect("a file");
    let path = path.display();
    let warnings: Vec<_> = rig.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, [format!("{path}: everybody on this machine can read it: chmod o-rwx {path}")]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = password_file(&dir, "");
    config.password_file = Some(dir.path().join("nowhere"));
    let error = Rig::start(&[config]).err().expect("no file").to_string();
    assert!(error.contains("nowhere") && error.ends_with("create it, or correct its path"), "{error}");
}
