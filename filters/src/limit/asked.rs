//! What operators ask of a limit's keys, and say of them: by the values that a key is made of, or by its hash.

use selvedge_state::{Key, Key64, Store, Time};

use super::{Limit, Overrides, Resets, Seen, Whose};

/// What a hash is written behind, so that no value is taken for one.
const HASH: char = '#';

impl Limit {
    /// What is said of its keys at run time.
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
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

    /// Whose a key of the table is, as far as it is known here: also that of one that was reset. Without values where they are not.
    pub fn called(&self, key: Key, store: &Store, now: Time) -> Whose {
        let is = |other: Key| other.each().any(|name| key.each().any(|asked| asked == name));
        let resets = self.resets.all(store, now);
        let reset =
            resets.into_iter().find(|reset| is(reset.generation.of(reset.whose.key, store)) || is(reset.whose.key));
        let key = reset.as_ref().map_or(key, |reset| reset.whose.key);
        if let Some(reset) = reset.filter(|reset| !reset.whose.values.is_empty()) {
            return reset.whose;
        }
        let seen = key.each().find_map(|name| self.seen.values(name));
        let said = || self.overrides.all(store, now).into_iter().map(|held| held.whose).find(|whose| is(whose.key));
        let values = seen.or_else(|| said().map(|whose| whose.values)).unwrap_or_default();
        // Values tell both names of a key, while it has two.
        let key = self
            .key_of(&values, store)
            .ok()
            .filter(|named| !values.is_empty() && named.each().any(|name| key.each().any(|asked| asked == name)))
            .unwrap_or(key);
        Whose { key, values }
    }
}
