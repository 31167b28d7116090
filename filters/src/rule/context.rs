//! Everything one evaluation may look at: the request, perhaps a response, the tables, the state, the instant. Fields that take
//! work are made at most once. Dropped when the request is decided.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::net::IpAddr;

use bumpalo::Bump;
use selvedge_state::{Store, Time};

use super::entries::Indexed;
use super::reads::Reads;
use super::token::Found;
use crate::form::FormNeed;
use crate::head::Head;
use crate::reply::Reply;
use crate::tables::Tables;

/// What expressions are evaluated against.
#[derive(Debug)]
pub struct Context<'a> {
    /// The request; in the connection phase only its client means anything.
    pub head: Head<'a>,
    /// The response, in the response phase.
    pub reply: Option<Reply<'a>>,
    /// Lists, places, tokens.
    pub tables: &'a Tables,
    /// The state, through the names of the config.
    pub reads: &'a dyn Reads,
    /// The store behind it.
    pub store: &'a Store,
    /// Node time.
    pub now: Time,
    /// What rules tagged the request with so far, in their order.
    pub tags: RefCell<Vec<&'a str>>,
    pub(super) memo: Memo<'a>,
}

/// What is made at most once for a request, and the memory in which evaluations make text and lists.
#[derive(Default)]
pub(super) struct Memo<'a> {
    /// Country and continent.
    pub(super) country: OnceCell<(&'a str, &'a str)>,
    pub(super) city: OnceCell<&'a str>,
    /// Number and organisation of the autonomous system.
    pub(super) system: OnceCell<(u32, &'a str)>,
    /// One for each issuer, once any is asked.
    pub(super) tokens: OnceCell<Box<[OnceCell<Found>]>>,
    /// How hard the puzzle was for which the client has a pass.
    pub(super) passed: OnceCell<Option<u8>>,
    /// The pairs of the maps that are no header fields.
    pub(super) cookies: Indexed<'a>,
    pub(super) query: Indexed<'a>,
    pub(super) form: Indexed<'a>,
    /// How much was asked of the form so far.
    form_need: Cell<FormNeed>,
    /// Holds values that outlive their evaluation.
    pub(super) kept: OnceCell<Bump>,
    /// The memory of an evaluation that is over, empty, for the next one.
    pub(super) spare: Cell<Option<Bump>>,
}

impl fmt::Debug for Memo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").finish_non_exhaustive()
    }
}

impl<'a> Context<'a> {
    /// A context with nothing made yet, and no tags. Costs a few nanoseconds.
    pub fn new(
        head: Head<'a>,
        reply: Option<Reply<'a>>,
        tables: &'a Tables,
        reads: &'a dyn Reads,
        store: &'a Store,
        now: Time,
    ) -> Context<'a> {
        Context { head, reply, tables, reads, store, now, tags: RefCell::default(), memo: Memo::default() }
    }

    /// How much was asked of the form so far.
    pub(crate) fn form_need(&self) -> FormNeed {
        self.memo.form_need.get()
    }

    /// Remembers that somebody asks so much of the form.
    pub(crate) fn need_form(&self, need: FormNeed) {
        self.memo.form_need.set(self.form_need().max(need));
    }

    /// Asks for somebody; what only watches cannot need the form more than to look at it.
    pub(crate) fn asked_by<T>(&self, enforced: bool, ask: impl FnOnce() -> T) -> T {
        let before = self.form_need();
        let answer = ask();
        if !enforced && self.form_need() > before {
            self.memo.form_need.set(before.max(FormNeed::Glance));
        }
        answer
    }

    /// The client's address, never IPv4 in IPv6 form (RFC 4291 section 2.5.5.2).
    pub(super) fn client(&self) -> IpAddr {
        self.head.client.to_canonical()
    }

    pub(super) fn country(&self) -> (&'a str, &'a str) {
        *self.memo.country.get_or_init(|| {
            let tables: &'a Tables = self.tables;
            tables.geo.as_ref().map_or(("", ""), |geo| geo.country(self.client()))
        })
    }

    pub(super) fn city(&self) -> &'a str {
        self.memo.city.get_or_init(|| {
            let tables: &'a Tables = self.tables;
            tables.geo.as_ref().map_or("", |geo| geo.city(self.client()))
        })
    }

    pub(super) fn system(&self) -> (u32, &'a str) {
        *self.memo.system.get_or_init(|| {
            let tables: &'a Tables = self.tables;
            tables.geo.as_ref().map_or((0, ""), |geo| geo.system(self.client()))
        })
    }
}
