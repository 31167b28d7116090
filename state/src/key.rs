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

impl<K: Copy> Keyed<K> {
    /// The name in force first.
    pub(crate) fn each(self) -> impl Iterator<Item = K> {
        std::iter::once(self.now).chain(self.beside)
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

// A map inside a shard sees keys whose top 8 bits are alike. hashbrown takes its tag from the top bits of a hash and the
// bucket from the lowest ones, so the constant byte is turned to where neither looks.
impl Hash for Key64 {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.rotate_left(32));
    }
}

impl Hash for Key128 {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0 as u64);
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

/// Keys are hashes already: the maps take them as they are.
#[derive(Clone, Copy, Default)]
pub(crate) struct AsIs;

pub(crate) struct AsIsHasher(u64);

impl BuildHasher for AsIs {
    type Hasher = AsIsHasher;

    fn build_hasher(&self) -> AsIsHasher {
        AsIsHasher(0)
    }
}

impl Hasher for AsIsHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    /// Keys write themselves as one `u64`; this folds anything else, so that the hasher is whole.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
