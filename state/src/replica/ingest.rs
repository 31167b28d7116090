//! Taking what a peer says. Nothing in here fails: a frame is read as far as it can be, what may not be said is dropped and
//! counted, and the next frame is taken. Rows of any frame are joined, whether or not it follows on the last one; only a
//! frame that follows moves what is acknowledged.

use super::clocks::Clocks;
use super::index::Item;
use super::link::Link;
use super::rtt::Times;
use super::tempo::Reach;
use super::{CloseReason, Event, LinkId, Replica};
use crate::fact::Fact;
use crate::identity::{Actor, Author, PopId, Seq};
use crate::key::Key128;
use crate::session::Session;
use crate::store::{Hearing, Ingested, Offered, Told};
use crate::time::Time;
use crate::void::Void;
use crate::wire::{Accounts, Ack, DeltaHead, Frame, RangeHead, Rows, Sketches, State, WireError};

/// A piece of a repair is acknowledged after so long, ms: more of them may be under way.
const RANGE_ACK_DELAY: u64 = 10;

/// In whose names a frame may speak.
#[derive(Debug, Clone, Copy)]
enum Speaks {
    /// Its sender's.
    For(Author),
    /// Any POP's of the roster.
    Roster,
}

impl Speaks {
    /// Why its rows are said.
    fn told(self) -> Told {
        match self {
            Speaks::For(_) => Told::Changed,
            Speaks::Roster => Told::Known,
        }
    }

    /// Whether a frame may hold a fact. A fact outlives the POP that made it: whoever repairs passes it on.
    fn may_state(self, fact: &Fact) -> bool {
        match self {
            Speaks::For(sender) => fact.is_all_of(sender.actor),
            Speaks::Roster => true,
        }
    }
}

/// What came of a frame, beside what was taken.
#[derive(Debug, Default)]
struct Outcome {
    things: u64,
    undecodable: Option<String>,
    foreign: Option<Actor>,
    unknown_table: Option<u64>,
    ahead: bool,
    implausible: bool,
    no_room: bool,
    over: bool,
    /// Whether the sender hands over: its successor, which has no link with it, is to hear what rises.
    hands_over: bool,
    void: Option<Void>,
    /// What rose and somebody misses: not dropped, but passed on.
    risen: Vec<(Actor, Item)>,
}

impl Replica {
    pub(super) fn frame(&mut self, id: LinkId, bytes: &[u8], now: Time) {
        let Some(link) = self.links.get(id) else { return };
        let (pop, author) = (link.peer, link.author);
        if let Some(peer) = self.peer_of(id) {
            peer.frames_in += 1;
            peer.bytes_in += bytes.len() as u64;
        }
        let mut outcome = Outcome::default();
        match (Frame::decode(bytes), author) {
            (Err(error), _) => outcome.undecodable(&error),
            (Ok(Frame::Hello(hello)), _) => {
                self.hello(id, &hello, now);
                self.heard(id, hello.at, now);
            }
            // Nobody may speak before it said who it is; a sane peer's frame comes early only where order is not kept.
            (Ok(_), None) => outcome.things += 1,
            (Ok(Frame::Delta(head, blocks)), Some(author)) => {
                self.heard_greeted(id, head.at, now);
                self.delta_in(id, author, &head, blocks, &mut outcome, now);
            }
            (Ok(Frame::Range(head, blocks)), Some(author)) => {
                self.heard_greeted(id, head.at, now);
                self.range_in(id, author, &head, blocks, &mut outcome, now);
            }
            (Ok(Frame::Digest(digest)), Some(author)) => {
                self.heard_greeted(id, 0, now);
                self.peers.told(author.actor);
                if !self.digest_in(id, &digest, now) {
                    outcome.things += 1;
                }
            }
            (Ok(Frame::Misses(misses)), Some(_)) => {
                self.heard_greeted(id, 0, now);
                self.misses_in(id, &misses);
            }
            (Ok(Frame::Retires), Some(author)) => {
                self.heard_greeted(id, 0, now);
                self.retires_in(id, author.actor);
            }
            (Ok(Frame::Ack(ack)), Some(_)) => {
                self.heard_greeted(id, ack.at, now);
                self.ack_in(id, &ack, now);
            }
            (Ok(Frame::Unknown), Some(_)) => outcome.things += 1,
        }
        self.report(id, pop, outcome, now);
    }

    /// A frame came on an established link.
    fn heard(&mut self, id: LinkId, at: u64, now: Time) {
        let Some(link) = self.links.get_mut(id).filter(|link| link.author.is_some()) else { return };
        if link.inward.echo.is_none_or(|(newest, _)| newest <= at) {
            link.inward.echo = Some((at, now));
        }
        if link.silent_at.is_some() {
            link.drains(now);
        }
        let Some(Author { actor, incarnation }) = link.author else { return };
        if self.peers.heard(actor, now) {
            self.relay.changed(now);
            for Author { actor, incarnation } in self.linked(actor) {
                self.store.hears(actor, incarnation, Hearing::Heard);
            }
            self.tell(Event::PeerUp { actor, incarnation });
        }
    }

    /// A frame came that its peer sends only when it took our hello.
    fn heard_greeted(&mut self, id: LinkId, at: u64, now: Time) {
        if let Some(link) = self.links.get_mut(id) {
            link.is_greeted = true;
        }
        self.heard(id, at, now);
    }

    fn delta_in(
        &mut self,
        id: LinkId,
        author: Author,
        head: &DeltaHead,
        blocks: impl Iterator<Item = Result<State, WireError>>,
        outcome: &mut Outcome,
        now: Time,
    ) {
        let says = Author::from(head.author);
        if says != author {
            outcome.foreign(says.actor);
            return;
        }
        self.changed = Some(now);
        outcome.hands_over = self.links.get(id).is_some_and(|link| link.silent_at.is_some());
        let whole = self.take_blocks(blocks, (author.actor, Speaks::For(author)), outcome, now);
        self.pass_risen(outcome, now);
        let Some(link) = self.links.get_mut(id) else { return };
        let follows = head.from <= link.inward.have;
        if whole && follows {
            link.inward.have = link.inward.have.max(head.to);
        }
        link.inward.acknowledge(if follows { now.plus(link.reach.tempo().ack_delay) } else { now });
    }

    fn range_in(
        &mut self,
        id: LinkId,
        sender: Author,
        head: &RangeHead,
        blocks: impl Iterator<Item = Result<State, WireError>>,
        outcome: &mut Outcome,
        now: Time,
    ) {
        let whole = self.take_blocks(blocks, (sender.actor, Speaks::Roster), outcome, now);
        if head.to > 0 {
            // A piece of a repair: whoever lacks it is asked, or asks, as well.
            outcome.risen.retain(|(author, _)| *author == sender.actor);
        }
        self.pass_risen(outcome, now);
        let Some(link) = self.links.get_mut(id) else { return };
        if whole && head.from <= link.inward.ranges {
            link.inward.ranges = link.inward.ranges.max(head.to);
        }
        link.inward.acknowledge(now.plus(RANGE_ACK_DELAY));
    }

    fn ack_in(&mut self, id: LinkId, ack: &Ack, now: Time) {
        let last = self.index.last();
        let Some(link) = self.links.get_mut(id) else { return };
        let pop = link.peer;
        if Seq(ack.have) > last || ack.ranges > link.repair.last {
            if !std::mem::replace(&mut link.told.foreign_ack, true) {
                self.blame(id, Event::ForeignAck { pop });
            }
            return;
        }
        link.out.acked(Seq(ack.have), now);
        let was_heard = match link.reach {
            Reach::Direct => link.out.is_overtaken_by(Time(ack.echo)),
            Reach::Shared => self.published.by(Time(ack.echo)).is_some_and(|seq| Seq(ack.have) < seq),
        };
        if was_heard {
            link.out.lacks(now);
        }
        link.repair.acked(ack.ranges, now);
        // The echo is this node's own time; one of the future was not.
        if ack.echo > 0 && ack.echo <= now.0 {
            let came = ack.at.saturating_sub(ack.held);
            self.measured(id, Times { left: ack.echo, came, answered: ack.at, back: now.0 });
        }
    }

    /// Joins the blocks of a frame; false if the frame could not be read to its end.
    fn take_blocks(
        &self,
        blocks: impl Iterator<Item = Result<State, WireError>>,
        (sender, speaks): (Actor, Speaks),
        outcome: &mut Outcome,
        now: Time,
    ) -> bool {
        let clocks = self.clocks(sender);
        for block in blocks {
            match block {
                Ok(State::Counters(_) | State::Sketches(_)) if clocks == Clocks::Differ => {}
                Ok(State::Counters(rows)) => self.take_rows(rows, speaks, outcome, now),
                Ok(State::Facts(facts)) => self.take_facts(facts, speaks, outcome, now),
                Ok(State::Sketches(sketches)) => self.take_sketches(sketches, (sender, speaks), outcome, now),
                Ok(State::Accounts(accounts)) => self.take_accounts(accounts, (speaks, clocks), outcome, now),
                Ok(State::Sessions(sessions)) => self.take_sessions(sessions, (sender, speaks), outcome, now),
                // Debts are a node's own.
                Ok(State::Debts(_) | State::Unknown) => outcome.things += 1,
                Err(error) => {
                    outcome.undecodable(&error);
                    return false;
                }
            }
        }
        true
    }

    fn take_rows(&self, mut rows: Rows, speaks: Speaks, outcome: &mut Outcome, now: Time) {
        let Some(table) = self.store.by_identity(rows.table) else {
            outcome.things += rows.rows.len() as u64;
            outcome.unknown_table = Some(rows.table);
            return;
        };
        for (key, author, row) in &mut rows.rows {
            let (key, author) = (*key, *author);
            if !self.may_write(speaks, author) {
                outcome.foreign(author.actor);
                continue;
            }
            let ingested = self.store.offer_row((table, key), (author, row), speaks.told(), now);
            self.note_risen(ingested.raised, author.actor, Item::Counter(table, key), outcome);
            outcome.ingested(ingested);
        }
    }

    fn take_accounts(&self, accounts: Accounts, (speaks, clocks): (Speaks, Clocks), outcome: &mut Outcome, now: Time) {
        let Some(table) = self.store.ledgers_by_identity(accounts.table) else {
            outcome.things += accounts.accounts.len() as u64;
            outcome.unknown_table = Some(accounts.table);
            return;
        };
        if clocks == Clocks::Differ && self.store.is_timed(table) {
            return;
        }
        for (key, author, account) in accounts.accounts {
            if !self.may_write(speaks, author) {
                outcome.foreign(author.actor);
                continue;
            }
            let ingested = self.store.offer_account((table, key), (author, account), speaks.told(), now);
            self.note_risen(ingested.raised, author.actor, Item::Ledger(table, key), outcome);
            outcome.ingested(ingested);
        }
    }

    /// Whether a frame may hold a row or an account of this author.
    fn may_write(&self, speaks: Speaks, author: Author) -> bool {
        match speaks {
            Speaks::For(sender) => sender.covers(author),
            Speaks::Roster => !self.me.covers(author) && self.peers.is_in_roster(author.actor.pop),
        }
    }

    /// Sketches have no author: any peer may pass on what it knows of them.
    fn take_sketches(&self, sketches: Sketches, (sender, speaks): (Actor, Speaks), outcome: &mut Outcome, now: Time) {
        let Some(table) = self.store.uniques_by_identity(sketches.table) else {
            outcome.things += sketches.seen.len() as u64;
            outcome.unknown_table = Some(sketches.table);
            return;
        };
        for seen in sketches.seen {
            let of = (Some(sender), (seen.slot, &seen.sketch));
            let ingested = self.store.offer_sketch((table, seen.key), of, speaks.told(), now);
            self.note_risen(ingested.raised, sender, Item::Uniques(table, seen.key), outcome);
            outcome.ingested(ingested);
        }
    }

    /// A session is said whole: also what others wrote in it, by whoever wrote in it last. What they wrote outlives their being in the roster.
    fn take_sessions(
        &self,
        sessions: Vec<(Key128, Session)>,
        (sender, speaks): (Actor, Speaks),
        outcome: &mut Outcome,
        now: Time,
    ) {
        for (key, session) in sessions {
            let ingested = self.store.offer_session(key, (Some(sender), session), speaks.told(), now);
            self.note_risen(ingested.raised, sender, Item::Session(key), outcome);
            outcome.ingested(ingested);
        }
    }

    fn take_facts(&self, facts: Vec<Fact>, speaks: Speaks, outcome: &mut Outcome, now: Time) {
        for fact in facts {
            let by = fact.made_by();
            if speaks.may_state(&fact) {
                let name = self.store.name(&fact);
                let offered = self.store.offer_fact(fact, now);
                self.note_risen(offered == Offered::Taken, by, Item::Fact(name), outcome);
                outcome.offered(offered);
            } else {
                outcome.foreign(by);
            }
        }
    }

    /// Notes what rose here and may have to be passed on.
    fn note_risen(&self, raised: bool, author: Actor, item: Item, outcome: &mut Outcome) {
        if raised && (outcome.hands_over || self.peers.is_missed(author)) {
            outcome.risen.push((author, item));
        }
    }

    fn pass_risen(&mut self, outcome: &mut Outcome, now: Time) {
        for (author, item) in std::mem::take(&mut outcome.risen) {
            self.relay.note(author, item, now);
            if outcome.hands_over {
                self.relay.heirs.insert(author);
            }
        }
    }

    /// Counts what was dropped, and tells of each kind of trouble once per link.
    fn report(&mut self, id: LinkId, pop: PopId, outcome: Outcome, now: Time) {
        if outcome.things == 0 && outcome.unknown_table.is_none() && !outcome.no_room {
            return;
        }
        let bad = outcome.is_bad();
        if let Some(peer) = self.peer_of(id) {
            peer.dropped = peer.dropped.saturating_add(outcome.things);
        }
        let revision = self.config.roster_revision;
        let Some(link) = self.links.get_mut(id) else { return };
        for event in outcome.events(link, pop, revision) {
            self.blame(id, event);
        }
        if bad && let Some(ms) = self.peer_of(id).and_then(|peer| peer.budget.spend(now)) {
            self.tell(Event::Barred { pop, ms });
            self.close(id, CloseReason::Barred { ms });
        }
    }
}

impl Outcome {
    /// Whether only a broken or hostile peer can have sent this. Clocks, configs and rosters that differ, and rooms that are full, are
    /// no fault of a frame.
    fn is_bad(&self) -> bool {
        self.undecodable.is_some() || self.foreign.is_some() || self.implausible
    }

    fn undecodable(&mut self, error: &WireError) {
        self.things += 1;
        self.undecodable = Some(error.to_string());
    }

    fn ingested(&mut self, ingested: Ingested) {
        let Ingested { ahead, expired, implausible, void, full, pushed, raised: _ } = ingested;
        self.things += ahead + expired + implausible + u64::from(void.is_some()) + u64::from(full);
        self.ahead |= ahead > 0;
        self.implausible |= implausible > 0;
        self.no_room |= full || pushed;
        self.over |= expired > 0;
        self.void = self.void.or(void);
    }

    fn offered(&mut self, offered: Offered) {
        match offered {
            Offered::Taken | Offered::Known => return,
            Offered::Refused => {}
            Offered::Ahead => self.ahead = true,
            Offered::Full => self.no_room = true,
            Offered::Void(void) => self.void = self.void.or(void),
        }
        self.things += 1;
    }

    fn foreign(&mut self, author: Actor) {
        self.things += 1;
        self.foreign = Some(author);
    }

    /// What is told of it for the first time on this link; of what is void, under this revision of the roster.
    fn events(self, link: &mut Link, pop: PopId, revision: u64) -> Vec<Event> {
        let once = |told: &mut bool, event: Event| (!std::mem::replace(told, true)).then_some(event);
        let told = &mut link.told;
        let void = self.void.filter(|_| told.void != Some(revision));
        if void.is_some() {
            told.void = Some(revision);
        }
        let events = [
            self.undecodable.and_then(|cause| once(&mut told.undecodable, Event::Undecodable { pop, cause })),
            self.foreign.and_then(|author| once(&mut told.foreign, Event::ForeignAuthor { pop, author })),
            self.unknown_table
                .and_then(|identity| once(&mut told.unknown_table, Event::UnknownTable { pop, identity })),
            self.ahead.then_some(Event::ClockAhead { pop }).and_then(|event| once(&mut told.ahead, event)),
            self.implausible.then_some(Event::Implausible { pop }).and_then(|event| once(&mut told.implausible, event)),
            self.no_room.then_some(Event::NoRoom { pop }).and_then(|event| once(&mut told.no_room, event)),
            self.over.then_some(Event::Over { pop }).and_then(|event| once(&mut told.over, event)),
            void.map(|void| Event::VoidAuthor { pop, void }),
        ];
        events.into_iter().flatten().collect()
    }
}
