//! Which POP is the parent for which origin, where it is and how it does. It is reached and left alone as a server of an origin is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use selvedge_conf::{Config, Eject, HostHeader, Origin as Facts, OriginTimeouts, OriginTls, Scheme, Server};
use selvedge_filters::shield;
use selvedge_state::PopId;

use crate::edge::origin::{Authorities, Origin};
use crate::link::membership::Membership;
use crate::link::roster::RosterPop;
use crate::plan::Groups;

/// How long a connection to a parent may take, TLS included: POPs are near each other, and the origin is asked next.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// How long an unused connection to a parent is kept: less than the parent keeps it by default.
const IDLE: Duration = Duration::from_secs(45);

/// When a parent is left alone: after this many failures in a row, for so long.
const EJECT: Eject = Eject { failures: 2, duration: Duration::from_secs(10) };

/// The parents of a plan.
#[derive(Debug, Default)]
pub(crate) struct Parents {
    /// All POPs that may be one, this one included.
    candidates: Vec<PopId>,
    /// All of them but this one; none where no origin asks for it.
    by_pop: BTreeMap<PopId, Arc<Parent>>,
    /// By the name of an origin.
    of: BTreeMap<String, PopId>,
}

/// A POP that others fetch through.
#[derive(Debug)]
pub(crate) struct Parent {
    pop: PopId,
    name: String,
    address: String,
    authorities: Authorities,
    group: u64,
    way: Arc<Origin>,
    /// Up to which application here it has all purges, as it said last.
    known: AtomicU64,
}

impl Parents {
    /// The parents of a config's origins by a roster. What `before` knows of the same POPs is taken over; where the roster in force stays,
    /// and is not here, its POPs are.
    pub(crate) fn new(
        config: &Config,
        membership: Option<&Membership>,
        groups: &Groups,
        before: Option<&Parents>,
    ) -> Parents {
        let shielded = || config.origins.iter().filter(|origin| origin.shield);
        if shielded().next().is_none() {
            return Parents::default();
        }
        let (candidates, by_pop) = match (membership, before) {
            (Some(membership), _) => Parents::of_roster(membership, groups, before),
            (None, Some(before)) => (before.candidates.clone(), before.by_pop.clone()),
            (None, None) => Default::default(),
        };
        let of = shielded().filter_map(|origin| {
            Some((origin.name.clone(), shield::parent(&origin.name, candidates.iter().copied())?))
        });
        let of = of.collect();
        Parents { candidates, by_pop, of }
    }

    fn of_roster(
        membership: &Membership,
        groups: &Groups,
        before: Option<&Parents>,
    ) -> (Vec<PopId>, BTreeMap<PopId, Arc<Parent>>) {
        let roster = &membership.roster;
        let candidates = roster.pops().filter(|pop| pop.shield.is_some()).map(|pop| pop.id).collect();
        let parents = roster.peers(membership.me.pop).filter_map(|pop| {
            let known = before.and_then(|before| before.by_pop.get(&pop.id));
            Some((pop.id, Parent::of(pop, membership, known, groups)?))
        });
        (candidates, parents.collect())
    }

    /// The POP that this one fetches through for an origin: none where none shields it, or this one does.
    pub(crate) fn of(&self, origin: &str) -> Option<&Arc<Parent>> {
        self.by_pop.get(self.of.get(origin)?)
    }

    /// The POP that shields an origin, this one or another.
    pub(crate) fn shield(&self, origin: &str) -> Option<PopId> {
        self.of.get(origin).copied()
    }

    /// What their names are looked up for.
    pub(crate) fn ways(&self) -> impl Iterator<Item = &Arc<Origin>> {
        self.by_pop.values().map(|parent| parent.way_shared())
    }
}

impl Parent {
    /// A POP of a roster; none where others do not fetch through it. What is known of the same one is taken over.
    pub(super) fn of(
        pop: &RosterPop,
        membership: &Membership,
        known: Option<&Arc<Parent>>,
        groups: &Groups,
    ) -> Option<Arc<Parent>> {
        let address = pop.shield.as_deref()?;
        let known = known.filter(|known| known.address == address && known.authorities == membership.authorities);
        let sni = membership.roster.certificate_name(pop);
        Some(Arc::new(Parent::new((pop.id, &pop.name), (address, sni), membership, known, groups)?))
    }

    /// None where its address has no port, which a roster does not let pass.
    fn new(
        (pop, name): (PopId, &str),
        (address, sni): (&str, String),
        membership: &Membership,
        known: Option<&Arc<Parent>>,
        groups: &Groups,
    ) -> Option<Parent> {
        let (host, port) = address.rsplit_once(':')?;
        let server =
            Server { scheme: Scheme::Https, host: host.trim_matches(['[', ']']).to_owned(), port: port.parse().ok()? };
        let facts = Facts {
            name: name.to_owned(),
            servers: vec![server],
            tls: OriginTls { sni: Some(sni), verify: true, ca: None },
            host: HostHeader::Pass,
            timeouts: OriginTimeouts {
                connect: CONNECT_WITHIN,
                // Each request takes those of its origin.
                read: Duration::from_secs(30),
                write: Duration::from_secs(30),
                idle: IDLE,
            },
            eject: EJECT,
            shield: false,
            affinity: None,
            drain: Vec::new(),
        };
        let authorities = membership.authorities.clone();
        let group = known.map_or_else(|| groups.next(), |known| known.group);
        let old = known.map(|known| Arc::clone(&known.way));
        let shown = membership.identity.shown();
        let way = Origin::shown(facts, (Some(authorities.clone()), Some(&shown)), group, old.as_slice());
        let (name, address) = (name.to_owned(), address.to_owned());
        let known = AtomicU64::new(known.map_or(0, |known| known.known()));
        Some(Parent { pop, name, address, authorities, group, way, known })
    }

    /// Which POP it is.
    pub(crate) fn pop(&self) -> PopId {
        self.pop
    }

    /// Its name in the roster.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How it is reached: as an origin of one server.
    pub(crate) fn way(&self) -> &Origin {
        &self.way
    }

    /// The same, as those hold it that look up names.
    pub(super) fn way_shared(&self) -> &Arc<Origin> {
        &self.way
    }

    /// Up to which application here it has all purges, as it said last; 0 before.
    pub(crate) fn known(&self) -> u64 {
        self.known.load(Ordering::Relaxed)
    }

    /// It says that it has all up to this one. Of several requests the words come in any order, and one may be of a process that is gone:
    /// too little costs bytes, too much leaves a gap.
    pub(crate) fn has(&self, number: u64) {
        self.known.store(number, Ordering::Relaxed);
    }
}
