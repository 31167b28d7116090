//! Taking back what voided authors said: it is dropped here, and refused from then on ([`exchange`](super::exchange)).

use super::Store;
use super::rosters::Rosters;
use crate::void::Void;

impl Store {
    /// Takes these voids in place of those of before, and drops all that they cover: rows of counters, accounts, and facts of all
    /// kinds. What was
    /// dropped under a void of before comes back only if a peer says it again. Distinct counts have no author and stay until
    /// their slots are over. This node's own counts of this life are not dropped: peers refuse them, and it has to start
    /// again.
    pub fn set_voids(&self, voids: &[Void]) {
        if !self.voids.set(voids) {
            return;
        }
        self.bans.void(&self.voids);
        self.lists.void(&self.voids);
        self.registers.void(&self.voids);
        self.maxima.void(&self.voids);
        self.marks.void(&self.voids);
        self.revocations.void(&self.voids);
        self.sessions.void(&self.voids);
        self.ledgers.drop_all(|author| self.voids.cover(author));
        if voids.iter().any(|void| void.actor == self.me.actor) {
            // What a life before this one claimed is not known any more.
            self.cluster.change_rosters(Rosters::disinherit);
        }
        for (_, table) in self.tables.after(None) {
            table.counters().change_each(|counter| {
                let _ = counter.void(|author| self.voids.cover(author));
            });
        }
    }

    /// Whether what this node says counts for nothing: it has to start again.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.voids.cover(self.me)
    }
}
