//! Parts of a config in its own words, for reports.

use std::time::Duration;

use selvedge_conf::expr::Phase;
use selvedge_conf::{CacheAction, Config, Effect, Place, Reply, Revoke};

/// File and line.
pub(crate) fn place(place: &Place) -> String {
    format!("{}:{}", place.file.display(), place.line)
}

pub(crate) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Connection => "connection",
        Phase::Request => "request",
        Phase::Response => "response",
    }
}

/// A duration in its largest whole unit.
pub(super) fn length(length: Duration) -> String {
    let ms = length.as_millis();
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")] {
        if ms >= unit && ms.is_multiple_of(unit) {
            return format!("{}{name}", ms / unit);
        }
    }
    format!("{ms}ms")
}

/// A rule's answer.
pub(super) fn answer(reply: &Reply) -> String {
    match reply {
        Reply::Deny(status) => format!("deny {status}"),
        Reply::Redirect(status, _) => format!("redirect {status}"),
        Reply::Challenge(bits) => format!("challenge of {bits} bits"),
        Reply::Allow => "allow".to_owned(),
    }
}

/// What the cache is told.
pub(super) fn policy(action: &CacheAction) -> String {
    match action {
        CacheAction::Pass => "pass".to_owned(),
        CacheAction::Ttl { ttl, stale_while_revalidate, stale_if_error } => {
            let stale = |name: &str, window: &Option<Duration>| {
                window.map_or_else(String::new, |window| format!(", {name} {}", length(window)))
            };
            let revalidate = stale("stale_while_revalidate", stale_while_revalidate);
            format!("ttl {}{revalidate}{}", length(*ttl), stale("stale_if_error", stale_if_error))
        }
    }
}

/// A rule's effect.
pub(super) fn effect(effect: &Effect, config: &Config) -> String {
    let list = |at: &usize| config.lists.get(*at).map_or("", |list| list.name.as_str());
    match effect {
        Effect::Rewrite(..) => "rewrite".to_owned(),
        Effect::SetRequestHeader(name, _) => format!("set request header {name}"),
        Effect::RemoveRequestHeader(name) => format!("remove request header {name}"),
        Effect::SetResponseHeader(name, _) => format!("set response header {name}"),
        Effect::RemoveResponseHeader(name) => format!("remove response header {name}"),
        Effect::Origin(at) => {
            format!("origin {}", config.origins.get(*at).map_or("", |origin| origin.name.as_str()))
        }
        Effect::Cache(action) => format!("cache {}", policy(action)),
        Effect::Session(action) => session(action),
        Effect::Revoke(Revoke::Named { what, realm, .. }) => {
            let realm = config.realms.get(*realm).map_or("", |realm| realm.name.as_str());
            format!("revoke {} in realm {realm}", what.as_str())
        }
        Effect::Revoke(Revoke::Token(at)) => {
            format!("revoke token of jwt {}", config.jwts.get(*at).map_or("", |jwt| jwt.name.as_str()))
        }
        Effect::Ban(time) => format!("ban for {}", length(*time)),
        Effect::ListAdd(at, _, time) => format!("add to list {} for {}", list(at), length(*time)),
        Effect::ListRemove(at, _, time) => format!("remove from list {} for {}", list(at), length(*time)),
        Effect::Count(at) => {
            format!("count {}", config.counters.get(*at).map_or("", |counter| counter.name.as_str()))
        }
        Effect::Unique(at) => format!("unique {}", config.uniques.get(*at).map_or("", |unique| unique.name.as_str())),
        Effect::Tag(tag) => format!("tag {tag}"),
        Effect::Log => "log".to_owned(),
    }
}

/// What becomes of a session, each thing by its name.
fn session(action: &selvedge_conf::SessionAction) -> String {
    let switches = [(action.revoke, "revoke"), (action.start, "start"), (action.rotate, "rotate")];
    let switches = switches.into_iter().filter(|(on, _)| *on).map(|(_, name)| name.to_owned());
    let set = action.set.iter().map(|(name, _)| format!("set {name}"));
    let unset = action.unset.iter().map(|name| format!("unset {name}"));
    let count = action.count.iter().map(|name| format!("count {name}"));
    let said: Vec<String> = switches.chain(set).chain(unset).chain(count).collect();
    format!("session: {}", said.join(", "))
}
