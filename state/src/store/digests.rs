//! What a node knows, in a few numbers: two nodes whose numbers are the same know the same.
//!
//! A digest is the sum of keyed hashes, one for each cell, fact and sketch, so it does not depend on order, and nobody outside can make
//! one up. It covers what lives at an instant that the asking node names, less what is about to die, which one of two nodes
//! may have dropped already. While counts change, what is still under way differs between any two nodes; then only what was
//! *settled* some time before that instant is covered: slots that were over, facts that were stated.

use super::entries::Entries;
use super::facts::Facts;
use super::{Store, Table};
use crate::counter::SLOTS;
use crate::fact::{Kind, Stated};
use crate::identity::Author;
use crate::key::{Domain, Sharded};
use crate::ledger::Account;
use crate::range::{PARTS, Range};
use crate::time::Time;
use crate::unique::Sketch;
use crate::wire::{self, SESSIONS_SINCE};

/// Facts that are forgotten within this time are not compared, ms: nodes sweep when it suits them.
const FORGOTTEN_SOON: u64 = 60_000;

/// Slots of a ring that are compared: the oldest two of the eight may be gone where a clock is ahead, or the key was asked later.
const COMPARED: u64 = SLOTS - 2;

/// What digests are of: what lives at an instant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instant {
    /// The instant.
    pub(crate) at: Time,
    /// Only what was settled by then; everything when absent.
    pub(crate) settled: Option<Time>,
    /// The protocol version of those who compare: only what it knows.
    pub(crate) version: u16,
}

impl Instant {
    /// Whether what ended, or was stated, then is covered.
    fn covers(self, end: u64) -> bool {
        self.settled.is_none_or(|settled| end <= settled.0)
    }

    /// Whether a slot of this width is: not one that is about to leave the ring.
    fn covers_slot(self, slot: u64, width: u64) -> bool {
        let newest = self.at.0 / width + 1;
        slot <= newest && slot + COMPARED >= newest && self.covers(slot.saturating_add(1).saturating_mul(width))
    }
}

/// Digests of the parts of a range.
pub(crate) type Digests = [u64; PARTS];

impl Store {
    /// Digests of the parts of a range, of what goes to peers and lives at an instant.
    pub(crate) fn digests(&self, range: Range, when: Instant) -> Digests {
        let mut digests = [0; PARTS];
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_in(when.version)) {
            match kind {
                Kind::Ban => self.digest_facts(&self.bans, range, when, &mut digests),
                Kind::Listing => self.digest_facts(&self.lists, range, when, &mut digests),
                Kind::Register => self.digest_facts(&self.registers, range, when, &mut digests),
                Kind::Maximum => self.digest_facts(&self.maxima, range, when, &mut digests),
                Kind::Mark => self.digest_facts(&self.marks, range, when, &mut digests),
                Kind::Revocation => self.digest_facts(&self.revocations, range, when, &mut digests),
            }
        }
        self.digest_rows(range, when, &mut digests);
        if self.ledgers.keys_of_all() > 0 {
            range.shards().for_each(|shard| self.digest_accounts(range, shard, when, &mut digests));
        }
        if self.uniques.keys_of_all() > 0 {
            range.shards().for_each(|shard| self.digest_sketches(range, shard, when, &mut digests));
        }
        if when.version >= SESSIONS_SINCE && self.sessions.len() > 0 && self.sessions.is_whole(when.at) {
            range.shards().for_each(|shard| self.digest_sessions(range, shard, when, &mut digests));
        }
        digests
    }

    fn digest_sessions(&self, range: Range, shard: u8, when: Instant, digests: &mut Digests) {
        let soon = when.at.plus(FORGOTTEN_SOON);
        self.sessions.each_in(shard, |key, session| {
            if range.holds(&key) && session.over() > soon && when.covers(session.changed().0) {
                let said = wire::session_said(key, session);
                add(digests, range, &key, self.secrets.now.hash64(Domain::Digest, &[&said]));
            }
        });
    }

    fn digest_sketches(&self, range: Range, shard: u8, when: Instant, digests: &mut Digests) {
        self.uniques.each_live(shard, when.at, |identity, key, (slot, end), sketch| {
            if range.holds(&key) && when.covers(end.0) {
                add(digests, range, &key, self.hash_sketch([identity, key.0, slot], sketch));
            }
        });
    }

    fn digest_facts<F: Stated, E: Entries<F>>(
        &self,
        facts: &Facts<F, E>,
        range: Range,
        when: Instant,
        digests: &mut Digests,
    ) {
        if facts.len() == 0 {
            return;
        }
        let soon = when.at.plus(FORGOTTEN_SOON);
        for shard in range.shards() {
            facts.each_in(shard, |key, fact| {
                if range.holds(&key) && !fact.is_spent(soon) && when.covers(fact.made_at().0) {
                    add(digests, range, &key, fact.digest(&self.secrets.now));
                }
            });
        }
    }

    fn digest_rows(&self, range: Range, when: Instant, digests: &mut Digests) {
        for table in self.compared(when.at).filter(|table| table.len() > 0) {
            let (widths, identity) = (table.widths(), table.identity());
            for shard in range.shards() {
                table.counters().each_in(shard, |key, counter| {
                    if range.holds(&key) {
                        counter.each_cell(widths, self.me, |author, width, slot, count| {
                            if when.covers_slot(slot, width) {
                                let cell = [identity, key.0, width, slot, count];
                                let hash = self.hash_cell(author, cell, when.version);
                                add(digests, range, &key, hash);
                            }
                        });
                    }
                });
            }
        }
    }

    fn digest_accounts(&self, range: Range, shard: u8, when: Instant, digests: &mut Digests) {
        let soon = when.at.plus(FORGOTTEN_SOON);
        self.ledgers.each_in(shard, self.me, |table, key, author, account| {
            if range.holds(&key) && table.is_compared(account, when.at, soon) && when.covers(account.version.at().0) {
                add(digests, range, &key, self.hash_account([table.identity(), key.0], author, account));
            }
        });
    }

    /// The tables of counters that are compared with peers.
    fn compared(&self, now: Time) -> impl Iterator<Item = &Table> {
        let compared = self.tables.after(None).filter(move |(number, table)| table.is_compared(*number, now));
        compared.map(|(_, table)| table)
    }

    /// Says which tables are compared here: nodes that count in others, or hold but a part of one, cannot compare what they know.
    pub(crate) fn tables_digest(&self, now: Time, version: u16) -> u64 {
        let identities = self.compared(now).map(Table::identity).chain(self.uniques.identities());
        let identities = identities.chain(self.ledgers.identities(now));
        let sessions = (version >= SESSIONS_SINCE && self.sessions.is_whole(now))
            .then(|| self.names.hash64(Domain::Sessions, &[]));
        let identities = identities.chain(sessions);
        let hash = |identity: u64| self.secrets.now.hash64(Domain::Digest, &[&identity.to_le_bytes()]);
        identities.map(hash).fold(0, u64::wrapping_add)
    }

    /// Keys of the largest table that goes to peers, bans and elements included, as far as they decide how finely to compare.
    pub(crate) fn keys_about(&self, now: Time) -> usize {
        let counters = self.compared(now).map(Table::len).fold(0, usize::saturating_add);
        counters
            .saturating_add(self.uniques.keys_of_all())
            .saturating_add(self.ledgers.keys_of_all())
            .saturating_add(self.bans.len())
            .saturating_add(self.lists.len())
            .saturating_add(self.registers.len())
            .saturating_add(self.maxima.len())
            .saturating_add(self.marks.len())
            .saturating_add(self.revocations.len())
            .saturating_add(self.sessions.len())
    }

    /// Whether there is nothing here that goes to peers.
    pub(crate) fn tells_nothing(&self) -> bool {
        let facts = self.bans.len() + self.lists.len() + self.registers.len() + self.maxima.len() + self.marks.len();
        let facts = facts + self.revocations.len();
        let counters = self.tables.after(None).all(|(_, table)| table.len() == 0);
        counters
            && facts + self.sessions.len() == 0
            && self.uniques.keys_of_all() == 0
            && self.ledgers.keys_of_all() == 0
    }

    /// Of all cells there are, so it is one hash of few bytes from version 3 on; before, each number was framed.
    fn hash_cell(&self, author: Author, [table, key, width, slot, count]: [u64; 5], version: u16) -> u64 {
        let Author { actor, incarnation } = author;
        let who = u64::from(actor.pop.0) << 32 | u64::from(actor.node);
        let numbers = [table, key, width, slot, count, who, incarnation.0].map(u64::to_le_bytes);
        if version < 3 {
            return self.secrets.now.hash64(Domain::Digest, &numbers.each_ref().map(<[u8; 8]>::as_slice));
        }
        self.secrets.now.hash64(Domain::Digest, &[numbers.as_flattened()])
    }

    fn hash_account(&self, of: [u64; 2], author: Author, account: &Account) -> u64 {
        let who = |author: Author| {
            let Author { actor, incarnation } = author;
            [u64::from(actor.pop.0) << 32 | u64::from(actor.node), incarnation.0]
        };
        let (rate, burst) = account.terms;
        let said = [account.version.0, account.ends.0, account.amount, account.claim, account.want, rate, burst];
        let given = account.given.iter().flat_map(|gift| who(gift.to).into_iter().chain([gift.amount, gift.tokens]));
        let numbers: Vec<[u8; 8]> =
            of.into_iter().chain(who(author)).chain(said).chain(given).map(u64::to_le_bytes).collect();
        let parts: Vec<&[u8]> = numbers.iter().map(<[u8; 8]>::as_slice).collect();
        self.secrets.now.hash64(Domain::Digest, &parts)
    }

    fn hash_sketch(&self, of: [u64; 3], sketch: &Sketch) -> u64 {
        let [table, key, slot] = of.map(u64::to_le_bytes);
        self.secrets.now.hash64(Domain::Digest, &[&table, &key, &slot, &sketch.bytes()])
    }
}

fn add(digests: &mut Digests, range: Range, name: &impl Sharded, hash: u64) {
    if let Some(digest) = digests.get_mut(range.part_of(name)) {
        *digest = digest.wrapping_add(hash);
    }
}
