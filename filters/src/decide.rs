//! The entries: a connection, a request, a response. One order for all: what is in the state already (bans), rules in file order,
//! limits in file order; then everything is written at once.
//!
//! Bans come first and nothing lifts them. Conditions of rules, limits, counters and uniques are all asked before anything is
//! charged or counted, so they see the state as the request found it; request-phase counters and uniques then count every request
//! that has a site and is not banned, whatever became of it.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use selvedge_conf::Config;
use selvedge_conf::expr::Phase;
use selvedge_state::{Key, ListId, Store, TableFull, TableId, Time};

use crate::affinity::Affinities;
use crate::ban;
use crate::cache::{KeyShape, Policies, Policy, PolicyId};
use crate::challenge::Challenge;
use crate::changes::Changes;
use crate::decision::{ConnectionDecision, Decision, Quota, ResponseDecision, Verdict};
use crate::explain::{Explanation, Note, Noting};
use crate::form::{self, Form, FormNeed};
use crate::hand::{Doing, Hand};
use crate::head::Head;
use crate::idempotency::{self, IdempotencyId, Keyed};
use crate::ledger::{Ledger, Marks};
use crate::limit::{Holds, Limit, LimitId, Outcome, Till};
use crate::purge::Pass;
use crate::reply::Reply;
use crate::rule::Context;
use crate::ruleset::{Answered, Findings, Indexing, RuleId, Ruleset};
use crate::session::{Shape, Shapes};
use crate::site::{SiteId, Sites};
use crate::tables::Tables;

/// The filters of one config, compiled. Replaced whole when the config changes.
#[derive(Debug)]
pub struct Filters {
    sites: Sites,
    ledger: Ledger,
    tables: Tables,
    connection: Ruleset,
    request: Ruleset,
    response: Ruleset,
    policies: Policies,
    affinities: Affinities,
    passes: Vec<Pass>,
    sessions: Shapes,
    idempotencies: idempotency::Policies,
    counts_requests: bool,
    counts_responses: bool,
    reads_form: bool,
    reads_form_later: bool,
}

impl Filters {
    /// Compiles a config's filters and makes their tables in the store.
    ///
    /// # Errors
    /// [`TableFull`] when the store has no room for another table.
    pub fn new(config: &Config, tables: Tables, store: &Store) -> Result<Filters, TableFull> {
        Filters::with(Indexing::On, config, tables, store)
    }

    /// The same, with or without the index over the rules: they decide alike, which tests hold and benches time.
    ///
    /// # Errors
    /// [`TableFull`] when the store has no room for another table.
    pub fn with(indexing: Indexing, config: &Config, tables: Tables, store: &Store) -> Result<Filters, TableFull> {
        let ledger = Ledger::new(config, store)?;
        let rules = |phase| Ruleset::new(config, phase, indexing);
        Ok(Filters {
            sites: Sites::new(&config.sites),
            connection: rules(Phase::Connection),
            request: rules(Phase::Request),
            response: rules(Phase::Response),
            policies: Policies::new(&config.caches),
            affinities: Affinities::new(config),
            passes: Pass::all(config, store)?,
            sessions: Shapes::new(config, &tables.session_keys),
            idempotencies: idempotency::Policies::new(&config.idempotencies, &config.sites),
            counts_requests: ledger.counts_in(Phase::Request),
            counts_responses: ledger.counts_in(Phase::Response),
            reads_form: form::is_read(config, |_| true),
            reads_form_later: form::is_read(config, |phase| phase == Phase::Response),
            ledger,
            tables,
        })
    }

    /// The config is in force from now on: what nodes share out among them is what it says, and what peers tell drains at its rates. One that is
    /// only looked at changes nothing.
    pub fn begin(&self, store: &Store, now: Time) {
        self.limits().iter().for_each(|limit| limit.begin(store, now));
        self.passes.iter().for_each(|pass| pass.begin(store));
    }

    /// Takes note of what was said of keys of limits at run time. To be called when something of the kind was
    /// [heard](Store::registers_heard): what peers count at a rate that is not known here is not taken.
    pub fn heed(&self, store: &Store, now: Time) {
        self.limits().iter().for_each(|limit| limit.heed(store, now));
    }

    /// What tokens may purge, in file order.
    pub fn passes(&self) -> &[Pass] {
        &self.passes
    }

    /// The sessions of a site, and the name of that.
    pub fn session(&self, site: SiteId) -> Option<(&Shape, &str)> {
        self.sessions.of(site)
    }

    /// The limits in file order.
    pub fn limits(&self) -> &[Limit] {
        self.ledger.limits()
    }

    /// One limit.
    pub fn limit(&self, id: LimitId) -> Option<&Limit> {
        self.limits().get(id.0)
    }

    /// The limit of that name.
    pub fn limit_named(&self, name: &str) -> Option<&Limit> {
        self.limits().iter().find(|limit| limit.facts().name == name)
    }

    /// One cache policy.
    pub fn policy(&self, id: PolicyId) -> Option<&Arc<Policy>> {
        self.policies.get(id)
    }

    /// The cache policy of that name.
    pub fn policy_named(&self, name: &str) -> Option<&Arc<Policy>> {
        self.policies.named(name)
    }

    /// One idempotency policy.
    pub fn idempotency(&self, id: IdempotencyId) -> Option<&idempotency::Policy> {
        self.idempotencies.get(id)
    }

    /// Which idempotency policy is for a request to a site that goes on, with the tags that it was given; and what its key is called.
    pub fn keyed(
        &self,
        head: &Head<'_>,
        (site, tags): (SiteId, &[Arc<str>]),
        store: &Store,
        now: Time,
    ) -> Option<Keyed> {
        if self.idempotencies.is_empty() {
            return None;
        }
        let tags = tags.iter().map(|tag| &**tag).collect();
        self.idempotencies.find(site, &self.context(head, None, tags, (store, now)))
    }

    /// Each key that responses are stored under, once: that of no policy, and those of policies.
    pub fn cache_keys(&self) -> &[KeyShape] {
        self.policies.keys()
    }

    /// Whether a cache policy has responses stored in slices.
    pub fn has_slices(&self) -> bool {
        self.policies.have_slices()
    }

    /// Where a counter counts, by its place in the config, and the key that these values make, if there are any.
    ///
    /// # Errors
    /// In words, when there is no such counter, or the values do not fit its key.
    pub fn counter(&self, at: usize, values: &[String], store: &Store) -> Result<(TableId, Option<Key>), String> {
        self.ledger.counter(at, values, store)
    }

    /// Where the store keeps what is said at run time of a list, by the list's place in the config.
    pub fn list(&self, at: usize) -> Option<ListId> {
        self.ledger.list(at)
    }

    /// The site that serves a host, for requests that are not decided about anew (a cache's revalidation).
    pub fn site(&self, host: &str) -> Option<SiteId> {
        self.sites.find(host)
    }

    /// Whether anything reads fields of a form.
    pub fn reads_form(&self) -> bool {
        self.reads_form
    }

    /// Whether [`connect`](Filters::connect) has anything to ask.
    pub fn has_connection_rules(&self) -> bool {
        !self.connection.is_empty()
    }

    /// Decides about a client's connection. Bans are not asked: a banned client gets an answer that says so.
    pub fn connect(&self, client: IpAddr, store: &Store, now: Time) -> ConnectionDecision {
        self.connection(client, store, now, &mut Doing)
    }

    /// Decides about a request, charges what it costs and counts it.
    pub fn decide(&self, head: &Head<'_>, store: &Store, now: Time) -> Decision {
        self.request(head, store, now, &mut Doing)
    }

    /// Decides about a response to a request for a site, with the tags that the request was given, and settles what the request holds of limits that
    /// count by the response; `None` when nothing else follows.
    pub fn respond(
        &self,
        head: &Head<'_>,
        (site, tags, holds): (SiteId, &[Arc<str>], &mut Holds),
        reply: &Reply<'_>,
        store: &Store,
        now: Time,
    ) -> Option<ResponseDecision> {
        if self.response.is_empty() && !self.counts_responses && holds.is_empty() {
            return None;
        }
        let found = self.response(head, (site, tags, holds), reply, store, now, &mut Doing);
        Some(found).filter(|found| !found.is_nothing())
    }

    /// A request is over that holds something of limits: whatever is left of it is settled or given back. Its response had a body of so many bytes.
    pub fn end(&self, holds: Holds, bytes: u64, store: &Store, now: Time) {
        holds.end(self.limits(), Some(bytes), store, &mut Doing, now);
    }

    /// A request is gone, and nobody knows how long its response became: what was taken of a quota of bytes for it is used. All else is settled or
    /// given back.
    pub fn abandon(&self, holds: Holds, store: &Store, now: Time) {
        holds.end(self.limits(), None, store, &mut Doing, now);
    }

    /// What would be decided about a request, and about its response if there is one, and why. Nothing is charged or counted, or
    /// changed in any other way. `config` is the one that the filters were made of, `peer` the other end of the connection.
    pub fn explain(
        &self,
        config: &Config,
        (head, peer): (&Head<'_>, IpAddr),
        reply: Option<&Reply<'_>>,
        store: &Store,
        now: Time,
    ) -> Explanation {
        let mut noting = Noting::default();
        let connection = self.connection(peer, store, now, &mut noting);
        let mut decision = self.request(head, store, now, &mut noting);
        // Nothing was taken, so nothing is held.
        let mut holds = std::mem::take(&mut decision.holds);
        let site = self.sites.find(head.host);
        // A ban keeps a request from the rules about requests; its answer is a response like any other.
        let response = site.zip(reply).map(|(site, reply)| {
            self.response(head, (site, &decision.tags, &mut holds), reply, store, now, &mut noting)
        });
        Explanation::new(config, site, (connection, decision, response), noting.into_notes())
    }

    /// How clients are challenged, where rules may.
    pub fn challenge(&self) -> Option<&Challenge> {
        self.tables.challenge.as_deref()
    }

    /// How many bits the puzzle had for which a client has a pass; `None` when it has none.
    pub fn passed(&self, head: &Head<'_>, store: &Store, now: Time) -> Option<u8> {
        self.context(head, None, Vec::new(), (store, now)).passed()
    }

    /// What is counted and listed.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What rules look up.
    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The rules that the index cannot look up, in file order: each request, or connection or response, asks them. Rules that
    /// are off are not among them.
    pub fn unindexed(&self) -> Vec<RuleId> {
        let phases = [&self.connection, &self.request, &self.response];
        let mut rules: Vec<RuleId> = phases.into_iter().flat_map(Ruleset::unindexed).collect();
        rules.sort_unstable();
        rules
    }

    /// What an expression may look at that is asked about a request, and perhaps its response, beside those of the config: the same
    /// as the config's own.
    pub fn context<'a>(
        &'a self,
        head: &Head<'a>,
        reply: Option<&Reply<'a>>,
        tags: Vec<&'a str>,
        (store, now): (&'a Store, Time),
    ) -> Context<'a> {
        let context = Context::new(*head, reply.copied(), &self.tables, &self.ledger, store, now);
        context.tags.replace(tags);
        context
    }

    fn connection(&self, client: IpAddr, store: &Store, now: Time, hand: &mut impl Hand) -> ConnectionDecision {
        if self.connection.is_empty() {
            return ConnectionDecision::default();
        }
        let headers = HeaderMap::new();
        let head = Head::plain("", "", "", &headers, client);
        let context = self.context(&head, None, Vec::new(), (store, now));
        let mut findings = Findings::default();
        let answered = self.connection.ask(None, &context, &self.ledger, &mut findings, hand);
        findings.settle(&context, hand);
        let closed_by = match answered {
            Some(Answered::Denied(rule, _) | Answered::Redirected(rule, _, _)) => Some(rule),
            // No connection is challenged.
            Some(Answered::Challenged(..) | Answered::Allowed(_)) | None => None,
        };
        let Findings { changes, fired, monitored, undone, .. } = findings;
        ConnectionDecision { closed_by, fired, monitored, undone, logged: changes.logged }
    }

    fn request(&self, head: &Head<'_>, store: &Store, now: Time, hand: &mut impl Hand) -> Decision {
        let site = self.sites.find(head.host);
        if let Some(banned) = ban::banned(head.client_net(), site, store, now) {
            return Decision::of(banned);
        }
        let Some(site) = site else { return Decision::of(Verdict::NoSite) };
        let context = self.context(head, None, Vec::new(), (store, now));
        let mut findings = Findings::default();
        let answered = self.request.ask(Some(site), &context, &self.ledger, &mut findings, hand);
        if let Some(answered) = &answered {
            hand.note(|| Note::Ended(answered.rule()));
        }
        // Everything is asked before anything is charged.
        let limits = answered.is_none().then(|| self.ledger.limits_for(site, &context));
        let is_refused = answered.as_ref().is_some_and(Answered::refuses);
        let policy = if is_refused { None } else { self.policies.find(site, &context) };
        let affinity = if is_refused { None } else { self.affinities.key(site, findings.changes.origin, &context) };
        let due = self.counts_requests.then(|| self.ledger.due(Phase::Request, site, &context));
        if let Some(verdict) = self.form_first(site, &context, answered.as_ref()) {
            return Decision::of(verdict);
        }
        let mut decision = Decision::of(match answered {
            Some(Answered::Denied(rule, status)) => Verdict::Denied { site, rule, status },
            Some(Answered::Redirected(rule, status, location)) => Verdict::Redirected { site, rule, status, location },
            Some(Answered::Challenged(rule, bits)) => Verdict::Challenged { site, rule, bits },
            Some(Answered::Allowed(_)) | None => Verdict::Pass(site),
        });
        decision.policy = policy;
        decision.affinity = affinity;
        let mut limit_tags = Vec::new();
        if let Some(limits) = limits {
            self.charge(&limits, site, &context, (&mut decision, &mut limit_tags), hand);
        }
        findings.settle(&context, hand);
        if let Some(due) = due {
            self.ledger.count_due(&due, &context, hand);
        }
        decision.changes = findings.changes;
        decision.tags = findings.tags;
        let new = |tag: &Arc<str>| !decision.tags.contains(tag);
        limit_tags.retain(new);
        decision.tags.append(&mut limit_tags);
        decision.fired = findings.fired;
        decision.monitored = findings.monitored;
        decision.undone = findings.undone;
        decision
    }

    /// Whether the form has to be there before anything is decided. What is refused anyway needs none that is too long.
    fn form_first(&self, site: SiteId, context: &Context<'_>, answered: Option<&Answered>) -> Option<Verdict> {
        let refused = answered.is_some_and(Answered::refuses);
        match (context.head.form, context.form_need()) {
            (Form::Unread, FormNeed::Glance | FormNeed::Fields) => Some(Verdict::FormUnread { site }),
            (Form::Unread, FormNeed::None) if self.reads_form_later => Some(Verdict::FormUnread { site }),
            (Form::TooLong, FormNeed::Fields) if !refused => Some(Verdict::FormTooLong { site }),
            _ => None,
        }
    }

    /// Charges the limits that a request is for, all or none.
    fn charge(
        &self,
        limits: &Marks,
        site: SiteId,
        context: &Context<'_>,
        (decision, tags): (&mut Decision, &mut Vec<Arc<str>>),
        hand: &mut impl Hand,
    ) {
        let mut till = Till::new(limits.count());
        for (index, limit) in limits.among(self.ledger.limits()) {
            let id = LimitId(index);
            let outcome = limit.take(&mut till, context, hand);
            hand.note(|| Note::Limit(id, outcome.clone()));
            match outcome {
                Outcome::Uncounted => decision.uncounted = decision.uncounted.or(Some(id)),
                Outcome::Admitted { quota, wait } if limit.is_enforced() => {
                    decision.quotas.push(quota);
                    if wait > decision.wait {
                        (decision.wait, decision.waits_by) = (wait, Some(quota));
                    }
                }
                Outcome::Admitted { .. } | Outcome::Unlimited => {}
                Outcome::WouldRefuse => decision.would_refuse.push(id),
                Outcome::Tagged => {
                    decision.tagged_by = decision.tagged_by.or(Some(id));
                    tags.extend(limit.tag().cloned());
                }
                Outcome::Refused { quota, penalty } => {
                    till.give_back(context, hand);
                    return decision.limited(site, (quota, limit.status()), penalty);
                }
                Outcome::Partitioned => {
                    till.give_back(context, hand);
                    return decision.refused(Verdict::Partitioned { site, limit: id });
                }
                Outcome::Unkeyed => {
                    till.give_back(context, hand);
                    return decision.refused(Verdict::Unkeyed { site, limit: id });
                }
            }
        }
        match till.pay(self.ledger.limits(), context, hand) {
            Ok(holds) => decision.holds = holds,
            Err((limit, quota)) => return decision.limited(site, (quota, limit.status()), None),
        }
        // The earlier limit wins a tie.
        decision.quotas.sort_by_key(Quota::requests_left);
    }

    fn response(
        &self,
        head: &Head<'_>,
        (site, tags, holds): (SiteId, &[Arc<str>], &mut Holds),
        reply: &Reply<'_>,
        store: &Store,
        now: Time,
        hand: &mut impl Hand,
    ) -> ResponseDecision {
        let tags = tags.iter().map(|tag| &**tag).collect();
        let context = self.context(head, Some(reply), tags, (store, now));
        let mut findings = Findings::default();
        // Rules of this phase have no answers, so all of them are asked.
        let _ = self.response.ask(Some(site), &context, &self.ledger, &mut findings, hand);
        let due = self.counts_responses.then(|| self.ledger.due(Phase::Response, site, &context));
        holds.settle(self.limits(), &context, hand);
        findings.settle(&context, hand);
        if let Some(due) = due {
            self.ledger.count_due(&due, &context, hand);
        }
        let Findings { changes, tags, fired, monitored, undone, .. } = findings;
        let Changes { response: headers, session, logged, .. } = changes;
        ResponseDecision { headers, session, tags, fired, monitored, undone, logged }
    }
}
