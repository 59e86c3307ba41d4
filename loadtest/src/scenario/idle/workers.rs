//! The worker processes as the conducting one sees them.

use super::worker::{Reply, Request, Tally};
use crate::faults::Faults;
use anyhow::{Context, bail, ensure};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// All workers, and what they say, in the order in which it comes.
#[derive(Debug)]
pub struct Workers {
    workers: Vec<Worker>,
    replies: Receiver<(usize, Option<Reply>)>,
}

#[derive(Debug)]
struct Worker {
    /// Its standard input takes requests; waiting for it closes that, which ends it.
    process: Child,
    connected: usize,
    /// All its connections are open.
    is_ready: bool,
}

impl Workers {
    /// Starts the workers; each begins to connect at once.
    pub fn start(count: usize) -> anyhow::Result<Self> {
        let (sender, replies) = channel();
        let mut workers = Vec::with_capacity(count);
        for index in 0..count {
            workers.push(Worker::start(index, sender.clone()).context("cannot start a worker process")?);
        }
        Ok(Self { workers, replies })
    }

    /// How many connections are open, each time that some more are; `None` when all are.
    pub fn next_connected(&mut self) -> anyhow::Result<Option<usize>> {
        while self.workers.iter().any(|worker| !worker.is_ready) {
            match self.next_reply()? {
                (index, Reply::Connected(connected)) => {
                    self.workers[index].connected = connected;
                    return Ok(Some(self.workers.iter().map(|worker| worker.connected).sum()));
                }
                (index, Reply::Done(_)) => self.workers[index].is_ready = true,
            }
        }
        Ok(None)
    }

    /// Lets all workers do something at the same time, and adds up what came of it.
    pub fn ask(&mut self, request: Request) -> anyhow::Result<Tally> {
        let line = serde_json::to_string(&request)? + "\n";
        for worker in &mut self.workers {
            let requests = worker.process.stdin.as_mut().context("it has no standard input")?;
            requests.write_all(line.as_bytes()).context("a worker process has ended")?;
        }
        let mut sum = Tally::default();
        for _ in 0..self.workers.len() {
            match self.next_reply()? {
                (_, Reply::Done(tally)) => sum.add(tally),
                (_, Reply::Connected(_)) => bail!("a worker process connects after it has connected"),
            }
        }
        Ok(sum)
    }

    /// Lets all workers close their connections and end; returns what had gone wrong with them until then.
    pub fn finish(mut self) -> anyhow::Result<(Faults, Option<String>)> {
        let tally = self.ask(Request::Finish)?;
        for worker in &mut self.workers {
            let status = worker.process.wait()?;
            ensure!(status.success(), "a worker process ended with {status}");
        }
        Ok((tally.faults, tally.first_fault))
    }

    fn next_reply(&self) -> anyhow::Result<(usize, Reply)> {
        match self.replies.recv()? {
            (index, Some(reply)) => Ok((index, reply)),
            (index, None) => bail!("worker process {index} of {} ended early, as it said above", self.workers.len()),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // Those that have ended are as good as those that end now.
            let _ = worker.process.kill();
            let _ = worker.process.wait();
        }
    }
}

impl Worker {
    /// This program once more, with the same arguments and its number.
    fn start(index: usize, replies: Sender<(usize, Option<Reply>)>) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(std::env::args_os().skip(1)).arg("--worker").arg(index.to_string());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().context("it has no standard output")?;
        thread::spawn(move || pass_on(index, output, &replies));
        Ok(Self { process, connected: 0, is_ready: false })
    }
}

/// Passes on what a worker says, and `None` when it says no more.
fn pass_on(index: usize, output: ChildStdout, replies: &Sender<(usize, Option<Reply>)>) {
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    for reply in lines.map_while(|line| serde_json::from_str(&line).ok()) {
        // Nobody listens any more when another worker has failed.
        let _ = replies.send((index, Some(reply)));
    }
    let _ = replies.send((index, None));
}
