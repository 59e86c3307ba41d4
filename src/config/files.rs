//! Values that are files: certificates with their keys, and lists of paths; and whether they can be read.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::{Mistake, Origin};
use super::load::Loaded;
use super::value::{Problem, Value, show_list, show_text};
use crate::net::tls::CertificateFiles;
use crate::runtime::{ListenerConfig, StartError, check_listener_files};

/// What cannot be read of the files that the configuration names. It is told before anything is started, and all at once.
pub fn check_files(loaded: &Loaded) -> Vec<Mistake> {
    let mut checked = BTreeSet::new();
    let mut mistakes = Vec::new();
    for (index, listener) in loaded.config.runtime.listeners.iter().enumerate() {
        for (key, path) in named_by(listener) {
            if !checked.insert(path.to_owned()) {
                continue;
            }
            if let Err(problem) = check_file(path) {
                let problem = Problem::new(problem, "name a file that this user may read");
                let (key, origin) = loaded.place(index, key);
                mistakes.push(Mistake::new(key, origin, problem));
            }
        }
    }
    // What is in them is looked at when all can be read: one mistake is told once.
    if mistakes.is_empty() {
        let wrong = check_listener_files(&loaded.config.runtime.listeners);
        mistakes.extend(wrong.into_iter().map(|error| inside(loaded, &error)));
        mistakes.dedup_by(|one, other| one.problem == other.problem);
    }
    if let Some(admin) = loaded.config.admin()
        && let Err(error) = admin.check_token()
    {
        let key = "admin.token_file";
        let origin = loaded.origins.get(key).cloned().unwrap_or(Origin::Default);
        let problem = Problem::new(format!("{} {}", error.place, error.problem), error.remedy);
        mistakes.push(Mistake::new(key.to_owned(), origin, problem));
    }
    mistakes
}

fn check_file(path: &Path) -> Result<(), String> {
    let described = |problem: &dyn std::fmt::Display| format!("{} cannot be read: {problem}", path.display());
    let file = File::open(path).map_err(|error| described(&error))?;
    let metadata = file.metadata().map_err(|error| described(&error))?;
    if metadata.is_dir() { Err(described(&"it is a directory")) } else { Ok(()) }
}

/// A mistake in a file, at the key that names the file.
fn inside(loaded: &Loaded, error: &StartError) -> Mistake {
    let (problem, remedy) = match error {
        StartError::Authority(error) => (format!("{}: {}", error.place, error.problem), error.remedy.clone()),
        _ => {
            let told = error.to_string();
            let (problem, remedy) = told.split_once("; ").unwrap_or((&told, "correct the file"));
            (problem.to_owned(), remedy.to_owned())
        }
    };
    let is_meant =
        |path: &Path| problem.strip_prefix(&*path.to_string_lossy()).is_some_and(|rest| rest.starts_with(':'));
    let listeners = loaded.config.runtime.listeners.iter().enumerate();
    let mut named = listeners.flat_map(|(index, listener)| named_by(listener).into_iter().map(move |it| (index, it)));
    let (index, key) = named.find(|(_, (_, path))| is_meant(path)).map_or((0, "url"), |(index, (key, _))| (index, key));
    let (key, origin) = loaded.place(index, key);
    Mistake::new(key, origin, Problem::new(problem, remedy))
}

/// Each file with its key.
fn named_by(listener: &ListenerConfig) -> Vec<(&'static str, &Path)> {
    let mut files: Vec<(&'static str, &Path)> = Vec::new();
    if let Some(tls) = &listener.tls {
        for certificate in &tls.certificates {
            files.push(("tls.certificate", &certificate.chain));
            files.push(("tls.key", &certificate.key));
        }
        if let Some(clients) = tls.client_certificates.files() {
            files.extend(clients.authorities.iter().map(|path| ("tls.client_authorities", path.as_path())));
            files.extend(clients.revocation_lists.iter().map(|path| ("tls.revocation_lists", path.as_path())));
        }
    }
    let access = &listener.access;
    let jwt = access.jwt.as_ref().map(|jwt| &jwt.key_file);
    let http = access.http.as_ref();
    let optional = [
        ("access.password_file", access.password_file.as_ref()),
        ("access.scram_file", access.scram_file.as_ref()),
        ("access.acl_file", access.acl_file.as_ref()),
        ("access.jwt.key_file", jwt),
        ("access.http.authorization_file", http.and_then(|http| http.authorization_file.as_ref())),
        ("access.http.authority_file", http.and_then(|http| http.authority_file.as_ref())),
    ];
    files.extend(optional.into_iter().filter_map(|(key, path)| Some((key, path?.as_path()))));
    files
}

pub fn paths(value: &Value) -> Result<Vec<PathBuf>, Problem> {
    let paths = value.texts()?;
    if paths.iter().any(String::is_empty) {
        return Err(Problem::new("there is an empty path in it", "write paths, or [] for none"));
    }
    Ok(paths.into_iter().map(PathBuf::from).collect())
}

pub fn show_paths(paths: &[PathBuf]) -> String {
    show_list(paths.iter().map(|path| path.to_string_lossy().into_owned()))
}

/// `certificate` and `key` are a short form of a list with one pair. Being empty they say that the list is written otherwise.
pub fn set_certificate(certificates: &mut Vec<CertificateFiles>, value: &Value) -> Result<(), Problem> {
    set_single(certificates, value, |files| &mut files.chain)
}

pub fn set_key(certificates: &mut Vec<CertificateFiles>, value: &Value) -> Result<(), Problem> {
    set_single(certificates, value, |files| &mut files.key)
}

fn set_single(
    certificates: &mut Vec<CertificateFiles>,
    value: &Value,
    part: fn(&mut CertificateFiles) -> &mut PathBuf,
) -> Result<(), Problem> {
    let path = value.text()?;
    if path.is_empty() && single(certificates).is_none() {
        return Ok(());
    }
    let mut files = match single(certificates) {
        Some(files) => files.clone(),
        None => CertificateFiles { chain: PathBuf::new(), key: PathBuf::new(), names: Vec::new() },
    };
    *part(&mut files) = path.into();
    let is_empty = files.chain.as_os_str().is_empty() && files.key.as_os_str().is_empty();
    *certificates = if is_empty { Vec::new() } else { vec![files] };
    Ok(())
}

pub fn show_certificate(certificates: &[CertificateFiles], part: fn(&CertificateFiles) -> &PathBuf) -> String {
    show_text(&single(certificates).map_or(String::new(), |files| part(files).to_string_lossy().into_owned()))
}

/// The one pair that the short form can say.
fn single(certificates: &[CertificateFiles]) -> Option<&CertificateFiles> {
    match certificates {
        [files] if files.names.is_empty() => Some(files),
        _ => None,
    }
}

pub fn set_certificates(certificates: &mut Vec<CertificateFiles>, value: &Value) -> Result<(), Problem> {
    let read = match value.as_text() {
        Some("") => Vec::new(),
        _ => value.list().iter().map(certificate).collect::<Result<Vec<_>, _>>()?,
    };
    if !read.is_empty() || single(certificates).is_none() {
        *certificates = read;
    }
    Ok(())
}

fn certificate(value: &Value) -> Result<CertificateFiles, Problem> {
    let problem = |problem: String| {
        Problem::new(problem, "write { chain = \"server.pem\", key = \"server.key\" }, with names = [...] if need be")
    };
    let Value::Table(entries) = value else {
        return Err(problem(format!("{value} is no certificate")));
    };
    let mut files = CertificateFiles { chain: PathBuf::new(), key: PathBuf::new(), names: Vec::new() };
    for (name, value) in entries {
        match name.as_str() {
            "chain" => files.chain = value.text()?.into(),
            "key" => files.key = value.text()?.into(),
            "names" => files.names = value.texts()?,
            _ => return Err(problem(format!("{name} is nothing that a certificate has"))),
        }
    }
    if files.chain.as_os_str().is_empty() || files.key.as_os_str().is_empty() {
        return Err(problem("a certificate has no chain or no key".to_owned()));
    }
    Ok(files)
}

pub fn show_certificates(certificates: &[CertificateFiles]) -> String {
    if single(certificates).is_some() {
        return "[]".to_owned();
    }
    let show = |CertificateFiles { chain, key, names }: &CertificateFiles| {
        let (chain, key) = (show_text(&chain.to_string_lossy()), show_text(&key.to_string_lossy()));
        let names = if names.is_empty() { String::new() } else { format!(", names = {}", show_list(names.clone())) };
        format!("{{ chain = {chain}, key = {key}{names} }}")
    };
    format!("[{}]", certificates.iter().map(show).collect::<Vec<_>>().join(", "))
}
