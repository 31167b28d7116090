//! The bytes of every frame, written down: a change here is a change of the protocol.

use super::given::{Stated, author, fact, listing};
use crate::counter::Row;
use crate::fact::Fact;
use crate::key::{Domain, Key64, Names, Secret};
use crate::unique::{Mark, Sketch};
use crate::wire::{
    self, Ack, Builder, DeltaHead, Digest, Frame, Hello, Misses, RangeHead, Room, Seen, State, WireError,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hello() -> Hello {
    Hello {
        oldest: 1,
        newest: 1,
        features: 0,
        cluster: "edge".to_owned(),
        secret_id: 0x0102_0304_0506_0708,
        roster_revision: 3,
        author: author(2, 0x0001_0000_0000_0000).into(),
        boot: 9,
        base: 300,
        at: 1_800_000_000_000,
    }
}

#[test]
fn a_hello() {
    let bytes = wire::hello(&hello());
    assert_eq!(hex(&bytes), HELLO);
    let Frame::Hello(read) = Frame::decode(&bytes).unwrap() else { panic!("a hello") };
    assert_eq!(read, hello());
}

#[test]
fn an_ack() {
    let ack = Ack { have: 5, ranges: 251, echo: 1_800_000_000_000, held: 3, at: 1_800_000_000_040 };
    let bytes = wire::ack(&ack);
    assert_eq!(hex(&bytes), ACK);
    let Frame::Ack(read) = Frame::decode(&bytes).unwrap() else { panic!("an acknowledgement") };
    assert_eq!(read, ack);
}

#[test]
fn a_digest() {
    let parts = vec![1, 0xffff_ffff_ffff_ffff];
    let digest =
        Digest { tables: 5, prefix: 0xab, bits: 8, parts, answer: true, settled: false, at: 1_800_000_000_000 };
    let bytes = wire::digest(&digest);
    assert_eq!(hex(&bytes), DIGEST);
    let Frame::Digest(read) = Frame::decode(&bytes).unwrap() else { panic!("a digest") };
    assert_eq!(read, digest);
}

#[test]
fn misses() {
    let actors = [author(2, 1).actor, author(300, 1).actor];
    let bytes = wire::misses(&Misses::of(&actors));
    assert_eq!(hex(&bytes), MISSES);
    let Frame::Misses(read) = Frame::decode(&bytes).unwrap() else { panic!("whom a node misses") };
    assert_eq!(read.actors().collect::<Vec<_>>(), actors);
}

#[test]
fn a_process_hands_over() {
    let bytes = wire::retires();
    assert_eq!(hex(&bytes), RETIRES);
    assert!(matches!(Frame::decode(&bytes), Ok(Frame::Retires)));
}

#[test]
fn a_delta() {
    let mut builder = Builder::new();
    let mut row = Row { head: 18_000_000_000, fine: [0; 8], coarse: [0; 8] };
    (row.fine[0], row.fine[2], row.coarse[0]) = (1, 200, u32::MAX.into());
    builder.row(0xaa, Key64(0x1000), author(2, 7), row.clone());
    builder.row(0xaa, Key64(0x0fff), author(2, 7), Row { head: 17_999_999_990, ..row });
    let head = DeltaHead { author: author(2, 7).into(), from: 1, to: 3, at: 5 };
    for version in [2, 3] {
        let bytes = builder.clone().delta(&head, version);
        assert_eq!(hex(&bytes), DELTA, "version {version}");
        assert!(matches!(Frame::decode(&bytes), Ok(Frame::Delta(..))));
    }
}

#[test]
fn a_range() {
    let mut builder = Builder::new();
    let mut row = Row { head: 3, fine: [0; 8], coarse: [0; 8] };
    row.coarse[1] = 1;
    for life in [7, 8] {
        builder.row(0xbb, Key64(1), author(3, life), row.clone());
    }
    builder.fact(&Fact::Ban(fact(&Stated {
        epoch: 1,
        until: 9,
        kept: 10,
        level: 2,
        reason: "x",
        made_at: 4,
        made_by: 3,
    })));
    let head = RangeHead { from: 0, to: 1, at: 5 };
    let bytes = builder.range(&head, 2);
    assert_eq!(hex(&bytes), RANGE);
    assert!(matches!(Frame::decode(&bytes), Ok(Frame::Range(..))));
}

#[test]
fn a_range_of_sketches_and_list_entries() {
    let mut builder = Builder::new();
    let marks =
        [(5_u64, 1_u8), (70_000, 39), ((1 << 26) - 1, 2)].map(|(prefix, tail)| Mark::new(prefix, tail).unwrap());
    let small = Seen { key: Key64(0x1000), slot: 300, sketch: marks.into_iter().collect() };
    builder.seen(0xdd, small);
    builder.seen(0xdd, Seen { key: Key64(0x0fff), slot: 298, sketch: marks[..1].iter().copied().collect() });
    builder.fact(&Fact::Listing(listing(1_800_000_000_000, 3, true, 1_800_000_060_000, 1_800_003_660_000)));
    let bytes = builder.range(&RangeHead { from: 0, to: 1, at: 5 }, 2);
    assert_eq!(hex(&bytes), SKETCHES);
    assert!(matches!(Frame::decode(&bytes), Ok(Frame::Range(..))));
}

/// The large form: six bits for each register, the first one lowest.
#[test]
fn a_packed_sketch() {
    let mut ranks = Box::new([0; 1024]);
    (ranks[0], ranks[1], ranks[2], ranks[3], ranks[1023]) = (1, 2, 3, 55, 33);
    let seen = Seen { key: Key64(1), slot: 2, sketch: Sketch::Dense(ranks) };
    let mut builder = Builder::new();
    assert_eq!(builder.seen(0xdd, seen.clone()), Room::Taken);
    let bytes = builder.range(&RangeHead { from: 0, to: 0, at: 0 }, 2);
    let body = &bytes[bytes.len() - 768..];
    assert_eq!((hex(&body[..4]), hex(&body[764..])), ("8130dc00".to_owned(), "00000084".to_owned()));
    let Ok(Frame::Range(_, mut blocks)) = Frame::decode(&bytes) else { panic!("a range") };
    let Some(Ok(State::Sketches(read))) = blocks.next() else { panic!("sketches") };
    assert_eq!((read.table, read.seen), (0xdd, vec![seen]));
}

/// Names are the same at every node and in every version.
#[test]
fn hashes() {
    let secret = Secret::new(*b"0123456789abcdef");
    let names = Names::of("edge");
    assert_eq!(format!("{:016x}", names.hash64(Domain::Table, &[b"login"])), TABLE_OF_EDGE);
    assert_eq!(format!("{:016x}", names.hash64(Domain::Registers, &[b"sessions"])), REGISTERS_OF_EDGE);
    assert_eq!(format!("{:016x}", secret.hash64(Domain::Key, &[b"a", b"bc"])), KEY);
    assert_eq!(format!("{:032x}", secret.hash128(Domain::Subject, &[b"192.0.2.9/32"])), SUBJECT);
    assert_eq!(format!("{:016x}", secret.hash64(Domain::Element, &[b"alice"])), ELEMENT);
    assert_eq!(format!("{:016x}", secret.hash64(Domain::Uniques, &[b"users"])), UNIQUES);
    assert_eq!(format!("{:016x}", secret.hash64(Domain::List, &[b"blocked"])), LIST);
    assert_eq!(format!("{:032x}", secret.hash128(Domain::Listing, &[b"blocked", b"192.0.2.9/32"])), LISTING);
    let mark = Mark::of(0x1234_5640_0000_0001);
    assert_eq!((mark.prefix(), mark.tail()), (0x0048_d159, 38));
}

#[test]
fn what_is_newer_is_skipped() {
    assert!(matches!(Frame::decode(&[200, 1, 2, 3]), Ok(Frame::Unknown)));
    // A block of kind 200 behind the head of an acknowledgement is not even looked at; behind a delta's it is passed over.
    let mut bytes = Builder::new().delta(&DeltaHead { author: author(1, 1).into(), from: 0, to: 0, at: 0 }, 2).to_vec();
    let sum = crc32fast::hash(&[200, 1, 2]);
    bytes.extend_from_slice(&[200, 2, 0, 0, 0]);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes.extend_from_slice(&[1, 2]);
    let Ok(Frame::Delta(_, blocks)) = Frame::decode(&bytes) else { panic!("a delta") };
    assert_eq!(blocks.collect::<Vec<_>>(), [Ok(wire::State::Unknown)]);
}

/// A number of things that do not follow is refused before there is memory for them.
#[test]
fn counts_that_lie_are_refused() {
    let head = Builder::new().delta(&DeltaHead { author: author(1, 1).into(), from: 0, to: 0, at: 0 }, 2);
    let refused = |kind: u8, body: &[u8]| {
        let mut bytes = head.to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&[&[kind], body].concat()).to_le_bytes());
        bytes.extend_from_slice(body);
        let Ok(Frame::Delta(_, mut blocks)) = Frame::decode(&bytes) else { panic!("a delta") };
        let error = blocks.next().unwrap().unwrap_err().to_string();
        assert!(blocks.next().is_none());
        error
    };
    let many = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let table = [0_u8; 8];
    let says = "a block of counters says that it holds 18446744073709551615, there is room for 0";
    assert_eq!(refused(6, &[&table[..], &many].concat()), says);
    assert_eq!(refused(6, &[&table[..], &[1, 1, 0, 1], &many].concat()), says);
    let says = "a block of sketches says that it holds 18446744073709551615, there is room for 0";
    assert_eq!(refused(4, &[&table[..], &[0], &many].concat()), says);
    assert_eq!(refused(4, &[&table[..], &[0, 1, 1, 0], &many].concat()), says);
    assert_eq!(
        refused(4, &[&table[..], &[0, 1, 1, 0, 0, 1, 1]].concat()),
        "it ends in the middle of a block of sketches"
    );
    let rank = [&table[..], &[0, 1, 1, 0, 0], &[0xff; 768]].concat();
    assert_eq!(refused(4, &rank), "a rank is out of range");
    let marks = [&table[..], &[0, 1, 1, 0, 129, 1], &[1; 258]].concat();
    assert_eq!(refused(4, &marks), "a number of marks is out of range");
    assert_eq!(refused(4, &[&table[..], &[0, 1, 1, 0, 1, 1, 40]].concat()), "a mark is out of range");
    assert_eq!(refused(4, &[&table[..], &[0, 1, 1, 0, 2, 1, 1, 0, 2]].concat()), "a mark is out of order");
    assert_eq!(refused(4, &[&table[..], &[0, 1, 1, 1, 1, 1, 1]].concat()), "a slot is out of range");
    assert_eq!(refused(4, &[&table[..], &[1, 2, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1]].concat()), "a sketch is out of order");
    assert!(
        refused(5, &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0])
            .starts_with("a block of list entries cannot be read")
    );
    assert!(
        refused(3, &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]).starts_with("a block of facts cannot be read")
    );
}

#[test]
fn what_is_wrong_is_named() {
    let ack = wire::ack(&Ack { have: 0, ranges: 0, echo: 0, held: 0, at: 0 });
    let spoilt = |at: usize, to: u8| {
        let mut bytes = ack.to_vec();
        bytes[at] = to;
        Frame::decode(&bytes).unwrap_err().to_string()
    };
    assert_eq!(Frame::decode(&[]).unwrap_err(), WireError::Truncated("a frame"));
    assert_eq!(Frame::decode(&ack[..7]).unwrap_err(), WireError::Truncated("a frame"));
    assert_eq!(spoilt(1, 2), "the checksum of a block of kind 2 does not match");
    assert_eq!(spoilt(12, 1), "the checksum of a block of kind 1 does not match");
    assert_eq!(spoilt(2, 200), "it ends in the middle of a frame");
}

/// Frames of each type and blocks of each kind that version 2 has.
pub(super) const OF_VERSION_2: [&str; 6] = [HELLO, ACK, DELTA, RANGE, DIGEST, SKETCHES];

const HELLO: &str = concat!(
    "01012a000000a3fde18d0101000465646765fd0807060504030201030200fd000000000000010009fb2c01fd00505c18",
    "a3010000",
);
const ACK: &str = "030117000000204832bd05fbfb00fd00505c18a301000003fd28505c18a3010000";
const DELTA: &str = concat!(
    "020106000000038081b102000701030506340000005ed260d5aa0000000000000001020007020280e88887430a050100",
    "0501ff0f00000000000001010201c801ffffffff0f01c801ffffffff0f",
);
const RANGE: &str = concat!(
    "040103000000b77d89f00001050317000000141332c4010c3139322e302e322e392f333201090a020178040300062100",
    "0000ecac8a86bb0000000000000002030007030008020103000002010000000000000000020101",
);
const DIGEST: &str = "0501190000007658137105ab080201fdffffffffffffffff0100fd00505c18a3010000";
const SKETCHES: &str = concat!(
    "040103000000b77d89f0000105052d000000ae10479c01cc0c3139322e302e322e392f333201fd603a5d18a3010000fd",
    "e0289418a3010000fd00505c18a30100000300041f000000975d9468dd00000000000000ac0202ff1f02010501010003",
    "0501eba204278fddfb1f02",
);
const ELEMENT: &str = "7879b4d8d96b7845";
const UNIQUES: &str = "6f8371f4c3daf4fe";
const LIST: &str = "bb3065a19b04e40b";
const LISTING: &str = "56d847fab6fb7ff639f1975993f8f93f";
const TABLE_OF_EDGE: &str = "0b62d42d359b3e4b";
const REGISTERS_OF_EDGE: &str = "1cd7f13da24afab8";
const KEY: &str = "7daeb2e3a5ca6d0e";
const SUBJECT: &str = "3bd71f68d0973875d4132ab6716c7584";
const MISSES: &str = "060107000000b670f40a020200fb2c0100";
const RETIRES: &str = "0701000000001bdf05a5";
