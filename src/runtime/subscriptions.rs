//! The subscriptions of a running server, and the filters that have any.

use super::pages::{Cursor, Page};
use super::question::Ended;
use super::server_handle::ServerHandle;
use super::shard::ShardDriver;
use crate::broker::inspect::{ClientSubscription, FilterPlace, FilterState, SubscriptionFilter, SubscriptionPlace};

impl ServerHandle {
    /// Subscriptions that `wanted` lets through, at most `limit`.
    pub async fn subscriptions(
        &self,
        wanted: SubscriptionFilter,
        mut from: Cursor<SubscriptionPlace>,
        limit: usize,
    ) -> Result<Page<ClientSubscription, SubscriptionPlace>, Ended> {
        // Those of one client are on its home shard, and nowhere else.
        let home = wanted.client_id.as_deref().map(|client_id| self.home_of(client_id));
        if let Some(home) = home.filter(|home| *home > from.shard) {
            from = Cursor { shard: home, place: 0 };
        }
        let part = move |driver: &mut ShardDriver, place, left| driver.shard.subscriptions(&wanted, place, left);
        let mut page = self.page(from, limit, part).await?;
        page.next = page.next.filter(|next| home.is_none_or(|home| next.shard <= home));
        Ok(page)
    }

    /// Filters that somebody has subscribed to, each once, with how many subscribers it has on all shards.
    pub async fn filters(
        &self,
        from: Cursor<FilterPlace>,
        limit: usize,
    ) -> Result<Page<FilterState, FilterPlace>, Ended> {
        let mut page = self.page(from, limit, |driver, place, wanted| driver.shard.filters(place, wanted)).await?;
        let names: Vec<String> = page.entries.iter().map(|(_, listed)| listed.filter.clone()).collect();
        let everywhere = self
            .ask_all(move |driver| names.iter().map(|filter| driver.shard.filter_state(filter)).collect::<Vec<_>>());
        for (shard, states) in everywhere.await?.into_iter().enumerate() {
            for ((lister, listed), state) in page.entries.iter_mut().zip(states) {
                if *lister != shard {
                    listed.add(state);
                }
            }
        }
        Ok(page)
    }
}
