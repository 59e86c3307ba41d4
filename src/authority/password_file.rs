//! mosquitto's password file: one `user:hash` a line, empty lines, and comments behind a `#` at a line's begin.

use std::collections::HashMap;
use std::path::Path;

use super::error::WrongLine;
use super::password_hash::{PasswordHash, Scheme};
use super::{AuthorityError, Warning, secret_file};
use crate::limits;

const REMEDY_PASSWORD: &str =
    "set it with `ringmq passwd FILE USER`, or hash all of the file with `ringmq passwd -U FILE`";
const REMEDY_LINE: &str = "write USER:HASH as `ringmq passwd` does, or delete the line";

/// The users of a file.
#[derive(Debug, Default)]
pub struct PasswordFile {
    users: HashMap<Box<str>, PasswordHash>,
    /// The hash whose scheme most users have: what a user that is not known takes, too.
    usual: Option<PasswordHash>,
}

impl PasswordFile {
    pub(super) fn read(path: &Path, warnings: &mut Vec<Warning>) -> Result<Self, AuthorityError> {
        let content = secret_file::read(path, limits::PASSWORD_FILE_SIZE_MAX, warnings)?;
        Self::parse(&content).map_err(|wrong| wrong.of_file(path))
    }

    /// # Errors
    /// The first line that is wrong. What is said of it has nothing of the hash in it.
    pub fn parse(content: &[u8]) -> Result<Self, WrongLine> {
        let mut users: HashMap<Box<str>, PasswordHash> = HashMap::new();
        let mut schemes: HashMap<Scheme, usize> = HashMap::new();
        for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
            let number = index + 1;
            let Some((user, hash)) =
                parse_line(line).map_err(|(problem, remedy)| WrongLine::new(number, problem, remedy))?
            else {
                continue;
            };
            *schemes.entry(hash.scheme()).or_default() += 1;
            if users.insert(user.into(), hash).is_some() {
                let problem = format!("user {user:?} has a line already");
                return Err(WrongLine::new(number, problem, "delete one of the two"));
            }
        }
        let usual = schemes.into_iter().max_by_key(|(_, count)| *count).map(|(scheme, _)| scheme);
        let usual = users.values().find(|hash| Some(hash.scheme()) == usual).cloned();
        Ok(Self { users, usual })
    }

    pub fn get(&self, user: &str) -> Option<&PasswordHash> {
        self.users.get(user)
    }

    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(|user| &**user)
    }

    /// A hash that costs what those of this file cost.
    pub(super) fn usual(&self) -> Option<&PasswordHash> {
        self.usual.as_ref()
    }
}

/// Whether the file can hold the name.
///
/// # Errors
/// Why it cannot.
pub fn check_user_name(user: &str) -> Result<(), String> {
    if user.is_empty() {
        Err("the user name is empty".into())
    } else if user.len() > limits::USER_NAME_SIZE_MAX {
        Err(format!("the user name is longer than {} bytes", limits::USER_NAME_SIZE_MAX))
    } else if user.contains(':') {
        Err("the user name has a colon in it".into())
    } else if user.chars().any(char::is_control) {
        Err("the user name has a control character in it".into())
    } else if user.starts_with('#') || user.trim() != user {
        Err("the user name begins with # or a space, or ends with a space".into())
    } else {
        Ok(())
    }
}

/// The user of a line, if it is one of `user:...`; for programs that change a file and leave its other lines alone.
pub fn user_of_line(line: &str) -> Option<&str> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    line.split_once(':').map(|(user, _)| user.trim())
}

type Complaint = (String, &'static str);

fn parse_line(line: &[u8]) -> Result<Option<(&str, PasswordHash)>, Complaint> {
    let line = str::from_utf8(line).map_err(|_| ("it is not UTF-8".to_owned(), REMEDY_LINE))?.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (user, hash) = line.split_once(':').ok_or_else(|| ("there is no colon in it".to_owned(), REMEDY_LINE))?;
    let (user, hash) = (user.trim(), hash.trim());
    check_user_name(user).map_err(|problem| (problem, REMEDY_LINE))?;
    if hash.is_empty() {
        return Err((format!("user {user:?} has no password"), REMEDY_PASSWORD));
    }
    let hash = PasswordHash::parse(hash);
    let hash = hash.map_err(|problem| (format!("the password of user {user:?}: {problem}"), REMEDY_PASSWORD))?;
    Ok(Some((user, hash)))
}
