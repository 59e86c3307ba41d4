//! Files of users: what is accepted is what is written again, and what is refused is told without a secret.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmq::authority::password_file::{PasswordFile, check_user_name, user_of_line};
use ringmq::authority::password_hash::PasswordHash;
use ringmq::authority::scram_file::ScramFile;

fuzz_target!(|content: &[u8]| {
    let lines = content.split(|byte| *byte == b'\n').count();
    match PasswordFile::parse(content) {
        Ok(file) => {
            let text = str::from_utf8(content).expect("what was accepted is UTF-8");
            for user in file.users() {
                assert_eq!(check_user_name(user), Ok(()));
                assert!(text.lines().any(|line| user_of_line(line) == Some(user)));
                let hash = file.get(user).expect("a user has a hash");
                assert_eq!(hash.scheme().check(), Ok(()));
                assert_eq!(PasswordHash::parse(&hash.to_string()).as_ref(), Ok(hash));
            }
        }
        Err(wrong) => assert!((1..=lines).contains(&wrong.line)),
    }
    match ScramFile::parse(content) {
        Ok(file) => {
            let text = str::from_utf8(content).expect("what was accepted is UTF-8");
            for user in text.lines().filter_map(user_of_line) {
                let again = format!("{user}:{}", file.get(user).expect("each line is a user"));
                assert_eq!(ScramFile::parse(again.as_bytes()).expect("what was written").get(user), file.get(user));
            }
        }
        Err(wrong) => assert!((1..=lines).contains(&wrong.line)),
    }
});
