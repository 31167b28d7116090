//! `+ - * / %` and the sign. What overflows, or divides by zero, is absent (CEL language definition, section Overflow).

use selvedge_conf::expr::Arithmetic;

use super::datum::Datum;
use super::scratch::Scratch;
use super::time;
use super::value::Value;

/// `left OP right`.
pub(super) fn apply<'v>(
    operator: Arithmetic,
    left: Datum<'v>,
    right: Datum<'v>,
    scratch: Scratch<'v>,
) -> Option<Datum<'v>> {
    let (left, right) = match (left, right) {
        (Datum::Scalar(left), Datum::Scalar(right)) => (left, right),
        (Datum::List(left), Datum::List(right)) if operator == Arithmetic::Add => return joined(left, right, scratch),
        _ => return None,
    };
    let value = match (left, right) {
        (Value::Int(left), Value::Int(right)) => Value::Int(int(operator, left, right)?),
        (Value::Uint(left), Value::Uint(right)) => Value::Uint(uint(operator, left, right)?),
        (Value::Double(left), Value::Double(right)) => Value::Double(double(operator, left, right)?),
        (Value::String(left), Value::String(right)) if operator == Arithmetic::Add => {
            Value::String(scratch.join(&[left, right])?)
        }
        (Value::Bytes(left), Value::Bytes(right)) if operator == Arithmetic::Add => {
            Value::Bytes(scratch.bytes([left, right])?)
        }
        _ => timely(operator, left, right)?,
    };
    Some(Datum::Scalar(value))
}

/// `-x`.
pub(super) fn negate(operand: Datum<'_>) -> Option<Datum<'_>> {
    match operand {
        Datum::Scalar(Value::Int(value)) => Some(Datum::Scalar(Value::Int(value.checked_neg()?))),
        Datum::Scalar(Value::Double(value)) => Some(Datum::Scalar(Value::Double(-value))),
        _ => None,
    }
}

/// Division rounds towards zero; the remainder has the sign of the left side.
fn int(operator: Arithmetic, left: i64, right: i64) -> Option<i64> {
    match operator {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Remainder => left.checked_rem(right),
    }
}

fn uint(operator: Arithmetic, left: u64, right: u64) -> Option<u64> {
    match operator {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Remainder => left.checked_rem(right),
    }
}

/// IEEE 754: a division by zero is an infinity, or no number.
fn double(operator: Arithmetic, left: f64, right: f64) -> Option<f64> {
    match operator {
        Arithmetic::Add => Some(left + right),
        Arithmetic::Subtract => Some(left - right),
        Arithmetic::Multiply => Some(left * right),
        Arithmetic::Divide => Some(left / right),
        Arithmetic::Remainder => None,
    }
}

fn timely(operator: Arithmetic, left: Value<'_>, right: Value<'_>) -> Option<Value<'static>> {
    match (operator, left, right) {
        (Arithmetic::Add, Value::Duration(left), Value::Duration(right)) => {
            time::span(left.checked_add(right)?).map(Value::Duration)
        }
        (Arithmetic::Subtract, Value::Duration(left), Value::Duration(right)) => {
            time::span(left.checked_sub(right)?).map(Value::Duration)
        }
        (Arithmetic::Add, Value::Timestamp(at), Value::Duration(span))
        | (Arithmetic::Add, Value::Duration(span), Value::Timestamp(at)) => {
            time::instant(at.checked_add(span).ok()?).map(Value::Timestamp)
        }
        (Arithmetic::Subtract, Value::Timestamp(at), Value::Duration(span)) => {
            time::instant(at.checked_sub(span).ok()?).map(Value::Timestamp)
        }
        (Arithmetic::Subtract, Value::Timestamp(left), Value::Timestamp(right)) => {
            time::span(left.duration_since(right)).map(Value::Duration)
        }
        _ => None,
    }
}

fn joined<'v>(left: &[Datum<'v>], right: &[Datum<'v>], scratch: Scratch<'v>) -> Option<Datum<'v>> {
    let mut list = scratch.list(left.len() + right.len())?;
    list.extend(left.iter().chain(right).copied());
    Some(Datum::List(list.into_bump_slice()))
}
