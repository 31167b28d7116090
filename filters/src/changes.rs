//! What rules change about a request and its response. They are carried out after the rules: what a rule sees is what the client
//! sent, whatever rules before it changed.

use http::{HeaderName, HeaderValue};
use selvedge_conf::CacheAction;

use crate::ruleset::RuleId;
use crate::session::Orders;

/// The changes of one request. Of things there is one of, the last rule that says something holds; only what passes the cache by
/// stays so.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// The path that cache and origin see, in normal form.
    pub path: Option<String>,
    /// The query that cache and origin see; `""` for none.
    pub query: Option<String>,
    /// To the request's header before cache and origin, in this order.
    pub request: Vec<HeaderChange>,
    /// To the response's header, in this order, before rules of the response phase.
    pub response: Vec<HeaderChange>,
    /// The origin that answers, by its place in the config.
    pub origin: Option<usize>,
    /// What the cache does with the response.
    pub cache: Option<CacheAction>,
    /// What becomes of its session.
    pub session: Orders,
    /// The rules that the access log names.
    pub logged: Vec<RuleId>,
}

/// A change to a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderChange {
    /// The field has this one line, whatever it had before.
    Set(HeaderName, HeaderValue),
    /// The field is gone.
    Remove(HeaderName),
}
