//! The table of functions and methods whose types say all there is to check. Entries of one name are its overloads.

use std::fmt::Write;

use super::shape::Shape;
use crate::expr::tree::{Function, TimePart};

/// A function or a method.
pub(in crate::expr) struct FunctionEntry {
    pub(in crate::expr) name: &'static str,
    pub(in crate::expr) receiver: Receiver,
    pub(in crate::expr) arguments: &'static [Shape],
    pub(in crate::expr) result: Shape,
    pub(in crate::expr) meaning: Meaning,
    /// What one call takes with ordinary arguments, in nanoseconds, roughly.
    pub(in crate::expr) cost: u64,
    pub(in crate::expr) doc: &'static str,
}

/// What stands in front of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::expr) enum Receiver {
    /// Nothing: `name(...)`.
    None,
    /// A value: `value.name(...)`.
    Value(Shape),
    /// A root: `root.name(...)`.
    Root(&'static str),
}

impl Receiver {
    /// Whether both stand in front in the same way, whatever the value.
    pub(super) fn is_like(self, other: Receiver) -> bool {
        match (self, other) {
            (Receiver::Value(_), Receiver::Value(_)) => true,
            (one, other) => one == other,
        }
    }
}

/// What a call becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::expr) enum Meaning {
    /// A call of a function.
    Function(Function),
    /// A part of a timestamp, in UTC or in the zone that the argument names.
    Part(TimePart),
    /// A regular expression.
    Matches,
    /// The argument as it is.
    Same,
}

impl FunctionEntry {
    /// The call as the reference writes it.
    pub(in crate::expr) fn written(&self) -> String {
        let mut out = match self.receiver {
            Receiver::None => String::new(),
            Receiver::Value(shape) => format!("{shape}."),
            Receiver::Root(root) => format!("{root}."),
        };
        let arguments: Vec<String> = self.arguments.iter().map(Shape::to_string).collect();
        // Writing to a string cannot fail; the result carries no news.
        let _ = write!(out, "{}({})", self.name, arguments.join(", "));
        out
    }
}

use Function as F;
use Meaning::{Matches, Part, Same};
use Receiver::{None, Root, Value};
use Shape as S;

const SIZED: Shape = S::Any(&[S::String, S::Bytes, S::List, S::Map]);
const ADDRESS: Shape = S::Any(&[S::Ip, S::String]);
const NETWORK: Shape = S::Any(&[S::Cidr, S::String]);
const SCALAR: Shape =
    S::Any(&[S::Bool, S::Int, S::Uint, S::Double, S::Bytes, S::Duration, S::Timestamp, S::Ip, S::Cidr]);

/// An entry whose meaning is a function.
const fn call(
    name: &'static str,
    receiver: Receiver,
    arguments: &'static [Shape],
    result: Shape,
    function: Function,
    cost: u64,
    doc: &'static str,
) -> FunctionEntry {
    FunctionEntry { name, receiver, arguments, result, meaning: Meaning::Function(function), cost, doc }
}

/// An entry with a meaning of its own.
const fn other(
    name: &'static str,
    receiver: Receiver,
    arguments: &'static [Shape],
    result: Shape,
    meaning: Meaning,
    cost: u64,
    doc: &'static str,
) -> FunctionEntry {
    FunctionEntry { name, receiver, arguments, result, meaning, cost, doc }
}

const TEXT: Receiver = Value(S::String);
const IP: Receiver = Value(S::Ip);
const NET: Receiver = Value(S::Cidr);
const TIME: Receiver = Value(S::Timestamp);
const SPAN: Receiver = Value(S::Duration);

#[rustfmt::skip] // One entry a line reads as a table.
pub(in crate::expr) static FUNCTIONS: [FunctionEntry; 79] = [
    call("startsWith", TEXT, &[S::String], S::Bool, F::StartsWith, 4, "Whether the string begins so."),
    call("endsWith", TEXT, &[S::String], S::Bool, F::EndsWith, 4, "Whether the string ends so."),
    call("contains", TEXT, &[S::String], S::Bool, F::Contains, 20, "Whether this is somewhere in the string."),
    call("containsAny", TEXT, &[S::Needles], S::Bool, F::ContainsAny, 300, "Whether a needle of the list is somewhere in the string."),
    other("matches", TEXT, &[S::String], S::Bool, Matches, 150, "Whether the regular expression, a literal, is found somewhere in the string."),
    call("matchesAny", TEXT, &[S::Patterns], S::Bool, F::MatchesAny, 20_000, "Whether a regular expression of the list is found somewhere in the string."),
    call("lowerAscii", TEXT, &[], S::String, F::LowerAscii, 40, "With `A` to `Z` in lower case."),
    call("upperAscii", TEXT, &[], S::String, F::UpperAscii, 40, "With `a` to `z` in upper case."),
    call("trim", TEXT, &[], S::String, F::Trim, 10, "Without white space at its ends."),
    call("indexOf", TEXT, &[S::String], S::Int, F::IndexOf, 40, "Where this begins, in characters; -1 when it is nowhere."),
    call("substring", TEXT, &[S::Int], S::String, F::Substring, 40, "From this character on; absent when there are fewer."),
    call("substring", TEXT, &[S::Int, S::Int], S::String, F::Substring, 40, "From the first to before the second character; absent when there are fewer."),
    call("replace", TEXT, &[S::String, S::String], S::String, F::Replace, 100, "With the second instead of each of the first."),
    call("split", TEXT, &[S::String], S::Strings, F::Split, 500, "The parts between the separators."),
    call("size", Value(SIZED), &[], S::Int, F::Size, 40, "How many characters, bytes, elements or entries there are."),
    call("values", Value(S::Named), &[S::String], S::Strings, F::Values, 100, "All lines of a header, all values of a cookie or a query field: `request.headers.values(\"accept\")`."),
    call("form", Root("request"), &[S::String], S::String, F::Form, 2000, "A field of an `application/x-www-form-urlencoded` body; `\"\"` when it is absent; the first when there are several."),
    call("form_values", Root("request"), &[S::String], S::Strings, F::FormValues, 2000, "All values of a field of such a body."),
    call("containsIP", NET, &[ADDRESS], S::Bool, F::ContainsIp, 10, "Whether the address is in the network."),
    call("containsCIDR", NET, &[NETWORK], S::Bool, F::ContainsCidr, 10, "Whether the whole network is in the network."),
    call("ip", NET, &[], S::Ip, F::NetworkIp, 2, "The address of the network."),
    call("masked", NET, &[], S::Cidr, F::Masked, 4, "The network without bits behind its prefix."),
    call("prefixLength", NET, &[], S::Int, F::PrefixLength, 2, "The number of bits of the prefix."),
    call("family", IP, &[], S::Int, F::Family, 2, "4 or 6."),
    call("isUnspecified", IP, &[], S::Bool, F::IsUnspecified, 2, "Whether it is `0.0.0.0` or `::`."),
    call("isLoopback", IP, &[], S::Bool, F::IsLoopback, 2, "Whether it is in `127.0.0.0/8`, or `::1`."),
    call("isGlobalUnicast", IP, &[], S::Bool, F::IsGlobalUnicast, 4, "Whether it is neither zero, nor broadcast, nor loopback, nor multicast, nor link-local."),
    call("isLinkLocalMulticast", IP, &[], S::Bool, F::IsLinkLocalMulticast, 2, "Whether it is in `224.0.0.0/24` or `ff02::/16`."),
    call("isLinkLocalUnicast", IP, &[], S::Bool, F::IsLinkLocalUnicast, 2, "Whether it is in `169.254.0.0/16` or `fe80::/10`."),
    call("getHours", SPAN, &[], S::Int, F::DurationHours, 2, "Whole hours in all."),
    call("getMinutes", SPAN, &[], S::Int, F::DurationMinutes, 2, "Whole minutes in all."),
    call("getSeconds", SPAN, &[], S::Int, F::DurationSeconds, 2, "Whole seconds in all."),
    call("getMilliseconds", SPAN, &[], S::Int, F::DurationMilliseconds, 2, "The part below a second, in milliseconds."),
    other("getFullYear", TIME, &[], S::Int, Part(TimePart::Year), 60, "The year."),
    other("getFullYear", TIME, &[S::String], S::Int, Part(TimePart::Year), 120, "The same in a time zone."),
    other("getMonth", TIME, &[], S::Int, Part(TimePart::Month), 60, "The month, from 0."),
    other("getMonth", TIME, &[S::String], S::Int, Part(TimePart::Month), 120, "The same in a time zone."),
    other("getDate", TIME, &[], S::Int, Part(TimePart::Date), 60, "The day of the month, from 1."),
    other("getDate", TIME, &[S::String], S::Int, Part(TimePart::Date), 120, "The same in a time zone."),
    other("getDayOfMonth", TIME, &[], S::Int, Part(TimePart::DayOfMonth), 60, "The day of the month, from 0."),
    other("getDayOfMonth", TIME, &[S::String], S::Int, Part(TimePart::DayOfMonth), 120, "The same in a time zone."),
    other("getDayOfWeek", TIME, &[], S::Int, Part(TimePart::DayOfWeek), 60, "The day of the week, Sunday is 0."),
    other("getDayOfWeek", TIME, &[S::String], S::Int, Part(TimePart::DayOfWeek), 120, "The same in a time zone."),
    other("getDayOfYear", TIME, &[], S::Int, Part(TimePart::DayOfYear), 60, "The day of the year, from 0."),
    other("getDayOfYear", TIME, &[S::String], S::Int, Part(TimePart::DayOfYear), 120, "The same in a time zone."),
    other("getHours", TIME, &[], S::Int, Part(TimePart::Hours), 60, "The hour, 0 to 23."),
    other("getHours", TIME, &[S::String], S::Int, Part(TimePart::Hours), 120, "The same in a time zone: `request.time.getHours(\"Europe/Paris\")`."),
    other("getMinutes", TIME, &[], S::Int, Part(TimePart::Minutes), 60, "The minute, 0 to 59."),
    other("getMinutes", TIME, &[S::String], S::Int, Part(TimePart::Minutes), 120, "The same in a time zone."),
    other("getSeconds", TIME, &[], S::Int, Part(TimePart::Seconds), 60, "The second, 0 to 59."),
    other("getSeconds", TIME, &[S::String], S::Int, Part(TimePart::Seconds), 120, "The same in a time zone."),
    other("getMilliseconds", TIME, &[], S::Int, Part(TimePart::Milliseconds), 60, "The millisecond, 0 to 999."),
    other("getMilliseconds", TIME, &[S::String], S::Int, Part(TimePart::Milliseconds), 120, "The same in a time zone."),
    call("size", None, &[SIZED], S::Int, F::Size, 40, "The same as `value.size()`."),
    other("matches", None, &[S::String, S::String], S::Bool, Matches, 150, "The same as `string.matches(string)`."),
    call("ip", None, &[S::String], S::Ip, F::ToIp, 50, "An address: `ip(\"192.0.2.1\")`. A literal is checked when the config is read; else absent when it is none."),
    call("cidr", None, &[S::String], S::Cidr, F::ToCidr, 60, "A network: `cidr(\"192.0.2.0/24\")`. A literal is checked when the config is read; else absent when it is none."),
    call("isIP", None, &[S::String], S::Bool, F::IsIp, 50, "Whether `ip(...)` of it is an address."),
    call("isCIDR", None, &[S::String], S::Bool, F::IsCidr, 60, "Whether `cidr(...)` of it is a network."),
    call("isCanonical", Root("ip"), &[S::String], S::Bool, F::IsCanonical, 100, "Whether it is an address in its canonical form (RFC 5952)."),
    call("duration", None, &[S::String], S::Duration, F::ToDuration, 60, "A span of time: `duration(\"1h30m\")`, with the units h, m, s, ms, us and ns. A literal is checked when the config is read; else absent when it is none."),
    call("timestamp", None, &[S::String], S::Timestamp, F::ToTimestamp, 80, "A point in time (RFC 3339): `timestamp(\"2026-01-01T00:00:00Z\")`. A literal is checked when the config is read; else absent when it is none."),
    call("timestamp", None, &[S::Int], S::Timestamp, F::ToTimestamp, 10, "Seconds since 1970; absent beyond the years 1 to 9999."),
    call("bool", None, &[S::String], S::Bool, F::ToBool, 10, "Of `1`, `t`, `true`, `TRUE`, `True` and their contraries; else absent."),
    call("int", None, &[S::Any(&[S::Uint, S::Double, S::String, S::Timestamp])], S::Int, F::ToInt, 20, "Rounded towards zero, in seconds of a timestamp; absent when it is none or out of range."),
    call("uint", None, &[S::Any(&[S::Int, S::Double, S::String])], S::Uint, F::ToUint, 20, "Rounded towards zero; absent when it is none or out of range."),
    call("double", None, &[S::Any(&[S::Int, S::Uint, S::String])], S::Double, F::ToDouble, 40, "The nearest double; absent when it is none."),
    call("string", None, &[SCALAR], S::String, F::ToString, 60, "As text; absent of bytes that are not UTF-8."),
    call("bytes", None, &[S::String], S::Bytes, F::ToBytes, 2, "The bytes of its UTF-8 form."),
    other("bool", None, &[S::Bool], S::Bool, Same, 0, "The same."),
    other("int", None, &[S::Int], S::Int, Same, 0, "The same."),
    other("uint", None, &[S::Uint], S::Uint, Same, 0, "The same."),
    other("double", None, &[S::Double], S::Double, Same, 0, "The same."),
    other("string", None, &[S::String], S::String, Same, 0, "The same."),
    other("bytes", None, &[S::Bytes], S::Bytes, Same, 0, "The same."),
    other("duration", None, &[S::Duration], S::Duration, Same, 0, "The same."),
    other("timestamp", None, &[S::Timestamp], S::Timestamp, Same, 0, "The same."),
    other("ip", None, &[S::Ip], S::Ip, Same, 0, "The same."),
    other("cidr", None, &[S::Cidr], S::Cidr, Same, 0, "The same."),
];
