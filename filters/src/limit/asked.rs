//! What operators ask of a limit's keys, and say of them: by the values that a key is made of, or by its hash.

use selvedge_state::{Ban, Key, Key64, Store, Time};

use super::special::RETOLD_MAX;
use super::{Limit, Overrides, Reset, Resets, Seen, Told, Whose};

/// What a hash is written behind, so that no value is taken for one.
const HASH: char = '#';

impl Limit {
    /// What is said of its keys at run time.
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// Whether this node heeds what would be said of a key: what its limit has another one of, and of one limit 64 rates that are in force
    /// at once.
    ///
    /// # Errors
    /// In words, when it does not.
    pub fn heeds(&self, told: Told, store: &Store, now: Time) -> Result<(), String> {
        let (name, measure) = (&self.facts().name, self.facts().measure.text());
        match told {
            Told::Unlimited => Ok(()),
            Told::InFlight(_) if self.is_of_places() => Ok(()),
            Told::InFlight(_) => Err(format!("limit {name:?} ({measure}) is not of what is in flight")),
            Told::Rate { .. } if self.is_of_places() => {
                Err(format!("limit {name:?} ({measure}) has no rate; a key of it can have another number in flight"))
            }
            Told::Rate { .. } if !self.has_one_bucket() => Err(format!(
                "limit {name:?} ({measure}) has not one rate for each key that could be another one; a key of it can be without limit"
            )),
            Told::Rate { .. } => match told.tier().and_then(|tier| self.facts().never_admits(&tier)) {
                Some(never) => Err(format!("limit {name:?} ({measure}): {never}")),
                None => self.retold(told, store, now).map(|_| ()).ok_or_else(|| {
                    format!(
                        "keys of limit {name:?} have {RETOLD_MAX} different rates by what was said of them already, the most that are heeded"
                    )
                }),
            },
        }
    }

    /// Makes the buckets of the rates that were said of its keys, so that what peers count in them is taken before a key is asked for here.
    pub(crate) fn heed(&self, store: &Store, now: Time) {
        for held in self.overrides.all(store, now) {
            let _ = self.retold(held.told, store, now);
        }
    }

    /// Which of its keys were reset.
    pub fn resets(&self) -> &Resets {
        &self.resets
    }

    /// Who was charged or refused here lately.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// The key that these values make, one for each part in the config's order; or the one of a hash, `#0123456789abcdef`, also of one by
    /// which a key that was reset is counted. A hash gives the values, too, where they are known here.
    ///
    /// # Errors
    /// In words, when there are too few or too many, or one is not what its part holds, or a hash is none.
    pub fn whose(&self, values: &[String], store: &Store, now: Time) -> Result<Whose, String> {
        match values {
            [hash] if hash.starts_with(HASH) => {
                let name = Key64::parse(hash.trim_start_matches(HASH));
                let name = name.ok_or_else(|| format!("{hash:?} is no hash: {HASH} and sixteen hex digits"))?;
                Ok(self.called(Key::new(name, None), store, now))
            }
            values => Ok(Whose { key: self.key_of(values, store)?, values: values.to_vec() }),
        }
    }

    /// How long the next ban of its penalty lasts, ms, if it made this one.
    pub fn next_ban(&self, ban: &Ban) -> Option<u64> {
        self.penalties.as_ref()?.next(ban)
    }

    /// Whose a key of the table is, as far as it is known here: also that of one that was reset. Without values where they are not.
    pub fn called(&self, key: Key, store: &Store, now: Time) -> Whose {
        let resets = self.resets.all(store, now);
        let is_of =
            |reset: &&Reset| is_same(reset.generation.of(reset.whose.key, store), key) || is_same(reset.whose.key, key);
        let reset = resets.iter().find(is_of);
        let key = reset.map_or(key, |reset| reset.whose.key);
        let noted = reset.map(|reset| reset.whose.values.clone());
        let seen = || key.each().find_map(|name| self.seen.values(name));
        let said = || {
            let all = self.overrides.all(store, now);
            all.into_iter().map(|held| held.whose).find(|whose| is_same(whose.key, key)).map(|whose| whose.values)
        };
        let values = noted.filter(|values| !values.is_empty()).or_else(seen).or_else(said).unwrap_or_default();
        // Values tell both names of a key, while it has two.
        let whole = self.key_of(&values, store).ok().filter(|whole| is_same(*whole, key));
        Whose { key: whole.unwrap_or(key), values }
    }
}

/// Whether two are one key: the secrets by which they are named may differ.
pub(super) fn is_same(one: Key, other: Key) -> bool {
    one.each().any(|name| other.each().any(|asked| asked == name))
}
