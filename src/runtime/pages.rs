//! Long lists over all shards: shard after shard, each asked in parts, so that no turn is held up.

use std::fmt;
use std::str::FromStr;

use super::question::Ended;
use super::server_handle::ServerHandle;
use super::shard::ShardDriver;
use crate::broker::inspect::Part;
use crate::limits::QUESTIONS_PER_PAGE_MAX;

/// Some entries of a list, each with its shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub entries: Vec<(usize, T)>,
    /// Where the next page begins; `None` is the end. A page can be short, and even empty, without being the last.
    pub next: Option<Cursor>,
}

/// A place in a list over all shards. It is written `shard.place`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub shard: usize,
    pub place: u32,
}

impl ServerHandle {
    /// Gathers up to `limit` entries from `from` on; `ask` is called with the shard's own place and what is still wanted.
    pub(super) async fn page<T: Send + 'static>(
        &self,
        from: Cursor,
        limit: usize,
        part: impl FnOnce(&mut ShardDriver, u32, usize) -> Part<T> + Clone + Send + 'static,
    ) -> Result<Page<T>, Ended> {
        let mut page = Page { entries: Vec::new(), next: Some(from) };
        for _ in 0..QUESTIONS_PER_PAGE_MAX {
            let Some(Cursor { shard, place }) = page.next.filter(|cursor| cursor.shard < self.shards()) else {
                page.next = None;
                break;
            };
            if page.entries.len() >= limit {
                break;
            }
            let wanted = limit - page.entries.len();
            let part = part.clone();
            let part = self.ask(shard, move |driver| part(driver, place, wanted)).await?;
            page.entries.extend(part.entries.into_iter().map(|entry| (shard, entry)));
            let following = (shard + 1 < self.shards()).then_some(Cursor { shard: shard + 1, place: 0 });
            page.next = part.next.map(|place| Cursor { shard, place }).or(following);
        }
        Ok(page)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.shard, self.place)
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text
            .split_once('.')
            .and_then(|(shard, place)| Some(Self { shard: shard.parse().ok()?, place: place.parse().ok()? }));
        parsed.ok_or("it is no place in a list: take it from the `next` of the page before")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let place = Cursor { shard: 3, place: 4_000_000_000 };
        assert_eq!(place.to_string().parse(), Ok(place));
        for garbage in ["", ".", "1", "1.", ".1", "1.2.3", "-1.2", "1.4294967296", "1.x"] {
            assert!(garbage.parse::<Cursor>().is_err(), "{garbage}");
        }
    }
}
