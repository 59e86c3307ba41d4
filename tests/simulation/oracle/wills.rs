//! Wills (sections 3.1.2.5, 3.1.3.2.2 and 3.14.2.1): when they go out, and when not.

use super::sessions::Connection;
use super::{Case, Figures};
use crate::history::{Key, NEVER, Order, Time, What};
use crate::world::Finding;

/// What becomes of a will.
enum Fate {
    /// It goes out, at the latest at this time.
    Due(Time),
    Never,
    /// The specification, or what can be known, leaves it open.
    Open,
}

/// Decides each will, notes when those that must go out have, and looks for those that went out too early or at all.
pub fn check(case: &mut Case<'_>, figures: &mut Figures) -> Result<(), Finding> {
    let wills: Vec<(Key, u32, Connection)> = case
        .sessions
        .connections
        .values()
        .filter_map(|connection| connection.connecting.will.map(|(key, delay)| (key, delay, connection.clone())))
        .collect();
    for (key, delay_s, connection) in wills {
        let expiry_s = match connection.disconnect {
            Some((_, Some(changed))) => changed.min(connection.connecting.session_expiry_s),
            _ => connection.connecting.session_expiry_s,
        };
        let delay = u64::from(delay_s.min(expiry_s)) * 1000;
        let next = case.sessions.connections_of(connection.client).find(|next| next.connect > connection.connect);
        let fate = fate(case, &connection, delay, next);
        let first = first_delivery(case, key);
        if let Some((order, time)) = first {
            if connection.end >= order {
                return Err(Finding::new("a will went out before its connection ended", connection.client, Some(key)));
            }
            let alone = next.is_none_or(|next| next.connect > order);
            if alone && time < connection.end_time.saturating_add(delay) {
                return Err(Finding::new("a will went out before its delay had passed", connection.client, Some(key)));
            }
        }
        match fate {
            Fate::Never => {
                figures.wills += 1;
                if first.is_some() {
                    return Err(Finding::new("a will that must not go out did", connection.client, Some(key)));
                }
            }
            Fate::Due(time) => {
                figures.wills += 1;
                let due = moment_after(case, time);
                if due < case.history.entries.len()
                    && let Some(life) = case.messages.lives.get_mut(&key)
                {
                    life.accepted = due.max(connection.server_end);
                }
            }
            Fate::Open => {}
        }
    }
    Ok(())
}

fn fate(case: &Case<'_>, connection: &Connection, delay: Time, next: Option<&Connection>) -> Fate {
    if connection.connected == NEVER {
        return Fate::Open;
    }
    if connection.server_end == NEVER {
        return Fate::Never;
    }
    if let Some((code, _)) = connection.disconnect {
        if connection.disconnect_arrived != NEVER {
            let taken_over = next.is_some_and(|next| next.connect < connection.disconnect_arrived);
            let timed_out =
                connection.connecting.keep_alive_s > 0 && !connection.server_end_reason.contains("ByClient");
            let closed_by_server = connection.server_end_reason.contains("ByServer");
            let stopped = case.disturbances.restarts(connection.end, connection.server_end) > 0;
            if taken_over
                || timed_out
                || stopped
                || closed_by_server
                || is_open_after(case, connection.disconnect_arrived)
            {
                return Fate::Open;
            }
            if code != 0x04 {
                return Fate::Never;
            }
        } else {
            return Fate::Open;
        }
    }
    // A session that is not kept has lost its will with everything else.
    if connection.connecting.session_expiry_s == 0 && is_open_after(case, connection.end) {
        return Fate::Open;
    }
    if case.disturbances.may_undo(connection.connect, connection.connected) {
        return Fate::Open;
    }
    let due = certainly_gone(case, connection, delay) + delay;
    let Some(next) = next.filter(|_| delay > 0) else { return Fate::Due(due) };
    if next.connected != NEVER && next.connected_time < connection.end_time.saturating_add(delay) {
        if next.connecting.clean_start {
            let is_open = is_open_after(case, next.connected);
            return if is_open { Fate::Open } else { Fate::Due(next.connected_time) };
        }
        if next.session_present == Some(true) {
            let may_undo = case.disturbances.may_undo(next.connect, next.connected);
            return if may_undo { Fate::Open } else { Fate::Never };
        }
    }
    if next.connect_time > due.saturating_add(1500) { Fate::Due(due) } else { Fate::Open }
}

/// What happened at `moment` without anybody being told may be undone: the broker crashed before the next rest.
fn is_open_after(case: &Case<'_>, moment: Order) -> bool {
    case.disturbances.crashed(moment.saturating_sub(1), case.rest_after(moment).unwrap_or(NEVER))
}

/// From when on the broker knows that the connection has gone. When it starts, it finds a session that was connected, or of
/// which it is not kept that it no more was or that its will was published, connected, and its connection lost.
fn certainly_gone(case: &Case<'_>, connection: &Connection, delay: Time) -> Time {
    let mut gone = connection.server_end_time;
    for crash in case.disturbances.crashes_between(connection.connect, NEVER) {
        let published = moment_after(case, gone.saturating_add(delay));
        if crash.order < case.rest_after(published).unwrap_or(NEVER) {
            gone = gone.max(crash.restarted_time);
        }
    }
    gone
}

/// The first moment at which what is due at `time` certainly has happened.
fn moment_after(case: &Case<'_>, time: Time) -> Order {
    case.history.entries.partition_point(|entry| entry.time <= time.saturating_add(1100))
}

fn first_delivery(case: &Case<'_>, key: Key) -> Option<(Order, Time)> {
    case.history.entries.iter().enumerate().find_map(|(order, entry)| match &entry.what {
        What::Delivery(delivery) if delivery.key == Some(key) => Some((order, entry.time)),
        _ => None,
    })
}
