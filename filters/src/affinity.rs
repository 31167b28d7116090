//! Which server of an origin requests of one key go to: the one with the highest weight among those that may be asked (rendezvous hashing: Thaler
//! and Ravishankar, 1998). No table is kept; a server that goes leaves its keys to the others, and no other key moves.

use std::hash::{Hash, Hasher};

use selvedge_conf::{Affinity, Config};
use selvedge_state::Key64;
use siphasher::sip::SipHasher13;

use crate::key::KeyShape;
use crate::rule::Context;
use crate::site::SiteId;

/// What requests keep to a server by, for each origin of a config.
#[derive(Debug)]
pub(crate) struct Affinities {
    /// By the origin's place; none where all servers are alike, or a cookie says which one.
    keys: Vec<Option<KeyShape>>,
    /// The origin of each site.
    of_site: Vec<usize>,
}

impl Affinities {
    pub(crate) fn new(config: &Config) -> Affinities {
        let key = |affinity: &Affinity| match affinity {
            Affinity::Key(parts) => Some(KeyShape::new(parts)),
            Affinity::Cookie { .. } => None,
        };
        Affinities {
            keys: config.origins.iter().map(|origin| origin.affinity.as_ref().and_then(key)).collect(),
            of_site: config.sites.iter().map(|site| site.origin).collect(),
        }
    }

    /// The key of a request to a site, or to the origin that rules chose; none where it may go to any server.
    pub(crate) fn key(&self, site: SiteId, chosen: Option<usize>, context: &Context<'_>) -> Option<Key64> {
        let origin = chosen.or_else(|| self.of_site.get(site.0).copied())?;
        let key = self.keys.get(origin)?.as_ref()?;
        key.is_whole(context).then(|| key.lasting(context))
    }
}

/// The server for requests of a key, among these: each by its place and its name. None without servers.
pub fn favourite<'s>(key: impl Hash + Copy, servers: impl IntoIterator<Item = (usize, &'s str)>) -> Option<usize> {
    servers.into_iter().max_by_key(|(place, name)| (weight(key, name), *place)).map(|(place, _)| place)
}

/// A hash without a secret of its own, since the key's has one: all POPs come to the same.
fn weight(key: impl Hash, server: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    key.hash(&mut hasher);
    hasher.write(server.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVERS: [&str; 4] = ["10.1.0.11:80", "10.1.0.12:80", "10.1.0.13:80", "10.1.0.14:80"];

    fn favourites(among: &[usize]) -> Vec<Option<usize>> {
        let servers = || among.iter().map(|place| (*place, SERVERS[*place]));
        (0..1000_u64).map(|key| favourite(key, servers())).collect()
    }

    #[test]
    fn keys_are_spread_and_their_order_says_nothing() {
        let found = favourites(&[0, 1, 2, 3]);
        for place in 0..4 {
            let share = found.iter().filter(|found| **found == Some(place)).count();
            assert!((180..320).contains(&share), "{place}: {share}");
        }
        assert_eq!(found, favourites(&[3, 1, 0, 2]));
        assert!(favourites(&[]).iter().all(Option::is_none));
    }

    #[test]
    fn a_server_that_goes_leaves_its_keys_and_no_other_moves() {
        let (all, rest) = (favourites(&[0, 1, 2, 3]), favourites(&[0, 1, 3]));
        assert!(all.iter().zip(&rest).all(|(before, after)| before == after || *before == Some(2)));
        assert!(rest.iter().all(|place| *place != Some(2)));
    }
}
