//! The threads: one that takes all logins and decides what it can at once, few that hash, some that ask over HTTP.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::chain::{Chains, Place, Progress};
use super::lines::{Line, Lines};
use super::password_hash::Workspace;
use super::{AuthorityError, Sources, Ticket, weight};
use crate::access::{Denial, Login, Verdict};
use crate::limits;

pub type Answer = Arc<dyn Fn(Ticket, Verdict) + Send + Sync>;

/// The running threads, for those who ask. When it is dropped the first thread ends, and closes the lines of the others.
pub struct Threads {
    jobs: Sender<Job>,
    bytes: Arc<AtomicUsize>,
    shared: Arc<Shared>,
}

/// A login on its way.
pub struct Job {
    ticket: Ticket,
    login: Login,
    /// What the place in the chain counts for; after a reload the walk begins again.
    chains: Option<Arc<Chains>>,
    next: usize,
    came_at: Duration,
    _weight: Weight,
}

/// The bytes of a login that waits; they are given back when it is dropped.
struct Weight {
    bytes: usize,
    of: Arc<AtomicUsize>,
}

struct Shared {
    chains: Mutex<Arc<Chains>>,
    hash: Lines<Job>,
    http: Lines<Job>,
    sources: Sources,
    answer: Answer,
}

impl Threads {
    pub fn start(chains: Chains, sources: Sources, answer: Answer) -> Result<Self, AuthorityError> {
        let shared = Arc::new(Shared {
            chains: Mutex::new(Arc::new(chains)),
            hash: Lines::new(limits::LOGIN_LINE_MAX),
            http: Lines::new(limits::LOGIN_LINE_MAX),
            sources,
            answer,
        });
        let (jobs, received) = bounded(limits::LOGINS_WAITING_MAX);
        let first = shared.clone();
        // From here on a failure drops `jobs`, and the threads that run end.
        spawn("logins".into(), move || serve_all(&first, &received))?;
        for number in 0..limits::HASH_THREADS {
            let shared = shared.clone();
            spawn(format!("hash-{number}"), move || hash(&shared))?;
        }
        for number in 0..limits::HTTP_THREADS {
            let shared = shared.clone();
            spawn(format!("login-http-{number}"), move || ask(&shared))?;
        }
        Ok(Self { jobs, bytes: Arc::default(), shared })
    }

    /// Gives the ticket back if too many wait.
    pub fn put(&self, ticket: Ticket, login: Login) -> Result<(), Ticket> {
        let bytes = weight(&login);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let weight = Weight { bytes, of: self.bytes.clone() };
        if before + bytes > limits::LOGINS_WAITING_BYTES_MAX {
            return Err(ticket);
        }
        let came_at = (self.shared.sources.elapsed)();
        let job = Job { ticket, login, chains: None, next: 0, came_at, _weight: weight };
        self.jobs.try_send(job).map_err(|_| ticket)
    }

    pub fn answer(&self, ticket: Ticket, verdict: Verdict) {
        (self.shared.answer)(ticket, verdict);
    }

    pub fn replace(&self, chains: Chains) {
        *self.shared.chains.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(chains);
    }

    pub fn sources(&self) -> &Sources {
        &self.shared.sources
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Shared {
    /// Brings a login as far as it comes on this thread: to its answer, or into the line of another place.
    fn advance(&self, mut job: Job, here: Option<Place>, workspace: &mut Workspace) {
        let waited = (self.sources.elapsed)().saturating_sub(job.came_at);
        if waited >= Duration::from_millis(limits::LOGIN_WAIT_MAX_MS) {
            return (self.answer)(job.ticket, Verdict::Denied(Denial::Busy));
        }
        let chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !job.chains.as_ref().is_some_and(|begun| Arc::ptr_eq(begun, &chains)) {
            job.next = 0;
            job.chains = Some(chains.clone());
        }
        // A panic is our mistake; it must not take a thread away from all logins that come later.
        let progress = catch_unwind(AssertUnwindSafe(|| {
            chains.advance(&job.login, &mut job.next, here, &self.sources, workspace)
        }));
        let place = match progress {
            Ok(Progress::Decided(verdict)) => return (self.answer)(job.ticket, verdict),
            Ok(Progress::Needs(place)) => place,
            Err(_) => return (self.answer)(job.ticket, Verdict::Denied(Denial::Unavailable)),
        };
        let lines = match place {
            Place::Hash => &self.hash,
            Place::Http => &self.http,
        };
        if let Some(job) = lines.push(Line::of(job.login.address), job) {
            (self.answer)(job.ticket, Verdict::Denied(Denial::Busy));
        }
    }
}

fn serve_all(shared: &Shared, jobs: &Receiver<Job>) {
    let mut workspace = Workspace::default();
    for job in jobs {
        shared.advance(job, None, &mut workspace);
    }
    shared.hash.close();
    shared.http.close();
}

/// The memory of the last hash is kept as long as another waits.
fn hash(shared: &Shared) {
    // A thread that cannot be nice is of use, too. On Linux the nice value is the thread's own (nice(2)).
    let _ = rustix::process::nice(limits::HASH_THREADS_NICE);
    let mut workspace = Workspace::default();
    while let Some(job) = shared.hash.pop() {
        shared.advance(job, Some(Place::Hash), &mut workspace);
        while let Some(job) = shared.hash.try_pop() {
            shared.advance(job, Some(Place::Hash), &mut workspace);
        }
        workspace.free();
    }
}

fn ask(shared: &Shared) {
    let mut workspace = Workspace::default();
    while let Some(job) = shared.http.pop() {
        shared.advance(job, Some(Place::Http), &mut workspace);
    }
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<(), AuthorityError> {
    let started = Builder::new().name(name).spawn(run);
    started.map(drop).map_err(|error| {
        AuthorityError::new(
            "a thread for logins",
            error.to_string(),
            "raise the limit of tasks of the service (TasksMax)",
        )
    })
}
