//! What would come of a request: what [`Filters::explain`] found, told by the names and places of the config.

use std::borrow::Cow;
use std::time::Duration;

use selvedge_conf::{self as conf, CacheAction, Config, Measure, Reply, RuleMode};
use selvedge_filters::cache::{Policy, Scheme, request_admits};
use selvedge_filters::session::Standing;
use selvedge_filters::{
    Decision, EffectRecord, Explanation, Filters, HeaderChange, LimitOutcome, LimitRecord, Quota, Reason, RuleId,
    RuleOutcome, RuleRecord, Undone, Verdict,
};
use selvedge_state::{Store, Time};

use super::reply::Response;
use super::said;
use crate::admin::report::explanation as report;
use crate::edge::{MadeUp, NoRequest, Words, own_status};

/// Explains a request that nobody sent on this state. Nothing is charged, counted or changed in any other way.
///
/// # Errors
/// [`NoRequest`] when it is none, or nothing would be decided about it.
pub fn explain(
    config: &Config,
    filters: &Filters,
    ask: &report::Ask,
    store: &Store,
    now: Time,
) -> Result<report::Explanation, NoRequest> {
    let words =
        Words { method: &ask.method, url: &ask.url, headers: &ask.headers, body: &ask.body, client: ask.client_ip };
    let made_up = MadeUp::new(&words, config)?.meeting(filters, store, now);
    let head = made_up.head();
    // The response depends on what is decided about the request.
    let asked = (&head, ask.peer_ip.unwrap_or(ask.client_ip).to_canonical());
    let decision = filters.explain(config, asked, None, store, now).decision;
    let origin = ask.status.map(|status| (status, http::HeaderMap::new()));
    let response = Response::to(filters, &decision, origin, asks_cache(filters, &made_up, &decision).is_ok());
    let reply = response.as_ref().map(Response::head);
    let found = filters.explain(config, asked, reply.as_ref(), store, now);
    let status = response.map(|response| response.status);
    let session = made_up.standing(filters, store, now);
    let told = Teller { config, filters, found: &found, made_up: &made_up, session }.tell(ask, status, now);
    let idempotency = once(filters, &made_up, &found, (store, now));
    Ok(report::Explanation { idempotency, ..told })
}

/// How a request that goes on is run once.
fn once(
    filters: &Filters,
    made_up: &MadeUp,
    found: &Explanation,
    (store, now): (&Store, Time),
) -> Option<report::Idempotency> {
    let site = found.site.filter(|_| own_status(&found.decision.verdict).is_none())?;
    let keyed = filters.keyed(&made_up.head(), (site, &found.decision.tags), store, now)?;
    let facts = filters.idempotency(keyed.policy)?.facts();
    let policy = report::Named { name: facts.name.clone(), place: said::place(&facts.place) };
    let (because, key) = match keyed.name {
        Ok(Some(name)) => (None, Some(name.to_string())),
        Ok(None) if facts.required => (Some("missing: it is refused".to_owned()), None),
        Ok(None) => (Some("missing: it goes on as any other".to_owned()), None),
        Err(_) => (Some("malformed: it is refused".to_owned()), None),
    };
    Some(report::Idempotency { policy, because, key, home: None })
}

/// Whether the cache is asked about a request with the changes that rules made.
///
/// # Errors
/// In a word, why not.
pub(crate) fn asks_cache(filters: &Filters, made_up: &MadeUp, decision: &Decision) -> Result<MadeUp, String> {
    if decision.changes.cache == Some(CacheAction::Pass) {
        return Err("a rule says so".to_owned());
    }
    if decision.policy.and_then(|id| filters.policy(id)).is_some_and(|policy| policy.passes()) {
        return Err("a policy says so".to_owned());
    }
    let changed = made_up.changed(&decision.changes).map_err(|error| error.to_string())?;
    match request_admits(&changed.cached()) {
        Ok(_) => Ok(changed),
        Err(bypass) => Err(bypass.as_str().to_owned()),
    }
}

/// Everything that is known of one explanation.
#[derive(Clone, Copy)]
pub(super) struct Teller<'a> {
    pub(super) config: &'a Config,
    pub(super) filters: &'a Filters,
    pub(super) found: &'a Explanation,
    pub(super) made_up: &'a MadeUp,
    /// What its cookie comes to, and how long it would wait.
    pub(super) session: Option<(Standing, Duration)>,
}

impl<'a> Teller<'a> {
    pub(super) fn tell(self, ask: &report::Ask, status: Option<u16>, now: Time) -> report::Explanation {
        let Teller { config, found, made_up, .. } = self;
        let head = made_up.head();
        let named = |name: &str, place| report::Named { name: name.to_owned(), place: said::place(place) };
        let site = found.site.and_then(|site| config.sites.get(site.0));
        report::Explanation {
            request: ask.clone(),
            host: head.host.to_owned(),
            path: head.path.to_owned(),
            pop: config.pop.name.clone(),
            revision: config.revision.clone(),
            at: now.0,
            site: site.map(|site| site.host.to_string()),
            ban: match &found.decision.verdict {
                Verdict::Banned { ban, remaining, .. } => Some(report::Ban {
                    reason: ban.reason.to_string(),
                    remaining_ms: u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX),
                }),
                _ => None,
            },
            session: self.session.map(|(standing, wait)| report::SessionMet {
                standing: standing.as_str().to_owned(),
                wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            }),
            rules: found.rules.iter().filter_map(|record| self.rule(record)).collect(),
            limits: found.limits.iter().filter_map(|record| self.limit(record)).collect(),
            counters: found
                .counters
                .iter()
                .filter_map(|at| config.counters.get(*at))
                .map(|counter| named(&counter.name, &counter.place))
                .collect(),
            uniques: found
                .uniques
                .iter()
                .filter_map(|at| config.uniques.get(*at))
                .map(|unique| named(&unique.name, &unique.place))
                .collect(),
            cache: self.cache(),
            idempotency: None,
            tags: {
                let more = found.response.iter().flat_map(|response| &response.tags);
                found.decision.tags.iter().chain(more).map(|tag| tag.to_string()).collect()
            },
            answer: self.answer(status),
        }
    }

    fn rule(self, record: &RuleRecord) -> Option<report::Rule> {
        let rule = self.config.rules.get(record.rule.0)?;
        let matched = record.outcome == RuleOutcome::Matched;
        let effects = rule.effects.iter().zip(&record.effects).map(|(effect, came)| {
            let (value, undone) = match came {
                EffectRecord::Done(value) => (value.clone(), None),
                EffectRecord::Undone(Undone::Absent) => (None, Some("its value is absent".to_owned())),
                EffectRecord::Undone(Undone::NoRoom) => (None, Some("the state has no room for it".to_owned())),
                EffectRecord::Undone(Undone::NoSession) => (None, Some("the request has no session".to_owned())),
                EffectRecord::Undone(Undone::Invalid) => (None, Some("its value cannot be used".to_owned())),
            };
            report::Effect { does: said::effect(effect, self.config), value, undone }
        });
        let unanswered = match rule.answer {
            Some(Reply::Redirect(..)) if record.location.is_none() => Some("where to is absent, or no place"),
            Some(Reply::Challenge(_)) if !self.is_challenged(record.rule) => Some("the client has a pass"),
            _ => None,
        };
        let unanswered = unanswered.filter(|_| matched);
        Some(report::Rule {
            name: rule.name.clone(),
            place: said::place(&rule.place),
            phase: said::phase(rule.phase).to_owned(),
            when: rule.text.clone(),
            outcome: match record.outcome {
                RuleOutcome::Matched => report::RuleOutcome::Matched,
                RuleOutcome::WouldMatch => report::RuleOutcome::WouldMatch,
                RuleOutcome::NotMatched => report::RuleOutcome::NotMatched,
                RuleOutcome::NotCandidate => report::RuleOutcome::NotCandidate,
                RuleOutcome::OtherSite => report::RuleOutcome::OtherSite,
                RuleOutcome::Off => report::RuleOutcome::Off,
                RuleOutcome::NotReached(_) => report::RuleOutcome::NotReached,
            },
            unreached: match record.outcome {
                RuleOutcome::NotReached(reason) => Some(self.reason(reason)),
                _ => None,
            },
            effects: effects.collect(),
            answer: rule.answer.as_ref().filter(|_| matched || rule.mode == RuleMode::Monitor).map(|answer| {
                let to = record.location.as_ref().map(|to| format!(" to {to}"));
                format!("{}{}", said::answer(answer), to.unwrap_or_default())
            }),
            unanswered: unanswered.map(str::to_owned),
            stops: matched && rule.answer.is_some() && unanswered.is_none(),
        })
    }

    fn is_challenged(self, by: RuleId) -> bool {
        matches!(self.found.decision.verdict, Verdict::Challenged { rule, .. } if rule == by)
    }

    fn limit(self, record: &LimitRecord) -> Option<report::Limit> {
        let limit = self.filters.limit(record.limit)?;
        let facts = limit.facts();
        let quota = match &record.outcome {
            LimitOutcome::Admits(quota, _) | LimitOutcome::Refuses(quota) => Some(*quota),
            _ => None,
        };
        let measure = measure_of(&facts.measure, record, quota);
        let is_own = measure != facts.measure;
        Some(report::Limit {
            name: facts.name.clone(),
            place: said::place(&facts.place),
            outcome: match record.outcome {
                LimitOutcome::NotApplicable => report::LimitOutcome::NotApplicable,
                LimitOutcome::Admits(..) => report::LimitOutcome::Admits,
                LimitOutcome::Unlimited => report::LimitOutcome::Unlimited,
                LimitOutcome::Tags => report::LimitOutcome::Tags,
                LimitOutcome::Unkeyed => report::LimitOutcome::Unkeyed,
                LimitOutcome::Refuses(_) => report::LimitOutcome::Refuses,
                LimitOutcome::WouldRefuse => report::LimitOutcome::WouldRefuse,
                LimitOutcome::Partitioned => report::LimitOutcome::Partitioned,
                LimitOutcome::Uncounted => report::LimitOutcome::Uncounted,
                LimitOutcome::NotReached(_) => report::LimitOutcome::NotReached,
            },
            unreached: match record.outcome {
                LimitOutcome::NotReached(reason) => Some(self.reason(reason)),
                _ => None,
            },
            level: record.bucket.map(|(_, level)| level),
            burst: measure.tiers().first().map(|tier| tier.burst),
            measure: measure.text(),
            remaining: quota.map(|quota| quota.remaining),
            reset_ms: quota.and_then(|quota| quota.reset).map(millis),
            wait_ms: match record.outcome {
                LimitOutcome::Admits(_, wait) if !wait.is_zero() => Some(millis(wait)),
                _ => None,
            },
            beyond: limit.bound().filter(|_| !is_own).map(|bound| bound.beyond(0.0, Duration::ZERO)),
        })
    }

    fn reason(self, reason: Reason) -> String {
        match reason {
            Reason::Rule(rule) => self.rule_name(rule),
            Reason::Limit(limit) => {
                format!("limit {}", self.config.limits.get(limit.0).map_or("", |limit| limit.name.as_str()))
            }
            Reason::Banned => "the client is banned".to_owned(),
            Reason::NoSite => "no site serves the host".to_owned(),
            Reason::NoResponse => "no response was given".to_owned(),
            Reason::FormTooLong => "the form is too long to be read".to_owned(),
        }
    }

    fn rule_name(self, rule: RuleId) -> String {
        format!("rule {}", self.config.rules.get(rule.0).map_or("", |rule| rule.name.as_str()))
    }

    fn cache(self) -> report::Cache {
        let decision = &self.found.decision;
        let policy = decision.changes.cache.as_ref().map(said::policy);
        let of = decision.policy.and_then(|id| self.filters.policy(id));
        let asked = asks_cache(self.filters, self.made_up, decision);
        let (outcome, because, key) = match (own_status(&decision.verdict), asked) {
            (Some(_), _) => (report::CacheOutcome::NotReached, None, None),
            (None, Err(because)) => (report::CacheOutcome::Bypassed, Some(because), None),
            (None, Ok(changed)) => {
                (report::CacheOutcome::Asked, None, Some(key(&changed, self.rerouted(), of.map(|of| &**of))))
            }
        };
        let matched = of.filter(|_| outcome != report::CacheOutcome::NotReached).map(|of| {
            let facts = of.facts();
            report::Named { name: facts.name.clone(), place: said::place(&facts.place) }
        });
        report::Cache { outcome, because, key, policy, matched }
    }

    /// The origin that a rule chose, if it is another than the site's.
    fn rerouted(self) -> Option<&'a str> {
        let own = self.found.site.and_then(|site| self.config.sites.get(site.0)).map(|site| site.origin);
        let chosen = self.found.decision.changes.origin.filter(|chosen| Some(*chosen) != own)?;
        self.config.origins.get(chosen).map(|origin| origin.name.as_str())
    }

    fn answer(self, status: Option<u16>) -> report::Answer {
        let Decision { verdict, changes, .. } = &self.found.decision;
        let more = self.found.response.iter().flat_map(|response| &response.headers);
        let headers = lasting(changes.response.iter().chain(more)).into_iter().map(change).collect();
        let edge = |because: Option<String>| report::Answer {
            by: report::By::Edge,
            status,
            because,
            location: None,
            origin: None,
            shielded: false,
            path: None,
            headers,
        };
        if let Some(rule) = self.found.connection.closed_by {
            let because = Some(self.rule_name(rule));
            return report::Answer { by: report::By::Closed, status: None, headers: Vec::new(), ..edge(because) };
        }
        match verdict {
            Verdict::NoSite => edge(Some("no site serves the host".to_owned())),
            Verdict::FormTooLong { .. } => edge(Some(self.reason(Reason::FormTooLong))),
            Verdict::Banned { ban, .. } => edge(Some(format!("ban: {}", ban.reason))),
            Verdict::Denied { rule, .. } | Verdict::Challenged { rule, .. } => edge(Some(self.rule_name(*rule))),
            Verdict::Redirected { rule, location, .. } => {
                report::Answer { location: Some(location.clone()), ..edge(Some(self.rule_name(*rule))) }
            }
            Verdict::Limited { quota, .. } => edge(Some(self.reason(Reason::Limit(quota.limit)))),
            Verdict::Partitioned { limit, .. } | Verdict::Unkeyed { limit, .. } => {
                edge(Some(self.reason(Reason::Limit(*limit))))
            }
            Verdict::Pass(site) | Verdict::FormUnread { site } => {
                let own = self.config.sites.get(site.0).map(|site| site.origin);
                let origin = changes.origin.or(own).and_then(|at| self.config.origins.get(at));
                report::Answer {
                    by: report::By::Origin,
                    origin: origin.map(|origin| origin.name.clone()),
                    shielded: origin.is_some_and(|origin| origin.shield),
                    path: Some(changes.path.clone().unwrap_or_else(|| self.made_up.head().path.to_owned())),
                    ..edge(None)
                }
            }
        }
    }
}

fn key(made_up: &MadeUp, origin: Option<&str>, policy: Option<&Policy>) -> report::CacheKey {
    let key = made_up.key(origin);
    let counted = policy.map_or(key.query.map(Cow::Borrowed), |policy| policy.key().counted(key.query));
    report::CacheKey {
        scheme: Scheme::as_str(key.scheme).to_owned(),
        authority: key.authority.to_owned(),
        path: key.path.to_owned(),
        query: counted.map(Cow::into_owned),
        origin: key.origin.map(str::to_owned),
        varies_by: policy.map(|policy| policy.varies().1).unwrap_or_default(),
    }
}

/// What is left of changes in the end: of each field the last one.
fn lasting<'c>(changes: impl Iterator<Item = &'c HeaderChange>) -> Vec<&'c HeaderChange> {
    let name = |change: &HeaderChange| match change {
        HeaderChange::Set(name, _) | HeaderChange::Remove(name) => name.clone(),
    };
    let mut lasting: Vec<&HeaderChange> = Vec::new();
    for change in changes {
        lasting.retain(|before| name(before) != name(change));
        lasting.push(change);
    }
    lasting
}

fn change(change: &HeaderChange) -> String {
    match change {
        HeaderChange::Set(name, value) => format!("{name}: {}", value.to_str().unwrap_or("")),
        HeaderChange::Remove(name) => format!("{name} removed"),
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// What was limited for the key of this request: the limit's measure, with the numbers of the key where it has its own.
fn measure_of(measure: &Measure, record: &LimitRecord, quota: Option<Quota>) -> Measure {
    match (measure, record.bucket, quota) {
        (Measure::Rates(tiers), Some((bucket, _)), _) if tiers.first() != Some(&bucket) => Measure::Rates(vec![bucket]),
        (Measure::Quota(written), _, Some(quota)) => {
            Measure::Quota(conf::Quota { amount: quota.allowed.amount, ..*written })
        }
        (Measure::InFlight(_), _, Some(quota)) => {
            Measure::InFlight(u32::try_from(quota.allowed.amount).unwrap_or(u32::MAX))
        }
        _ => measure.clone(),
    }
}
