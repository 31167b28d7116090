//! What the file may hold before its meaning is known: text, numbers and words, each with its place.
//!
//! The tables themselves are beside their facts (`RawListen` in `listen.rs` and so on). The same types give the JSON
//! Schema, so an editor and the loader know the same keys.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::suggest;
use crate::value::{Wrong, shown};

/// A value and the bytes of the file it was written in.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) value: T,
}

impl<T> At<T> {
    pub(crate) fn span(&self) -> Range<usize> {
        self.start..self.end
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<At<T>, D::Error> {
        let spanned = toml::Spanned::<T>::deserialize(deserializer)?;
        let Range { start, end } = spanned.span();
        Ok(At { start, end, value: spanned.into_inner() })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// Text kinds differ in what an error says was expected and in the pattern an editor checks.
macro_rules! text_kind {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $schema:tt) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name(pub(crate) String);

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                deserializer.deserialize_str(Quoted($expected)).map($name)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text_kind!(
    /// Any text.
    Text, "text in quotes", { "type": "string" }
);
text_kind!(
    /// A duration with its unit.
    DurationText, "a duration in quotes, such as \"10s\"", { "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$" }
);
text_kind!(
    /// A size with its unit.
    SizeText, "a size in quotes, such as \"64KiB\"", { "type": "string", "pattern": "^[0-9]+(B|[KMGT]i?B)$" }
);
text_kind!(
    /// A point in time.
    TimeText, "a time in quotes, such as \"2026-01-01T00:00:00Z\"", { "type": "string", "format": "date-time" }
);
text_kind!(
    /// A rate.
    RateText, "a rate in quotes, such as \"20/1m\"", { "type": "string", "pattern": "^[0-9]+/([0-9]+(ms|s|m|h|d))+$" }
);

text_kind!(
    /// A quota.
    QuotaText, "a quota in quotes, such as \"10000/day\"",
    { "type": "string", "pattern": "^[0-9]+(B|[KMGT]i?B)?/(hour|day|month)$" }
);

/// Accepts a string and says what was expected of anything else.
struct Quoted(&'static str);

impl Visitor<'_> for Quoted {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

/// Keys that the file chooses itself, such as the names of header fields, and their values, in the order of the file.
#[derive(Debug)]
pub(crate) struct Entries<T>(pub(crate) Vec<(At<String>, At<T>)>);

impl<T> Default for Entries<T> {
    fn default() -> Entries<T> {
        Entries(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries<T>, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
        let mut entries: Vec<(At<String>, At<T>)> = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        entries.sort_by_key(|(key, _)| key.start);
        Ok(Entries(entries))
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Entries".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": T::json_schema(generator) })
    }
}

/// A whole number that is not negative.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number(pub(crate) u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

impl JsonSchema for Number {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0 })
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, 0 or more")
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Number, E> {
        u64::try_from(n).map(Number).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(n), &self))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Number, E> {
        Ok(Number(n))
    }
}

/// A value that is one of a few words.
pub(crate) trait Choice: Copy + 'static {
    /// Each word and what it means, in the order errors list them.
    const WORDS: &'static [(&'static str, Self)];

    /// The choice a word stands for.
    fn parse(text: &str) -> Result<Self, Wrong> {
        if let Some((_, choice)) = Self::WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(*choice);
        }
        let words = || Self::WORDS.iter().map(|(word, _)| *word);
        Err(Wrong::new(format!("`{}` is not a choice here", shown(text))).help(suggest::among(text, words)))
    }
}

/// A word of a [`Choice`], not yet looked up.
#[derive(Clone, Debug)]
pub(crate) struct Word<C>(String, PhantomData<C>);

impl<C> AsRef<str> for Word<C> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de, C: Choice> Deserialize<'de> for Word<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Word<C>, D::Error> {
        deserializer.deserialize_str(Quoted("a word in quotes")).map(|text| Word(text, PhantomData))
    }
}

impl<C: Choice> JsonSchema for Word<C> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = C::WORDS.iter().map(|(word, _)| *word).collect();
        json_schema!({ "type": "string", "enum": words })
    }
}
