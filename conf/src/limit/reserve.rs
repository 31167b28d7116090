//! What is taken of a limit for a response that is not there yet, where that tells what a request costs: bytes, or a cost.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use super::{COST_MAX, Measure, Quota, RawLimit, Unit};
use crate::finding::Check;
use crate::raw::{At, Number};
use crate::value::{Wrong, size};

/// Bytes that are taken where the config does not say.
const BYTES: u64 = 64 * 1024;
/// What is taken of a cost where the config does not say.
const COST: u32 = 1;

/// What is taken, as it is written.
#[derive(Clone, Debug)]
pub(crate) enum Reserve {
    /// A size with its unit.
    Size(String),
    /// What a request costs.
    Cost(Number),
}

impl RawLimit {
    /// Bytes that are taken of a quota; what says so is noted where it is none of bytes.
    pub(super) fn reserve_of(&self, quota: Quota, is_late: bool, check: &mut Check<'_>) -> Option<Quota> {
        let written = self.reserve.as_ref().map(|written| (written.span(), &written.value));
        match (quota.unit, written) {
            (Unit::Bytes { .. }, None) => Some(Quota { unit: Unit::Bytes { reserve: BYTES }, ..quota }),
            (Unit::Bytes { .. }, Some((span, Reserve::Size(text)))) => {
                let reserve = check.result(span.clone(), size(text))?;
                if reserve == 0 {
                    let wrong = Wrong::new("with nothing in reserve a quota is never used up");
                    check.note(span, wrong.advice("write about as much as a response has"));
                    return None;
                }
                Some(Quota { unit: Unit::Bytes { reserve }, ..quota })
            }
            (Unit::Bytes { .. }, Some((span, Reserve::Cost(_)))) => {
                let wrong = Wrong::new("bytes are reserved of a quota in bytes");
                check.note(span, wrong.advice("write a size, such as reserve = \"64KiB\""));
                None
            }
            (Unit::Requests, Some((span, _))) if !is_late => {
                let wrong = Wrong::new("`reserve` is of a quota in bytes, and this one is not");
                check.note(span, wrong.advice("write a size, such as quota = \"10GiB/month\""));
                None
            }
            (Unit::Requests, _) => Some(quota),
        }
    }

    /// What is taken of a cost that the response tells; `None` of another one. It fits what is measured already.
    pub(super) fn reserve(&self, measure: &Measure, is_late: bool, check: &mut Check<'_>) -> Option<Option<u32>> {
        let of_bytes = matches!(measure, Measure::Quota(Quota { unit: Unit::Bytes { .. }, .. }));
        match &self.reserve {
            _ if !is_late || of_bytes => Some(None),
            None => Some(Some(COST)),
            Some(At { value: Reserve::Cost(number), start, end }) => {
                let written = At { start: *start, end: *end, value: *number };
                check.number(Some(&written), 1..u64::from(COST_MAX) + 1, COST).map(Some)
            }
            Some(written) => {
                let wrong = Wrong::new("what a request costs has no unit");
                check.note(written.span(), wrong.advice("write a number, such as reserve = 10"));
                None
            }
        }
    }
}

impl<'de> Deserialize<'de> for Reserve {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Reserve, D::Error> {
        deserializer.deserialize_any(ReserveVisitor)
    }
}

impl JsonSchema for Reserve {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Reserve".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "pattern": "^[0-9]+(B|[KMGT]i?B)$" },
                { "type": "integer", "minimum": 1, "maximum": 1_000_000 }
            ]
        })
    }
}

struct ReserveVisitor;

impl Visitor<'_> for ReserveVisitor {
    type Value = Reserve;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size in quotes, such as \"64KiB\", or a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Reserve, E> {
        Ok(Reserve::Size(text.to_owned()))
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Reserve, E> {
        let number = u64::try_from(n).map_err(|_| E::invalid_value(Unexpected::Signed(n), &self))?;
        Ok(Reserve::Cost(Number(number)))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Reserve, E> {
        Ok(Reserve::Cost(Number(n)))
    }
}
