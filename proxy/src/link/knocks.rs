//! How many handshakes one address has under way: a stranger who connects and stays silent must not keep the peers out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Handshakes that one address may have under way; peers need one.
const PER_ADDRESS_MAX: usize = 16;

/// The handshakes under way by address. Its size is bounded by that of all handshakes.
#[derive(Debug, Clone, Default)]
pub(super) struct Knocks(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One handshake under way; over when dropped.
#[derive(Debug)]
pub(super) struct Knock {
    knocks: Knocks,
    address: IpAddr,
}

impl Knocks {
    /// Counts a handshake, unless its address has too many.
    pub(super) fn begin(&self, address: IpAddr) -> Option<Knock> {
        let mut by_address = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_address.entry(address).or_insert(0);
        if *count >= PER_ADDRESS_MAX {
            return None;
        }
        *count += 1;
        Some(Knock { knocks: self.clone(), address })
    }
}

impl Drop for Knock {
    fn drop(&mut self) {
        let mut by_address = self.knocks.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_at_once_and_leaves_nothing_behind() {
        let knocks = Knocks::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        let held: Vec<_> = (0..PER_ADDRESS_MAX).map(|_| knocks.begin(address).expect("room")).collect();
        assert!(knocks.begin(address).is_none());
        assert!(knocks.begin(IpAddr::from([192, 0, 2, 2])).is_some());
        drop(held);
        assert!(knocks.begin(address).is_some());
        assert!(knocks.0.lock().unwrap().is_empty());
    }
}
