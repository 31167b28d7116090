//! Names and what they stand for: a section refers to another by its name, a fact by its place.

use std::collections::BTreeMap;

use crate::suggest;
use crate::value::{Wrong, shown};

/// The names of one kind of section, each with its place in the order of the config.
#[derive(Debug)]
pub(crate) struct Directory {
    kind: &'static str,
    names: Vec<String>,
    places: BTreeMap<String, usize>,
    /// What makes two spellings one name.
    identity: fn(&str) -> String,
}

impl Directory {
    /// Of equal names the first one counts. Empty names, which are those of sections that have none, cannot be found.
    pub(crate) fn new<'n>(
        kind: &'static str,
        identity: fn(&str) -> String,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Directory {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let mut places = BTreeMap::new();
        for (place, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            places.entry(identity(name)).or_insert(place);
        }
        Directory { kind, names, places, identity }
    }

    /// The place of a name, if it is one of these.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(&(self.identity)(name)).copied()
    }

    /// The place of a name, or that there is none such, and which one was probably meant.
    pub(crate) fn find(&self, name: &str) -> Result<usize, Wrong> {
        self.place(name).ok_or_else(|| {
            let wrong = Wrong::new(format!("there is no {} `{}`", self.kind, shown(name)));
            wrong.help(suggest::among(name, || self.names()).unwrap_or_else(|| self.declaration(name)))
        })
    }

    /// How such a name is declared.
    fn declaration(&self, name: &str) -> String {
        let (kind, name) = (self.kind, shown(name));
        match kind {
            "origin" | "site" | "list" => format!("declare it as [{kind}.\"{name}\"]"),
            _ => format!("declare it as [[{kind}]] with name = \"{name}\""),
        }
    }

    /// The names in the order of the config.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str).filter(|name| !name.is_empty())
    }
}
