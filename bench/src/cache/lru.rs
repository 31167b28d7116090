//! The least recently used goes first: what eviction is held against. Bodies alone are counted, so it has more room than any server.

use std::collections::{BTreeMap, HashMap};

use super::mix::Object;

pub(super) struct Lru {
    room: u64,
    used: u64,
    now: u64,
    last: HashMap<u32, u64>,
    order: BTreeMap<u64, Object>,
}

impl Lru {
    /// For so many bytes of bodies.
    pub(super) fn new(room: u64) -> Lru {
        Lru { room, used: 0, now: 0, last: HashMap::new(), order: BTreeMap::new() }
    }

    /// Whether an object is there; it is afterwards.
    pub(super) fn ask(&mut self, object: Object) -> bool {
        self.now += 1;
        let before = self.last.insert(object.id, self.now);
        let is_hit = before.and_then(|before| self.order.remove(&before)).is_some();
        self.order.insert(self.now, object);
        if is_hit {
            return true;
        }
        self.used += u64::from(object.bytes);
        while self.used > self.room {
            let Some((_, gone)) = self.order.pop_first() else { break };
            self.last.remove(&gone.id);
            self.used -= u64::from(gone.bytes);
        }
        false
    }
}
