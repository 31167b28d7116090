//! `challenge` of a rule: `true`, or a table that says how hard its puzzle is.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::challenge::{BITS, BITS_DEFAULT};
use crate::finding::Check;
use crate::known::Known;
use crate::raw::{At, Number};
use crate::value::Wrong;

/// `challenge` as it is written.
#[derive(Debug)]
pub(crate) enum RawChallenged {
    Switch(bool),
    Table(RawDifficulty),
}

/// The table that it may be.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDifficulty {
    /// With how many zero bits the hash of a solution begins, 8 to 26. Default that of `[challenge]`.
    difficulty: Option<At<Number>>,
}

impl<'de> Deserialize<'de> for RawChallenged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawChallenged, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = RawChallenged;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, or a table such as { difficulty = 20 }")
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<RawChallenged, E> {
        Ok(RawChallenged::Switch(on))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawChallenged, A::Error> {
        RawDifficulty::deserialize(MapAccessDeserializer::new(map)).map(RawChallenged::Table)
    }
}

impl JsonSchema for RawChallenged {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Challenged".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [RawDifficulty::json_schema(generator), { "type": "boolean" }] })
    }
}

impl RawChallenged {
    /// The bits of its puzzle; `None` if it is wrong.
    pub(super) fn lower(written: &At<RawChallenged>, known: &Known, check: &mut Check<'_>) -> Option<u8> {
        if known.challenge.is_none() {
            let wrong = Wrong::new("a challenge, and there is no [challenge]");
            check
                .note(written.span(), wrong.advice("say what signs it:\n[challenge]\nkeys = [\"keys/challenge.key\"]"));
        }
        let usual = known.challenge.unwrap_or(BITS_DEFAULT);
        let bits = match &written.value {
            RawChallenged::Switch(true) => Some(usual),
            RawChallenged::Switch(false) => {
                let wrong = Wrong::new("`challenge = false` says nothing");
                check.note(written.span(), wrong.advice("leave `challenge` out"));
                None
            }
            RawChallenged::Table(table) => check.number(table.difficulty.as_ref(), BITS, usual),
        };
        bits.filter(|_| known.challenge.is_some())
    }
}
