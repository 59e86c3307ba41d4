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
pub struct Page<T, P = u32> {
    pub entries: Vec<(usize, T)>,
    /// Where the next page begins; `None` is the end. A page can be short, and even empty, without being the last.
    pub next: Option<Cursor<P>>,
}

/// A place in a list over all shards. It is written `shard.place`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor<P = u32> {
    pub shard: usize,
    /// The default is the beginning.
    pub place: P,
}

impl ServerHandle {
    /// Gathers up to `limit` entries from `from` on; `ask` is called with the shard's own place and what is still wanted.
    pub(super) async fn page<T, P>(
        &self,
        from: Cursor<P>,
        limit: usize,
        part: impl FnOnce(&mut ShardDriver, P, usize) -> Part<T, P> + Clone + Send + 'static,
    ) -> Result<Page<T, P>, Ended>
    where
        T: Send + 'static,
        P: Default + Send + 'static,
    {
        let next = Some(from).filter(|cursor| cursor.shard < self.shards());
        let mut page = Page { entries: Vec::new(), next };
        for _ in 0..QUESTIONS_PER_PAGE_MAX {
            if page.entries.len() >= limit {
                break;
            }
            let Some(Cursor { shard, place }) = page.next.take() else { break };
            let wanted = limit - page.entries.len();
            let part = part.clone();
            let part = self.ask(shard, move |driver| part(driver, place, wanted)).await?;
            page.entries.extend(part.entries.into_iter().map(|entry| (shard, entry)));
            let following = (shard + 1 < self.shards()).then(|| Cursor { shard: shard + 1, place: P::default() });
            page.next = part.next.map(|place| Cursor { shard, place }).or(following);
        }
        Ok(page)
    }
}

impl<P: fmt::Display> fmt::Display for Cursor<P> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.shard, self.place)
    }
}

impl<P: FromStr> FromStr for Cursor<P> {
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
        let place = Cursor { shard: 3, place: 4_000_000_000_u32 };
        assert_eq!(place.to_string().parse(), Ok(place));
        let place = Cursor { shard: 3, place: "a.b/c d".to_owned() };
        assert_eq!(place.to_string().parse(), Ok(place));
        for garbage in ["", ".", "1", "1.", ".1", "1.2.3", "-1.2", "1.4294967296", "1.x"] {
            assert!(garbage.parse::<Cursor<u32>>().is_err(), "{garbage}");
        }
    }
}
