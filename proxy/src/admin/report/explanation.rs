//! An explanation as the admin socket and `selvedge explain --json` say it: every rule, counter and limit of the config by name and
//! place, with what came of it.

use serde::{Deserialize, Serialize};

/// A request that nobody sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// An absolute URL.
    pub url: String,
    /// Header fields, names and values.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body, for form fields.
    #[serde(default)]
    pub body: String,
    /// The client.
    #[serde(default = "nobody")]
    pub client_ip: std::net::IpAddr,
    /// The other end of the connection, when a trusted proxy speaks for the client; the client itself when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_ip: Option<std::net::IpAddr>,
    /// The status of the origin's response, if the rules for responses are asked too.
    #[serde(default)]
    pub status: Option<u16>,
}

fn get() -> String {
    "GET".to_owned()
}

fn nobody() -> std::net::IpAddr {
    [127, 0, 0, 1].into()
}

/// What would come of a request, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The request.
    pub request: Ask,
    /// The host as sites and rules see it.
    pub host: String,
    /// The path as rules, cache and origin see it.
    pub path: String,
    /// The POP.
    pub pop: String,
    /// The config's revision.
    pub revision: String,
    /// Node time, ms since the Unix epoch.
    pub at: u64,
    /// The site's pattern, if one serves the host.
    pub site: Option<String>,
    /// The ban that holds, if one does.
    pub ban: Option<Ban>,
    /// What its cookie comes to, where its site has sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionMet>,
    /// Each rule, in file order.
    pub rules: Vec<Rule>,
    /// Each limit, in file order.
    pub limits: Vec<Limit>,
    /// The counters that would count it by themselves.
    pub counters: Vec<Named>,
    /// The uniques that would see it by themselves.
    pub uniques: Vec<Named>,
    /// What the cache would do.
    pub cache: Cache,
    /// What runs it once, where a policy is for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<Idempotency>,
    /// The tags it has in the end.
    pub tags: Vec<String>,
    /// The answer.
    pub answer: Answer,
}

/// How a request is run once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// The policy.
    pub policy: Named,
    /// Why it is not: `missing`, and refused where a key is required, or `malformed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// What its key is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The POP that answers for the key; not known from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
}

/// A request and its session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionMet {
    /// fresh, behind, absent, or why it is not valid.
    pub standing: String,
    /// How long a request would wait for what is missing, ms; 0 when nobody can be asked for it.
    pub wait_ms: u64,
}

/// A request that was answered, found by its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// The POP that answered it.
    pub pop: String,
    /// The request, and what was decided about it then.
    pub then: crate::witness::Verdict,
    /// What would come of the same request now: on this moment's state and config, without its body and its secrets, which are not
    /// remembered.
    pub now: Option<Explanation>,
    /// Why that cannot be said, if it cannot.
    pub unexplained: Option<String>,
}

/// Something of the config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Where it is written, `file:line`.
    pub place: String,
}

/// A ban that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Why.
    pub reason: String,
    /// Until it ends, ms.
    pub remaining_ms: u64,
}

/// What came of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Where it is written, `file:line`.
    pub place: String,
    /// When it is asked: connection, request or response.
    pub phase: String,
    /// Its condition, as it is written.
    pub when: Option<String>,
    /// Whether it matched.
    pub outcome: RuleOutcome,
    /// Why it was not reached, if it was not.
    pub unreached: Option<String>,
    /// What it does beside answering, when it matched.
    pub effects: Vec<Effect>,
    /// Its answer when it matched, such as `deny 404`.
    pub answer: Option<String>,
    /// Why its answer was not given, if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<String>,
    /// Whether its answer ended the evaluation.
    pub stops: bool,
}

/// Whether a rule matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleOutcome {
    /// It matched, and what it says is done.
    Matched,
    /// It matched in monitor mode.
    WouldMatch,
    /// Its condition does not hold.
    NotMatched,
    /// The index shows that its condition does not hold; it was not asked.
    NotCandidate,
    /// It is for other sites.
    OtherSite,
    /// It is off.
    Off,
    /// It was not reached.
    NotReached,
}

/// One effect of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// What it does, as the config says it.
    pub does: String,
    /// The text that its expression made, if it has one.
    pub value: Option<String>,
    /// Why it was left undone, if it was.
    pub undone: Option<String>,
}

/// What came of one limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Its name.
    pub name: String,
    /// Where it is written, `file:line`.
    pub place: String,
    /// What it said.
    pub outcome: LimitOutcome,
    /// Why it was not reached, if it was not.
    pub unreached: Option<String>,
    /// The bucket's backlog before this request, requests.
    pub level: Option<f64>,
    /// The depth of the first bucket, requests, if it has any.
    pub burst: Option<u32>,
    /// What is limited, as in the config: `20/1m burst 2`.
    pub measure: String,
    /// What is left after this request.
    pub remaining: Option<u64>,
    /// Until there is room again, or what was used is back, ms; absent where no time helps, or none is known.
    pub reset_ms: Option<u64>,
    /// How long the request waits, ms.
    pub wait_ms: Option<u64>,
    /// Requests beyond burst and rate that it may admit, by the slots that time arrivals, if it has a rate.
    pub beyond: Option<f64>,
}

/// What a limit said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitOutcome {
    /// It is for other sites, or its condition does not hold.
    NotApplicable,
    /// It lets the request through.
    Admits,
    /// It is not for this key.
    Unlimited,
    /// It has no room, and lets the request through with its tag.
    Tags,
    /// It refuses because a part of its key is missing.
    Unkeyed,
    /// It refuses.
    Refuses,
    /// It would refuse, but is in monitor mode.
    WouldRefuse,
    /// It refuses because peers cannot be heard.
    Partitioned,
    /// Its table has no room for the key.
    Uncounted,
    /// It was not reached.
    NotReached,
}

/// What the cache would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// Whether it is asked.
    pub outcome: CacheOutcome,
    /// Why not, if it is not.
    pub because: Option<String>,
    /// What the response is stored under, when it is asked.
    pub key: Option<CacheKey>,
    /// What a rule says of the response's lifetime.
    pub policy: Option<String>,
    /// The `[[cache]]` policy that is for the request, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<Named>,
}

/// Whether the cache is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheOutcome {
    /// It looks, and stores what may be stored.
    Asked,
    /// The request goes past it.
    Bypassed,
    /// The edge answered before.
    NotReached,
}

/// The parts of a cache key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheKey {
    /// http or https.
    pub scheme: String,
    /// Host, and port unless it is the scheme's own.
    pub authority: String,
    /// The path.
    pub path: String,
    /// What counts of the query, if anything does.
    pub query: Option<String>,
    /// The fields and cookies that a policy adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub varies_by: Vec<String>,
    /// The origin, if a rule chose another than the site's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Who makes it.
    pub by: By,
    /// Its status; not known when the origin makes it and none was given.
    pub status: Option<u16>,
    /// What decided it, such as `rule wp-probes`.
    pub because: Option<String>,
    /// Where it redirects to.
    pub location: Option<String>,
    /// The origin, when the cache has no answer.
    pub origin: Option<String>,
    /// Whether it is asked through another POP for what is to be stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shielded: bool,
    /// The path that the origin sees.
    pub path: Option<String>,
    /// Changes to the response's header, in order.
    pub headers: Vec<String>,
}

/// Who makes an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Nobody: the connection is closed before a request is read.
    Closed,
    /// The edge itself.
    Edge,
    /// Cache or origin.
    Origin,
}
