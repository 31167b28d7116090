//! An explanation for people: a line for each rule, limit and the cache, in the order in which they are asked.

use std::fmt::Write;

use super::render::{Render, printable};
use crate::admin::report::explanation::{
    By, CacheOutcome, Effect, Explanation, Idempotency, Limit, LimitOutcome, Rule, RuleOutcome,
};

/// Rules that were not asked are counted, not listed, where there are more rules than this.
const LISTED: usize = 40;

/// An explanation as a command's finding; `from` says where it comes from.
pub(super) fn render(explanation: &Explanation, from: &str) -> Render {
    Render::new(page(explanation, from), explanation)
}

/// The page.
pub(super) fn page(explanation: &Explanation, from: &str) -> String {
    let mut page = String::new();
    let Explanation { request, pop, revision, path, .. } = explanation;
    // Writing to a String cannot fail.
    let _ = writeln!(
        page,
        "{} {}   as client {}{} at {pop}, config {revision}, {from}",
        request.method,
        request.url,
        request.client_ip,
        request.peer_ip.map_or(String::new(), |peer| format!(" through {peer}"))
    );
    let site = explanation.site.as_ref().map_or("no site".to_owned(), |site| format!("site {site:?}"));
    let _ = writeln!(page, "  host {:?} -> {site}   path {path:?}", explanation.host);
    if let Some(ban) = &explanation.ban {
        let _ = writeln!(page, "  ban    {} (another {} s)", ban.reason, ban.remaining_ms.div_ceil(1000));
    }
    if let Some(met) = &explanation.session {
        let wait = match met.wait_ms {
            0 => String::new(),
            wait => format!(" (a request waits up to {wait} ms for what is missing)"),
        };
        let _ = writeln!(page, "  session {}{wait}", met.standing);
    }
    let names = explanation.rules.iter().map(|rule| (&rule.name, &rule.place));
    let names = names.chain(explanation.limits.iter().map(|limit| (&limit.name, &limit.place)));
    let widths = names.fold((0, 0), |(name, place), (n, p)| (name.max(n.len()), place.max(p.len())));
    for phase in ["connection", "request"] {
        rules(&mut page, explanation, phase, widths);
    }
    for limit in &explanation.limits {
        let (name, place) = (pad(&limit.name, widths.0), pad(&limit.place, widths.1));
        let _ = writeln!(page, "  limit  {name}  {place}  {}", limit_line(limit));
    }
    for (kind, named) in [("count", &explanation.counters), ("unique", &explanation.uniques)] {
        for named in named {
            let _ = writeln!(page, "  {kind:<6} {}  {}", pad(&named.name, widths.0), named.place);
        }
    }
    if let Some(once) = &explanation.idempotency {
        let _ = writeln!(page, "  once   {}", once_line(once));
    }
    let _ = writeln!(page, "  cache  {}", cache_line(explanation));
    rules(&mut page, explanation, "response", widths);
    if !explanation.tags.is_empty() {
        let _ = writeln!(page, "  tags   {}", explanation.tags.join(", "));
    }
    let _ = writeln!(page, "  answer {}", answer_line(explanation));
    for header in &explanation.answer.headers {
        let _ = writeln!(page, "         {header}");
    }
    page
}

fn pad(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

fn rules(page: &mut String, explanation: &Explanation, phase: &str, widths: (usize, usize)) {
    let all = || explanation.rules.iter().filter(|rule| rule.phase == phase);
    let brief = all().count() > LISTED;
    let asked =
        |rule: &&Rule| matches!(rule.outcome, RuleOutcome::Matched | RuleOutcome::WouldMatch | RuleOutcome::NotMatched);
    for rule in all().filter(|rule| !brief || asked(rule)) {
        let (name, place) = (pad(&rule.name, widths.0), pad(&rule.place, widths.1));
        let _ = writeln!(page, "  rule   {name}  {place}  {}", rule_line(rule));
        for effect in &rule.effects {
            let _ = writeln!(page, "         {}  {}  {}", pad("", widths.0), pad("", widths.1), effect_line(effect));
        }
    }
    if brief {
        let unasked = all().filter(|rule| !asked(rule)).count();
        let _ = writeln!(page, "  rule   and {unasked} more that were not asked (--json lists them)");
    }
}

fn rule_line(rule: &Rule) -> String {
    let when = rule.when.as_deref().map_or_else(|| "always".to_owned(), one_line);
    let answer = rule.answer.as_ref().map(|answer| format!(" -> {answer}")).unwrap_or_default();
    let undone = rule.unanswered.as_ref().map(|why| format!("   [left undone: {why}]"));
    let stops = if rule.stops { "   [stops]" } else { undone.as_deref().unwrap_or_default() };
    match rule.outcome {
        RuleOutcome::Matched => format!("MATCH  {when}{answer}{stops}"),
        RuleOutcome::WouldMatch => format!("MATCH  {when}{answer}   [monitor: nothing follows]"),
        RuleOutcome::NotMatched => format!("no     {when}"),
        RuleOutcome::NotCandidate => format!("no     {when}   [index]"),
        RuleOutcome::OtherSite => "not for this site".to_owned(),
        RuleOutcome::Off => "off".to_owned(),
        RuleOutcome::NotReached => format!("not reached ({})", rule.unreached.as_deref().unwrap_or_default()),
    }
}

fn effect_line(effect: &Effect) -> String {
    let value = effect.value.as_ref().map(|value| format!(": {}", printable(value))).unwrap_or_default();
    let undone = effect.undone.as_ref().map(|why| format!("   [left undone: {why}]")).unwrap_or_default();
    format!("+ {}{value}{undone}", effect.does)
}

fn limit_line(limit: &Limit) -> String {
    let level = limit.level.zip(limit.burst).map(|(level, burst)| format!(", level {level:.1} of {burst}"));
    let bucket = format!("{}{}", limit.measure, level.unwrap_or_default());
    let wait = limit.wait_ms.map(|ms| format!(", waits {ms} ms")).unwrap_or_default();
    let remaining = limit.remaining.map(|remaining| format!(", {remaining} left")).unwrap_or_default();
    let beyond = limit.beyond.map(|beyond| format!(", at most {beyond:.2} beyond")).unwrap_or_default();
    let reset = limit.reset_ms.map(|ms| format!(", room again in {} s", ms.div_ceil(1000))).unwrap_or_default();
    match limit.outcome {
        LimitOutcome::NotApplicable => "not for this request".to_owned(),
        LimitOutcome::Admits => format!("admits   {bucket}{remaining}{wait}{beyond}"),
        LimitOutcome::Unlimited => "not for this key".to_owned(),
        LimitOutcome::Tags => format!("TAGS     {bucket}{reset}{beyond}"),
        LimitOutcome::Unkeyed => "REFUSES  a part of its key is missing   [stops]".to_owned(),
        LimitOutcome::Refuses => format!("REFUSES  {bucket}{reset}{beyond}   [stops]"),
        LimitOutcome::WouldRefuse => format!("REFUSES  {bucket}{reset}{beyond}   [monitor: nothing follows]"),
        LimitOutcome::Partitioned => "REFUSES  too few POPs are heard   [stops]".to_owned(),
        LimitOutcome::Uncounted => "does not count it: its table has no room".to_owned(),
        LimitOutcome::NotReached => format!("not reached ({})", limit.unreached.as_deref().unwrap_or_default()),
    }
}

fn once_line(once: &Idempotency) -> String {
    let by = format!("   by policy {} ({})", once.policy.name, once.policy.place);
    let home = once.home.as_ref().map(|home| format!(", its home is {home}")).unwrap_or_default();
    match (&once.key, &once.because) {
        (Some(key), _) => format!("key {}{home}{by}", key.get(..16).unwrap_or(key)),
        (None, because) => format!("no key ({}){by}", because.as_deref().unwrap_or("unknown")),
    }
}

fn cache_line(explanation: &Explanation) -> String {
    let cache = &explanation.cache;
    let ruled = cache.policy.as_ref().map(|policy| format!("   ({policy})")).unwrap_or_default();
    let matched =
        cache.matched.as_ref().map(|of| format!("   by policy {} ({})", of.name, of.place)).unwrap_or_default();
    let policy = ruled + &matched;
    match (cache.outcome, &cache.key) {
        (CacheOutcome::Asked, Some(key)) => {
            let query = key.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
            let origin = key.origin.as_ref().map(|origin| format!(" of origin {origin}")).unwrap_or_default();
            let by = if key.varies_by.is_empty() { String::new() } else { format!(" by {}", key.varies_by.join(", ")) };
            format!("looked up as {}://{}{}{query}{by}{origin}{policy}", key.scheme, key.authority, key.path)
        }
        (CacheOutcome::NotReached, _) => "not reached".to_owned(),
        _ => format!("not asked ({}){policy}", cache.because.as_deref().unwrap_or("unknown")),
    }
}

fn answer_line(explanation: &Explanation) -> String {
    let answer = &explanation.answer;
    let because = answer.because.as_ref().map(|because| format!(" ({because})")).unwrap_or_default();
    let status = answer.status.map(|status| format!("{status} ")).unwrap_or_default();
    match answer.by {
        By::Closed => format!("none: the connection is closed{because}"),
        By::Edge => {
            let location = answer.location.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
            format!("{status}by the edge{because}{location}")
        }
        By::Origin => {
            let (origin, path) = (answer.origin.as_deref(), answer.path.as_deref());
            let who = if explanation.cache.outcome == CacheOutcome::Asked { "cache or origin" } else { "origin" };
            let is_stored = answer.shielded && explanation.cache.outcome == CacheOutcome::Asked;
            let through = if is_stored { " through its shield" } else { "" };
            format!("{status}by {who} {}{through}, which sees {}", origin.unwrap_or(""), path.unwrap_or(""))
        }
    }
}

/// An expression in one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
