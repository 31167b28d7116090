//! The bounded memory of who was refused and why. A scanner that knocks every second, or a peer that redials with an
//! expired certificate, is one line with a count, so that it cannot push the others out.

use std::collections::VecDeque;

use selvedge_state::Time;

use super::cause::Cause;

/// How many refusals are remembered; the one longest unseen gives way.
pub const REFUSALS_MAX: usize = 32;

/// Which side opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It connected to this node.
    Accepted,
    /// This node connected to it.
    Dialled,
}

/// One refusal, repeated or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which side opened the connection.
    pub side: Side,
    /// Whom: the client's IP address, or the roster address that was dialled.
    pub from: String,
    /// Why.
    pub cause: Cause,
    /// When last, node time.
    pub at: Time,
    /// How many times.
    pub times: u64,
}

/// The newest [`REFUSALS_MAX`] refusals, newest last.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    list: VecDeque<Refusal>,
}

impl Refused {
    /// Adds a refusal, or counts it with its like, and gives it back as it now stands.
    pub(crate) fn add(&mut self, side: Side, from: String, cause: Cause, at: Time) -> Refusal {
        let like = |known: &Refusal| known.side == side && known.from == from && known.cause == cause;
        let before = self.list.iter().position(like).and_then(|index| self.list.remove(index));
        let times = before.map_or(0, |refusal| refusal.times).saturating_add(1);
        if self.list.len() >= REFUSALS_MAX {
            self.list.pop_front();
        }
        let refusal = Refusal { side, from, cause, at, times };
        self.list.push_back(refusal.clone());
        refusal
    }

    /// All of them, oldest first.
    pub(crate) fn list(&self) -> Vec<Refusal> {
        self.list.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_bounded_and_keeps_the_newest() {
        let mut refused = Refused::default();
        for i in 0..100_u64 {
            refused.add(Side::Accepted, format!("192.0.2.{i}"), Cause::NotTls, Time(i));
        }
        let list = refused.list();
        assert_eq!(list.len(), REFUSALS_MAX);
        assert_eq!(list.first().map(|r| r.at), Some(Time(68)));
        assert_eq!(list.last().map(|r| r.at), Some(Time(99)));
    }

    #[test]
    fn a_repeated_refusal_is_one_line_and_the_newest() {
        let mut refused = Refused::default();
        refused.add(Side::Accepted, "192.0.2.1".into(), Cause::NotTls, Time(1));
        refused.add(Side::Accepted, "192.0.2.2".into(), Cause::NotTls, Time(2));
        refused.add(Side::Accepted, "192.0.2.1".into(), Cause::NoCertificate, Time(3));
        let again = refused.add(Side::Accepted, "192.0.2.1".into(), Cause::NotTls, Time(4));
        assert_eq!((again.times, again.at), (2, Time(4)));
        let froms: Vec<_> = refused.list().into_iter().map(|r| (r.from, r.times)).collect();
        assert_eq!(froms, [("192.0.2.2".into(), 1), ("192.0.2.1".into(), 1), ("192.0.2.1".into(), 2)]);
    }
}
