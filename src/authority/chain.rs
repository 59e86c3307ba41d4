//! The methods of each listener, in the order in which they are asked.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::http::Http;
use super::jwt::Jwt;
use super::kept::Kept;
use super::password_file::PasswordFile;
use super::password_hash::Workspace;
use super::{AccessConfig, AuthorityError, Method, Sources, Warning};
use crate::access::{Denial, Grant, Login, Verdict};
use crate::limits;

/// All that was read at a start or a reload.
pub struct Chains {
    /// By listener.
    listeners: Vec<Vec<Step>>,
    /// Passwords that were right.
    verified: Kept<()>,
}

enum Step {
    PasswordFile(Arc<PasswordFile>),
    Jwt(Box<Jwt>),
    Http(Box<Http>),
}

/// Where a method that takes long is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Hash,
    Http,
}

/// How far a login came without waiting.
pub enum Progress {
    Decided(Verdict),
    /// It goes on at this place.
    Needs(Place),
}

/// What one method says; `None`: it does not decide.
type Decision = Option<Verdict>;

/// What one method says at once.
enum Quick {
    Says(Decision),
    Needs(Place),
}

impl Chains {
    pub fn load(
        listeners: &[AccessConfig],
        sources: &Sources,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, AuthorityError> {
        let mut files = HashMap::new();
        let listeners = listeners
            .iter()
            .map(|config| load_steps(config, sources, &mut files, warnings))
            .collect::<Result<_, _>>()?;
        let time_max = Duration::from_millis(limits::VERIFIED_LOGIN_TIME_MS);
        Ok(Self { listeners, verified: Kept::new(time_max, &*sources.random) })
    }

    /// Walks on from method `next`. `here` is the place whose work the calling thread does.
    pub fn advance(
        &self,
        login: &Login,
        next: &mut usize,
        here: Option<Place>,
        sources: &Sources,
        workspace: &mut Workspace,
    ) -> Progress {
        let steps = self.listeners.get(usize::from(login.listener.0)).map_or(&[][..], Vec::as_slice);
        while let Some((step, later)) = steps.get(*next..).and_then(<[_]>::split_first) {
            let decision = match self.decide_at_once(step, later, login, sources) {
                Quick::Says(decision) => decision,
                Quick::Needs(place) if Some(place) == here => self.decide(step, login, sources, workspace),
                Quick::Needs(place) => return Progress::Needs(place),
            };
            if let Some(verdict) = decision {
                return Progress::Decided(verdict);
            }
            *next += 1;
        }
        let denial = if login.user_name.is_none() { Denial::Anonymous } else { Denial::Credentials };
        Progress::Decided(Verdict::Denied(denial))
    }

    fn decide_at_once(&self, step: &Step, later: &[Step], login: &Login, sources: &Sources) -> Quick {
        match step {
            Step::PasswordFile(file) => {
                let Some(user) = &login.user_name else { return Quick::Says(None) };
                let Some(password) = &login.password else {
                    let denied = Verdict::Denied(Denial::Credentials);
                    return Quick::Says(file.get(user).map(|_| denied));
                };
                match file.get(user) {
                    Some(hash) => {
                        let (salt, hash) = hash.salt_and_hash();
                        let tag = self.verified.tag(&[user.as_bytes(), &password.0, salt, hash]);
                        match self.verified.get(&tag, (sources.elapsed)()) {
                            Some(()) => Quick::Says(Some(allowed(user))),
                            None => Quick::Needs(Place::Hash),
                        }
                    }
                    // The answer will be no, and must not come sooner than for a user that is known.
                    None if !later.iter().any(|step| step.may_decide(login)) => Quick::Needs(Place::Hash),
                    None => Quick::Says(None),
                }
            }
            Step::Jwt(jwt) => Quick::Says(jwt.decide(login, (sources.wall)())),
            Step::Http(http) => match http.kept(login, sources) {
                Some(decision) => Quick::Says(decision),
                None => Quick::Needs(Place::Http),
            },
        }
    }

    fn decide(&self, step: &Step, login: &Login, sources: &Sources, workspace: &mut Workspace) -> Decision {
        match step {
            Step::PasswordFile(file) => {
                let (user, password) = (login.user_name.as_ref()?, login.password.as_ref()?);
                let Some(hash) = file.get(user) else {
                    file.usual()?.verify(&password.0, workspace);
                    return None;
                };
                if !hash.verify(&password.0, workspace) {
                    return Some(Verdict::Denied(Denial::Credentials));
                }
                let (salt, hash) = hash.salt_and_hash();
                let tag = self.verified.tag(&[user.as_bytes(), &password.0, salt, hash]);
                self.verified.put(tag, (), (sources.elapsed)());
                Some(allowed(user))
            }
            Step::Jwt(jwt) => jwt.decide(login, (sources.wall)()),
            Step::Http(http) => http.ask(login, sources),
        }
    }
}

impl Step {
    /// Whether the method may have something to say about this login.
    fn may_decide(&self, login: &Login) -> bool {
        match self {
            Self::PasswordFile(file) => login.user_name.as_ref().is_some_and(|user| file.get(user).is_some()),
            Self::Jwt(_) => Jwt::token(login).is_some(),
            Self::Http(_) => true,
        }
    }
}

fn allowed(user: &str) -> Verdict {
    Verdict::Allowed(Grant { user_name: Some(user.into()), ..Grant::default() })
}

fn load_steps(
    config: &AccessConfig,
    sources: &Sources,
    files: &mut HashMap<PathBuf, Arc<PasswordFile>>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Step>, AuthorityError> {
    let mut steps = Vec::new();
    for method in methods(config) {
        steps.push(match method {
            Method::PasswordFile => {
                let path = config.password_file.as_ref().ok_or_else(|| missing("access.password_file"))?;
                let file = match files.get(path) {
                    Some(file) => file.clone(),
                    None => {
                        let file = Arc::new(PasswordFile::read(path, warnings)?);
                        files.insert(path.clone(), file.clone());
                        file
                    }
                };
                Step::PasswordFile(file)
            }
            Method::Jwt => {
                let jwt = config.jwt.as_ref().ok_or_else(|| missing("access.jwt.key_file"))?;
                Step::Jwt(Box::new(Jwt::load(jwt, warnings)?))
            }
            Method::Http => {
                let http = config.http.as_ref().ok_or_else(|| missing("access.http.url"))?;
                Step::Http(Box::new(Http::load(http, sources, warnings)?))
            }
        });
    }
    Ok(steps)
}

fn methods(config: &AccessConfig) -> Vec<Method> {
    if !config.methods.is_empty() {
        return config.methods.clone();
    }
    let configured = [
        (Method::PasswordFile, config.password_file.is_some()),
        (Method::Jwt, config.jwt.is_some()),
        (Method::Http, config.http.is_some()),
    ];
    configured.into_iter().filter(|(_, is_configured)| *is_configured).map(|(method, _)| method).collect()
}

fn missing(key: &str) -> AuthorityError {
    AuthorityError::new("access.methods", format!("it names a method, but {key} is not set"), format!("set {key}"))
}
