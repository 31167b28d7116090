//! What stands in the log: a head that says whose it is, then records of one length, each with a checksum that goes on from the head's, so
//! that a record of another log is none of this one. Numbers are little-endian.

use crc32fast::Hasher;
use selvedge_filters::purge::lives::Record;
use selvedge_state::{Actor, Applied, Author, Dot, Incarnation, Key128, PopId, Seq, Time};

/// What the file begins with: its name and the version of what follows.
const MAGIC: &[u8; 7] = b"purges\x01";

/// Bytes of a record: what it is, its place, key, author and number of the purge, three times, a checksum.
pub(super) const RECORD: usize = 1 + 16 + 16 + 14 + 8 + 24 + 4;

/// A purge of a name.
const NAMED: u8 = 1;
/// A mark that is on every name.
const FLOOR: u8 = 2;
/// All that was filled before is gone.
const ALL: u8 = 3;

/// Whose log it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The cluster's id, 64 KiB at most.
    pub(super) cluster: String,
    /// The secret that keys are hashed with.
    pub(super) secret_id: u64,
    pub(super) actor: Actor,
    /// The last life that wrote it.
    pub(super) life: Incarnation,
}

/// What checksums of records go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed(u32);

impl Seed {
    fn sum(self, bytes: &[u8]) -> u32 {
        let mut hasher = Hasher::new_with_initial(self.0);
        hasher.update(bytes);
        hasher.finalize()
    }
}

impl Head {
    /// As bytes; None where the cluster's id is too long.
    pub(super) fn encode(&self) -> Option<(Vec<u8>, Seed)> {
        let mut out = MAGIC.to_vec();
        out.extend(u16::try_from(self.cluster.len()).ok()?.to_le_bytes());
        out.extend(self.cluster.as_bytes());
        out.extend(self.secret_id.to_le_bytes());
        put_author(&mut out, Author { actor: self.actor, incarnation: self.life });
        let sum = crc32fast::hash(&out);
        out.extend(sum.to_le_bytes());
        Some((out, Seed(sum)))
    }

    /// Of what a file begins with, and how long it is. None where that is no head.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Head, Seed, usize)> {
        let mut fields = Fields(bytes.strip_prefix(MAGIC)?);
        let length = usize::from(u16::from_le_bytes(fields.take()?));
        let (cluster, rest) = fields.0.split_at_checked(length)?;
        fields.0 = rest;
        let secret_id = u64::from_le_bytes(fields.take()?);
        let Author { actor, incarnation: life } = fields.author()?;
        let summed = bytes.len() - fields.0.len();
        let sum = u32::from_le_bytes(fields.take()?);
        let cluster = std::str::from_utf8(cluster).ok()?.to_owned();
        (crc32fast::hash(bytes.get(..summed)?) == sum).then_some(())?;
        Some((Head { cluster, secret_id, actor, life }, Seed(sum), bytes.len() - fields.0.len()))
    }
}

/// Writes a record behind what is there.
pub(super) fn encode(record: &Record, seed: Seed, out: &mut Vec<u8>) {
    let begin = out.len();
    match record {
        Record::Applied(life, Applied { number, key, dot, at, made_at, kept }) => {
            out.push(if key.is_some() { NAMED } else { FLOOR });
            put(out, &[life.0, *number]);
            out.extend(key.map(Key128::to_bytes).unwrap_or_default());
            put_author(out, dot.author);
            put(out, &[dot.seq.0, at.0, made_at.0, kept.0]);
        }
        Record::All((life, number)) => {
            out.push(ALL);
            put(out, &[life.0, *number]);
            out.resize(begin + RECORD - 4, 0);
        }
    }
    let sum = seed.sum(out.get(begin..).unwrap_or_default());
    out.extend(sum.to_le_bytes());
}

/// A record of so many bytes. None where they are no record of this log.
pub(super) fn decode(bytes: &[u8], seed: Seed) -> Option<Record> {
    let (said, sum) = bytes.split_last_chunk()?;
    (seed.sum(said) == u32::from_le_bytes(*sum)).then_some(())?;
    let mut fields = Fields(said);
    let [kind] = fields.take()?;
    let (life, number) = (Incarnation(fields.u64()?), fields.u64()?);
    let key = Key128::from_bytes(fields.take()?);
    let key = match kind {
        NAMED => Some(key),
        FLOOR => None,
        ALL => return Some(Record::All((life, number))),
        _ => return None,
    };
    let dot = Dot { author: fields.author()?, seq: Seq(fields.u64()?) };
    let (at, made_at, kept) = (Time(fields.u64()?), Time(fields.u64()?), Time(fields.u64()?));
    Some(Record::Applied(life, Applied { number, key, dot, at, made_at, kept }))
}

fn put(out: &mut Vec<u8>, numbers: &[u64]) {
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
}

fn put_author(out: &mut Vec<u8>, Author { actor, incarnation }: Author) {
    out.extend(actor.pop.0.to_le_bytes());
    out.extend(actor.node.to_le_bytes());
    put(out, &[incarnation.0]);
}

/// What is left to read.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn author(&mut self) -> Option<Author> {
        let pop = PopId(u16::from_le_bytes(self.take()?));
        let node = u32::from_le_bytes(self.take()?);
        Some(Author { actor: Actor { pop, node }, incarnation: Incarnation(self.u64()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let actor = Actor { pop: PopId(3), node: 70_000 };
        Head { cluster: "of three".to_owned(), secret_id: 7, actor, life: Incarnation(1 << 40) }
    }

    fn applied(key: Option<u8>) -> Record {
        let author = Author { actor: Actor { pop: PopId(9), node: 2 }, incarnation: Incarnation(u64::MAX) };
        let key = key.map(|byte| Key128::from_bytes([byte; 16]));
        let dot = Dot { author, seq: Seq(11) };
        let (at, made_at, kept) = (Time(1), Time(2), Time(3));
        Record::Applied(Incarnation(5), Applied { number: 8, key, dot, at, made_at, kept })
    }

    #[test]
    fn what_is_written_is_read() {
        let (bytes, seed) = head().encode().unwrap();
        let (length, mut log) = (bytes.len(), bytes);
        let records = [applied(Some(0)), applied(Some(255)), applied(None), Record::All((Incarnation(6), 9))];
        records.iter().for_each(|record| encode(record, seed, &mut log));
        assert_eq!(log.len(), length + records.len() * RECORD);
        assert_eq!(Head::decode(&log), Some((head(), seed, length)));
        let read: Vec<_> = log[length..].chunks(RECORD).map(|bytes| decode(bytes, seed).unwrap()).collect();
        assert_eq!(read, records);
    }

    #[test]
    fn no_bit_may_differ() {
        let (bytes, seed) = head().encode().unwrap();
        let mut record = Vec::new();
        encode(&applied(Some(1)), seed, &mut record);
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::decode(&bytes), None, "bit {bit}");
        }
        for bit in 0..record.len() * 8 {
            let mut record = record.clone();
            record[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&record, seed), None, "bit {bit}");
        }
        (0..bytes.len()).for_each(|length| assert_eq!(Head::decode(&bytes[..length]), None));
        (0..record.len()).for_each(|length| assert_eq!(decode(&record[..length], seed), None));
        // Of another log, and what a file system leaves where nothing was written.
        let (_, other) = Head { life: Incarnation(2), ..head() }.encode().unwrap();
        assert_eq!(decode(&record, other), None);
        assert_eq!(decode(&[0; RECORD], seed), None);
    }
}
