//! What expressions may ask of the state. Asking changes nothing.

use std::fmt::Debug;
use std::time::Duration;

use ipnet::IpNet;
use selvedge_conf::expr::Counted;

use super::context::Context;
use super::value::Value;

/// The state as expressions see it. Key values are in the order of the key's parts; none means the request's own key.
pub trait Reads: Debug + Send + Sync {
    /// What was counted in the window.
    fn count(&self, what: Counted, key: Option<&[Value<'_>]>, window: Duration, context: &Context<'_>) -> u64;
    /// Distinct values seen in the window, by the unique's place in the config.
    fn uniques(&self, unique: usize, key: Option<&[Value<'_>]>, window: Duration, context: &Context<'_>) -> u64;
    /// Whether a limit would refuse this request, by its place in the config.
    fn exceeded(&self, limit: usize, context: &Context<'_>) -> bool;
    /// Whether a client network is banned.
    fn banned(&self, net: IpNet, context: &Context<'_>) -> bool;
    /// Whether an element was put into, or taken out of, a list at run time, by the list's place in the config; `None` when
    /// neither.
    fn listed(&self, list: usize, element: &str, context: &Context<'_>) -> Option<bool>;
    /// Whether anything at all was put into, or taken out of, a list at run time: cheap, asked before an element is made into
    /// text. `true` when in doubt.
    fn has_listed(&self, list: usize, context: &Context<'_>) -> bool;
}
