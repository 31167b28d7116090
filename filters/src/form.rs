//! Whether a config asks for fields of a form. Bodies are not read for configs that do not.

use selvedge_conf::expr::Expr;
use selvedge_conf::{Config, Effect, KeyPart, Reply, Rule, RuleMode};

/// Whether any rule that is asked, or anything that counts, reads a form.
pub(crate) fn is_read(config: &Config) -> bool {
    let reads = |expr: &Expr| expr.reads_form();
    let keyed = |key: &[KeyPart]| key.iter().any(|part| matches!(part, KeyPart::Value(expr, _) if reads(expr)));
    let asked = config.rules.iter().filter(|rule| rule.mode != RuleMode::Off);
    asked.into_iter().any(|rule| expressions(rule).any(reads))
        || config.limits.iter().any(|limit| limit.when.as_ref().is_some_and(reads) || keyed(&limit.key))
        || config.counters.iter().any(|counter| counter.when.as_ref().is_some_and(reads) || keyed(&counter.key))
        || config
            .uniques
            .iter()
            .any(|unique| reads(&unique.of) || unique.when.as_ref().is_some_and(reads) || keyed(&unique.key))
}

/// All expressions of a rule.
fn expressions(rule: &Rule) -> impl Iterator<Item = &Expr> {
    let to = match &rule.answer {
        Some(Reply::Redirect(_, to)) => Some(to),
        Some(Reply::Deny(_) | Reply::Allow) | None => None,
    };
    rule.when.iter().chain(to).chain(rule.effects.iter().flat_map(values))
}

fn values(effect: &Effect) -> impl Iterator<Item = &Expr> {
    let (one, other) = match effect {
        Effect::Rewrite(path, query) => (path.as_ref(), query.as_ref()),
        Effect::SetRequestHeader(_, value) | Effect::SetResponseHeader(_, value) => (Some(value), None),
        Effect::ListAdd(_, value, _) | Effect::ListRemove(_, value, _) => (Some(value), None),
        Effect::RemoveRequestHeader(_) | Effect::RemoveResponseHeader(_) | Effect::Origin(_) | Effect::Cache(_) => {
            (None, None)
        }
        Effect::Ban(_) | Effect::Count(_) | Effect::Unique(_) | Effect::Tag(_) | Effect::Log => (None, None),
    };
    one.into_iter().chain(other)
}
