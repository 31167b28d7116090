//! Facts: what any node may state, about one name, and what all of them keep. Each kind says in its own file what it means and
//! how two of them join; here is what rooms, queues, walks and frames need to know of any of them.
//!
//! A fact is remembered for as long as what it beat could come back from a node that slept: until it is *spent*. Where room is
//! short, one that says nothing any more and beats nothing may be *spared* before that. A *negative*, which takes something
//! back, is never forgotten early: where no more of them fit, the lowest ones of a space become its *floor*, one fact that says
//! what all of them said, and more.

use crate::ban::Banning;
use crate::identity::{Actor, Author};
use crate::journal::Numbers;
use crate::key::{Domain, Key128, Secret};
use crate::list::Listing;
use crate::marks::Marked;
use crate::maximum::{Most, Raised};
use crate::register::Registered;
use crate::revocation::Revoked;
use crate::time::Time;
use crate::void::Voids;

/// What the store, the walk and the replica do with a fact of any kind.
pub(crate) trait Stated: Clone + PartialEq {
    /// As many are looked at to find the lowest of a room; usually all.
    const SAMPLE: usize = usize::MAX;

    /// Its name: a keyed hash of what it is about.
    fn key(&self, secret: &Secret) -> Key128;

    /// The space that it is of, the same at every node; none where its kind has no spaces.
    fn space(&self) -> Option<u64> {
        None
    }

    /// Who stated it.
    fn made_by(&self) -> Actor;

    /// When it was stated.
    fn made_at(&self) -> Time;

    /// From when on nothing that it beats can come back: the instant that it is forgotten.
    fn kept(&self) -> Time;

    /// When it ended, if it may be forgotten before it is spent.
    fn spared_since(&self, now: Time) -> Option<Time>;

    /// Whether a peer may say this now.
    fn check(&self, now: Time) -> Result<(), Flaw>;

    /// The join of the lattice: commutative, associative, idempotent.
    fn join(&mut self, other: Self) -> Joined;

    /// Notes that this came to be known here just now, by the next numbers of this node. What is noted is not replicated.
    fn applied(&mut self, _now: Time, _numbers: &Numbers) {}

    /// What goes into a floor: what lives before knew becomes news, for what they filled is told apart by name alone.
    fn surfaced(self, _numbers: &Numbers) -> Self {
        self
    }

    /// This took `sunk` in, which was applied here before: what it is now is noted in the journal.
    fn took(&self, _sunk: &Self, _numbers: &Numbers) {}

    /// Its part of a digest.
    fn digest(&self, secret: &Secret) -> u64;

    /// Whether it is plausible in a space whose numbers are at most this.
    fn is_plausible(&self, _most: Most, _now: Time) -> bool {
        true
    }

    /// How many of a room's places one like this may fill.
    fn places(&self, max: usize) -> usize {
        max
    }

    /// Where a negative stands among those of its space: the lowest ones become the floor. None where it is no negative.
    fn height(&self) -> Option<u64> {
        None
    }

    /// Whether this is the floor of its space.
    fn is_floor(&self) -> bool {
        false
    }

    /// Whether the floor of its space makes it void, or says all that it says.
    fn is_under(&self, _floor: &Self) -> bool {
        false
    }

    /// The floor that it becomes, raised by somebody; floors join.
    fn into_floor(self, _by: Author, _now: Time) -> Self {
        self
    }

    /// Whether an actor stated all of it.
    fn is_all_of(&self, actor: Actor) -> bool {
        self.made_by() == actor
    }

    /// What of it an actor stated.
    fn said_by(&self, actor: Actor) -> Option<Self> {
        (self.made_by() == actor).then(|| self.clone())
    }

    /// What is left of it where some lives are void. Where the life is not told, the time it was stated tells.
    fn without(&self, voids: &Voids) -> Option<Self> {
        (!voids.cover_statement(self.made_by(), self.made_at())).then(|| self.clone())
    }

    /// Whether nothing that it beats can come back.
    fn is_spent(&self, now: Time) -> bool {
        self.kept() <= now
    }
}

/// Whether a join changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    Changed,
    Unchanged,
    /// There is no room in it for more; nothing changed.
    Crowded,
}

/// Why a peer's fact is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Its stamp is too far ahead.
    Ahead,
    /// It is spent, or says what nobody can state.
    Unfit,
}

/// The kinds of facts, in the order in which they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Ban,
    Listing,
    Register,
    Maximum,
    Mark,
    Revocation,
}

impl Kind {
    pub(crate) const ALL: [Kind; 6] =
        [Kind::Ban, Kind::Listing, Kind::Register, Kind::Maximum, Kind::Mark, Kind::Revocation];

    /// Whether peers that speak this protocol version know the kind.
    pub(crate) fn is_in(self, version: u16) -> bool {
        match self {
            Kind::Ban | Kind::Listing => true,
            Kind::Register | Kind::Maximum | Kind::Mark => version >= 3,
            Kind::Revocation => version >= 4,
        }
    }

    /// The kind after this one.
    pub(crate) fn next(self) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| *kind > self)
    }
}

/// The name of a fact, among those of all kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) kind: Kind,
    pub(crate) key: Key128,
}

/// A fact of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    Ban(Banning),
    Listing(Listing),
    Register(Registered),
    Maximum(Raised),
    Mark(Marked),
    Revocation(Revoked),
}

/// Does the same with a fact of any kind.
macro_rules! any {
    ($of:expr, $fact:ident => $does:expr) => {
        match $of {
            Fact::Ban($fact) => $does,
            Fact::Listing($fact) => $does,
            Fact::Register($fact) => $does,
            Fact::Maximum($fact) => $does,
            Fact::Mark($fact) => $does,
            Fact::Revocation($fact) => $does,
        }
    };
}

impl Fact {
    pub(crate) fn made_by(&self) -> Actor {
        any!(self, fact => fact.made_by())
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Fact::Ban(_) => Kind::Ban,
            Fact::Listing(_) => Kind::Listing,
            Fact::Register(_) => Kind::Register,
            Fact::Maximum(_) => Kind::Maximum,
            Fact::Mark(_) => Kind::Mark,
            Fact::Revocation(_) => Kind::Revocation,
        }
    }

    pub(crate) fn name(&self, secret: &Secret) -> Name {
        Name { kind: self.kind(), key: any!(self, fact => fact.key(secret)) }
    }

    pub(crate) fn is_spent(&self, now: Time) -> bool {
        any!(self, fact => fact.is_spent(now))
    }

    pub(crate) fn is_all_of(&self, actor: Actor) -> bool {
        any!(self, fact => fact.is_all_of(actor))
    }

    /// What is left of it where some lives are void.
    pub(crate) fn without(self, voids: &Voids) -> Option<Fact> {
        match self {
            Fact::Ban(fact) => fact.without(voids).map(Fact::Ban),
            Fact::Listing(fact) => fact.without(voids).map(Fact::Listing),
            Fact::Register(fact) => fact.without(voids).map(Fact::Register),
            Fact::Maximum(fact) => fact.without(voids).map(Fact::Maximum),
            Fact::Mark(fact) => fact.without(voids).map(Fact::Mark),
            Fact::Revocation(fact) => fact.without(voids).map(Fact::Revocation),
        }
    }

    /// What of it an actor stated.
    pub(crate) fn said_by(&self, actor: Actor) -> Option<Fact> {
        match self {
            Fact::Ban(fact) => fact.said_by(actor).map(Fact::Ban),
            Fact::Listing(fact) => fact.said_by(actor).map(Fact::Listing),
            Fact::Register(fact) => fact.said_by(actor).map(Fact::Register),
            Fact::Maximum(fact) => fact.said_by(actor).map(Fact::Maximum),
            Fact::Mark(fact) => fact.said_by(actor).map(Fact::Mark),
            Fact::Revocation(fact) => fact.said_by(actor).map(Fact::Revocation),
        }
    }
}

/// How long a fact is remembered after it, and all it beat, ended, ms: clocks differ, and what a peer learnt of its memory must
/// get round by repair.
pub const FACT_MEMORY: u64 = crate::list::LIST_MEMORY;

/// The longest that a register, a number or a mark lasts, ms (ten years); longer ones are made that long.
pub const FACT_LONGEST: u64 = crate::ban::BAN_LONGEST;

/// Whether a fact is remembered, and for no longer than any can be.
pub(crate) fn is_remembered(kept: Time, now: Time) -> bool {
    now < kept && kept <= now.plus(FACT_LONGEST + FACT_MEMORY + crate::ban::LONGEST_SLACK)
}

/// What a fact is about that is told by hashes alone: a key of a space, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct About {
    /// The identity of the space, the same at every node.
    pub(crate) space: u64,
    /// None: the floor of the space.
    pub(crate) key: Option<Key128>,
}

impl About {
    /// The floor of the same space.
    pub(crate) fn floor(self) -> About {
        About { key: None, ..self }
    }

    pub(crate) fn name(self, secret: &Secret) -> Key128 {
        self.key.unwrap_or_else(|| floor_key(secret, Some(self.space)))
    }

    /// For digests.
    pub(crate) fn numbers(self) -> (u64, u64, u64) {
        let key = self.key.map_or(0, |key| key.0);
        (self.space, (key >> 64) as u64, key as u64)
    }
}

/// The name of a space's floor.
pub(crate) fn floor_key(secret: &Secret, space: Option<u64>) -> Key128 {
    Key128(secret.hash128(Domain::Floor, &[&space.unwrap_or(0).to_le_bytes()]))
}

/// A keyed hash of all that a fact says.
pub(crate) fn hash(secret: &Secret, by: Actor, numbers: &[u64], texts: &[&[u8]]) -> u64 {
    let numbers: Vec<[u8; 8]> = numbers.iter().map(|number| number.to_le_bytes()).collect();
    let who = (u64::from(by.pop.0) << 32 | u64::from(by.node)).to_le_bytes();
    let mut parts: Vec<&[u8]> = numbers.iter().map(<[u8; 8]>::as_slice).collect();
    parts.push(&who);
    parts.extend(texts);
    secret.hash64(Domain::Digest, &parts)
}
