//! Looks at the state, with the values of a key or the request's own.

use std::time::Duration;

use selvedge_conf::KEY_PARTS_MAX;
use selvedge_conf::expr::Counted;

use super::datum::Datum;
use super::eval::Eval;
use super::node::Node;
use super::value::Value;

/// What is looked up. An empty key means the request's own.
#[derive(Clone, Debug)]
pub(super) enum Lookup {
    Count(Counted, Box<[Node]>, Duration),
    Rate(Counted, Box<[Node]>, Duration),
    Uniques(usize, Box<[Node]>, Duration),
    Exceeded(usize),
    Banned(Option<Node>),
}

impl Lookup {
    /// Absent when a part of the key is.
    pub(super) fn eval<'v>(&'v self, eval: &Eval<'v, '_>) -> Option<Datum<'v>> {
        let context = eval.context;
        let int = |count: u64| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
        let value = match self {
            Lookup::Count(what, parts, window) => {
                int(keyed(parts, eval, |key| context.reads.count(*what, key, *window, context))?)
            }
            Lookup::Rate(what, parts, window) => {
                let count = keyed(parts, eval, |key| context.reads.count(*what, key, *window, context))?;
                Value::Double(count as f64 / window.as_secs_f64())
            }
            Lookup::Uniques(unique, parts, window) => {
                int(keyed(parts, eval, |key| context.reads.uniques(*unique, key, *window, context))?)
            }
            Lookup::Exceeded(limit) => Value::Bool(context.reads.exceeded(*limit, context)),
            Lookup::Banned(None) => Value::Bool(context.reads.banned(context.head.client_net(), context)),
            Lookup::Banned(Some(node)) => match node.eval(eval)? {
                Datum::Scalar(Value::Cidr(net)) => Value::Bool(context.reads.banned(net, context)),
                _ => return None,
            },
        };
        Some(Datum::Scalar(value))
    }
}

/// Asks with the values of a key, in their order.
fn keyed<'v>(parts: &'v [Node], eval: &Eval<'v, '_>, ask: impl FnOnce(Option<&[Value<'_>]>) -> u64) -> Option<u64> {
    if parts.is_empty() {
        return Some(ask(None));
    }
    let mut values = [Value::Bool(false); KEY_PARTS_MAX];
    let room = values.get_mut(..parts.len())?;
    for (value, part) in room.iter_mut().zip(parts) {
        *value = part.eval(eval)?.scalar()?;
    }
    Some(ask(Some(room)))
}
