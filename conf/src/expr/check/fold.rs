//! What is computed when the config is read: literals with a form of their own, regular expressions, time zones.

use jiff::tz::{Offset, TimeZone};

use crate::expr::mismatch::one;
use crate::expr::time;
use crate::expr::tree::{Expr, Kind, Pattern, Type};
use crate::expr::{Error, PATTERNS_MAX};
use crate::value::{self, Patterns, Wrong, shown};

/// `name("text")` of a function whose literals are checked; `None` for any other function.
pub(super) fn literal(name: &str, text: &str) -> Option<Result<(Kind, Type), Wrong>> {
    Some(match name {
        "ip" => value::ip(text).map(|ip| (Kind::Ip(ip), Type::Ip)),
        "cidr" => value::network(text).map(|net| (Kind::Cidr(net), Type::Cidr)),
        "duration" => match time::duration(text) {
            Some(duration) => Ok((Kind::Duration(duration), Type::Duration)),
            None => Err(Wrong::new(format!("`{}` is not a duration", shown(text))).advice(
                "write numbers and units, such as \"1h30m\" or \"1.5s\"; the units are h, m, s, ms, us and ns",
            )),
        },
        "timestamp" => match time::timestamp(text) {
            Some(timestamp) => Ok((Kind::Timestamp(timestamp), Type::Timestamp)),
            None => Err(Wrong::new(format!("`{}` is not a point in time", shown(text)))
                .advice("write it as \"2026-01-01T00:00:00Z\" or \"2026-01-01T00:00:00+02:00\"")),
        },
        _ => return None,
    })
}

/// The regular expression of a literal; it is the expression's `number`-th.
pub(super) fn pattern(expr: &Expr, number: usize, patterns: &Patterns) -> Result<Pattern, Error> {
    let Kind::String(text) = &expr.kind else {
        let error = Error::new(expr.span, "a regular expression is a literal string");
        return Err(
            error.advice("several go into a `[list.NAME]` with `kind = \"patterns\"`: `matchesAny(lists.NAME)`")
        );
    };
    if number > PATTERNS_MAX {
        let message = format!("more than {PATTERNS_MAX} regular expressions");
        let error = Error::new(expr.span, message);
        return Err(error.advice("put them into a `[list.NAME]` with `kind = \"patterns\"`: `matchesAny(lists.NAME)`"));
    }
    patterns.get(text).map_err(|wrong| Error { span: expr.span, message: wrong.message, help: wrong.help })
}

/// The time zone of a literal: an IANA name, or an offset as CEL has it.
pub(super) fn zone(expr: &Expr) -> Result<TimeZone, Error> {
    let Kind::String(text) = &expr.kind else {
        let message = format!("a time zone is a literal string, and this is {}", one(&expr.ty));
        return Err(Error::new(expr.span, message));
    };
    let zone = match offset(text) {
        Some(offset) => Some(TimeZone::fixed(offset)),
        None => TimeZone::get(text).ok(),
    };
    zone.ok_or_else(|| {
        let error = Error::new(expr.span, format!("`{}` is not a time zone", shown(text)));
        error.advice("write a name such as \"Europe/Paris\" or an offset such as \"+02:00\"")
    })
}

/// `02:00`, `+02:00`, `-02:00`. CEL language definition, "Timezones".
fn offset(text: &str) -> Option<Offset> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |digits: &str, below: i32| {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i32>().ok().filter(|number| plain && *number < below)
    };
    Offset::from_seconds(sign * (number(hours, 24)? * 3600 + number(minutes, 60)? * 60)).ok()
}
