//! Conversions between types (CEL language definition, section Standard Definitions). What has no counterpart is absent.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use selvedge_conf::expr;

use super::scratch::Scratch;
use super::strings::shown;
use super::time;
use super::value::Value;

/// 2^63 and 2^64: the first doubles beyond ints and uints.
const INT_END: f64 = 9_223_372_036_854_775_808.0;
const UINT_END: f64 = 18_446_744_073_709_551_616.0;

pub(super) fn to_bool(value: Value<'_>) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(value),
        Value::String("1" | "t" | "true" | "TRUE" | "True") => Some(true),
        Value::String("0" | "f" | "false" | "FALSE" | "False") => Some(false),
        _ => None,
    }
}

/// Doubles are cut towards zero; both ends of the range are out of it, since they may have been rounded there.
pub(super) fn to_int(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Int(value) => Some(value),
        Value::Uint(value) => i64::try_from(value).ok(),
        Value::Double(value) if value > -INT_END && value < INT_END => Some(value as i64),
        Value::String(text) => text.parse().ok(),
        Value::Timestamp(at) => Some(time::seconds(at)),
        _ => None,
    }
}

pub(super) fn to_uint(value: Value<'_>) -> Option<u64> {
    match value {
        Value::Uint(value) => Some(value),
        Value::Int(value) => u64::try_from(value).ok(),
        Value::Double(value) if (0.0..UINT_END).contains(&value) => Some(value as u64),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

pub(super) fn to_double(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Double(value) => Some(value),
        Value::Int(value) => Some(value as f64),
        Value::Uint(value) => Some(value as f64),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Every type's own text, which its literal or its conversion from text reads again.
pub(super) fn to_string<'v>(value: Value<'v>, scratch: Scratch<'v>) -> Option<&'v str> {
    match value {
        Value::String(text) => Some(text),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
        Value::Bool(true) => Some("true"),
        Value::Bool(false) => Some("false"),
        Value::Int(value) => shown(value, scratch),
        Value::Uint(value) => shown(value, scratch),
        Value::Double(value) => shown(value, scratch),
        Value::Duration(span) => shown(Seconds(span), scratch),
        Value::Timestamp(at) => shown(at, scratch),
        Value::Ip(address) => shown(address, scratch),
        Value::Cidr(network) => shown(network, scratch),
    }
}

pub(super) fn to_duration(value: Value<'_>) -> Option<SignedDuration> {
    match value {
        Value::Duration(span) => Some(span),
        Value::String(text) => expr::duration(text),
        _ => None,
    }
}

pub(super) fn to_timestamp(value: Value<'_>) -> Option<Timestamp> {
    match value {
        Value::Timestamp(at) => Some(at),
        Value::String(text) => expr::timestamp(text),
        Value::Int(seconds) => time::instant(Timestamp::from_second(seconds).ok()?),
        _ => None,
    }
}

/// A span in seconds, as `google.protobuf.Duration` is written: `1.5s`.
struct Seconds(SignedDuration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        if self.0.is_negative() {
            f.write_str("-")?;
        }
        write!(f, "{}", seconds.unsigned_abs())?;
        if nanos != 0 {
            let digits = format!("{:09}", nanos.unsigned_abs());
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("s")
    }
}
