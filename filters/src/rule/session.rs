//! What expressions read of the request's session.

use selvedge_conf::expr::Field;

use super::context::Context;
use super::value::Value;

/// A field of the session.
pub(super) fn field(context: &Context<'_>, field: Field) -> Option<Value<'static>> {
    let session = context.head.session;
    Some(match field {
        Field::SessionValid => Value::Bool(session.is_some()),
        Field::SessionFresh => Value::Bool(session.is_some_and(|session| session.is_fresh)),
        Field::SessionAge => {
            let age = context.now.since(session?.started);
            Value::Duration(jiff::SignedDuration::from_millis(i64::try_from(age).ok()?))
        }
        _ => return None,
    })
}

/// An attribute; absent without a session, or when it is not set.
pub(super) fn attribute<'v>(context: &'v Context<'_>, name: &str) -> Option<Value<'v>> {
    context.head.session?.attribute(name).map(crate::session::Value::as_value)
}

/// What is counted under a name; absent without a session.
pub(super) fn count(context: &Context<'_>, name: &str) -> Option<Value<'static>> {
    Some(Value::Int(i64::try_from(context.head.session?.count(name)).unwrap_or(i64::MAX)))
}
