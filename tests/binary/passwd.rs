//! `ringmq passwd`, and what mosquitto_passwd and the authority make of its files.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use ringmq::authority::password_file::PasswordFile;
use ringmq::authority::password_hash::Workspace;
use ringmq::authority::scram_file::ScramFile;

fn passwd(arguments: &[&str], file: &Path, rest: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
    command.arg("passwd").args(arguments).arg(file).args(rest);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    // It may have refused the arguments and not read.
    let _ = child.stdin.take().expect("standard input").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn succeed(arguments: &[&str], file: &Path, rest: &[&str], input: &str) {
    let output = passwd(arguments, file, rest, input);
    assert!(output.status.success(), "{arguments:?} {rest:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn is_password(file: &Path, user: &str, password: &str) -> bool {
    let users = PasswordFile::parse(&std::fs::read(file).expect("a file")).expect("a good file");
    users.get(user).is_some_and(|hash| hash.verify(password.as_bytes(), &mut Workspace::default()))
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).expect("a file")
}

#[test]
fn users_come_change_and_go() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("passwd");
    succeed(&["-c", "-b"], &file, &["anna", "secret"], "");
    let mode = std::fs::metadata(&file).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(text(&file).starts_with("anna:$argon2id$v=19$m=47104,t=1,p=1$"), "{}", text(&file));
    succeed(&["-H", "sha512-pbkdf2", "-I", "1000"], &file, &["bert"], "of bert\n");
    succeed(&["-H", "sha512", "-b"], &file, &["carl", "of carl"], "");
    assert!(text(&file).contains("\nbert:$7$1000$") && text(&file).contains("\ncarl:$6$"), "{}", text(&file));
    assert!(is_password(&file, "anna", "secret") && is_password(&file, "bert", "of bert"));
    assert!(is_password(&file, "carl", "of carl"));
    std::fs::write(&file, format!("# ours\n{}", text(&file))).expect("it is written");
    succeed(&["-b"], &file, &["anna", "other"], "");
    assert!(is_password(&file, "anna", "other") && !is_password(&file, "anna", "secret"));
    succeed(&["-D"], &file, &["bert"], "");
    let content = text(&file);
    let users: Vec<_> = content.lines().map(|line| line.split(':').next().expect("a user")).collect();
    assert_eq!(users, ["# ours", "anna", "carl"]);
    succeed(&["-c", "-b"], &file, &["dora", "x"], "");
    assert_eq!(text(&file).lines().count(), 1);
}

#[test]
fn mosquitto_passwd_takes_and_gives_the_same_files() {
    if Command::new("mosquitto_passwd").arg("--help").output().is_err() {
        eprintln!("mosquitto_passwd is not on the PATH: this test has done nothing");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("passwd");
    succeed(&["-c", "-b", "-H", "sha512-pbkdf2"], &file, &["anna", "secret"], "");
    let theirs = Command::new("mosquitto_passwd").arg("-b").arg(&file).args(["bert", "of bert"]).output();
    assert!(theirs.expect("it runs").status.success());
    succeed(&["-b", "-H", "sha512"], &file, &["carl", "of carl"], "");
    for (user, password) in [("anna", "secret"), ("bert", "of bert"), ("carl", "of carl")] {
        assert!(is_password(&file, user, password), "{user}");
    }
    succeed(&["-b"], &file, &["bert", "another"], "");
    assert!(is_password(&file, "bert", "another"));
}

#[test]
fn passwords_in_the_clear_are_hashed() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("passwd");
    std::fs::write(&file, "anna:secret\n# comment\nbert:of:bert\n").expect("it is written");
    succeed(&["-U", "-H", "sha512"], &file, &[], "");
    assert!(is_password(&file, "anna", "secret") && is_password(&file, "bert", "of:bert"));
    let before = text(&file);
    succeed(&["-U"], &file, &[], "");
    assert_eq!(text(&file), before, "hashes are not hashed again");
}

#[test]
fn credentials_for_scram_are_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("scram");
    succeed(&["-c", "-b", "--scram"], &file, &["anna", "secret"], "");
    succeed(&["--scram", "-I", "5000"], &file, &["bert"], "of bert");
    let users = ScramFile::parse(text(&file).as_bytes()).expect("a good file");
    assert_eq!(users.get("anna").map(|anna| anna.iterations.get()), Some(15_000));
    assert_eq!(users.get("bert").map(|bert| bert.iterations.get()), Some(5_000));
    succeed(&["-D", "--scram"], &file, &["anna"], "");
    assert!(!text(&file).contains("anna"));
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("passwd");
    let refused = |arguments: &[&str], rest: &[&str], input: &str, code: i32, expected: &str| {
        let output = passwd(arguments, &file, rest, input);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {rest:?}: {said}");
        assert!(said.contains(expected), "{arguments:?} {rest:?}: {said}");
    };
    refused(&["-b"], &["anna", "x"], "", 1, "create it with -c");
    std::fs::write(&file, "anna:x\n").expect("it is written");
    refused(&["-b"], &["an:na", "x"], "", 2, "colon");
    refused(&["-b"], &["an\nna", "x"], "", 2, "control character");
    refused(&["-b"], &["", "x"], "", 2, "empty");
    refused(&["-b"], &["#anna", "x"], "", 2, "begins with #");
    refused(&["-b"], &["anna", ""], "", 2, "the password is empty");
    refused(&[], &["anna"], "\n", 2, "the password is empty");
    refused(&[], &["anna"], "", 2, "the password is empty");
    refused(&[], &["anna"], &"x".repeat(65_536), 2, "longer than 65535 bytes");
    refused(&["-b"], &["anna"], "", 2, "<PASSWORD>");
    refused(&[], &["anna", "secret"], "", 2, "-b");
    refused(&["-D"], &["bert"], "", 1, "there is no user \"bert\"");
    refused(&["-c", "-D"], &["anna"], "", 2, "cannot be used with");
    refused(&["-I", "10", "-b"], &["anna", "x"], "", 2, "-I is for");
    refused(&["-I", "0", "-b"], &["anna", "x"], "", 2, "invalid value");
    refused(&["-H", "sha512-pbkdf2", "-I", "4000000000", "-b"], &["anna", "x"], "", 2, "choose fewer");
    refused(&["--scram", "-b"], &["anna", "pässword"], "", 2, "printable ASCII");
    refused(&["--scram", "-I", "100", "-b"], &["anna", "x"], "", 2, "SCRAM takes 4096 to");
    assert_eq!(text(&file), "anna:x\n");
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1, "nothing is left beside it");
}
