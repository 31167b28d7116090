//! One revocation as it is written down: its name, its instants and its author, numbers little-endian. Checksums are the [segment](crate::keep::segment)'s.

use selvedge_state::{Actor, Author, Incarnation, Key128, PopId, Revocation, Time};

pub(super) fn encode(revocation: &Revocation) -> Vec<u8> {
    let Revocation { key, before, until, author: Author { actor, incarnation } } = revocation;
    let mut out = key.to_bytes().to_vec();
    [before.0, until.0, incarnation.0].into_iter().for_each(|number| out.extend(number.to_le_bytes()));
    out.extend(actor.pop.0.to_le_bytes());
    out.extend(actor.node.to_le_bytes());
    out
}

/// None where it is no record.
pub(super) fn decode(bytes: &[u8]) -> Option<Revocation> {
    let (key, rest) = bytes.split_first_chunk()?;
    let (before, rest) = rest.split_first_chunk()?;
    let (until, rest) = rest.split_first_chunk()?;
    let (incarnation, rest) = rest.split_first_chunk()?;
    let (pop, rest) = rest.split_first_chunk()?;
    let (node, rest) = rest.split_first_chunk()?;
    let actor = Actor { pop: PopId(u16::from_le_bytes(*pop)), node: u32::from_le_bytes(*node) };
    let author = Author { actor, incarnation: Incarnation(u64::from_le_bytes(*incarnation)) };
    let (before, until) = (Time(u64::from_le_bytes(*before)), Time(u64::from_le_bytes(*until)));
    rest.is_empty().then_some(Revocation { key: Key128::from_bytes(*key), before, until, author })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let actor = Actor { pop: PopId(9), node: 70_000 };
        let author = Author { actor, incarnation: Incarnation(u64::MAX) };
        let key = Key128::from_bytes([7; 16]);
        let revocation = Revocation { key, before: Time(1), until: Time(2), author };
        let bytes = encode(&revocation);
        assert_eq!(decode(&bytes), Some(revocation));
        (0..bytes.len()).for_each(|length| assert_eq!(decode(&bytes[..length]), None, "{length}"));
        assert_eq!(decode(&[&bytes[..], &[0]].concat()), None);
    }
}
