//! The form that a request brings: whether anybody asks for its fields, and what is known of them.
//!
//! A body is read for those who ask, and only then: a decision that comes to ask ends before anything is charged
//! ([`Verdict::FormUnread`](crate::Verdict)), and is taken anew when the form is there.

use selvedge_conf::expr::{Expr, Phase};
use selvedge_conf::{Affinity, Config, Effect, KeyPart, Limit, Reply, Revoke, Rule, RuleMode};

/// What is known of the form that a request brings (`application/x-www-form-urlencoded`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form<'a> {
    /// It brings none.
    #[default]
    None,
    /// It brings one, which nobody asked for so far.
    Unread,
    /// It was read, whole.
    Read(&'a [u8]),
    /// It is longer than forms that are read.
    TooLong,
}

impl<'a> Form<'a> {
    /// The encoded fields; none of a form that was not read.
    pub(crate) fn fields(self) -> &'a [u8] {
        match self {
            Form::Read(fields) => fields,
            Form::None | Form::Unread | Form::TooLong => b"",
        }
    }
}

/// How much a decision needs the form, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum FormNeed {
    /// Nobody asked.
    #[default]
    None,
    /// Somebody asked whether it was read, or only watches, or will ask when the response is there: it is read if it can be.
    Glance,
    /// What is decided depends on its fields.
    Fields,
}

/// Whether any rule that is asked in one of these phases, or anything that counts there, reads a form.
pub(crate) fn is_read(config: &Config, within: impl Fn(Phase) -> bool) -> bool {
    let reads = |expr: &Expr| expr.reads_form();
    let rules = config.rules.iter().filter(|rule| rule.mode != RuleMode::Off && within(rule.phase));
    let counters = config.counters.iter().filter(|counter| within(counter.phase));
    let mut uniques = config.uniques.iter().filter(|unique| within(unique.phase));
    rules.into_iter().any(|rule| expressions(rule).any(reads))
        || within(Phase::Request)
            && (config
                .limits
                .iter()
                .any(|limit| limit.when.iter().chain(&limit.unlimited).any(reads) || counted(limit))
                || config.caches.iter().any(|policy| policy.when.as_ref().is_some_and(reads))
                || config
                    .origins
                    .iter()
                    .any(|origin| matches!(&origin.affinity, Some(Affinity::Key(key)) if keyed(key)))
                || config
                    .idempotencies
                    .iter()
                    .any(|policy| policy.when.as_ref().is_some_and(reads) || keyed(&policy.key)))
        || within(Phase::Response) && config.limits.iter().any(|limit| limit.count.iter().chain(late(limit)).any(reads))
        || counters.into_iter().any(|counter| counter.when.as_ref().is_some_and(reads) || keyed(&counter.key))
        || uniques.any(|unique| reads(&unique.of) || unique.when.as_ref().is_some_and(reads) || keyed(&unique.key))
}

/// Whether whom a limit counts by, or what a request costs, is read from a form.
pub(crate) fn counted(limit: &Limit) -> bool {
    let is_early = limit.reserve.is_none();
    keyed(&limit.key) || is_early && limit.cost.as_ref().is_some_and(Expr::reads_form)
}

/// What says what a request costs, if that is asked when its response is there.
fn late(limit: &Limit) -> Option<&Expr> {
    limit.cost.as_ref().filter(|_| limit.reserve.is_some())
}

/// Whether a key has a part that reads a form.
pub(crate) fn keyed(key: &[KeyPart]) -> bool {
    key.iter().any(|part| matches!(part, KeyPart::Value(expr, _) if expr.reads_form()))
}

/// All expressions of a rule.
fn expressions(rule: &Rule) -> impl Iterator<Item = &Expr> {
    let to = match &rule.answer {
        Some(Reply::Redirect(_, to)) => Some(to),
        Some(Reply::Deny(_) | Reply::Challenge(_) | Reply::Allow) | None => None,
    };
    rule.when.iter().chain(to).chain(rule.effects.iter().flat_map(values))
}

fn values(effect: &Effect) -> impl Iterator<Item = &Expr> {
    let set = match effect {
        Effect::Session(action) => action.set.as_slice(),
        _ => &[],
    };
    let (one, other) = match effect {
        Effect::Rewrite(path, query) => (path.as_ref(), query.as_ref()),
        Effect::SetRequestHeader(_, value) | Effect::SetResponseHeader(_, value) => (Some(value), None),
        Effect::ListAdd(_, value, _) | Effect::ListRemove(_, value, _) => (Some(value), None),
        Effect::Revoke(Revoke::Named { name, .. }) => (Some(name), None),
        Effect::RemoveRequestHeader(_) | Effect::RemoveResponseHeader(_) | Effect::Origin(_) | Effect::Cache(_) => {
            (None, None)
        }
        Effect::Session(_) | Effect::Revoke(Revoke::Token(_)) | Effect::Ban(_) | Effect::Count(_) => (None, None),
        Effect::Unique(_) | Effect::Tag(_) | Effect::Log => (None, None),
    };
    one.into_iter().chain(other).chain(set.iter().map(|(_, value)| value))
}
