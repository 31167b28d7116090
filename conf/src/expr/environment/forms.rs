//! The table of forms: calls and names with rules of their own, because they bind a variable, name something of the config,
//! or have the type of what they are given.

use super::functions::Receiver;
use super::shape::Shape;

/// A form, and how it is described.
pub(in crate::expr) struct FormEntry {
    pub(in crate::expr) form: Form,
    pub(in crate::expr) name: &'static str,
    pub(in crate::expr) receiver: Receiver,
    /// The form as it is written.
    pub(in crate::expr) written: &'static str,
    /// The type it has, in words.
    pub(in crate::expr) result: &'static str,
    /// What it takes beside its parts, in nanoseconds, roughly.
    pub(in crate::expr) cost: u64,
    pub(in crate::expr) doc: &'static str,
}

/// Which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::expr) enum Form {
    Has,
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
    OptMap,
    OptionalOf,
    OptionalNone,
    HasValue,
    OrValue,
    OrElse,
    OptionalValue,
    Count,
    Rate,
    Uniques,
    Limit,
    Banned,
    Listed,
    TokenValid,
    TokenError,
    Claim,
    Attribute,
    SessionCount,
}

/// What a form is about, which is where the reference tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::expr) enum Group {
    Macro,
    Optional,
    State,
    Name,
}

impl Form {
    pub(in crate::expr) fn group(self) -> Group {
        match self {
            Form::Has | Form::All | Form::Exists | Form::ExistsOne | Form::Filter | Form::Map | Form::OptMap => {
                Group::Macro
            }
            Form::OptionalOf
            | Form::OptionalNone
            | Form::HasValue
            | Form::OrValue
            | Form::OrElse
            | Form::OptionalValue => Group::Optional,
            Form::Count | Form::Rate | Form::Uniques | Form::Limit | Form::Banned => Group::State,
            Form::Listed | Form::TokenValid | Form::TokenError | Form::Claim | Form::Attribute | Form::SessionCount => {
                Group::Name
            }
        }
    }
}

const fn form(
    form: Form,
    name: &'static str,
    receiver: Receiver,
    written: &'static str,
    result: &'static str,
    cost: u64,
    doc: &'static str,
) -> FormEntry {
    FormEntry { form, name, receiver, written, result, cost, doc }
}

const NONE: Receiver = Receiver::None;
/// A value of a type that the form itself judges.
const VALUE: Receiver = Receiver::Value(Shape::Any(&[]));
const OPTIONAL: Receiver = Receiver::Root("optional");
const LISTS: Receiver = Receiver::Root("lists");
const JWT: Receiver = Receiver::Root("jwt");
const SESSION: Receiver = Receiver::Root("session");

#[rustfmt::skip] // One entry a line reads as a table.
pub(in crate::expr) static FORMS: [FormEntry; 24] = [
    form(Form::Listed, "NAME", LISTS, "lists.NAME", "named list", 0, "A list of the config, on the right of `in` or as the argument of `containsAny` and `matchesAny`. `lists[\"NAME\"]` when the name is no identifier."),
    form(Form::TokenValid, "valid", JWT, "jwt.NAME.valid", "bool", 60_000, "Whether the request carries a token of this issuer that is valid now."),
    form(Form::TokenError, "error", JWT, "jwt.NAME.error", "string", 60_000, "Why it does not, such as `\"missing\"`, `\"expired\"` or `\"revoked\"`; `\"\"` when it does."),
    form(Form::Claim, "claims", JWT, "jwt.NAME.claims.CLAIM", "as declared", 60_000, "A claim of the token; absent when the token is not valid, lacks it, or has it with another type. `claims[\"CLAIM\"]` when its name is no identifier."),
    form(Form::Attribute, "[NAME]", SESSION, "session[\"NAME\"]", "as declared", 10, "An attribute of the request's session; absent without a session, or when it was not set."),
    form(Form::SessionCount, "count", SESSION, "session.count(\"NAME\")", "int", 10, "What the request's session has counted under this name; absent without a session."),
    form(Form::Count, "count", NONE, "count(\"NAME\", key..., \"1m\")", "int", 150, "What a `[[counter]]` or a `[[limit]]` has counted for this key within the time. Without a key: for the request's own."),
    form(Form::Rate, "rate", NONE, "rate(\"NAME\", key..., \"1m\")", "double", 150, "The same, per second."),
    form(Form::Uniques, "uniques", NONE, "uniques(\"NAME\", key..., \"10m\")", "int", 2000, "How many different values a `[[unique]]` has seen for this key within the time, estimated."),
    form(Form::Limit, "limit", NONE, "limit(\"NAME\").exceeded", "bool", 250, "Whether a `[[limit]]` would refuse this request. Asking does not charge it."),
    form(Form::Banned, "banned", NONE, "banned(), banned(cidr)", "bool", 60, "Whether the client's network, or this one, is banned."),
    form(Form::Has, "has", NONE, "has(x)", "bool", 1, "Whether `x` is not absent; of a header, a cookie, a query field and a form field: whether it was sent."),
    form(Form::All, "all", VALUE, "list.all(x, condition)", "bool", 2, "Whether the condition holds for all elements; of a map: for all keys."),
    form(Form::Exists, "exists", VALUE, "list.exists(x, condition)", "bool", 2, "Whether it holds for any."),
    form(Form::ExistsOne, "exists_one", VALUE, "list.exists_one(x, condition)", "bool", 2, "Whether it holds for exactly one."),
    form(Form::Filter, "filter", VALUE, "list.filter(x, condition)", "list", 5, "The elements for which it holds."),
    form(Form::Map, "map", VALUE, "list.map(x, value), list.map(x, condition, value)", "list", 5, "The values for all elements, or for those for which the condition holds."),
    form(Form::OptMap, "optMap", VALUE, "optional.optMap(x, value)", "optional", 2, "The value made of what is there; none of none."),
    form(Form::OptionalOf, "of", OPTIONAL, "optional.of(x)", "optional", 1, "Something that may be missing; none when `x` is absent."),
    form(Form::OptionalNone, "none", OPTIONAL, "optional.none()", "optional", 0, "Nothing, where the type is known from the other side of `? :` or from `or`."),
    form(Form::HasValue, "hasValue", VALUE, "optional.hasValue()", "bool", 1, "Whether something is there."),
    form(Form::OrValue, "orValue", VALUE, "optional.orValue(default)", "as the default", 1, "What is there, else the default."),
    form(Form::OrElse, "or", VALUE, "optional.or(optional)", "optional", 1, "What is there, else what is there in the other."),
    form(Form::OptionalValue, "value", VALUE, "optional.value()", "what is there", 1, "What is there; else absent."),
];
