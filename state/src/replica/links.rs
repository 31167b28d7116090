//! All links, by their ids: which of them were touched and have to be looked at, when each wants to be looked at next, and which
//! of them has acknowledged least. So the work that one input makes does not grow with the number of links.

use std::collections::{BTreeMap, BTreeSet};

use super::LinkId;
use super::link::Link;
use crate::identity::Seq;
use crate::time::Time;

/// What a link is filed under.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Filed {
    due: Option<Time>,
    acked: Seq,
}

/// Whether a link had room for more before something left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    WasThere,
    WasMissing,
}

#[derive(Debug, Default)]
pub(super) struct Links {
    by_id: BTreeMap<LinkId, Link>,
    filed: BTreeMap<LinkId, Filed>,
    touched: BTreeSet<LinkId>,
    due: BTreeSet<(Time, LinkId)>,
    acked: BTreeSet<(Seq, LinkId)>,
}

impl Links {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        self.by_id.get(&id)
    }

    /// The link, which counts as touched from here on.
    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        let link = self.by_id.get_mut(&id)?;
        self.touched.insert(id);
        Some(link)
    }

    /// Bytes of a link left for the network. It counts as touched if there was no room before.
    pub(super) fn left(&mut self, id: LinkId, bytes: usize) -> Room {
        let Some(link) = self.by_id.get_mut(&id) else { return Room::WasThere };
        let room = if link.has_room() { Room::WasThere } else { Room::WasMissing };
        link.unsent = link.unsent.saturating_sub(bytes);
        if room == Room::WasMissing {
            self.touched.insert(id);
        }
        room
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.by_id.iter().map(|(id, link)| (*id, link))
    }

    pub(super) fn insert(&mut self, id: LinkId, link: Link) {
        self.acked.insert((link.out.acked, id));
        self.filed.insert(id, Filed { due: None, acked: link.out.acked });
        self.by_id.insert(id, link);
        self.touched.insert(id);
    }

    pub(super) fn remove(&mut self, id: LinkId) -> Option<Link> {
        let filed = self.filed.remove(&id).unwrap_or_default();
        self.unfile(id, filed);
        self.touched.remove(&id);
        self.by_id.remove(&id)
    }

    /// The established ones, in order.
    pub(super) fn established(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.iter().filter(|(_, link)| link.author.is_some())
    }

    pub(super) fn touch(&mut self, id: LinkId) {
        self.touched.insert(id);
    }

    /// Those that were touched, and those whose time has come.
    pub(super) fn take_due(&mut self, now: Time) -> BTreeSet<LinkId> {
        let mut ids = std::mem::take(&mut self.touched);
        ids.extend(self.due.iter().take_while(|(due, _)| *due <= now).map(|(_, id)| *id));
        ids
    }

    /// Files a link anew under when it is due next.
    pub(super) fn file(&mut self, id: LinkId, due: Option<Time>) {
        let Some(link) = self.by_id.get(&id) else { return };
        let new = Filed { due, acked: link.out.acked };
        let old = self.filed.insert(id, new).unwrap_or_default();
        if old != new {
            self.unfile(id, old);
            self.acked.insert((new.acked, id));
            self.due.extend(due.map(|due| (due, id)));
        }
    }

    fn unfile(&mut self, id: LinkId, filed: Filed) {
        self.acked.remove(&(filed.acked, id));
        if let Some(due) = filed.due {
            self.due.remove(&(due, id));
        }
    }

    /// Those that were touched, which stay so.
    pub(super) fn touched(&self) -> Vec<LinkId> {
        self.touched.iter().copied().collect()
    }

    pub(super) fn take_touched(&mut self) -> Vec<LinkId> {
        std::mem::take(&mut self.touched).into_iter().collect()
    }

    /// When the first of them is due.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.due.first().map(|(due, _)| *due)
    }

    /// What all of them have acknowledged, as they are filed; `None` without links.
    pub(super) fn acked(&self) -> Option<Seq> {
        self.acked.first().map(|(acked, _)| *acked)
    }

    /// Those that have acknowledged less than `floor`.
    pub(super) fn behind(&self, floor: Seq) -> Vec<LinkId> {
        self.by_id.iter().filter(|(_, link)| link.out.acked < floor).map(|(id, _)| *id).collect()
    }
}
