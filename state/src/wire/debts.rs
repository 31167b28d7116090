//! What buckets of one table owe beyond what cells tell. It stands in snapshots alone: it is what one node computed, and peers compute their own.
//!
//! ```text
//! table (u64, LE), time at which it was owed, keys (count), then for each:
//! key (difference to the one before), thousandths of a token
//! ```
//!
//! All numbers are varints, but for the table. Keys are in order, each once.

use super::WireError;
use super::reader::{Reader, put_varint};
use crate::key::Key64;
use crate::time::Time;

/// The fewest bytes of a debt.
const DEBT_LEAST: usize = 2;

/// The most bytes of a debt.
pub(super) const DEBT_MOST: usize = 10 + 10;

/// The most bytes of a block beside its debts.
pub(super) const DEBTS_MOST: usize = 8 + 10 + 5;

/// Debts of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Debts {
    pub(crate) table: u64,
    /// When they were owed.
    pub(crate) at: Time,
    /// In thousandths of a token.
    pub(crate) debts: Vec<(Key64, u64)>,
}

/// In the order of keys, each once.
pub(super) fn encode(Debts { table, at, debts }: &Debts) -> Vec<u8> {
    let mut out = table.to_le_bytes().to_vec();
    put_varint(&mut out, at.0);
    put_varint(&mut out, debts.len() as u64);
    let mut before = 0;
    for (key, owed) in debts {
        put_varint(&mut out, key.0.wrapping_sub(before));
        put_varint(&mut out, *owed);
        before = key.0;
    }
    out
}

pub(super) fn decode(body: &[u8]) -> Result<Debts, WireError> {
    let mut reader = Reader::new(body, "a block of debts");
    let (table, at) = (reader.u64()?, Time(reader.varint()?));
    let count = reader.count(DEBT_LEAST)?;
    let mut debts: Vec<(Key64, u64)> = Vec::with_capacity(count);
    let mut before = 0_u64;
    for _ in 0..count {
        before = before.checked_add(reader.varint()?).ok_or(WireError::Range("a key"))?;
        if debts.last().is_some_and(|(last, _)| last.0 >= before) {
            return Err(WireError::Order("a debt"));
        }
        debts.push((Key64(before), reader.varint()?));
    }
    reader.end()?;
    Ok(Debts { table, at, debts })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_else(
            table in any::<u64>(),
            at in any::<u64>(),
            debts in prop::collection::btree_map(any::<u64>(), any::<u64>(), 0..20),
            cut in any::<prop::sample::Index>(),
            bytes in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let debts = debts.into_iter().map(|(key, owed)| (Key64(key), owed)).collect::<Vec<_>>();
            let debts = Debts { table, at: Time(at), debts };
            let written = encode(&debts);
            prop_assert!(written.len() <= DEBTS_MOST + DEBT_MOST * debts.debts.len());
            prop_assert!(decode(&written[..cut.index(written.len())]).is_err());
            prop_assert_eq!(decode(&written), Ok(debts));
            let _ = decode(&bytes);
        }
    }
}
