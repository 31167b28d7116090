//! What operators said at run time of one key of a limit: that it has another rate, another number at once, or no limit, or that it was reset. As bytes, which are
//! what the store replicates: the first byte is a version, and what cannot be read is nothing.
//!
//! The key goes along by its names, since a register does not keep what it is under, and in the words of whoever said it: so every POP
//! can list it.

use std::time::Duration;

use selvedge_conf::{Rate, Tier};
use selvedge_state::{Key, Key64, VALUE_MAX};

/// The encoding that is written; others are not read.
const VERSION: u8 = 1;

/// The longest text of one part of a key that goes along, bytes. One with a longer part is known by its hash alone.
const PART_MAX: usize = 100;

/// A rate that is said has at most so long a time, ms: 31 days, as in the config.
const PER_MAX: u64 = 31 * 24 * 3_600_000;

/// The shortest, ms, as in the config.
const PER_MIN: u64 = 100;

const _: () = assert!(3 + 2 * 8 + 14 + selvedge_conf::KEY_PARTS_MAX * (PART_MAX + 1) <= VALUE_MAX);

/// What holds for one key of a limit instead of what the config says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Another rate.
    Rate {
        /// Tokens, 1 or more.
        count: u32,
        /// The time they take to refill, 100 ms to 31 days.
        per: Duration,
        /// The depth of the bucket, 1 or more.
        burst: u32,
    },
    /// Another number of requests at once, of all POPs; 0 refuses each.
    InFlight(u32),
    /// No limit.
    Unlimited,
}

/// One key of a limit: its names, and the values that it is made of, as an operator wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose {
    /// The names by which its counts are.
    pub key: Key,
    /// A value for each part, in the config's order; empty where only the hash is known.
    pub values: Vec<String>,
}

/// What a register of a limit says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Saying {
    Told(Told),
    Reset,
}

impl Told {
    /// The rate, as a config would write it.
    pub(super) fn tier(self) -> Option<Tier> {
        match self {
            Told::Rate { count, per, burst } => Some(Tier { rate: Rate { count, per }, burst, width: None }),
            Told::InFlight(_) | Told::Unlimited => None,
        }
    }

    /// A rate, if it is one that a config could have.
    pub fn rate(count: u32, per: Duration, burst: u32) -> Option<Told> {
        let ms = u64::try_from(per.as_millis()).ok()?;
        let fits = count > 0 && burst > 0 && (PER_MIN..=PER_MAX).contains(&ms);
        fits.then(|| Told::Rate { count, per: Duration::from_millis(ms), burst })
    }
}

/// What a register holds of a key.
pub(super) fn encode(saying: &Saying, whose: &Whose) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    match *saying {
        Saying::Told(Told::Unlimited) => bytes.push(0),
        Saying::Told(Told::Rate { count, per, burst }) => {
            bytes.push(1);
            bytes.extend(count.to_le_bytes());
            bytes.extend(u64::try_from(per.as_millis()).unwrap_or(u64::MAX).to_le_bytes());
            bytes.extend(burst.to_le_bytes());
        }
        Saying::Reset => bytes.push(2),
        Saying::Told(Told::InFlight(most)) => {
            bytes.push(3);
            bytes.extend(most.to_le_bytes());
        }
    }
    let names: Vec<Key64> = whose.key.each().collect();
    bytes.push(names.len() as u8);
    names.into_iter().for_each(|name| bytes.extend(name.to_bytes()));
    let fits =
        whose.values.len() <= selvedge_conf::KEY_PARTS_MAX && whose.values.iter().all(|text| text.len() <= PART_MAX);
    let values = if fits { whose.values.as_slice() } else { &[] };
    bytes.push(values.len() as u8);
    for text in values {
        bytes.push(text.len() as u8);
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// What bytes say, and of which key. `None` when they are of another version, or damaged.
pub(super) fn decode(bytes: &[u8]) -> Option<(Saying, Whose)> {
    let mut rest = Rest(bytes);
    let saying = rest.saying()?;
    let key = match rest.byte()? {
        1 => Key::new(rest.name()?, None),
        2 => Key::new(rest.name()?, Some(rest.name()?)),
        _ => return None,
    };
    let parts = usize::from(rest.byte()?);
    if parts > selvedge_conf::KEY_PARTS_MAX {
        return None;
    }
    let values = (0..parts).map(|_| rest.text()).collect::<Option<Vec<String>>>()?;
    rest.0.is_empty().then_some((saying, Whose { key, values }))
}

/// What holds instead, of the bytes of a register: without what is only there to be listed. Allocates nothing.
pub(super) fn told(bytes: &[u8]) -> Option<Told> {
    match Rest(bytes).saying()? {
        Saying::Told(told) => Some(told),
        Saying::Reset => None,
    }
}

/// What is left to be read.
struct Rest<'b>(&'b [u8]);

impl Rest<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn name(&mut self) -> Option<Key64> {
        self.array().map(Key64::from_bytes)
    }

    fn saying(&mut self) -> Option<Saying> {
        if self.byte()? != VERSION {
            return None;
        }
        Some(match self.byte()? {
            0 => Saying::Told(Told::Unlimited),
            1 => {
                let count = u32::from_le_bytes(self.array()?);
                let per = Duration::from_millis(u64::from_le_bytes(self.array()?));
                Saying::Told(Told::rate(count, per, u32::from_le_bytes(self.array()?))?)
            }
            2 => Saying::Reset,
            3 => Saying::Told(Told::InFlight(u32::from_le_bytes(self.array()?))),
            _ => return None,
        })
    }

    fn text(&mut self) -> Option<String> {
        let len = usize::from(self.byte()?);
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sayings() -> impl Strategy<Value = Saying> {
        let rate = (1..=u32::MAX, PER_MIN..=PER_MAX, 1..=u32::MAX);
        let rate = rate.prop_map(|(count, ms, burst)| Told::Rate { count, per: Duration::from_millis(ms), burst });
        let at_once = any::<u32>().prop_map(|most| Saying::Told(Told::InFlight(most)));
        prop_oneof![rate.prop_map(Saying::Told), at_once, Just(Saying::Told(Told::Unlimited)), Just(Saying::Reset)]
    }

    fn whose() -> impl Strategy<Value = Whose> {
        let name = || any::<[u8; 8]>().prop_map(Key64::from_bytes);
        let key = (name(), prop::option::of(name())).prop_map(|(now, beside)| Key::new(now, beside));
        (key, prop::collection::vec(".{0,20}", 0..=8)).prop_map(|(key, values)| Whose { key, values })
    }

    proptest! {
        #[test]
        fn what_is_said_is_read(saying in sayings(), whose in whose()) {
            let bytes = encode(&saying, &whose);
            prop_assert!(bytes.len() <= VALUE_MAX);
            prop_assert_eq!(decode(&bytes), Some((saying.clone(), whose)));
            let expected = match saying { Saying::Told(told) => Some(told), Saying::Reset => None };
            prop_assert_eq!(told(&bytes), expected);
        }

        #[test]
        fn whatever_comes_is_read_or_is_nothing(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = (decode(&bytes), told(&bytes));
        }

        #[test]
        fn what_was_cut_off_or_has_more_is_nothing(saying in sayings(), whose in whose(), cut in any::<prop::sample::Index>()) {
            let mut bytes = encode(&saying, &whose);
            let shorter = &bytes[..cut.index(bytes.len())];
            prop_assert_eq!(decode(shorter), None);
            bytes.push(0);
            prop_assert_eq!(decode(&bytes), None);
        }
    }

    #[test]
    fn a_rate_that_no_config_could_have_is_nothing() {
        let named = Whose { key: Key::new(Key64::from_bytes([7; 8]), None), values: Vec::new() };
        for (count, ms, burst) in [(0, 1_000, 1), (1, 99, 1), (1, PER_MAX + 1, 1), (1, 1_000, 0), (1, u64::MAX, 1)] {
            assert_eq!(Told::rate(count, Duration::from_millis(ms), burst), None);
            let saying = Saying::Told(Told::Rate { count, per: Duration::from_millis(ms), burst });
            let bytes = encode(&saying, &named);
            assert_eq!((decode(&bytes), told(&bytes)), (None, None));
        }
    }

    #[test]
    fn a_key_with_the_longest_values_fits_and_one_with_longer_ones_is_known_by_its_hash() {
        let key = Key::new(Key64::from_bytes([7; 8]), Some(Key64::from_bytes([8; 8])));
        let most = Told::rate(u32::MAX, Duration::from_millis(PER_MAX), u32::MAX).map(Saying::Told).unwrap();
        let longest = Whose { key, values: vec!["v".repeat(PART_MAX); selvedge_conf::KEY_PARTS_MAX] };
        let bytes = encode(&most, &longest);
        assert!(bytes.len() <= VALUE_MAX);
        assert_eq!(decode(&bytes), Some((most.clone(), longest)));
        let longer = Whose { key, values: vec!["v".repeat(PART_MAX + 1)] };
        assert_eq!(decode(&encode(&most, &longer)), Some((most, Whose { key, values: Vec::new() })));
    }
}
