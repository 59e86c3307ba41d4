//! What stands behind one filter: subscribers here, other shards, groups.
//!
//! Of a million filters nearly all have one subscriber, on one shard. So the two cases "one session here" and "one
//! other shard" are stored in place, in 16 bytes without an allocation; all else is in a [`Crowd`] on the heap, and
//! goes back to the small form when it shrinks.

use super::members::{Member, Members};
use super::{GroupId, SessionKey, ShardIndex, ShardSet, Subscribed, Subscription};

#[derive(Debug, Default)]
pub(super) enum Target {
    #[default]
    Empty,
    /// One session of this shard and nothing else.
    One(Member),
    /// One other shard and nothing else; whether it may have a session that is kept.
    Elsewhere(ShardIndex, bool),
    Many(Box<Crowd>),
}

#[derive(Debug, Default)]
pub(super) struct Crowd {
    members: Members,
    shards: ShardSet,
    /// Those of them that may have sessions that are kept.
    durable: ShardSet,
    groups: Vec<GroupId>,
}

/// Who is interested in a filter besides this shard's sessions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interest<'a> {
    pub shards: ShardSet,
    /// Those of them that may have sessions that are kept.
    pub durable: ShardSet,
    pub groups: &'a [GroupId],
}

const _: () = assert!(size_of::<Target>() == 16);

impl Target {
    #[inline]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The sessions of this shard that subscribed, groups aside.
    #[inline]
    pub fn members(&self) -> &[Member] {
        match self {
            Self::Empty | Self::Elsewhere(..) => &[],
            Self::One(member) => std::slice::from_ref(member),
            Self::Many(crowd) => crowd.members.as_slice(),
        }
    }

    /// Where `session` is in [`Self::members`].
    #[inline]
    pub fn position(&self, session: SessionKey) -> Option<usize> {
        match self {
            Self::Empty | Self::Elsewhere(..) => None,
            Self::One(member) => (member.0 == session).then_some(0),
            Self::Many(crowd) => crowd.members.position(session),
        }
    }

    /// Other shards that are interested, and groups.
    #[inline]
    pub fn interest(&self) -> Option<Interest<'_>> {
        match self {
            Self::Empty | Self::One(_) => None,
            Self::Elsewhere(shard, durable) => {
                let shards = ShardSet(1 << shard.0);
                Some(Interest { shards, durable: if *durable { shards } else { ShardSet::default() }, groups: &[] })
            }
            Self::Many(crowd) => Some(Interest { shards: crowd.shards, durable: crowd.durable, groups: &crowd.groups }),
        }
    }

    pub fn subscribe(&mut self, session: SessionKey, subscription: Subscription) -> Subscribed {
        match self {
            Self::Empty => {
                *self = Self::One((session, subscription));
                Subscribed { new: true, first_on_shard: true }
            }
            Self::One(member) if member.0 == session => {
                member.1 = subscription;
                Subscribed { new: false, first_on_shard: false }
            }
            _ => {
                let members = &mut self.crowd().members;
                let new = members.insert(session, subscription);
                Subscribed { new, first_on_shard: new && members.len() == 1 }
            }
        }
    }

    /// `None` if there was no such subscriber, otherwise whether it was the last one here.
    pub fn unsubscribe(&mut self, session: SessionKey) -> Option<bool> {
        let position = self.position(session)?;
        match self {
            Self::Many(crowd) => {
                crowd.members.remove_at(position);
                let last = crowd.members.is_empty();
                self.settle();
                Some(last)
            }
            _ => {
                *self = Self::Empty;
                Some(true)
            }
        }
    }

    pub fn add_shard(&mut self, shard: ShardIndex, durable: bool) {
        match self {
            Self::Empty => *self = Self::Elsewhere(shard, durable),
            Self::Elsewhere(known, known_durable) if *known == shard => *known_durable |= durable,
            _ => {
                let crowd = self.crowd();
                crowd.shards.insert(shard);
                if durable {
                    crowd.durable.insert(shard);
                }
            }
        }
    }

    pub fn remove_shard(&mut self, shard: ShardIndex) {
        match self {
            Self::Elsewhere(known, _) if *known == shard => *self = Self::Empty,
            Self::Many(crowd) => {
                crowd.shards.remove(shard);
                crowd.durable.remove(shard);
                self.settle();
            }
            _ => {}
        }
    }

    /// Adds a group that is not there yet; its position among the groups of this filter.
    pub fn add_group(&mut self, group: GroupId) -> u32 {
        let groups = &mut self.crowd().groups;
        groups.push(group);
        groups.len() as u32 - 1
    }

    /// Takes out the group at `position`. The last group takes its place, and is returned if it is another one.
    pub fn remove_group(&mut self, position: u32) -> Option<GroupId> {
        let Self::Many(crowd) = self else { return None };
        crowd.groups.swap_remove(position as usize);
        let moved = crowd.groups.get(position as usize).copied();
        self.settle();
        moved
    }

    /// The large form, into which the small one is moved if need be.
    fn crowd(&mut self) -> &mut Crowd {
        if !matches!(self, Self::Many(_)) {
            let mut crowd = Box::new(Crowd::default());
            match *self {
                Self::One((session, subscription)) => {
                    crowd.members.insert(session, subscription);
                }
                Self::Elsewhere(shard, durable) => {
                    crowd.shards.insert(shard);
                    if durable {
                        crowd.durable.insert(shard);
                    }
                }
                Self::Empty | Self::Many(_) => {}
            }
            *self = Self::Many(crowd);
        }
        match self {
            Self::Many(crowd) => crowd,
            _ => unreachable!("it has just become large"),
        }
    }

    /// Back to a small form if that holds all.
    fn settle(&mut self) {
        let Self::Many(crowd) = self else { return };
        if !crowd.groups.is_empty() {
            return;
        }
        match (crowd.members.as_slice(), crowd.shards.0.count_ones()) {
            ([], 0) => *self = Self::Empty,
            ([member], 0) => *self = Self::One(*member),
            ([], 1) => {
                let shard = ShardIndex(crowd.shards.0.trailing_zeros() as u8);
                *self = Self::Elsewhere(shard, crowd.durable.contains(shard));
            }
            _ => {}
        }
    }
}
