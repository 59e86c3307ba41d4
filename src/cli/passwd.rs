//! `ringmq passwd`: writes password files as mosquitto_passwd does, and files with credentials for SCRAM.

use std::fmt;
use std::io::ErrorKind;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

use super::{EXIT_CONFIGURATION, EXIT_ENVIRONMENT, output, password_prompt, replace_file};
use crate::authority::password_file::{check_user_name, user_of_line};
use crate::authority::password_hash::{PasswordHash, Scheme, Workspace};
use crate::authority::scram_file::{self, Credentials};
use crate::runtime::fill_random;

/// Bytes of a password in a CONNECT.
const PASSWORD_SIZE_MAX: usize = 65_535;

#[derive(Debug, Args)]
#[command(after_help = "\
Without -c, -D or -U the user is added, or gets another password. The password is asked for twice, \
or read from standard input if that is no terminal.

mosquitto 2.1 reads all three kinds of hashes; mosquitto 2.0 reads sha512-pbkdf2 and sha512 only, \
and does not start with a file that has argon2id in it.

A broker that runs takes the changed file at its next reload.")]
pub struct PasswdOptions {
    /// Create the file; what it had in it is gone
    #[arg(short = 'c', conflicts_with_all = ["delete", "upgrade"])]
    create: bool,
    /// Take the password from the command line, where others on this machine can see it
    #[arg(short = 'b', conflicts_with_all = ["delete", "upgrade"])]
    batch: bool,
    /// Delete the user
    #[arg(short = 'D', conflicts_with = "upgrade")]
    delete: bool,
    /// Hash all passwords of the file that are in the clear
    #[arg(short = 'U', conflicts_with = "scram")]
    upgrade: bool,
    /// How to hash; default argon2id
    #[arg(short = 'H', value_name = "HASH", conflicts_with_all = ["delete", "scram"])]
    hash: Option<HashName>,
    /// Iterations of sha512-pbkdf2 (default 210000) or of SCRAM (default 15000)
    #[arg(short = 'I', value_name = "ITERATIONS", conflicts_with = "delete")]
    iterations: Option<NonZeroU32>,
    /// Write credentials for SCRAM-SHA-256 (RFC 7677), for the key scram_file
    #[arg(long)]
    scram: bool,
    /// The file
    file: PathBuf,
    /// The user
    #[arg(required_unless_present = "upgrade", conflicts_with = "upgrade")]
    user: Option<String>,
    /// The password, with -b
    #[arg(requires = "batch", required_if_eq("batch", "true"))]
    password: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum HashName {
    Argon2id,
    Sha512Pbkdf2,
    Sha512,
}

/// Why nothing was changed.
enum Failure {
    /// Of the command line.
    Said(String),
    /// Of the file or the machine.
    Met(String),
}

pub fn run(options: PasswdOptions) -> ExitCode {
    match change(options) {
        Ok(done) => output::print(done.as_bytes()),
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(match failure {
                Failure::Said(_) => EXIT_CONFIGURATION,
                Failure::Met(_) => EXIT_ENVIRONMENT,
            })
        }
    }
}

/// Says what it has done.
fn change(options: PasswdOptions) -> Result<String, Failure> {
    let file = options.file.as_path();
    let content = if options.create { Zeroizing::default() } else { read(file)? };
    let Some(user) = &options.user else {
        let scheme = scheme(&options)?;
        return write(file, &hash_plain_lines(&content, scheme)?).map(|()| String::new());
    };
    check_user_name(user).map_err(|problem| Failure::Said(format!("{problem}: choose another")))?;
    if options.delete {
        let kept = without(&content, user).ok_or_else(|| {
            Failure::Met(format!("{}: there is no user {user:?} in it: name one that is", file.display()))
        })?;
        write(file, &kept)?;
        return Ok(format!("Deleted user {user}\n"));
    }
    // Before anybody types a password for nothing.
    let scheme = if options.scram { None } else { Some(scheme(&options)?) };
    let password = match &options.password {
        Some(password) => Zeroizing::new(password.clone().into_bytes()),
        None => password_prompt::ask(user).map_err(Failure::Met)?,
    };
    check_password(&password)?;
    let line = match scheme {
        Some(scheme) => hash(scheme, &password)?.to_string(),
        None => credentials(&password, options.iterations)?.to_string(),
    };
    write(file, &with(&content, user, &format!("{user}:{line}")))?;
    Ok(format!("Set the password of user {user}\n"))
}

fn scheme(options: &PasswdOptions) -> Result<Scheme, Failure> {
    let scheme = match (options.hash.unwrap_or(HashName::Argon2id), options.iterations) {
        (HashName::Sha512Pbkdf2, iterations) => Scheme::sha512_pbkdf2(iterations),
        (HashName::Argon2id, None) => Scheme::argon2id(),
        (HashName::Sha512, None) => Scheme::Sha512,
        (HashName::Argon2id | HashName::Sha512, Some(_)) => {
            return Err(Failure::Said("-I is for -H sha512-pbkdf2 and for --scram: leave it out".into()));
        }
    };
    scheme.check().map_err(|problem| Failure::Said(format!("-I: {problem}: choose fewer")))?;
    Ok(scheme)
}

fn hash(scheme: Scheme, password: &[u8]) -> Result<PasswordHash, Failure> {
    PasswordHash::create(scheme, password, &fill_random, &mut Workspace::default()).map_err(Failure::Said)
}

fn credentials(password: &[u8], iterations: Option<NonZeroU32>) -> Result<Credentials, Failure> {
    let iterations = iterations.unwrap_or(scram_file::ITERATIONS);
    if !scram_file::ITERATIONS_ALLOWED.contains(&iterations.get()) {
        let allowed = scram_file::ITERATIONS_ALLOWED;
        return Err(Failure::Said(format!("-I: SCRAM takes {} to {} iterations", allowed.start(), allowed.end())));
    }
    let password = str::from_utf8(password).map_err(|_| Failure::Said("the password is not UTF-8".into()))?;
    let mut salt = [0; scram_file::SALT_SIZE];
    fill_random(&mut salt);
    Credentials::create(password, &salt, iterations)
        .map_err(|problem| Failure::Said(format!("{problem}: choose another")))
}

fn check_password(password: &[u8]) -> Result<(), Failure> {
    if password.is_empty() {
        return Err(Failure::Said("the password is empty: choose another".into()));
    }
    if password.len() > PASSWORD_SIZE_MAX {
        return Err(Failure::Said(format!("the password is longer than {PASSWORD_SIZE_MAX} bytes: choose another")));
    }
    Ok(())
}

fn read(file: &Path) -> Result<Zeroizing<String>, Failure> {
    std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| {
        let remedy = match error.kind() {
            ErrorKind::NotFound => "create it with -c",
            ErrorKind::InvalidData => "name a password file",
            _ => "name a file that can be read",
        };
        Failure::Met(format!("{}: {error}: {remedy}", file.display()))
    })
}

fn write(file: &Path, content: &str) -> Result<(), Failure> {
    replace_file::replace(file, content.as_bytes())
        .map_err(|problem| Failure::Met(format!("{}: {problem}", file.display())))
}

/// The user's line replaced where it was, or a new one at the end; all other lines stay as they are.
fn with(content: &str, user: &str, line: &str) -> Zeroizing<String> {
    let mut new_line = Some(line);
    let mut text = Zeroizing::new(String::with_capacity(content.len() + line.len() + 2));
    for old in content.split_inclusive('\n') {
        if user_of_line(old) != Some(user) {
            text.push_str(old);
        } else if let Some(line) = new_line.take() {
            text.push_str(line);
            text.push('\n');
        }
    }
    if let Some(line) = new_line {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// All lines but the user's; `None` if it has none.
fn without(content: &str, user: &str) -> Option<Zeroizing<String>> {
    let is_other = |line: &&str| user_of_line(line) != Some(user);
    let kept: String = content.split_inclusive('\n').filter(is_other).collect();
    (kept.len() < content.len()).then(|| Zeroizing::new(kept))
}

/// `user:password` becomes `user:hash`; comments, and what is a hash already, stay.
fn hash_plain_lines(content: &str, scheme: Scheme) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(2 * content.len()));
    for (index, line) in content.split_inclusive('\n').enumerate() {
        let password = line.trim().split_once(':').map_or("", |(_, password)| password.trim());
        match user_of_line(line) {
            Some(user) if PasswordHash::parse(password).is_err() => {
                check_user_name(user)
                    .and_then(|()| if password.is_empty() { Err("the password is empty".into()) } else { Ok(()) })
                    .map_err(|problem| Failure::Met(format!("line {}: {problem}: correct it", index + 1)))?;
                text.push_str(&format!("{user}:{}\n", hash(scheme, password.as_bytes())?));
            }
            _ => text.push_str(line),
        }
    }
    Ok(text)
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(text) | Self::Met(text) => write!(out, "error: {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_lines_stay_as_they_are() {
        let content = "# users: anna:x\n\nanna:1\r\nbert:2\n anna :3\nwhatever";
        assert_eq!(*with(content, "anna", "anna:4"), "# users: anna:x\n\nanna:4\nbert:2\nwhatever");
        assert_eq!(*with(content, "carl", "carl:4"), format!("{content}\ncarl:4\n"));
        assert_eq!(*with("", "carl", "carl:4"), "carl:4\n");
        assert_eq!(
            without(content, "anna").as_deref().map(String::as_str),
            Some("# users: anna:x\n\nbert:2\nwhatever")
        );
        assert_eq!(without(content, "# users"), None);
        assert_eq!(without(content, "an"), None);
    }

    #[test]
    fn plain_lines_are_hashed() {
        let hash = "$6$AAAA$".to_owned() + &"A".repeat(86) + "==";
        let content = format!("# comment\nanna:{hash}\nbert:$ecret:x\n");
        let Ok(hashed) = hash_plain_lines(&content, Scheme::Sha512) else { panic!("not hashed") };
        let (kept, last) = hashed.trim_end().rsplit_once('\n').expect("lines");
        assert_eq!(kept, format!("# comment\nanna:{hash}"));
        let bert = PasswordHash::parse(last.strip_prefix("bert:").expect("bert")).expect("a hash");
        assert!(bert.verify(b"$ecret:x", &mut Workspace::default()));
        assert!(hash_plain_lines("anna:\n", Scheme::Sha512).is_err());
    }
}
