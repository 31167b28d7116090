//! All links, by their ids: which of them were touched and have to be looked at, when each wants to be looked at next, and which
//! of them has acknowledged least. So the work that one input makes does not grow with the number of links.

use std::collections::BTreeMap;

use super::LinkId;
use super::link::Link;
use super::places::Places;
use super::soonest::Soonest;
use crate::identity::{Author, PopId, Seq};
use crate::time::Time;

/// A link, and how it is filed.
#[derive(Debug)]
struct Filed {
    link: Link,
    /// When it is looked at: when it is due, or before. What is put off is filed anew when that time has come, so a link that is
    /// put off at each input is filed once.
    look: Option<Time>,
    acked: Seq,
    is_touched: bool,
}

/// Whether a link had room for more before something left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    WasThere,
    WasMissing,
}

#[derive(Debug, Default)]
pub(super) struct Links {
    by_id: Places<LinkId, Filed>,
    touched: Vec<LinkId>,
    looks: Soonest<(Time, LinkId)>,
    /// How many are filed under each change that they acknowledged.
    acked: BTreeMap<Seq, usize>,
    /// How many links from a POP have not said hello.
    strangers: BTreeMap<PopId, usize>,
    /// How many are established.
    established: usize,
}

impl Links {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        self.by_id.get(id).map(|filed| &filed.link)
    }

    /// The link, which counts as touched from here on.
    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        let filed = self.by_id.get_mut(id)?;
        if !std::mem::replace(&mut filed.is_touched, true) {
            self.touched.push(id);
        }
        Some(&mut filed.link)
    }

    /// Bytes of a link left for the network. It counts as touched if there was no room before.
    pub(super) fn left(&mut self, id: LinkId, bytes: usize) -> Room {
        let Some(filed) = self.by_id.get_mut(id) else { return Room::WasThere };
        let room = if filed.link.has_room() { Room::WasThere } else { Room::WasMissing };
        filed.link.unsent = filed.link.unsent.saturating_sub(bytes);
        if room == Room::WasMissing {
            self.touch(id);
        }
        room
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.by_id.iter().map(|(id, filed)| (id, &filed.link))
    }

    pub(super) fn insert(&mut self, id: LinkId, link: Link) {
        self.remove(id);
        *self.strangers.entry(link.peer).or_default() += 1;
        *self.acked.entry(link.out.acked).or_default() += 1;
        let acked = link.out.acked;
        self.by_id.insert(id, Filed { link, look: None, acked, is_touched: false });
        self.touch(id);
    }

    pub(super) fn remove(&mut self, id: LinkId) -> Option<Link> {
        let Filed { link, look, acked, is_touched } = self.by_id.remove(id)?;
        if let Some(look) = look {
            self.looks.remove((look, id));
        }
        if is_touched {
            self.touched.retain(|touched| *touched != id);
        }
        one_less(&mut self.acked, acked);
        match link.author {
            Some(_) => self.established -= 1,
            None => one_less(&mut self.strangers, link.peer),
        }
        Some(link)
    }

    /// A link's other end says who it is.
    pub(super) fn establish(&mut self, id: LinkId, author: Author) -> Option<&mut Link> {
        self.touch(id);
        let link = &mut self.by_id.get_mut(id)?.link;
        if link.author.replace(author).is_none() {
            self.established += 1;
            one_less(&mut self.strangers, link.peer);
        }
        Some(link)
    }

    pub(super) fn established_len(&self) -> usize {
        self.established
    }

    /// How many links from a POP have not said who they are.
    pub(super) fn strangers(&self, pop: PopId) -> usize {
        self.strangers.get(&pop).copied().unwrap_or(0)
    }

    /// The established ones, in order.
    pub(super) fn established(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.iter().filter(|(_, link)| link.author.is_some())
    }

    pub(super) fn touch(&mut self, id: LinkId) {
        self.get_mut(id);
    }

    /// Those that were touched, and those that are to be looked at by now, in order.
    pub(super) fn take_due(&mut self, now: Time) -> Vec<LinkId> {
        while let Some((look, id)) = self.looks.first().filter(|(look, _)| *look <= now) {
            self.looks.remove((look, id));
            if let Some(filed) = self.by_id.get_mut(id) {
                filed.look = None;
            }
            self.touch(id);
        }
        self.take_touched()
    }

    /// Files those that were touched under what they acknowledged.
    pub(super) fn file_acked(&mut self) {
        for id in &self.touched {
            let Some(filed) = self.by_id.get_mut(*id) else { continue };
            let (acked, before) = (filed.link.out.acked, filed.acked);
            if acked != before {
                filed.acked = acked;
                one_less(&mut self.acked, before);
                *self.acked.entry(acked).or_default() += 1;
            }
        }
    }

    /// Files a link anew under when it is due next.
    pub(super) fn file_due(&mut self, id: LinkId, due: Option<Time>) {
        let Some(filed) = self.by_id.get_mut(id) else { return };
        if let Some(due) = due.filter(|due| filed.look.is_none_or(|look| *due < look)) {
            if let Some(later) = filed.look.replace(due) {
                self.looks.remove((later, id));
            }
            self.looks.insert((due, id));
        }
    }

    pub(super) fn take_touched(&mut self) -> Vec<LinkId> {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        for id in &touched {
            if let Some(filed) = self.by_id.get_mut(*id) {
                filed.is_touched = false;
            }
        }
        touched
    }

    /// When to look at the first of them: when it is due, or before.
    pub(super) fn next_look(&self) -> Option<Time> {
        self.looks.first().map(|(look, _)| look)
    }

    /// What all of them have acknowledged, as they are filed; `None` without links.
    pub(super) fn acked(&self) -> Option<Seq> {
        self.acked.first_key_value().map(|(acked, _)| *acked)
    }

    /// Those that have acknowledged less than `floor`.
    pub(super) fn behind(&self, floor: Seq) -> Vec<LinkId> {
        self.iter().filter(|(_, link)| link.out.acked < floor).map(|(id, _)| id).collect()
    }
}

/// One less is counted under a key.
fn one_less<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}
