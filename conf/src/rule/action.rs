//! `do`: what follows when a rule holds. One table, its keys carried out in a fixed order, whatever the order in the file.

use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;

use super::challenge::RawChallenged;
use super::doing::Doing;
use super::revoke::RawRevoke;
use super::session::RawSessionAction;
use super::{EFFECTS_MAX, Effect, Reply};
use crate::expr::Phase;
use crate::finding::Check;
use crate::known::Known;
use crate::raw::{At, Choice, DurationText, Entries, Number, Text, Word};
use crate::value::Wrong;

/// `do` of a rule as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDo {
    /// The edge refuses with this status, 400 to 599; a connection is closed.
    pub(super) deny: Option<At<Number>>,
    /// The edge answers with a redirect, such as `{ to = '"https://" + request.host + request.path', status = 301 }`.
    pub(super) redirect: Option<At<RawRedirect>>,
    /// `true`: a client without a pass has to solve a puzzle first; or how hard a one, such as `{ difficulty = 20 }`.
    pub(super) challenge: Option<At<RawChallenged>>,
    /// `true`: no further rule and no limit is asked. Bans hold nevertheless.
    pub(super) allow: Option<At<bool>>,
    /// What cache and origin are asked instead, such as `{ path = '"/v2" + request.path' }`.
    pub(super) rewrite: Option<At<RawRewrite>>,
    /// Header fields that cache and origin see, such as `{ x-country = 'client.country' }`.
    pub(super) set_request_headers: Option<At<Entries<Text>>>,
    /// Header fields that cache and origin do not see, such as `["cookie"]`.
    pub(super) remove_request_headers: Option<At<Vec<At<Text>>>>,
    /// Header fields of the response to the client, such as `{ x-frame-options = '"DENY"' }`.
    pub(super) set_response_headers: Option<At<Entries<Text>>>,
    /// Header fields that the client does not see, such as `["server"]`.
    pub(super) remove_response_headers: Option<At<Vec<At<Text>>>>,
    /// The name of the origin that answers.
    pub(super) origin: Option<At<Text>>,
    /// What the cache does: `{ pass = true }`, or `{ ttl = "1h" }`.
    pub(super) cache: Option<At<RawCache>>,
    /// The client's network is banned at every POP, such as `{ for = "15m" }`.
    pub(super) ban: Option<At<RawBan>>,
    /// A value is in a list at every POP, such as `{ list = "crawlers", value = 'client.ip', for = "1h" }`.
    pub(super) list_add: Option<At<RawListed>>,
    /// A value is not in a list, such as `{ list = "crawlers", value = 'client.ip', for = "1h" }`.
    pub(super) list_remove: Option<At<RawListed>>,
    /// What becomes of the session of the request, such as `{ start = true, set = { user = 'request.form("user")' } }`.
    pub(super) session: Option<At<RawSessionAction>>,
    /// A user, a tenant or a token is revoked at every POP, such as `{ user = 'session["user"]' }`.
    pub(super) revoke: Option<At<RawRevoke>>,
    /// The name of the `[[counter]]` that counts this.
    pub(super) count: Option<At<Text>>,
    /// The name of the `[[unique]]` that counts this.
    pub(super) unique: Option<At<Text>>,
    /// Later rules, limits and the log see it in `request.tags`.
    pub(super) tag: Option<At<Text>>,
    /// `true`: the access log names the rule.
    pub(super) log: Option<At<bool>>,
}

/// `redirect` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRedirect {
    /// Where to, as an expression of type string.
    pub(super) to: At<Text>,
    /// 301, 302 (the default), 303, 307 or 308.
    pub(super) status: Option<At<Number>>,
}

/// `rewrite` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRewrite {
    /// The path, as an expression of type string; unchanged when absent.
    pub(super) path: Option<At<Text>>,
    /// The query without `?`, as an expression of type string; unchanged when absent.
    pub(super) query: Option<At<Text>>,
}

/// `cache` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCache {
    /// `true`: the cache is not asked and stores nothing, whatever another rule says of a lifetime.
    pub(super) pass: Option<At<bool>>,
    /// How long a response that may be stored is fresh, whatever it says itself.
    pub(super) ttl: Option<At<DurationText>>,
    /// How long it may be served stale while it is fetched anew. Default as the origin says.
    pub(super) stale_while_revalidate: Option<At<DurationText>>,
    /// How long it may stand in for an error. Default as the origin says.
    pub(super) stale_if_error: Option<At<DurationText>>,
}

/// `ban` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBan {
    /// How long.
    #[serde(rename = "for")]
    pub(super) length: At<DurationText>,
    /// Whom: `client.net` or `client.ip`, which both mean the client's network.
    pub(super) key: Option<At<Word<Banned>>>,
}

/// `list_add` and `list_remove` as they are written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawListed {
    /// The name of the list, which is one of addresses or of strings.
    pub(super) list: At<Text>,
    /// The value, as an expression: an ip or a cidr, or a string.
    pub(super) value: At<Text>,
    /// How long.
    #[serde(rename = "for")]
    pub(super) length: At<DurationText>,
}

/// Who is banned: bans are on client networks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Banned {
    Client,
}

impl Choice for Banned {
    const WORDS: &'static [(&'static str, Banned)] = &[("client.net", Banned::Client), ("client.ip", Banned::Client)];
}

/// How an action is written, of which a config has a value of another type.
pub(crate) fn written(key: &str) -> Option<&'static str> {
    Some(match key {
        "do" => "such as do = { deny = 403 }",
        "deny" => "it is a status: deny = 403",
        "redirect" => "such as redirect = { to = '\"https://www.example.com/\"' }",
        "rewrite" => "such as rewrite = { path = '\"/v2\" + request.path' }",
        "ban" => "such as ban = { for = \"15m\" }",
        "challenge" => "such as challenge = true, or challenge = { difficulty = 20 }",
        "allow" => "it is a switch: allow = true",
        "session" => "such as session = { start = true }",
        "revoke" => "such as revoke = { user = 'session[\"user\"]' }",
        _ => return None,
    })
}

const BEFORE_RESPONSE: &[Phase] = &[Phase::Connection, Phase::Request];
const REQUEST: &[Phase] = &[Phase::Request];
const FROM_REQUEST: &[Phase] = &[Phase::Request, Phase::Response];
const EVERY: &[Phase] = &[Phase::Connection, Phase::Request, Phase::Response];

/// One action that is written.
struct Action {
    name: &'static str,
    span: Range<usize>,
    /// Where it is possible.
    phases: &'static [Phase],
}

impl RawDo {
    /// The actions that are written, in the order of the file.
    fn actions(&self) -> Vec<Action> {
        fn action<T>(name: &'static str, written: &Option<At<T>>, phases: &'static [Phase]) -> Option<Action> {
            written.as_ref().map(|written| Action { name, span: written.span(), phases })
        }
        let all = [
            action("deny", &self.deny, BEFORE_RESPONSE),
            action("redirect", &self.redirect, REQUEST),
            action("challenge", &self.challenge, REQUEST),
            action("allow", &self.allow, BEFORE_RESPONSE),
            action("rewrite", &self.rewrite, REQUEST),
            action("set_request_headers", &self.set_request_headers, REQUEST),
            action("remove_request_headers", &self.remove_request_headers, REQUEST),
            action("set_response_headers", &self.set_response_headers, FROM_REQUEST),
            action("remove_response_headers", &self.remove_response_headers, FROM_REQUEST),
            action("origin", &self.origin, REQUEST),
            action("cache", &self.cache, REQUEST),
            action("ban", &self.ban, EVERY),
            action("list_add", &self.list_add, EVERY),
            action("list_remove", &self.list_remove, EVERY),
            action("session", &self.session, FROM_REQUEST),
            action("revoke", &self.revoke, FROM_REQUEST),
            action("count", &self.count, EVERY),
            action("unique", &self.unique, EVERY),
            action("tag", &self.tag, FROM_REQUEST),
            action("log", &self.log, EVERY),
        ];
        let mut actions: Vec<Action> = all.into_iter().flatten().collect();
        actions.sort_by_key(|action| action.span.start);
        actions
    }

    /// The effects in their order, and the answer. `phase` is `None` if it is wrong itself.
    pub(super) fn lower(
        &self,
        at: Range<usize>,
        phase: Option<Phase>,
        known: &Known,
        check: &mut Check<'_>,
    ) -> Option<(Vec<Effect>, Option<Reply>)> {
        let placed = self.placed(at.clone(), phase, check);
        let mut doing = Doing { phase: phase.unwrap_or(Phase::Response), known, check, effects: Vec::new() };
        let reply = doing.reply(self);
        doing.towards_origin(self);
        doing.towards_client(self);
        doing.state(self);
        doing.notes(self);
        let effects = doing.effects.into_iter().collect::<Option<Vec<Effect>>>()?;
        if effects.len() > EFFECTS_MAX {
            let message = format!("a rule with {} effects; at most {EFFECTS_MAX} are possible", effects.len());
            check.note(at, Wrong::new(message));
            return None;
        }
        placed?;
        Some((effects, reply?))
    }

    /// Notes a rule that does nothing, answers twice, or does what its phase cannot.
    fn placed(&self, at: Range<usize>, phase: Option<Phase>, check: &mut Check<'_>) -> Option<()> {
        let written = self.actions();
        if written.is_empty() {
            // What is done by a key that does not exist was noted.
            if !check.is_noted_within(&at) {
                check.note(at, Wrong::new("a rule that does nothing").advice("say what, such as do = { deny = 403 }"));
            }
            return None;
        }
        let mut placed = Some(());
        let mut answers =
            written.iter().filter(|action| matches!(action.name, "deny" | "redirect" | "challenge" | "allow"));
        if let (Some(first), Some(second)) = (answers.next(), answers.next()) {
            let message = format!("`{}` beside `{}`: a rule gives one answer", second.name, first.name);
            let wrong = Wrong::new(message).advice("write two rules; the first one that holds answers");
            check.note(second.span.clone(), wrong);
            placed = None;
        }
        for Action { name, span, phases } in &written {
            if let Some(phase) = phase.filter(|phase| !phases.contains(phase)) {
                let wrong = Wrong::new(format!("`{name}` is not possible in the {} phase", word(phase)));
                check.note(span.clone(), wrong.help(possible(phases)));
                placed = None;
            }
        }
        placed
    }
}

/// The word for a phase, as configs write it.
pub(super) fn word(phase: Phase) -> &'static str {
    Phase::WORDS.iter().find(|(_, one)| *one == phase).map_or("", |(word, _)| word)
}

fn possible(phases: &[Phase]) -> String {
    let words: Vec<String> = phases.iter().map(|phase| format!("\"{}\"", word(*phase))).collect();
    format!("it is possible in a rule with phase = {}", words.join(" or "))
}
