//! The product and the frozen codec read what the other one writes.

use std::sync::Arc;

use proptest::prelude::*;

use super::frozen::{self, Block, Message};
use crate::ban::{Ban, Banning};
use crate::counter::Row;
use crate::fact::Fact;
use crate::identity::{Actor, Author, Incarnation, PopId};
use crate::key::Key64;
use crate::list::{ListEntry, Listing};
use crate::tests::golden;
use crate::time::Time;
use crate::unique::{Mark, Sketch};
use crate::wire::{self, Ack, Builder, DeltaHead, Digest, Frame, Hello, RangeHead, Room, Rows, Seen, State};

fn author((pop, node, life): frozen::Author) -> Author {
    Author { actor: actor((pop, node)), incarnation: Incarnation(life) }
}

fn actor((pop, node): (u16, u32)) -> Actor {
    Actor { pop: PopId(pop), node }
}

/// What the product is to write.
fn built(blocks: &[Block]) -> Builder {
    let mut builder = Builder::new();
    let fact = |builder: &mut Builder, fact| assert_eq!(builder.fact(&fact), Room::Taken);
    for block in blocks {
        match block {
            Block::Bans(bans) => bans.iter().for_each(|of| {
                let ban = Ban {
                    subject: Arc::from(&*of.subject),
                    epoch: of.epoch,
                    until: Time(of.until),
                    level: of.level,
                    reason: Arc::from(&*of.reason),
                    made_at: Time(of.made_at),
                    made_by: actor(of.by),
                    applied_at: Time::ZERO,
                };
                fact(&mut builder, Fact::Ban(Banning { ban, kept: Time(of.kept), trail: Vec::new() }));
            }),
            Block::Listings(listings) => listings.iter().for_each(|of| {
                let entry = ListEntry {
                    element: Arc::from(&*of.element),
                    present: of.present,
                    until: Time(of.until),
                    made_at: Time(of.made_at),
                    made_by: actor(of.by),
                };
                fact(&mut builder, Fact::Listing(Listing { list: of.list, entry, kept: Time(of.kept) }));
            }),
            Block::Counters { table, rows } => rows.iter().for_each(|of| {
                let (fine, coarse) = (of.cells[..8].try_into().unwrap(), of.cells[8..].try_into().unwrap());
                let row = Row { head: of.head, fine, coarse };
                assert_eq!(builder.row(*table, Key64(of.key), author(of.author), row), Room::Taken);
            }),
            Block::Sketches { table, seen } => seen.iter().for_each(|of| {
                let sketch = match &of.sketch {
                    frozen::Sketch::Marks(marks) => {
                        marks.iter().map(|(prefix, tail)| Mark::new(*prefix, *tail).unwrap()).collect()
                    }
                    frozen::Sketch::Ranks(ranks) => Sketch::Dense(Box::new(ranks[..].try_into().unwrap())),
                };
                assert_eq!(builder.seen(*table, Seen { key: Key64(of.key), slot: of.slot, sketch }), Room::Taken);
            }),
        }
    }
    builder
}

/// What the product has read.
fn told(state: State) -> Block {
    let by = |actor: Actor| (actor.pop.0, actor.node);
    let row = |(key, author, row): (Key64, Author, Row)| frozen::Row {
        key: key.0,
        author: (author.actor.pop.0, author.actor.node, author.incarnation.0),
        head: row.head,
        cells: std::array::from_fn(|cell| *row.fine.iter().chain(&row.coarse).nth(cell).unwrap()),
    };
    let seen = |Seen { key, slot, sketch }: Seen| {
        let sketch = match sketch {
            Sketch::Sparse(marks) => {
                frozen::Sketch::Marks(marks.iter().map(|mark| (mark.prefix().into(), mark.tail())).collect())
            }
            Sketch::Dense(ranks) => frozen::Sketch::Ranks(ranks.to_vec()),
        };
        frozen::Seen { key: key.0, slot, sketch }
    };
    let ban = |Banning { ban, kept, .. }: Banning| frozen::Ban {
        subject: ban.subject.to_string(),
        epoch: ban.epoch,
        until: ban.until.0,
        kept: kept.0,
        level: ban.level,
        reason: ban.reason.to_string(),
        made_at: ban.made_at.0,
        by: by(ban.made_by),
    };
    let listing = |Listing { list, entry, kept }: Listing| frozen::Listing {
        list,
        element: entry.element.to_string(),
        present: entry.present,
        until: entry.until.0,
        kept: kept.0,
        made_at: entry.made_at.0,
        by: by(entry.made_by),
    };
    match state {
        State::Counters(Rows { table, rows }) => Block::Counters { table, rows: rows.into_iter().map(row).collect() },
        State::Sketches(of) => Block::Sketches { table: of.table, seen: of.seen.into_iter().map(seen).collect() },
        State::Facts(facts) => {
            let (mut bans, mut listings) = (Vec::new(), Vec::new());
            for fact in facts {
                match fact {
                    Fact::Ban(of) => bans.push(ban(of)),
                    Fact::Listing(of) => listings.push(listing(of)),
                    other => panic!("{other:?} is not of version 2"),
                }
            }
            if listings.is_empty() { Block::Bans(bans) } else { Block::Listings(listings) }
        }
        other => panic!("{other:?} is not of version 2"),
    }
}

/// Small, great, and those at which their length on the wire changes.
fn numbers() -> impl Strategy<Value = u64> {
    let edges = vec![0, 127, 128, 250, 251, 65_535, 65_536, u32::MAX.into(), 1 << 32, u64::MAX];
    prop_oneof![0..4_u64, prop::sample::select(edges), any::<u64>()]
}

fn authors() -> impl Strategy<Value = frozen::Author> {
    prop_oneof![3 => (1..3_u16, 0..2_u32, 1..3_u64), 1 => (any::<u16>(), any::<u32>(), numbers())]
}

fn texts() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a".to_owned(), "192.0.2.9/32".to_owned(), "é".repeat(32), String::new()])
}

fn bans() -> impl Strategy<Value = frozen::Ban> {
    let what = (texts(), texts(), any::<u8>(), any::<(u16, u32)>());
    (what, prop::array::uniform4(numbers())).prop_map(
        |((subject, reason, level, by), [epoch, until, kept, made_at])| frozen::Ban {
            subject,
            epoch,
            until,
            kept,
            level,
            reason,
            made_at,
            by,
        },
    )
}

fn listings() -> impl Strategy<Value = frozen::Listing> {
    let what = (texts(), any::<bool>(), any::<(u16, u32)>());
    (what, prop::array::uniform4(numbers())).prop_map(|((element, present, by), [list, until, kept, made_at])| {
        frozen::Listing { list, element, present, until, kept, made_at, by }
    })
}

fn rows() -> impl Strategy<Value = Vec<frozen::Row>> {
    let keys = prop_oneof![0..5_u64, any::<u64>()];
    let cells = prop::array::uniform16(prop_oneof![3 => Just(0), 1 => numbers()]);
    prop::collection::btree_map((keys, authors()), (numbers(), cells), 1..40).prop_map(|rows| {
        let row = |((key, author), (head, mut cells)): (_, (u64, [u64; 16]))| {
            cells[0] += u64::from(cells == [0; 16]);
            frozen::Row { key, author, head, cells }
        };
        rows.into_iter().map(row).collect()
    })
}

fn seen() -> impl Strategy<Value = Vec<frozen::Seen>> {
    let marks = prop::collection::btree_map(0..1_u64 << 26, 1..=39_u8, 1..20);
    let sketch = prop_oneof![
        marks.prop_map(|marks| frozen::Sketch::Marks(marks.into_iter().collect())),
        prop::collection::vec(0..=55_u8, 1_024).prop_map(|mut ranks| {
            ranks[0] = 1;
            frozen::Sketch::Ranks(ranks)
        }),
    ];
    let all = prop::collection::btree_map((numbers(), numbers()), sketch, 1..4);
    all.prop_map(|all| all.into_iter().map(|((key, slot), sketch)| frozen::Seen { key, slot, sketch }).collect())
}

fn blocks() -> impl Strategy<Value = Vec<Block>> {
    let facts = (prop::collection::vec(bans(), 0..3), prop::collection::vec(listings(), 0..3));
    let tables = prop::collection::btree_map(numbers(), rows(), 0..3);
    let uniques = prop::collection::btree_map(numbers(), seen(), 0..2);
    (facts, tables, uniques).prop_map(|((bans, listings), tables, uniques)| {
        let bans = (!bans.is_empty()).then_some(Block::Bans(bans));
        let listings = (!listings.is_empty()).then_some(Block::Listings(listings));
        let tables = tables.into_iter().map(|(table, rows)| Block::Counters { table, rows });
        let uniques = uniques.into_iter().map(|(table, seen)| Block::Sketches { table, seen });
        bans.into_iter().chain(listings).chain(tables).chain(uniques).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_read_the_state_that_the_other_writes(by in authors(), blocks in blocks(), [from, to, at] in prop::array::uniform3(numbers())) {
        let (delta, range) = (DeltaHead { author: author(by).into(), from, to, at }, RangeHead { from, to, at });
        let of_delta = Message::Delta { author: by, from, to, at, blocks: blocks.clone() };
        let of_range = Message::Range { from, to, at, blocks: blocks.clone() };
        prop_assert_eq!(frozen::read(&built(&blocks).delta(&delta, 2)), of_delta.clone());
        prop_assert_eq!(frozen::read(&built(&blocks).range(&range, 2)), of_range.clone());
        let bytes = frozen::write(&of_delta);
        let Ok(Frame::Delta(head, read)) = Frame::decode(&bytes) else { panic!("a delta") };
        prop_assert_eq!((head, read.map(|state| told(state.unwrap())).collect()), (delta, blocks.clone()));
        let bytes = frozen::write(&of_range);
        let Ok(Frame::Range(head, read)) = Frame::decode(&bytes) else { panic!("a range") };
        prop_assert_eq!((head, read.map(|state| told(state.unwrap())).collect()), (range, blocks));
    }

    #[test]
    fn both_read_the_heads_that_the_other_writes(
        by in authors(), cluster in texts(), [a, b, c, d, e, f] in prop::array::uniform6(numbers()),
        (small, bits, answer, settled) in any::<(u16, u8, bool, bool)>(), parts in prop::collection::vec(numbers(), 0..17),
    ) {
        let hello = Hello {
            oldest: small, newest: small, features: a, cluster: cluster.clone(), secret_id: b, roster_revision: c,
            author: author(by).into(), boot: d, base: e, at: f,
        };
        let of_hello = Message::Hello(frozen::Hello {
            oldest: small, newest: small, features: a, cluster, secret_id: b, roster_revision: c,
            author: by, boot: d, base: e, at: f,
        });
        prop_assert_eq!(frozen::read(&wire::hello(&hello)), of_hello.clone());
        let bytes = frozen::write(&of_hello);
        prop_assert!(matches!(Frame::decode(&bytes), Ok(Frame::Hello(read)) if read == hello));
        let ack = Ack { have: a, ranges: b, echo: c, held: d, at: e };
        let of_ack = Message::Ack { have: a, ranges: b, echo: c, held: d, at: e };
        prop_assert_eq!(frozen::read(&wire::ack(&ack)), of_ack.clone());
        prop_assert!(matches!(Frame::decode(&frozen::write(&of_ack)), Ok(Frame::Ack(read)) if read == ack));
        let of_digest = Message::Digest { tables: a, prefix: small, bits, parts: parts.clone(), answer, settled, at: b };
        let digest = Digest { tables: a, prefix: small, bits, parts, answer, settled, at: b };
        prop_assert_eq!(frozen::read(&wire::digest(&digest)), of_digest.clone());
        prop_assert!(matches!(Frame::decode(&frozen::write(&of_digest)), Ok(Frame::Digest(read)) if read == digest));
    }
}

/// The frozen codec is that of the bytes that are written down, to the byte.
#[test]
fn the_golden_bytes_are_version_2() {
    for hex in golden::OF_VERSION_2 {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        assert_eq!(frozen::write(&frozen::read(&bytes)), bytes);
    }
}
