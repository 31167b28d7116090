//! Keyed hashes of what clients choose. The key is the cluster's secret, so nobody outside can aim at one map shard or make
//! two keys collide; it is the same at every node, so hashes are names that all of them understand. SipHash-1-3 (Aumasson
//! and Bernstein, 2012).
//!
//! While the secret is rotated, nodes in force of either one live side by side, and what a client chose has two names. What a
//! config names is hashed by a key that is no secret ([`Names`]), so it is called the same by either.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};

use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher13x128};

/// A 64-bit keyed hash: the name of one counter inside its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key64(pub(crate) u64);

/// A 128-bit keyed hash: the name of one fact. Wide enough that a collision never happens by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key128(pub(crate) u128);

/// The name of one thing that a client chose: by the secret in force, by which it is written here, and by the one beside it,
/// while there is one, by which peers may write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Keyed<K> {
    pub(crate) now: K,
    pub(crate) beside: Option<K>,
}

/// The name of one counter, gauge or distinct count inside its table.
pub type Key = Keyed<Key64>;

/// The name of what is purged together.
pub type PurgeKey = Keyed<Key128>;

/// The name of one session.
pub type SessionKey = Keyed<Key128>;

impl<K: Copy> Keyed<K> {
    /// Of something of which these names are known.
    #[must_use]
    pub fn new(now: K, beside: Option<K>) -> Keyed<K> {
        Keyed { now, beside }
    }

    /// The name in force first.
    pub fn each(self) -> impl Iterator<Item = K> {
        std::iter::once(self.now).chain(self.beside)
    }

    /// The same change of both names.
    #[must_use]
    pub fn map(self, change: impl Fn(K) -> K) -> Keyed<K> {
        Keyed { now: change(self.now), beside: self.beside.map(change) }
    }
}

impl Keyed<Key128> {
    /// Of the text that its name in force is shown as, where that is all that is known: 32 hex digits. `None` when it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Keyed<Key128>> {
        Key128::parse(text).map(|key| Keyed::new(key, None))
    }
}

impl Key64 {
    /// As bytes, the same at every node.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// Of such bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Key64 {
        Key64(u64::from_le_bytes(bytes))
    }

    /// Of the text that it is shown as: sixteen hex digits. `None` when it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Key64> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u64::from_str_radix(text, 16).ok())?.map(Key64)
    }
}

impl Key128 {
    /// As bytes, the same at every node.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// Of such bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Key128 {
        Key128(u128::from_le_bytes(bytes))
    }

    /// Of the text that it is shown as: 32 hex digits. `None` when it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Key128> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u128::from_str_radix(text, 16).ok())?.map(Key128)
    }
}

impl Key {
    /// The name in force, for those who tell keys apart and need not know them.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.now.0.to_be_bytes()
    }
}

impl<K: fmt::Display> fmt::Display for Keyed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.now.fmt(f)
    }
}

/// A name that is spread evenly over the shards; shards are the units of repair, the same at every node.
pub(crate) trait Sharded {
    /// The top 8 bits.
    fn shard(&self) -> u8;
    /// The top 16 bits.
    fn top(&self) -> u16;
}

impl Sharded for Key64 {
    fn shard(&self) -> u8 {
        (self.0 >> 56) as u8
    }

    fn top(&self) -> u16 {
        (self.0 >> 48) as u16
    }
}

impl Sharded for Key128 {
    fn shard(&self) -> u8 {
        (self.0 >> 120) as u8
    }

    fn top(&self) -> u16 {
        (self.0 >> 112) as u16
    }
}

// Numbers of 64 bits, two at most, are what [`Spread`] takes.
impl Hash for Key64 {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

impl Hash for Key128 {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0 as u64);
        state.write_u64((self.0 >> 64) as u64);
    }
}

impl fmt::Display for Key64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for Key128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What a hash is of; goes into it, so that a key and a table of the same bytes are different names.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum Domain {
    Key = 1,
    Table = 2,
    Subject = 3,
    Element = 4,
    Uniques = 5,
    List = 6,
    Listing = 7,
    Digest = 8,
    Registers = 9,
    Register = 10,
    Maxima = 11,
    Maximum = 12,
    Mark = 13,
    Floor = 14,
    Ledger = 16,
    Epoch = 17,
    Home = 18,
    Names = 19,
    Spread = 20,
    Generation = 22,
    Session = 23,
    Sessions = 24,
    Revocation = 25,
}

/// A secret of the cluster, as the key of hashes.
#[derive(Clone)]
pub(crate) struct Secret([u8; 16]);

impl Secret {
    pub(crate) fn new(secret: [u8; 16]) -> Secret {
        Secret(secret)
    }

    /// Parts are framed by their lengths: `["a", "bc"]` and `["ab", "c"]` are different names.
    pub(crate) fn hash64(&self, domain: Domain, parts: &[&[u8]]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        feed(&mut hasher, domain, parts);
        hasher.finish()
    }

    pub(crate) fn hash128(&self, domain: Domain, parts: &[&[u8]]) -> u128 {
        let mut hasher = SipHasher13x128::new_with_key(&self.0);
        feed(&mut hasher, domain, parts);
        hasher.finish128().as_u128()
    }
}

/// The key of what configs name: tables, spaces, lists. Nobody outside chooses those, so it need not be secret; it follows
/// from the cluster's id, and so they keep their names when the secret is rotated.
#[derive(Clone)]
pub(crate) struct Names(Secret);

impl Names {
    pub(crate) fn of(cluster: &str) -> Names {
        let key = Secret([0; 16]).hash128(Domain::Names, &[cluster.as_bytes()]);
        Names(Secret(key.to_le_bytes()))
    }

    pub(crate) fn hash64(&self, domain: Domain, parts: &[&[u8]]) -> u64 {
        self.0.hash64(domain, parts)
    }
}

/// The secret in force and, while it is rotated, the one beside it.
pub(crate) struct Secrets {
    pub(crate) now: Secret,
    pub(crate) beside: Option<Secret>,
}

impl Secrets {
    /// The one in force first.
    pub(crate) fn each(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.now).chain(&self.beside)
    }

    pub(crate) fn key64(&self, domain: Domain, parts: &[&[u8]]) -> Keyed<Key64> {
        let key = |secret: &Secret| Key64(secret.hash64(domain, parts));
        Keyed { now: key(&self.now), beside: self.beside.as_ref().map(key) }
    }

    pub(crate) fn key128(&self, domain: Domain, parts: &[&[u8]]) -> Keyed<Key128> {
        let key = |secret: &Secret| Key128(secret.hash128(domain, parts));
        Keyed { now: key(&self.now), beside: self.beside.as_ref().map(key) }
    }
}

// Only `write`: the integer methods of a hasher may differ between machines.
fn feed(hasher: &mut impl Hasher, domain: Domain, parts: &[&[u8]]) {
    hasher.write(&[domain as u8]);
    for part in parts {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part);
    }
}

/// Where names lie in a map: strongly universal hashing by multiplication (M. Dietzfelbinger, *Universal hashing and k-wise independent
/// random variables via integer arithmetic without primes*, 1996). Names are hashes where honest nodes make them, but a peer calls a
/// thing what it likes. Of any two names that it chooses without this key, the hashes are two independent random numbers, in
/// whichever of their bits a map looks at.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    plus: u128,
    times: u128,
    /// For the second half of a long name.
    then: u128,
}

impl Spread {
    /// The salt is what peers do not know: the secret they have.
    pub(crate) fn new(secret: &Secret, salt: u64) -> Spread {
        let number = |part: &[u8]| secret.hash128(Domain::Spread, &[&salt.to_le_bytes(), part]);
        Spread { plus: number(b"plus"), times: number(b"times"), then: number(b"then") }
    }
}

impl BuildHasher for Spread {
    type Hasher = Spreading;

    fn build_hasher(&self) -> Spreading {
        Spreading { sum: self.plus, times: self.times, then: self.then }
    }
}

pub(crate) struct Spreading {
    sum: u128,
    times: u128,
    then: u128,
}

impl Hasher for Spreading {
    fn finish(&self) -> u64 {
        (self.sum >> 64) as u64
    }

    /// Names write themselves as one or two numbers; this takes anything else, so that the hasher is whole.
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.sum = self.sum.wrapping_add(self.times.wrapping_mul(number.into()));
        std::mem::swap(&mut self.times, &mut self.then);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_shown() {
        for key in [Key64(0), Key64(0x0123_4567_89ab_cdef), Key64(u64::MAX)] {
            assert_eq!(Key64::parse(&key.to_string()), Some(key));
            assert_eq!(Key64::from_bytes(key.to_bytes()), key);
        }
        for text in ["", "0123", "+123456789abcdef", "0123456789abcdeg", "00123456789abcdef"] {
            assert_eq!(Key64::parse(text), None, "{text}");
        }
    }

    const NAMES: u64 = 1 << 12;

    /// How many of the names lie in the fullest of a thousand buckets, by one salt.
    fn fullest<K: Hash>(salt: u64, nth: impl Fn(u64) -> K) -> usize {
        let spread = Spread::new(&Secret::new([7; 16]), salt);
        let (mut buckets, mut tags) = (vec![0; 1 << 10], vec![0; 1 << 7]);
        for hash in (0..NAMES).map(|n| spread.hash_one(nth(n))) {
            // As hashbrown takes them.
            buckets[hash as usize % (1 << 10)] += 1;
            tags[(hash >> 57) as usize] += 1;
        }
        assert!(tags.into_iter().max() < Some(NAMES as usize / 8), "salt {salt}: tags");
        buckets.into_iter().max().unwrap_or(0)
    }

    /// A peer chooses names that agree in whichever bits a map could look at; of all of them 4 go into a bucket on average.
    #[test]
    fn names_that_agree_in_some_bits_are_spread_by_the_others() {
        // The shard's bits are the same in all.
        let (short, long) = (7_u64 << 56, 7_u128 << 120);
        for salt in 0..50 {
            for at in 0..=44 {
                assert!(fullest(salt, |n| Key64(short | n << at)) < 128, "salt {salt}: bits {at} and on");
            }
            for at in (0..=108).step_by(4) {
                assert!(fullest(salt, |n| Key128(long | u128::from(n) << at)) < 128, "salt {salt}: bits {at} and on");
            }
        }
    }

    #[test]
    fn who_does_not_know_the_salt_does_not_know_the_places() {
        let places = |salt| {
            let spread = Spread::new(&Secret::new([7; 16]), salt);
            (0..64).map(|n| spread.hash_one(Key64(n))).collect::<Vec<_>>()
        };
        assert_eq!(places(1), places(1));
        assert_ne!(places(1), places(2));
    }
}
