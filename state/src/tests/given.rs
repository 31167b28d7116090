//! Values for tests, and the way through the wire.

use std::sync::Arc;

use crate::ban::{Ban, Banning};
use crate::counter::{Row, SlotCounter, Widths};
use crate::fact::Fact;
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::key::{Key, Key64};
use crate::list::{ListEntry, Listing};
use crate::rung::Rung;
use crate::time::Time;
use crate::unique::Sketch;
use crate::wire::{Builder, DeltaHead, Frame, NEWEST, Room, Seen, State};

/// The author of a counter's own row; never one that is joined.
pub(super) const ME: Author = author(99, 1);

pub(crate) const fn author(pop: u16, life: u64) -> Author {
    Author { actor: Actor { pop: PopId(pop), node: 0 }, incarnation: Incarnation(life) }
}

/// What has one name.
pub(super) const fn only(key: u64) -> Key {
    Key { now: Key64(key), beside: None }
}

/// Slots of one width.
pub(super) fn even() -> Widths {
    Widths::new(Rung::Ms100, Rung::Ms100)
}

pub(super) type Cells = Vec<(Author, Row)>;

/// Encodes rows and facts into a frame and reads them back.
pub(super) fn through_the_wire(rows: &[(Author, Row)], facts: &[Banning]) -> (Cells, Vec<Banning>) {
    let mut builder = Builder::new();
    for (author, row) in rows {
        assert_eq!(builder.row(1, Key64(7), *author, row.clone()), Room::Taken);
    }
    for fact in facts {
        assert_eq!(builder.fact(&Fact::Ban(fact.clone())), Room::Taken);
    }
    let (mut rows, mut facts) = (Vec::new(), Vec::new());
    for state in read_back(builder) {
        match state {
            State::Counters(block) => rows.extend(block.rows.into_iter().map(|(_, author, row)| (author, row))),
            State::Facts(block) => facts.extend(block.into_iter().map(|fact| match fact {
                Fact::Ban(fact) => fact,
                other => panic!("{other:?} was not sent"),
            })),
            other => panic!("{other:?} was not sent"),
        }
    }
    (rows, facts)
}

/// What a peer reads in a frame.
pub(super) fn read_back(builder: Builder) -> Vec<State> {
    let head = DeltaHead { author: ME.into(), from: 0, to: 1, at: 2 };
    let bytes = builder.delta(&head, NEWEST);
    let Frame::Delta(_, blocks) = Frame::decode(&bytes).unwrap() else { panic!("a delta") };
    blocks.map(Result::unwrap).collect()
}

/// A sketch after a trip over the wire.
pub(super) fn sent_sketch(sketch: &Sketch) -> Sketch {
    let mut builder = Builder::new();
    assert_eq!(builder.seen(1, Seen { key: Key64(7), slot: 5, sketch: sketch.clone() }), Room::Taken);
    match read_back(builder).pop() {
        Some(State::Sketches(mut block)) => block.seen.remove(0).sketch,
        None => Sketch::default(),
        other => panic!("{other:?} was not sent"),
    }
}

/// An entry of a list after a trip over the wire.
pub(super) fn sent_listing(listing: &Listing) -> Listing {
    let mut builder = Builder::new();
    assert_eq!(builder.fact(&Fact::Listing(listing.clone())), Room::Taken);
    let Some(State::Facts(mut block)) = read_back(builder).pop() else { panic!("no fact was sent") };
    let Fact::Listing(listing) = block.remove(0) else { panic!("no entry of a list was sent") };
    listing
}

pub(super) fn listing(made_at: u64, made_by: u16, present: bool, until: u64, kept: u64) -> Listing {
    let entry = ListEntry {
        element: Arc::from("192.0.2.9/32"),
        present,
        until: Time(until),
        made_at: Time(made_at),
        made_by: author(made_by, 1).actor,
    };
    Listing { list: 0xcc, entry, kept: Time(kept) }
}

/// Joins rows, each after a trip over the wire, and says all that the counter then holds.
pub(super) fn joined(widths: Widths, rows: &[(Author, Row)]) -> SlotCounter {
    let mut counter = SlotCounter::new(0);
    for row in rows {
        // One frame each: a frame holds one row of an author.
        let (rows, _) = through_the_wire(std::slice::from_ref(row), &[]);
        join_all(&mut counter, widths, &rows);
    }
    counter
}

pub(super) fn join_all(counter: &mut SlotCounter, widths: Widths, rows: &[(Author, Row)]) {
    for (author, row) in rows {
        counter.join(widths, *author, row, None);
    }
}

pub(super) fn held(counter: &SlotCounter, widths: Widths) -> Cells {
    counter.all_rows(widths, ME)
}

#[derive(Debug, Clone)]
pub(super) struct Stated<'a> {
    pub(super) epoch: u64,
    pub(super) until: u64,
    pub(super) kept: u64,
    pub(super) level: u8,
    pub(super) reason: &'a str,
    pub(super) made_at: u64,
    pub(super) made_by: u16,
}

pub(super) fn fact(stated: &Stated<'_>) -> Banning {
    let ban = Ban {
        subject: Arc::from("192.0.2.9/32"),
        epoch: stated.epoch,
        until: Time(stated.until),
        level: stated.level,
        reason: Arc::from(stated.reason),
        made_at: Time(stated.made_at),
        made_by: author(stated.made_by, 1).actor,
        applied_at: Time::ZERO,
    };
    Banning { ban, kept: Time(stated.kept), trail: Vec::new() }
}
