//! Questions to the shards from other threads, answered in a turn like everything that a shard does.
//!
//! A question is a function that the shard calls with its own state, so that nothing of that state is shared and nothing
//! is kept for the sake of those who might ask. It runs inside the turn: it must be short, and one that
//! may be long is asked in parts.

use std::fmt;

use tokio::sync::oneshot;

use super::mailbox::Mail;
use super::server_handle::ServerHandle;
use super::shard::ShardDriver;
use crate::broker;

/// What a shard is to do for somebody who waits for the answer.
pub struct Question(Box<dyn FnOnce(&mut ShardDriver) + Send>);

/// The shard has ended, or the server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server has stopped, or failed")]
pub struct Ended;

impl Question {
    /// Asks nothing, but has the shard take a turn.
    pub(super) fn idle() -> Self {
        Self(Box::new(|_| ()))
    }

    pub(super) fn answer(self, driver: &mut ShardDriver) {
        (self.0)(driver);
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Question")
    }
}

impl ServerHandle {
    /// The counters of each shard's broker, by shard.
    pub async fn broker_counters(&self) -> Result<Vec<broker::Counters>, Ended> {
        self.ask_all(|driver| driver.shard.counters()).await
    }

    /// Has one shard answer. It is asked at once; what is returned waits for the answer, in any runtime or in none.
    pub(super) fn ask<T, F>(
        &self,
        shard: usize,
        question: F,
    ) -> impl Future<Output = Result<T, Ended>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut ShardDriver) -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let question = Question(Box::new(move |driver| {
            // Nobody waits any more if this fails.
            let _ = answer.send(question(driver));
        }));
        self.common.mailboxes.push_and_wake(shard, Mail::Question(question));
        async { answered.await.map_err(|_| Ended) }
    }

    /// Has all shards answer, at the same time; the answers are in the order of the shards.
    pub(super) async fn ask_all<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut ShardDriver) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, Ended> {
        let asked: Vec<_> = (0..self.shards()).map(|shard| self.ask(shard, question.clone())).collect();
        let mut answers = Vec::with_capacity(asked.len());
        for answer in asked {
            answers.push(answer.await?);
        }
        Ok(answers)
    }
}
