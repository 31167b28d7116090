//! State that did not come about by requests: what a test of rules starts with. It is written where requests would have written it,
//! under the keys they would have, so that rules and limits cannot tell the difference.

use std::net::IpAddr;

use ipnet::IpNet;
use selvedge_conf::Given;
use selvedge_conf::expr::{Counted, ListKind};
use selvedge_state::{Store, Time};

use crate::ban::Subject;
use crate::decide::Filters;
use crate::head::client_net;

/// The reason of bans that are given.
const REASON: &str = "given";

impl Filters {
    /// Makes it so. How much of the cluster is heard is not written here: it changes with time.
    ///
    /// # Errors
    /// In words, when a key does not fit what it is for, a ban is not on a network as clients are counted, or the store has no
    /// room.
    pub fn give(&self, given: &Given, store: &Store, now: Time) -> Result<(), String> {
        let ledger = self.ledger();
        match given {
            Given::Counter(counter, key, n) => ledger.give_count(Counted::Counter(*counter), key, *n, store, now),
            Given::Limit(limit, key, n) => ledger.give_count(Counted::Limit(*limit), key, *n, store, now),
            Given::Unique(unique, key, n) => ledger.give_uniques(*unique, key, *n, store, now),
            Given::Ban(client, length) => {
                let subject = subject(client)?;
                let until = now.plus(millis(*length));
                store.ban(subject.as_str(), until, 0, REASON, now).map(drop).map_err(|error| error.to_string())
            }
            Given::Listed(list, element, length) => {
                let id = ledger.list(*list).ok_or("there is no list of this number")?;
                let of_addresses =
                    self.tables().lists.get(*list).is_some_and(|list| list.kind() == ListKind::Addresses);
                let element = if of_addresses { network(element)? } else { element.clone() };
                store.list_set(id, &element, true, now.plus(millis(*length)), now).map_err(|error| error.to_string())
            }
            Given::Peers(..) => Ok(()),
        }
    }
}

/// An address or a network as lists spell it.
fn network(text: &str) -> Result<String, String> {
    let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    let net = address.or_else(|_| text.parse::<IpNet>()).map_err(|_| format!("{text:?} is no address or network"))?;
    Ok(net.trunc().to_string())
}

/// The subject of a ban on a client or on a network as clients are counted.
fn subject(text: &str) -> Result<Subject, String> {
    if let Ok(address) = text.parse() {
        return Ok(Subject::of(client_net(address)));
    }
    let net: IpNet = text.parse().map_err(|_| format!("{text:?} is neither an address nor a network"))?;
    let counted = client_net(net.network());
    if counted.prefix_len() == net.prefix_len() {
        Ok(Subject::of(counted))
    } else {
        Err(format!("bans are on networks as clients are counted: {counted}, not {net}"))
    }
}

fn millis(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
