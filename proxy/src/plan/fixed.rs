//! What only a start can change: addresses, threads, bounds of connections, memory, which cluster this is. A reload leaves it as it is
//! and names it.

use std::path::Path;
use std::sync::Arc;

use selvedge_conf::{Config, Https};

use super::{Contents, Loaded};
use crate::front::Keyring;
use crate::link::membership::Membership;
use crate::link::roster::Roster;

/// The certificates in force for each TLS address that is listened on, when the config no longer has it.
pub(super) type Keyrings = Vec<Option<Arc<Keyring>>>;

/// Puts what only a start can change back to what the node started with, and names each key that was changed. Gives the new
/// certificates of each address of the start, by its order; none for one that the config has no longer. A membership is left where it can
/// take the place of one with the roster `in_force`.
pub(super) fn hold(
    (start, files): (&Config, &Contents),
    in_force: Option<&Roster>,
    loaded: &mut Loaded,
) -> (Vec<String>, Keyrings) {
    let keyrings = match_keyrings(&start.listen.https, &loaded.config.listen.https, &loaded.keyrings);
    let mut held = Held { changed: Vec::new() };
    held.cluster((start, files), in_force, loaded);
    let config = &mut loaded.config;
    held.key("pop.name", &start.pop.name, &mut config.pop.name);
    held.listen(start, config);
    held.key("admin.socket", &start.admin.socket, &mut config.admin.socket);
    held.key("admin.log", &start.admin.log, &mut config.admin.log);
    held.key("storage.memory", &start.storage.memory, &mut config.storage.memory);
    held.key("storage.object_max", &start.storage.object_max, &mut config.storage.object_max);
    held.key("storage.fill_wait", &start.storage.fill_wait, &mut config.storage.fill_wait);
    held.key("storage.keys_max", &start.storage.keys_max, &mut config.storage.keys_max);
    held.key("storage.bans_max", &start.storage.bans_max, &mut config.storage.bans_max);
    held.key("storage.uniques_max", &start.storage.uniques_max, &mut config.storage.uniques_max);
    held.key("storage.lists_max", &start.storage.lists_max, &mut config.storage.lists_max);
    held.key("storage.ledgers_max", &start.storage.ledgers_max, &mut config.storage.ledgers_max);
    held.key("storage.sessions_max", &start.storage.sessions_max, &mut config.storage.sessions_max);
    held.key(
        "storage.idempotency_keys_max",
        &start.storage.idempotency_keys_max,
        &mut config.storage.idempotency_keys_max,
    );
    held.key("storage.idempotency_disk", &start.storage.idempotency_disk, &mut config.storage.idempotency_disk);
    held.key("storage.revocations_max", &start.storage.revocations_max, &mut config.storage.revocations_max);
    held.key("storage.state", &start.storage.state, &mut config.storage.state);
    held.key("storage.state_every", &start.storage.state_every, &mut config.storage.state_every);
    held.changed.sort();
    (held.changed, keyrings)
}

struct Held {
    changed: Vec<String>,
}

impl Held {
    fn key<T: PartialEq + Clone>(&mut self, name: &str, start: &T, now: &mut T) {
        if start != now {
            self.changed.push(name.to_owned());
            now.clone_from(start);
        }
    }

    fn listen(&mut self, start: &Config, config: &mut Config) {
        let addresses = |https: &[Https]| https.iter().map(|https| https.address).collect::<Vec<_>>();
        let (start, now) = (&start.listen, &mut config.listen);
        self.key("listen.http", &start.http, &mut now.http);
        if addresses(&start.https) != addresses(&now.https) {
            self.changed.push("listen.https".to_owned());
            now.https.clone_from(&start.https);
        }
        self.key("listen.threads", &start.threads, &mut now.threads);
        let (start, now) = (&start.bounds, &mut now.bounds);
        self.key("listen.connections_max", &start.connections_max, &mut now.connections_max);
        self.key("listen.header_timeout", &start.header_timeout, &mut now.header_timeout);
        self.key("listen.idle_timeout", &start.idle_timeout, &mut now.idle_timeout);
        self.key("listen.write_timeout", &start.write_timeout, &mut now.write_timeout);
    }

    fn cluster(&mut self, (start, files): (&Config, &Contents), in_force: Option<&Roster>, loaded: &mut Loaded) {
        match (&start.cluster, &mut loaded.config.cluster) {
            (Some(start), Some(now)) => {
                self.key("cluster.listen", &start.listen, &mut now.listen);
                self.key("cluster.node", &start.node, &mut now.node);
                self.key("cluster.address", &start.address, &mut now.address);
                self.key("cluster.shield", &start.shield, &mut now.shield);
                let read = |path: &Path| files.digest(path) == loaded.ledger.digest(path);
                let same_files = start.fabric != now.fabric || now.fabric.files().all(read);
                self.key("cluster.fabric", &start.fabric, &mut now.fabric);
                if !same_files {
                    self.changed.push("cluster.nats".to_owned());
                }
            }
            (None, None) => {}
            (start, now) => {
                self.changed.push("cluster".to_owned());
                now.clone_from(start);
            }
        }
        let me = |roster: &Roster| roster.named(&start.pop.name).ok().map(|pop| pop.id);
        let secrets = |roster: &Roster| (roster.secret_id(), roster.secret_beside().map(|(_, id)| id));
        let who = |roster: &Roster| (roster.cluster().to_owned(), secrets(roster), me(roster));
        // The certificate that was read is that of the name as it is written now.
        let stays =
            |new: &Membership| in_force.is_some_and(|old| who(old) == who(&new.roster) && me(old) == Some(new.me.pop));
        if loaded.membership.take_if(|membership| !stays(membership)).is_some() && start.cluster.is_some() {
            self.changed.push("cluster.roster".to_owned());
        }
    }
}

/// Certificates follow their address: the n-th time an address is named at the start, the n-th time it is named now.
fn match_keyrings(start: &[Https], now: &[Https], keyrings: &[Arc<Keyring>]) -> Keyrings {
    let nth = |list: &[Https], index: usize| {
        let address = list.get(index).map(|https| https.address);
        list.iter().take(index).filter(|https| Some(https.address) == address).count()
    };
    let find = |index: usize, https: &Https| {
        let mut same = now.iter().zip(keyrings).filter(|(other, _)| other.address == https.address);
        same.nth(nth(start, index)).map(|(_, keyring)| Arc::clone(keyring))
    };
    start.iter().enumerate().map(|(index, https)| find(index, https)).collect()
}
