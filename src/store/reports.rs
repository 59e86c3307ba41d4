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

/// Which batches become durable with the next group: no batch of which an operation waits behind another shard's part of a publish,
/// and none of its shard behind that.
#[derive(Debug, Default)]
pub struct Batches {
    shards: Vec<Taken>,
    late: Vec<Late>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    last: u64,
    told: u64,
}

#[derive(Debug)]
struct Late {
    shard: ShardIndex,
    batch: u64,
    ticket: u64,
}

impl Batches {
    /// A batch was taken. Operations of it wait behind the tickets `before`; the tickets `done` are complete now.
    pub fn take(&mut self, shard: ShardIndex, batch: u64, before: Vec<u64>, done: &[(ShardIndex, u64)]) {
        let index = usize::from(shard.0);
        if self.shards.len() <= index {
            self.shards.resize(index + 1, Taken::default());
        }
        self.shards[index].last = batch;
        self.late.extend(before.into_iter().map(|ticket| Late { shard, batch, ticket }));
        self.late.retain(|late| !done.iter().any(|(_, ticket)| *ticket == late.ticket));
    }

    /// The last batch of each shard that becomes durable with the next group, if it is another one than before.
    pub fn news(&mut self) -> Vec<(ShardIndex, u64)> {
        let Self { shards, late } = self;
        let mut news = Vec::new();
        for (index, taken) in shards.iter_mut().enumerate() {
            let shard = ShardIndex(index as u8);
            let first_late = late.iter().filter(|late| late.shard == shard).map(|late| late.batch).min();
            let number = first_late.map_or(taken.last, |batch| batch - 1);
            if number > taken.told {
                taken.told = number;
                news.push((shard, number));
            }
        }
        news
    }
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
            let report = self.report(shard);
            report.durable = report.durable.max(number);
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
        let shard = usize::from(shard.0);
        if self.waiting.len() <= shard {
            self.waiting.resize_with(shard + 1, Waiting::default);
        }
        let waiting = &mut self.waiting[shard];
        waiting.has_news = true;
        &mut waiting.report
    }
}
