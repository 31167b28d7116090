//! Terms in one spelling, by which those that ask the same are found: the tree knows where in its text a term was written, and so
//! no two of them are equal.

use std::fmt::Write;

use selvedge_conf::expr::{Expr, Field, Function, Kind};

/// The spelling of a term that is the same whichever rule asks it about a request, and makes no text or lists; `None` of others.
pub(super) fn spelling(term: &Expr) -> Option<String> {
    let mut out = String::new();
    condition(term, &mut out)?;
    Some(out)
}

/// Nesting is bounded by [`selvedge_conf::expr::NESTING_MAX`].
fn condition(expr: &Expr, out: &mut String) -> Option<()> {
    match &expr.kind {
        Kind::Not(operand) => {
            out.push('!');
            condition(operand, out)
        }
        Kind::And(terms) => several('&', terms, condition, out),
        Kind::Or(terms) => several('|', terms, condition, out),
        Kind::Compare(comparison, left, right) => {
            write!(out, "{comparison:?} ").ok()?;
            operand(left, out)?;
            operand(right, out)
        }
        Kind::In(item, set) => {
            out.push_str("in ");
            operand(item, out)?;
            match &set.kind {
                Kind::List(literals) => several(',', literals, literal, out),
                Kind::Listed(list) => write!(out, "lists {list}").ok(),
                Kind::Field(Field::RequestHeaders | Field::ResponseHeaders) => field(set, out),
                _ => literal(set, out),
            }
        }
        Kind::Call(function, arguments) => call(*function, arguments, out),
        Kind::Matches(text, pattern) => {
            out.push_str("matches ");
            operand(text, out)?;
            write!(out, "{:?}", pattern.0.as_str()).ok()
        }
        _ => None,
    }
}

fn call(function: Function, arguments: &[Expr], out: &mut String) -> Option<()> {
    let [target, argument] = arguments else { return None };
    write!(out, "{function:?} ").ok()?;
    operand(target, out)?;
    match (function, &argument.kind) {
        (Function::ContainsAny | Function::MatchesAny, Kind::Listed(list)) => write!(out, "lists {list}").ok(),
        (Function::StartsWith | Function::EndsWith | Function::Contains, Kind::String(_)) => literal(argument, out),
        (Function::ContainsIp, Kind::Field(Field::ClientIp)) => field(argument, out),
        _ => None,
    }
}

fn several(mark: char, exprs: &[Expr], each: fn(&Expr, &mut String) -> Option<()>, out: &mut String) -> Option<()> {
    write!(out, "{mark}(").ok()?;
    exprs.iter().try_for_each(|expr| each(expr, out))?;
    out.push(')');
    Some(())
}

/// A literal, or what is read where it is.
fn operand(expr: &Expr, out: &mut String) -> Option<()> {
    match &expr.kind {
        Kind::Index(map, name) => {
            let (Kind::Field(Field::RequestHeaders | Field::ResponseHeaders | Field::Cookies), Kind::String(_)) =
                (&map.kind, &name.kind)
            else {
                return None;
            };
            field(map, out)?;
            literal(name, out)
        }
        Kind::Field(
            Field::Method
            | Field::Host
            | Field::Path
            | Field::RawPath
            | Field::RawQuery
            | Field::Scheme
            | Field::Protocol
            | Field::ClientIp
            | Field::Country
            | Field::Continent
            | Field::City
            | Field::Asn
            | Field::AsOrg
            | Field::Length
            | Field::Status
            | Field::From
            | Field::CacheStatus
            | Field::ChallengePassed
            | Field::ChallengeResult,
        ) => field(expr, out),
        _ => literal(expr, out),
    }
}

fn field(expr: &Expr, out: &mut String) -> Option<()> {
    let Kind::Field(field) = &expr.kind else { return None };
    write!(out, "{field:?} ").ok()
}

fn literal(expr: &Expr, out: &mut String) -> Option<()> {
    match &expr.kind {
        Kind::String(text) => write!(out, "{text:?} ").ok(),
        Kind::Int(number) => write!(out, "{number} ").ok(),
        Kind::Ip(address) => write!(out, "{address} ").ok(),
        Kind::Cidr(network) => write!(out, "{network} ").ok(),
        _ => None,
    }
}
