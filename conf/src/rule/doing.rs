//! The effects of a rule, from text to facts: one method for each group of actions, in the order they are carried out.

use std::time::Duration;

use super::action::{Banned, RawCache, RawDo, RawListed, RawRewrite, word};
use super::challenge::RawChallenged;
use super::header;
use super::{CacheAction, Effect, Reply};
use crate::expr::{self, Expr, Kind, ListKind, Phase, Type};
use crate::finding::Check;
use crate::key::KeyPart;
use crate::known::Known;
use crate::list;
use crate::raw::{At, Entries, Number, Text};
use crate::value::{Wrong, duration, name, shown, some_time};

/// The effects of one rule as they come together; `None` stands for one that is wrong.
pub(super) struct Doing<'d, 'c> {
    pub(super) phase: Phase,
    pub(super) known: &'d Known,
    pub(super) check: &'d mut Check<'c>,
    pub(super) effects: Vec<Option<Effect>>,
}

impl Doing<'_, '_> {
    /// The answer, if any; `None` if it is wrong.
    pub(super) fn reply(&mut self, raw: &RawDo) -> Option<Option<Reply>> {
        let denied = raw.deny.as_ref().map(|status| self.check.number(Some(status), 400..600, 403).map(Reply::Deny));
        let redirected = raw.redirect.as_ref().map(|written| {
            let to = self.string(&written.value.to, "`to`");
            let to = to.and_then(|to| self.usable(&written.value.to, to, place));
            let status = match &written.value.status {
                None => Some(302),
                Some(status) => self.redirect_status(status),
            };
            Some(Reply::Redirect(status?, to?))
        });
        let challenged = raw.challenge.as_ref();
        let challenged =
            challenged.map(|written| RawChallenged::lower(written, self.known, self.check).map(Reply::Challenge));
        let allowed = raw.allow.as_ref().map(|allow| self.yes(allow, "allow").map(|()| Reply::Allow));
        match denied.or(redirected).or(challenged).or(allowed) {
            None => Some(None),
            Some(reply) => reply.map(Some),
        }
    }

    fn redirect_status(&mut self, written: &At<Number>) -> Option<u16> {
        const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];
        let status = STATUSES.into_iter().find(|status| u64::from(*status) == written.value.0);
        if status.is_none() {
            let wrong = Wrong::new(format!("{} is not the status of a redirect", written.value.0));
            self.check.note(written.span(), wrong.advice("write 301, 302, 303, 307 or 308"));
        }
        status
    }

    /// What cache and origin see.
    pub(super) fn towards_origin(&mut self, raw: &RawDo) {
        if let Some(written) = &raw.rewrite {
            let effect = self.rewrite(written);
            self.effects.push(effect);
        }
        self.set(raw.set_request_headers.as_ref(), Effect::SetRequestHeader);
        self.remove(raw.remove_request_headers.as_ref(), Effect::RemoveRequestHeader);
    }

    /// What the client sees, and where it comes from.
    pub(super) fn towards_client(&mut self, raw: &RawDo) {
        self.set(raw.set_response_headers.as_ref(), Effect::SetResponseHeader);
        self.remove(raw.remove_response_headers.as_ref(), Effect::RemoveResponseHeader);
        if let Some(written) = &raw.origin {
            let known = self.known;
            let effect = self.check.value(written, |text| known.origins.find(text)).map(Effect::Origin);
            self.effects.push(effect);
        }
        if let Some(written) = &raw.cache {
            let effect = self.cache(written).map(Effect::Cache);
            self.effects.push(effect);
        }
    }

    /// What changes in the state.
    pub(super) fn state(&mut self, raw: &RawDo) {
        if let Some(written) = &raw.ban {
            let length = self.check.value(&written.value.length, some_time);
            let banned = self.check.word(written.value.key.as_ref(), Banned::Client);
            self.effects.push(banned.and_then(|Banned::Client| length.map(Effect::Ban)));
        }
        if let Some(written) = &raw.list_add {
            let effect = self.listed(&written.value).map(|(list, value, time)| Effect::ListAdd(list, value, time));
            self.effects.push(effect);
        }
        if let Some(written) = &raw.list_remove {
            let effect = self.listed(&written.value).map(|(list, value, time)| Effect::ListRemove(list, value, time));
            self.effects.push(effect);
        }
        if let Some(written) = &raw.session {
            let effect = self.session(written);
            self.effects.push(effect);
        }
        if let Some(written) = &raw.revoke {
            let effect = self.revoke(written);
            self.effects.push(effect);
        }
        if let Some(written) = &raw.count {
            let known = self.known;
            let counter = self.check.value(written, |text| known.counter(text));
            let effect = counter.and_then(|counter| {
                let key = known.counter_keys.get(counter)?.as_deref()?;
                self.countable(written, "counter", key, Phase::Connection)?;
                Some(Effect::Count(counter))
            });
            self.effects.push(effect);
        }
        if let Some(written) = &raw.unique {
            let known = self.known;
            let unique = self.check.value(written, |text| known.uniques.find(text));
            let effect = unique.and_then(|unique| {
                let key = known.unique_keys.get(unique)?.as_deref()?;
                self.countable(written, "unique", key, *known.of_phases.get(unique)?)?;
                Some(Effect::Unique(unique))
            });
            self.effects.push(effect);
        }
    }

    /// What later readers see.
    pub(super) fn notes(&mut self, raw: &RawDo) {
        if let Some(written) = &raw.tag {
            let effect = self.check.value(written, name).map(Effect::Tag);
            self.effects.push(effect);
        }
        if let Some(written) = &raw.log {
            let effect = self.yes(written, "log").map(|()| Effect::Log);
            self.effects.push(effect);
        }
    }

    /// The text of an action that no rule of the connection phase has: where one has it, that is what is wrong.
    fn string(&mut self, written: &At<Text>, what: &str) -> Option<Expr> {
        self.check.typed(written, self.phase.max(Phase::Request), what, &[Type::String])
    }

    /// A text that is written out, if it can be used: what cannot would be left undone at every request.
    fn usable(
        &mut self,
        written: &At<Text>,
        value: Expr,
        usable: fn(&str) -> Result<(), &'static str>,
    ) -> Option<Expr> {
        let Kind::String(text) = &value.kind else { return Some(value) };
        let Err(why) = usable(text) else { return Some(value) };
        let error = expr::Error { span: value.span, message: format!("\"{}\" {why}", shown(text)), help: None };
        self.check.note_expression(written, error);
        None
    }

    /// A switch that can only be turned on: off is to leave it out.
    pub(super) fn yes(&mut self, written: &At<bool>, name: &str) -> Option<()> {
        if written.value {
            return Some(());
        }
        let wrong = Wrong::new(format!("`{name} = false` says nothing"));
        self.check.note(written.span(), wrong.help(format!("leave `{name}` out")));
        None
    }

    fn rewrite(&mut self, written: &At<RawRewrite>) -> Option<Effect> {
        let RawRewrite { path, query } = &written.value;
        if path.is_none() && query.is_none() {
            let wrong = Wrong::new("a rewrite of nothing").advice("write `path`, `query` or both");
            self.check.note(written.span(), wrong);
            return None;
        }
        type Usable = fn(&str) -> Result<(), &'static str>;
        let parts: [(_, _, Usable); 2] = [(path, "`path`", path_to), (query, "`query`", query_to)];
        let [path, query] = parts.map(|(written, what, usable)| match written {
            None => Some(None),
            Some(written) => self.string(written, what).and_then(|text| self.usable(written, text, usable)).map(Some),
        });
        Some(Effect::Rewrite(path?, query?))
    }

    fn set(&mut self, written: Option<&At<Entries<Text>>>, effect: fn(String, Expr) -> Effect) {
        let Some(written) = written else { return };
        for (name, value) in &written.value.0 {
            let field = header::free(&name.value).map_err(|wrong| self.check.note(name.span(), wrong));
            let text = self.string(value, "the value of a header");
            let value = text.and_then(|text| self.usable(value, text, field_value));
            self.effects.push(field.ok().zip(value).map(|(field, value)| effect(field, value)));
        }
    }

    fn remove(&mut self, written: Option<&At<Vec<At<Text>>>>, effect: fn(String) -> Effect) {
        for name in written.into_iter().flat_map(|written| &written.value) {
            let field = self.check.value(name, header::free);
            self.effects.push(field.map(effect));
        }
    }

    fn cache(&mut self, written: &At<RawCache>) -> Option<CacheAction> {
        let RawCache { pass, ttl, stale_while_revalidate, stale_if_error } = &written.value;
        let times = [ttl, stale_while_revalidate, stale_if_error];
        if let Some(pass) = pass {
            if let Some(time) = times.into_iter().flatten().next() {
                let wrong = Wrong::new("a time beside `pass`: what passes the cache by has no lifetime");
                self.check.note(time.span(), wrong);
                return None;
            }
            return self.yes(pass, "pass").map(|()| CacheAction::Pass);
        }
        let [ttl, stale_while_revalidate, stale_if_error] = times.map(|time| match time {
            None => Some(None),
            Some(time) => self.check.value(time, duration).map(Some),
        });
        let Some(ttl) = ttl? else {
            let wrong = Wrong::new("`cache` has no `ttl`").advice("write { ttl = \"1h\" } or { pass = true }");
            self.check.note(written.span(), wrong);
            return None;
        };
        Some(CacheAction::Ttl { ttl, stale_while_revalidate: stale_while_revalidate?, stale_if_error: stale_if_error? })
    }

    fn listed(&mut self, written: &RawListed) -> Option<(usize, Expr, Duration)> {
        let known = self.known;
        let list = self.check.value(&written.list, |text| known.lists.find(text));
        let kind = list.and_then(|list| *known.list_kinds.get(list)?);
        if kind.is_some_and(|kind| !list::grows(kind)) {
            let wrong = Wrong::new(format!("the list `{}` is fixed", shown(written.list.value.as_ref())));
            let help = "only lists of kind \"addresses\" and \"strings\" can change while the node runs";
            self.check.note(written.list.span(), wrong.advice(help));
        }
        let types: &[Type] = match kind {
            Some(ListKind::Addresses) => &[Type::Ip, Type::Cidr],
            Some(ListKind::Strings) => &[Type::String],
            Some(ListKind::Needles | ListKind::Patterns) | None => return None,
        };
        let value = self.check.typed(&written.value, self.phase, "an element of this list", types);
        let value = value.and_then(|value| self.addable(&written.value, value));
        let length = self.check.value(&written.length, some_time);
        Some((list?, value?, length?))
    }

    /// What changes at run time are addresses and the networks of clients: others are in files.
    fn addable(&mut self, written: &At<Text>, value: Expr) -> Option<Expr> {
        if let Kind::String(_) = value.kind {
            return self.usable(written, value, element);
        }
        let Kind::Cidr(net) = value.kind else { return Some(value) };
        let lengths: &[u8] = if net.addr().is_ipv4() { &[32] } else { &[64, 128] };
        if lengths.contains(&net.prefix_len()) {
            return Some(value);
        }
        let message = format!("`{net}` cannot be added or removed: only a /32, a /64 of IPv6 and a /128 can");
        let error = expr::Error { span: value.span, message, help: None };
        self.check.note_expression(
            written,
            error.advice("write it into the `items` or the `file` of the list, which may hold any network"),
        );
        None
    }

    /// Notes something that counts by what is known only after this rule was asked; `of` is when its value is known.
    fn countable(&mut self, written: &At<Text>, kind: &str, key: &[KeyPart], of: Phase) -> Option<()> {
        let known = key.iter().map(KeyPart::phase).fold(of, Phase::max);
        if known <= self.phase {
            return Some(());
        }
        let name = shown(written.value.as_ref());
        let message = format!("{kind} `{name}` counts by what is known in the {} phase only", word(known));
        let help = format!("this rule is asked in the {} phase", word(self.phase));
        self.check.note(written.span(), Wrong::new(message).help(help));
        None
    }
}

/// RFC 9110 section 5.5, as the edge writes it.
fn field_value(text: &str) -> Result<(), &'static str> {
    let may = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
    if text.bytes().all(may) {
        Ok(())
    } else {
        Err("is no value of a header: it has other than visible ASCII, spaces and tabs")
    }
}

fn place(text: &str) -> Result<(), &'static str> {
    if text.is_empty() { Err("is no place to redirect to") } else { field_value(text) }
}

fn path_to(text: &str) -> Result<(), &'static str> {
    if text.starts_with('/') { Ok(()) } else { Err("is no path: it does not start with `/`") }
}

/// RFC 3986 section 3.4, and the few other visible characters that clients send there.
fn query_to(text: &str) -> Result<(), &'static str> {
    let may = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>');
    if text.bytes().all(may) {
        Ok(())
    } else {
        Err("is no query: it has other than visible ASCII, or one of `#`, `\"`, `<` and `>`")
    }
}

/// What a list of strings can hold at run time.
fn element(text: &str) -> Result<(), &'static str> {
    const ELEMENT_MAX: usize = 128;
    if (1..=ELEMENT_MAX).contains(&text.len()) {
        Ok(())
    } else {
        Err("is no element of a list: those have 1 to 128 bytes")
    }
}
