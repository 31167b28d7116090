//! Any value of the language while it is evaluated, and how two of them compare (CEL language definition, sections Equality and
//! Ordering). Small and copied; what is large is borrowed.

use std::cmp::Ordering;

use selvedge_conf::expr::Comparison;

use super::value::Value;

/// A value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Datum<'v> {
    Scalar(Value<'v>),
    List(&'v [Datum<'v>]),
    /// Entries in the order they were written.
    Map(&'v [(Datum<'v>, Datum<'v>)]),
    Optional(Option<&'v Datum<'v>>),
}

impl<'v> Datum<'v> {
    pub(super) fn bool(self) -> Option<bool> {
        match self {
            Datum::Scalar(Value::Bool(value)) => Some(value),
            _ => None,
        }
    }

    pub(super) fn int(self) -> Option<i64> {
        match self {
            Datum::Scalar(Value::Int(value)) => Some(value),
            _ => None,
        }
    }

    pub(super) fn text(self) -> Option<&'v str> {
        match self {
            Datum::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn scalar(self) -> Option<Value<'v>> {
        match self {
            Datum::Scalar(value) => Some(value),
            _ => None,
        }
    }

    /// Same value: lists element by element, maps entry by entry whatever their order.
    pub(super) fn equals(self, other: Datum<'_>) -> bool {
        match (self, other) {
            (Datum::Scalar(left), Datum::Scalar(right)) => equal(left, right),
            (Datum::List(left), Datum::List(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.equals(*right))
            }
            (Datum::Map(left), Datum::Map(right)) => {
                left.len() == right.len()
                    && left.iter().all(|(key, value)| lookup(right, *key).is_some_and(|other| value.equals(other)))
            }
            _ => false,
        }
    }

    /// `left OP right`; false for values that do not compare.
    pub(super) fn compares(self, comparison: Comparison, other: Datum<'_>) -> bool {
        match comparison {
            Comparison::Equal => self.equals(other),
            Comparison::NotEqual => !self.equals(other),
            _ => match (self, other) {
                (Datum::Scalar(left), Datum::Scalar(right)) => {
                    order(left, right).is_some_and(|order| ordered(comparison, order))
                }
                _ => false,
            },
        }
    }
}

/// The value of a key in the entries of a map.
pub(super) fn lookup<'v>(entries: &[(Datum<'v>, Datum<'v>)], key: Datum<'_>) -> Option<Datum<'v>> {
    entries.iter().find(|(held, _)| held.equals(key)).map(|(_, value)| *value)
}

/// Whether a comparison holds of two values in this order.
pub(super) fn ordered(comparison: Comparison, order: Ordering) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }
}

fn equal(left: Value<'_>, right: Value<'_>) -> bool {
    match (left, right) {
        (Value::Ip(left), Value::Ip(right)) => left.to_canonical() == right.to_canonical(),
        (Value::Cidr(left), Value::Cidr(right)) => left == right,
        _ => order(left, right).is_some_and(Ordering::is_eq),
    }
}

/// The order of two values. Numbers of any types compare by what they are on the number line; NaN has no place on it. Strings
/// compare by their bytes, which for UTF-8 is the order of code points.
pub(super) fn order(left: Value<'_>, right: Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(&right)),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(&right)),
        (Value::Uint(left), Value::Uint(right)) => Some(left.cmp(&right)),
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(&right),
        (Value::Bytes(left), Value::Bytes(right)) => Some(left.cmp(right)),
        (Value::Duration(left), Value::Duration(right)) => Some(left.cmp(&right)),
        (Value::Timestamp(left), Value::Timestamp(right)) => Some(left.cmp(&right)),
        (Value::Int(left), Value::Uint(right)) => Some(i128::from(left).cmp(&i128::from(right))),
        (Value::Uint(left), Value::Int(right)) => Some(i128::from(left).cmp(&i128::from(right))),
        (Value::Int(left), Value::Double(right)) => against_double(i128::from(left), right),
        (Value::Uint(left), Value::Double(right)) => against_double(i128::from(left), right),
        (Value::Double(left), Value::Int(right)) => against_double(i128::from(right), left).map(Ordering::reverse),
        (Value::Double(left), Value::Uint(right)) => against_double(i128::from(right), left).map(Ordering::reverse),
        _ => None,
    }
}

/// A whole number of 64 bits against a double, exactly: the double is cut to a whole number, which is exact, and what was cut
/// off decides a tie.
fn against_double(whole: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // Saturates far beyond 64 bits, infinities included.
    let cut = double.trunc() as i128;
    let fraction = if double.is_finite() { double - double.trunc() } else { 0.0 };
    Some(whole.cmp(&cut).then(0.0f64.partial_cmp(&fraction).unwrap_or(Ordering::Equal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_different_types_compare_exactly() {
        let max = 9_007_199_254_740_993;
        assert_eq!(order(Value::Int(max), Value::Double(max as f64)), Some(Ordering::Greater));
        assert_eq!(order(Value::Int(-1), Value::Double(-1.5)), Some(Ordering::Greater));
        assert_eq!(order(Value::Int(1), Value::Double(1.5)), Some(Ordering::Less));
        assert_eq!(order(Value::Double(1.5), Value::Uint(1)), Some(Ordering::Greater));
        assert_eq!(order(Value::Uint(u64::MAX), Value::Double(f64::INFINITY)), Some(Ordering::Less));
        assert_eq!(order(Value::Int(i64::MIN), Value::Double(f64::NEG_INFINITY)), Some(Ordering::Greater));
        assert_eq!(order(Value::Uint(u64::MAX), Value::Double(18_446_744_073_709_551_616.0)), Some(Ordering::Less));
        assert_eq!(order(Value::Int(-1), Value::Uint(u64::MAX)), Some(Ordering::Less));
        assert_eq!(order(Value::Int(0), Value::Double(f64::NAN)), None);
    }

    #[test]
    fn maps_are_equal_in_any_order() {
        let entry = |key, value| (Datum::Scalar(Value::Int(key)), Datum::Scalar(Value::Int(value)));
        let (one, other) = ([entry(1, 2), entry(3, 4)], [entry(3, 4), entry(1, 2)]);
        assert!(Datum::Map(&one).equals(Datum::Map(&other)));
        assert!(!Datum::Map(&one).equals(Datum::Map(&[entry(1, 2), entry(3, 5)])));
        assert!(!Datum::Map(&one).equals(Datum::Map(&[entry(1, 2)])));
    }
}
