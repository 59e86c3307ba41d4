//! What the shards are to be told.

use crate::broker::{Loaded, Report};
use crate::routing::ShardIndex;

/// What becomes true with a group.
#[derive(Debug, Default)]
pub struct News {
    /// The last batch of each shard; none that has sent nothing since.
    pub batches: Vec<(ShardIndex, u64)>,
    pub tickets: Vec<(ShardIndex, u64)>,
}

/// One report a shard, that grows until it is polled.
pub struct Reports {
    waiting: Vec<Waiting>,
}

#[derive(Default)]
struct Waiting {
    report: Report,
    has_news: bool,
}

impl Reports {
    pub fn new(shards: usize) -> Self {
        Self { waiting: (0..shards).map(|_| Waiting::default()).collect() }
    }

    pub fn tell(&mut self, news: News) {
        for (shard, number) in news.batches {
            if number > self.waiting(shard).report.durable {
                self.report(shard).durable = number;
            }
        }
        for (shard, ticket) in news.tickets {
            self.report(shard).tickets.push(ticket);
        }
    }

    pub fn tell_loaded(&mut self, shard: ShardIndex, loaded: Loaded) {
        self.report(shard).loaded.push(loaded);
    }

    pub fn tell_accepting(&mut self, accepting: bool) {
        for waiting in &mut self.waiting {
            waiting.report.accepting = Some(accepting);
            waiting.has_news = true;
        }
    }

    pub fn poll(&mut self) -> Option<(ShardIndex, Report)> {
        let shard = self.waiting.iter().position(|waiting| waiting.has_news)?;
        let waiting = &mut self.waiting[shard];
        waiting.has_news = false;
        let next = Report { durable: waiting.report.durable, ..Report::default() };
        Some((ShardIndex(shard as u8), std::mem::replace(&mut waiting.report, next)))
    }

    fn report(&mut self, shard: ShardIndex) -> &mut Report {
        let waiting = self.waiting(shard);
        waiting.has_news = true;
        &mut waiting.report
    }

    fn waiting(&mut self, shard: ShardIndex) -> &mut Waiting {
        let shard = usize::from(shard.0);
        if self.waiting.len() <= shard {
            self.waiting.resize_with(shard + 1, Waiting::default);
        }
        &mut self.waiting[shard]
    }
}
