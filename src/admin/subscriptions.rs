//! `/api/v1/subscriptions`: who has subscribed to what.

use serde::Serialize;

use crate::broker::inspect::SubscriptionState;
use crate::codec::RetainHandling;

/// One subscription as it is in force.
#[derive(Serialize)]
pub struct ShownSubscription {
    /// With `$share/name/`, if it is shared.
    filter: String,
    qos: u8,
    no_local: bool,
    retain_as_published: bool,
    /// `send`, `send_if_new` or `do_not_send`.
    retain_handling: &'static str,
    /// Subscription Identifier; `null` is none.
    subscription_id: Option<u32>,
}

impl From<SubscriptionState> for ShownSubscription {
    fn from(SubscriptionState { filter, subscription }: SubscriptionState) -> Self {
        let options = subscription.options;
        Self {
            filter,
            qos: options.qos as u8,
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            retain_handling: match options.retain_handling {
                RetainHandling::Send => "send",
                RetainHandling::SendIfNew => "send_if_new",
                RetainHandling::DoNotSend => "do_not_send",
            },
            subscription_id: Some(subscription.subscription_id).filter(|id| *id != 0),
        }
    }
}
