//! `GET /v1/cache?url=URL&header=NAME: VALUE`: what is stored of a URL, here and at every POP.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_RANGE;
use axum::response::{IntoResponse, Response};
use selvedge_filters::Decision;
use selvedge_filters::cache::{KeyParts, Policy, Reuse, Slice, Variation, Vary, vary};
use selvedge_filters::purge::tags;
use selvedge_state::PopId;
use tokio::task::JoinSet;

use super::asking::Asking;
use super::escape::escape;
use super::report::explanation::Named;
use super::report::{Cached, CachedAt, Missing, StoredResponse};
use super::server::{answer, aside, failure};
use super::{receipts, relay};
use crate::cache::{self, SHOWN_MAX, Shown, Wanted};
use crate::edge::{MadeUp, Words};
use crate::node::Node;
use crate::plan::Plan;
use crate::rehearse;

/// The most text of tags that one node tells, bytes: what it says must fit into an answer.
const TAGS_TEXT_MAX: usize = 96 * 1024;

/// What is asked for.
#[derive(Debug, Clone)]
struct Question {
    url: String,
    headers: Vec<(String, String)>,
}

impl Question {
    fn read(parts: Vec<(String, String)>) -> Result<Question, String> {
        let mut question = Question { url: String::new(), headers: Vec::new() };
        for (name, value) in parts {
            match name.as_str() {
                "url" => question.url = value,
                "header" => {
                    let (name, value) = value.split_once(':').ok_or("a header field is written 'name: value'")?;
                    question.headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                }
                unknown => return Err(format!("unknown parameter {unknown:?}")),
            }
        }
        Ok(question)
    }

    /// The same for another POP.
    fn path(&self) -> String {
        let headers =
            self.headers.iter().map(|(name, value)| format!("&header={}", escape(&format!("{name}: {value}"))));
        format!("/v1/cache?url={}{}", escape(&self.url), headers.collect::<String>())
    }
}

/// What is stored here, for other POPs.
pub(super) async fn here(State(node): State<Arc<Node>>, Asking(parts): Asking<Vec<(String, String)>>) -> Response {
    match Question::read(parts) {
        Ok(question) => answer(aside(move || local(&node, &question)).await, StatusCode::UNPROCESSABLE_ENTITY),
        Err(error) => failure(StatusCode::BAD_REQUEST, error),
    }
}

/// What is stored here and elsewhere, for the admin socket.
pub(super) async fn anywhere(State(node): State<Arc<Node>>, Asking(parts): Asking<Vec<(String, String)>>) -> Response {
    let question = match Question::read(parts) {
        Ok(question) => question,
        Err(error) => return failure(StatusCode::BAD_REQUEST, error),
    };
    let (near, asked) = (Arc::clone(&node), question.clone());
    match aside(move || local(&near, &asked)).await {
        Ok(here) => Json(everywhere(&node, here, &question).await).into_response(),
        Err(error) => failure(StatusCode::UNPROCESSABLE_ENTITY, error),
    }
}

async fn everywhere(node: &Arc<Node>, here: CachedAt, question: &Question) -> Cached {
    let mut cached = Cached { url: question.url.clone(), at: vec![here], missing: Vec::new() };
    let Some(links) = node.links.get() else { return cached };
    let mut asking = JoinSet::new();
    for pop in node.pops.others(node.me.pop) {
        let (node, path) = (Arc::clone(node), question.path());
        asking.spawn(async move { (pop, there(&node, pop, &path).await) });
    }
    while let Some(joined) = asking.join_next().await {
        match joined {
            Ok((_, Ok(at))) => cached.at.push(at),
            Ok((pop, Err(cause))) => cached.missing.push(Missing { pop: node.pops.name(pop), node: None, cause }),
            Err(_) => {}
        }
    }
    let known = cached.at.iter().map(|at| (at.pop.as_str(), at.node)).collect();
    let more = receipts::unasked(node, links, &known, &cached.missing);
    cached.missing.extend(more);
    if let Some((_, others)) = cached.at.split_first_mut() {
        others.sort_by(|a, b| (&a.pop, a.node).cmp(&(&b.pop, b.node)));
    }
    cached.missing.sort_by(|a, b| (&a.pop, a.node).cmp(&(&b.pop, b.node)));
    cached
}

async fn there(node: &Node, pop: PopId, path: &str) -> Result<CachedAt, String> {
    let links = node.links.get().ok_or_else(|| "this POP is alone".to_owned())?;
    let said = async { relay::ask(links, pop, path).await?.whole().await };
    let said = said.await.map_err(|unanswered| unanswered.to_string())?;
    serde_json::from_slice(&said).map_err(|error| format!("its answer cannot be read: {error}"))
}

/// What is stored here.
///
/// # Errors
/// In words, when nobody could ask for this.
fn local(node: &Node, question: &Question) -> Result<CachedAt, String> {
    let plan = node.plan.load();
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let words = Words { method: "GET", url: &question.url, headers: &question.headers, body: "", client };
    let made_up = MadeUp::new(&words, &plan.config).map_err(|error| error.to_string())?;
    let head = made_up.head();
    let found = plan.filters.explain(&plan.config, (&head, client), None, &node.store, node.clock.now());
    let changed = made_up.changed(&found.decision.changes).map_err(|error| error.to_string())?;
    let policy = found.decision.policy.and_then(|id| plan.filters.policy(id));
    let own = found.site.and_then(|site| plan.config.sites.get(site.0)).map(|site| site.origin);
    let rerouted = found.decision.changes.origin.filter(|chosen| Some(*chosen) != own);
    let origin = rerouted.and_then(|at| plan.config.origins.get(at)).map(|origin| origin.name.as_str());
    let parts = changed.key(origin);
    let slices = policy.map_or_else(Vec::new, |policy| slices(policy, &parts));
    let key = match (slices.first(), policy) {
        (Some(first), _) => first.clone(),
        (None, Some(policy)) => cache::cache_key_under(policy.key(), &parts),
        (None, None) => cache::cache_key(&parts),
    };
    let variation = Variation { policy: policy.map(|policy| &**policy), offered: crate::edge::offered(&plan) };
    let wanted = Wanted { key: &key, variation, headers: changed.cached().headers };
    let keys = [all_keys(&plan, &[made_up.key(None), changed.key(None)]), slices.clone()].concat();
    let look = node.cache.look(&keys, wanted);
    let mut text = TAGS_TEXT_MAX;
    let all = look.stored.len();
    let mut stored: Vec<_> =
        look.stored.iter().map(|shown| stored(&plan, shown)).take_while(|stored| fits(stored, &mut text)).collect();
    stored.sort_by_key(begins);
    Ok(CachedAt {
        pop: node.pops.name(node.me.pop),
        node: node.me.node,
        policy: policy.map(|policy| named(policy)),
        bypass: bypass(&plan, &made_up, &found.decision),
        more: look.more + all - stored.len(),
        stored,
        filling: look.filling,
    })
}

fn named(policy: &Policy) -> Named {
    let facts = policy.facts();
    Named { name: facts.name.clone(), place: rehearse::place(&facts.place) }
}

fn bypass(plan: &Plan, made_up: &MadeUp, decision: &Decision) -> Option<String> {
    match crate::edge::own_status(&decision.verdict) {
        Some(status) => Some(format!("the edge answers {status} itself")),
        None => rehearse::asks_cache(&plan.filters, made_up, decision).err(),
    }
}

/// All keys that responses of a URL may be stored under: those of each policy, and of each origin that rules may choose.
fn all_keys(plan: &Plan, parts: &[KeyParts<'_>]) -> Vec<pingora::cache::CacheKey> {
    let origins: Vec<Option<&str>> =
        [None].into_iter().chain(plan.config.origins.iter().map(|origin| Some(origin.name.as_str()))).collect();
    let under = |parts: KeyParts<'_>| {
        plan.filters.cache_keys().iter().map(move |key| cache::cache_key_under(key, &parts)).collect::<Vec<_>>()
    };
    let each = parts.iter().flat_map(|parts| origins.iter().map(move |origin| KeyParts { origin: *origin, ..*parts }));
    each.flat_map(under).collect()
}

/// The keys of the first slices of a response, where its policy has some. How many there are is known from what is stored alone.
fn slices(policy: &Policy, parts: &KeyParts<'_>) -> Vec<pingora::cache::CacheKey> {
    let Some(size) = policy.slice() else { return Vec::new() };
    let key = |nth: usize| {
        let slice = Slice::at((nth as u64).saturating_mul(size), size);
        cache::cache_key_of_slice(slice, policy.key(), parts)
    };
    (0..SHOWN_MAX).map(key).collect()
}

/// Where a slice begins; nowhere for what is whole.
fn begins(stored: &StoredResponse) -> Option<u64> {
    stored.range.as_deref()?.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

/// Whether there is room for what a response says of its tags.
fn fits(stored: &StoredResponse, room: &mut usize) -> bool {
    let texts = stored.tags.iter().chain(&stored.groups).chain(&stored.vary);
    let needed: usize = 512 + texts.map(|text| 2 * text.len() + 4).sum::<usize>();
    let left = room.checked_sub(needed);
    *room = left.unwrap_or(0);
    left.is_some()
}

fn stored(plan: &Plan, shown: &Shown) -> StoredResponse {
    let (meta, now) = (&shown.meta, SystemTime::now());
    let had = shown.policy.as_deref().and_then(|name| plan.filters.policy_named(name));
    let tags = tags(meta.headers(), had.map_or(&[], |policy| policy.tags())).unwrap_or_default();
    let text = |tag: &[u8]| tag.escape_ascii().to_string();
    let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    StoredResponse {
        chosen: shown.is_wanted,
        status: meta.response_header().status.as_u16(),
        bytes: shown.bytes as u64,
        range: meta.headers().get(CONTENT_RANGE).map(|range| String::from_utf8_lossy(range.as_bytes()).into_owned()),
        tier: shown.tier.as_str().to_owned(),
        age_s: now.duration_since(meta.epoch()).unwrap_or_default().as_secs(),
        fresh_s: match meta.fresh_until().duration_since(now) {
            Ok(left) => seconds(left.as_secs()),
            Err(over) => -seconds(over.duration().as_secs().max(1)),
        },
        validated: shown.reuse == Reuse::Validated,
        because: shown.grounds.map(|grounds| grounds.as_str().to_owned()),
        policy: shown.policy.clone(),
        stale_while_revalidate_s: meta.stale_while_revalidate_sec(),
        stale_if_error_s: shown.stale_if_error_s,
        stale_if_unreachable_s: meta.stale_if_error_sec(),
        vary: varies_by(meta.headers(), had.map(|policy| &**policy)),
        tags: tags.tags().map(text).collect(),
        groups: tags.groups().map(text).collect(),
        purged: shown.purged.map(|(reach, _)| reach.as_str().to_owned()),
        purged_at: shown.purged.and_then(|(_, at)| at).map(|at| at.0),
    }
}

/// The fields that tell a response from others of its URL, each once.
fn varies_by(headers: &http::HeaderMap, policy: Option<&Policy>) -> Vec<String> {
    let said = match vary(headers) {
        Vary::Fields(fields) => fields.iter().map(ToString::to_string).collect(),
        Vary::Any | Vary::TooWide => Vec::new(),
    };
    let (ignored, added) = policy.map(|policy| policy.varies()).unwrap_or_default();
    let mut known = HashSet::new();
    let all = said.into_iter().filter(|field| !ignored.contains(field)).chain(added);
    all.filter(|field| known.insert(field.clone())).collect()
}
