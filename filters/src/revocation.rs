//! Revocations of users, tenants and tokens by their names: what such a name is in the store, how long one is remembered, and which instants count.
//!
//! A revocation says "what was issued before this instant"; who logs in afterwards is another one. "Afterwards" is by what a node knows and not by clocks
//! alone: where a revocation is known, what is issued counts as issued after it, and a later revocation as later than that. So the instant may lie a little
//! ahead of the clock, and means what was issued by one that goes before it, without keeping out who logs in next.

use selvedge_conf::{Named, Realm};
use selvedge_state::{CLOCKS_APART, FACT_LONGEST, REVOKED_AHEAD, Revocable, RevocationKey, RevokedBy, Store, Time};

/// What the store calls it.
fn revocable(what: Named) -> Revocable {
    match what {
        Named::User => Revocable::User,
        Named::Tenant => Revocable::Tenant,
        Named::Token => Revocable::Token,
    }
}

/// The name of a user, a tenant or a token in the store. `realm` is what it is named within.
pub fn key(store: &Store, what: Named, realm: &str, name: &str) -> RevocationKey {
    store.revocation_key(revocable(what), &[realm.as_bytes(), name.as_bytes()])
}

/// Whether anything of a kind is revoked: two loads.
pub(crate) fn is_any(store: &Store, what: Named) -> bool {
    store.revokes_any(revocable(what))
}

/// By what something is revoked that was issued at an instant, if it is. Two loads where nothing of its kind is.
pub fn revoked(store: &Store, (what, realm, name): (Named, &str, &str), issued: Time) -> Option<RevokedBy> {
    if !is_any(store, what) {
        return None;
    }
    store.revoked(key(store, what, realm, name), issued)
}

/// Revokes everywhere all of a name that was issued by now; gives the instant before which that was, for receipts. It is remembered until nothing of it is
/// valid any more anyway, or until `until` where that is known.
pub fn revoke(store: &Store, (what, realm, name): (Named, &Realm, &str), until: Option<Time>, now: Time) -> Time {
    let key = key(store, what, &realm.name, name);
    // What was issued just now may have been by a clock that goes before this one; what was issued after an earlier revocation counts from its instant.
    let after = now.plus(CLOCKS_APART).max(store.revoked_before(key).plus(1));
    let before = after.min(now.plus(REVOKED_AHEAD));
    let longest = realm.longest.and_then(|longest| u64::try_from(longest.as_millis()).ok()).unwrap_or(FACT_LONGEST);
    // The name is one, and the instant not too far ahead: it is always taken.
    let _ = store.revoke(key, before, until.unwrap_or_else(|| before.plus(longest)), now);
    before
}

/// The instant from which what is issued now under a name counts: now, or that of what is known to be revoked of the name where that is later.
pub fn issued(store: &Store, (what, realm, name): (Named, &str, &str), now: Time) -> Time {
    if !is_any(store, what) {
        return now;
    }
    now.max(store.revoked_before(key(store, what, realm, name)))
}

/// What is held of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// What is revoked, in a word.
    pub what: &'static str,
    /// How many.
    pub count: usize,
    /// What was issued before it is revoked, whatever its name: not all fitted.
    pub floor: Option<Time>,
}

/// What is held, by what is revoked.
pub fn held(store: &Store) -> [Held; 4] {
    let of = |what, revocable| Held {
        what,
        count: store.revocations_of(revocable),
        floor: store.revocations_floor(revocable),
    };
    let named = |what: Named| of(what.as_str(), revocable(what));
    [of("session", Revocable::Session), named(Named::User), named(Named::Tenant), named(Named::Token)]
}
