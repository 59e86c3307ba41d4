//! From the lists of subscribers that match to one entry a session.
//!
//! Nearly every publish matches one list: it is copied as it is. When several match, the longest is copied and each
//! session of the others is looked up in it, which costs the same however long it is. So a monitor on `#` beside a
//! thousand subscribers costs one look-up, not a sort of a thousand. Sessions that are not in the longest list are
//! put aside and sorted, so that those that occur in several of the shorter ones meet. No step is quadratic.

use super::index::LocalMatch;
use super::members::Member;
use super::target::Target;

/// What a merge has to remember, kept so that it need not be allocated again.
#[derive(Debug, Default)]
pub(super) struct Merge {
    /// Subscribers that are not in the longest list.
    others: Vec<Member>,
    /// Positions in the result, and a further subscription identifier for each.
    further_ids: Vec<(u32, u32)>,
}

/// Appends one list.
#[inline]
pub(super) fn copy(members: &[Member], local: &mut Vec<LocalMatch>, ids: &mut Vec<u32>) {
    local.extend(members.iter().map(|member| single(member, ids)));
}

impl Merge {
    /// Fills `local`, which is empty, from `targets`, which are at least one.
    pub fn merge<'a>(
        &mut self,
        targets: impl Iterator<Item = &'a Target> + Clone,
        local: &mut Vec<LocalMatch>,
        ids: &mut Vec<u32>,
    ) {
        self.others.clear();
        self.further_ids.clear();
        let longest = targets.clone().enumerate().max_by_key(|(_, target)| target.members().len());
        let Some((longest_index, longest)) = longest else { return };
        copy(longest.members(), local, ids);
        let mut lists = 0;
        for (index, target) in targets.enumerate() {
            if index == longest_index {
                continue;
            }
            let before = self.others.len();
            for member in target.members() {
                match longest.position(member.0) {
                    Some(position) => self.add(position, member, local),
                    None => self.others.push(*member),
                }
            }
            lists += usize::from(self.others.len() > before);
        }
        // One list has each session once.
        if lists > 1 {
            self.others.sort_unstable_by_key(|member| member.0);
        }
        for other in 0..self.others.len() {
            let member = self.others[other];
            if other > 0 && self.others[other - 1].0 == member.0 {
                self.add(local.len() - 1, &member, local);
            } else {
                local.push(single(&member, ids));
            }
        }
        self.append_further_ids(local, ids);
    }

    /// Merges a further subscription into the entry of its session.
    fn add(&mut self, position: usize, member: &Member, local: &mut [LocalMatch]) {
        let (_, subscription) = member;
        let options = &mut local[position].options;
        options.qos = options.qos.max(subscription.options.qos);
        options.no_local &= subscription.options.no_local;
        options.retain_as_published |= subscription.options.retain_as_published;
        if subscription.subscription_id != 0 {
            self.further_ids.push((position as u32, subscription.subscription_id));
        }
    }

    /// Gives each entry with further identifiers a new slice, at the end, that holds all of them.
    fn append_further_ids(&mut self, local: &mut [LocalMatch], ids: &mut Vec<u32>) {
        self.further_ids.sort_unstable();
        for further in self.further_ids.chunk_by(|one, other| one.0 == other.0) {
            let entry = &mut local[further[0].0 as usize];
            let start = ids.len();
            let first = entry.ids_start as usize;
            ids.extend_from_within(first..first + entry.ids_len as usize);
            ids.extend(further.iter().map(|(_, id)| id));
            entry.ids_start = start as u32;
            entry.ids_len = (ids.len() - start) as u32;
        }
    }
}

#[inline]
fn single(&(session, subscription): &Member, ids: &mut Vec<u32>) -> LocalMatch {
    let ids_start = ids.len() as u32;
    if subscription.subscription_id != 0 {
        ids.push(subscription.subscription_id);
    }
    LocalMatch { session, options: subscription.options, ids_start, ids_len: ids.len() as u32 - ids_start }
}
