//! Names of the config: lists, tokens, and looks at what is counted.

use std::time::Duration;

use super::Checker;
use crate::expr::Error;
use crate::expr::declared::{self, is_or_are, of_types};
use crate::expr::environment::Form;
use crate::expr::mismatch::{as_address, convert};
use crate::expr::node::{Label, Node, Syntax};
use crate::expr::setting::CountedName;
use crate::expr::tree::{Counted, Expr, Kind, Phase, Read, Span, Type};
use crate::suggest;
use crate::value::{self, shown};

impl<'a> Checker<'a> {
    /// `lists.NAME`
    pub(super) fn listed(&mut self, name: &str, span: Span) -> Option<(Kind, Type)> {
        let lists = &self.names.lists;
        match lists.iter().position(|(list, _)| list == name) {
            Some(at) => lists.get(at).map(|(_, kind)| (Kind::Listed(at), Type::Named(*kind))),
            None => {
                let known = || lists.iter().map(|(list, _)| list.as_str());
                self.fail(declared::undeclared("list", "[list.NAME]", "lists", name, span, known))
            }
        }
    }

    /// The place of a provider of tokens.
    pub(super) fn provider(&mut self, name: &str, span: Span) -> Option<usize> {
        let jwts = &self.names.jwts;
        let found = jwts.iter().position(|jwt| jwt.name == name);
        if found.is_none() {
            let known = || jwts.iter().map(|jwt| jwt.name.as_str());
            self.errors.push(declared::undeclared("token issuer", "[jwt.NAME]", "jwt", name, span, known));
        }
        found
    }

    /// Notes `jwt.valid` and its like, whose issuer was left out.
    pub(super) fn issuer_before(&mut self, label: &Label<'_>, behind: Option<&Label<'_>>) -> Option<()> {
        let Label { name, span } = *label;
        let jwts = &self.names.jwts;
        if !matches!(name, "claims" | "valid" | "error") || jwts.iter().any(|jwt| jwt.name == name) {
            return Some(());
        }
        let issuer = jwts.first().map_or("NAME", |jwt| &jwt.name);
        let error = Error::new(span, format!("before `{name}` stands the name of a token issuer"));
        let rest = behind.map_or(String::new(), |behind| format!(".{}", shown(behind.name)));
        self.fail(error.help(format!("write `jwt.{issuer}.{name}{rest}`")))
    }

    /// The name in `jwt.NAME` or `jwt["NAME"]`.
    pub(super) fn provider_of<'n>(&self, node: &'n Node<'a>) -> Option<(&'n str, Span)> {
        match &node.syntax {
            Syntax::Member(base, label, _) if Self::root(base) == Some("jwt") => Some((label.name, label.span)),
            Syntax::Index(base, index, _) if Self::root(base) == Some("jwt") => match &index.syntax {
                Syntax::Text(name) => Some((name, index.span)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The name in `jwt.NAME.claims`.
    pub(super) fn claims_of<'n>(&self, node: &'n Node<'a>) -> Option<(&'n str, Span)> {
        match &node.syntax {
            Syntax::Member(base, label, _) if label.name == "claims" => self.provider_of(base),
            _ => None,
        }
    }

    /// `jwt.NAME.valid`, `jwt.NAME.error`
    pub(super) fn token_part(&mut self, name: &str, span: Span, label: &Label<'a>) -> Option<(Kind, Type)> {
        if name == "claims" {
            self.issuer_before(&Label { name, span }, Some(label))?;
        }
        let provider = self.provider(name, span)?;
        let part = match label.name {
            "valid" => (Kind::TokenValid(provider), Type::Bool),
            "error" => (Kind::TokenError(provider), Type::String),
            "claims" => {
                let error = Error::new(label.span, "claims are no value by themselves");
                let first = self.names.jwts.get(provider).and_then(|jwt| jwt.claims.first());
                let claim = first.map_or("sub", |(claim, _)| claim);
                return self.fail(error.help(format!("name one, such as `jwt.{name}.claims.{claim}`")));
            }
            other => {
                let error = Error::new(label.span, format!("a token has no part `{}`", shown(other)));
                let claims = self.names.jwts.get(provider).map(|jwt| &jwt.claims);
                let claim = claims.is_some_and(|claims| claims.iter().any(|(claim, _)| claim == other));
                return self.fail(error.help(match claim {
                    true => Some(format!("it is a claim: write `jwt.{name}.claims.{other}`")),
                    false => suggest::among(other, || ["valid", "error", "claims"]),
                }));
            }
        };
        self.known(Phase::Request, span, "a token");
        Some(part)
    }

    /// `jwt.NAME.claims.CLAIM`
    pub(super) fn claim(&mut self, name: &str, span: Span, claim: &str, at: Span) -> Option<(Kind, Type)> {
        let provider = self.provider(name, span)?;
        self.known(Phase::Request, span, "a token");
        let claims = &self.names.jwts.get(provider)?.claims;
        match claims.iter().position(|(known, _)| known == claim) {
            Some(index) => claims.get(index).map(|(_, ty)| (Kind::Claim(provider, index), ty.clone())),
            None => {
                let error = Error::new(at, format!("`jwt.{name}` declares no claim `{}`", shown(claim)));
                let near = suggest::among(claim, || claims.iter().map(|(claim, _)| claim.as_str()));
                let declare = format!("declare it in `[jwt.{name}]`: `claims = {{ {} = \"string\" }}`", shown(claim));
                self.fail(error.help(near.unwrap_or(declare)))
            }
        }
    }

    /// `count(...)`, `rate(...)`, `uniques(...)`
    pub(super) fn counted(&mut self, form: Form, label: &Label<'a>, arguments: &[Node<'a>]) -> Option<(Kind, Type)> {
        let uniques = form == Form::Uniques;
        let Some((name_node, (window, key))) =
            arguments.split_first().and_then(|(name, rest)| Some((name, rest.split_last()?)))
        else {
            let error = Error::new(label.span, format!("`{}` takes a name, perhaps a key, and a time", label.name));
            return self.fail(error.help(format!("such as `{}(\"NAME\", client.net, \"1m\")`", label.name)));
        };
        let early = key.iter().find(|part| matches!(&part.syntax, Syntax::Text(text) if value::duration(text).is_ok()));
        if let Some(early) = early.filter(|_| !matches!(window.syntax, Syntax::Text(_))) {
            let error = Error::new(early.span, "the time comes last, behind the key");
            return self.fail(error.help(format!("such as `{}(\"NAME\", client.net, \"1m\")`", label.name)));
        }
        let key = self.exprs(key);
        let (what, entry) = self.counted_name(uniques, name_node)?;
        let window = self.window(entry, window);
        let key = key?;
        if key.is_empty() {
            self.own_key(entry, name_node.span);
        } else {
            self.key_of(entry, &key, label.span)?;
        }
        let window = window?;
        Some(match (form, what) {
            (Form::Rate, Ok(counted)) => (Kind::Read(Box::new(Read::Rate(counted, key, window))), Type::Double),
            (_, Ok(counted)) => (Kind::Read(Box::new(Read::Count(counted, key, window))), Type::Int),
            (_, Err(unique)) => (Kind::Read(Box::new(Read::Uniques(unique, key, window))), Type::Int),
        })
    }

    /// What a look names: something counted, or (as the other side) a unique.
    fn counted_name(&mut self, uniques: bool, node: &Node<'a>) -> Option<(Result<Counted, usize>, &'a CountedName)> {
        let Syntax::Text(name) = &node.syntax else {
            return self.fail(Error::new(node.span, "what is counted is named by a literal string"));
        };
        let at = |entries: &[CountedName]| entries.iter().position(|entry| entry.name == *name);
        let all: &'a super::Names = self.names;
        let found = if uniques {
            at(&all.uniques).and_then(|at| Some((Err(at), all.uniques.get(at)?)))
        } else {
            let counter = at(&all.counters).and_then(|at| Some((Ok(Counted::Counter(at)), all.counters.get(at)?)));
            counter.or_else(|| at(&all.limits).and_then(|at| Some((Ok(Counted::Limit(at)), all.limits.get(at)?))))
        };
        if found.is_none() {
            self.errors.push(declared::uncounted(all, uniques, name, node.span));
        }
        found
    }

    /// The literal time of a look, within what is kept.
    fn window(&mut self, entry: &CountedName, node: &Node<'a>) -> Option<Duration> {
        let Syntax::Text(text) = &node.syntax else {
            let error = Error::new(node.span, "the time of a look is a literal string");
            return self.fail(error.advice("such as \"1m\", as the last argument"));
        };
        let window = match value::duration(text) {
            Ok(window) => window,
            Err(wrong) => return self.fail(Error { span: node.span, message: wrong.message, help: wrong.help }),
        };
        if window.is_zero() {
            return self.fail(Error::new(node.span, format!("`{}` is no time at all", shown(text))));
        }
        if entry.retention.is_zero() {
            let error = Error::new(node.span, format!("`{}` counts nothing by time", entry.name));
            return self.fail(error.advice("a [[counter]] does, with the same `when` and `key`"));
        }
        if window > entry.retention {
            let kept = declared::span_of_time(entry.retention);
            let error =
                Error::new(node.span, format!("`{}` is kept for {kept}, and this looks further back", entry.name));
            return self.fail(error.help(format!("look at most \"{kept}\" back, or let it be kept for longer")));
        }
        Some(window)
    }

    /// Without a key a look is for the request's own, which must be known before there is a response.
    fn own_key(&mut self, entry: &CountedName, span: Span) {
        if entry.phase == Phase::Response {
            let error = Error::new(span, format!("`{}` is counted by what only a response tells", entry.name));
            self.errors.push(error.advice("name the key between the name and the time"));
        } else if !entry.key.is_empty() {
            self.known(entry.phase, span, &format!("the key of `{}`", entry.name));
        }
    }

    fn key_of(&mut self, entry: &CountedName, key: &[Expr], span: Span) -> Option<()> {
        if key.len() != entry.key.len() {
            let message =
                format!("`{}` is counted by {}, and here {}", entry.name, of_types(&entry.key), is_or_are(key.len()));
            return self.fail(Error::new(span, message).advice("without a key it is looked up for the request's own"));
        }
        let mut right = Some(());
        for (part, wanted) in key.iter().zip(&entry.key) {
            if part.ty != *wanted {
                let message =
                    format!("`{}` is counted by type {wanted} here, and this is of type {}", entry.name, part.ty);
                let help = match (&part.ty, wanted) {
                    (Type::Ip, Type::Cidr) => Some("such as `client.net`".to_owned()),
                    (Type::Cidr, Type::Ip) => Some("such as `client.ip`".to_owned()),
                    _ => as_address(part, wanted).or(convert(part, wanted)),
                };
                right = self.fail(Error::new(part.span, message).help(help));
            }
        }
        right
    }

    /// `limit("NAME").exceeded`
    pub(super) fn exceeded(
        &mut self,
        call: &Label<'a>,
        arguments: &[Node<'a>],
        part: &Label<'a>,
    ) -> Option<(Kind, Type)> {
        let [Node { syntax: Syntax::Text(name), span, .. }] = arguments else {
            let error = Error::new(call.span, "`limit` takes the name of a limit, a literal string");
            return self.fail(error.advice("such as `limit(\"NAME\").exceeded`"));
        };
        let Some(at) = self.names.limits.iter().position(|limit| limit.name == *name) else {
            let known = || self.names.limits.iter().map(|limit| limit.name.as_str());
            let error = declared::undeclared("limit", "[[limit]]", "limit", name, *span, known);
            return self.fail(error);
        };
        if part.name != "exceeded" {
            let error = Error::new(part.span, format!("a limit has no part `{}`", shown(part.name)));
            return self.fail(error.help(format!("write `limit(\"{name}\").exceeded`")));
        }
        self.known(Phase::Request, call.span, "whether a limit is exceeded");
        Some((Kind::Read(Box::new(Read::Exceeded(at))), Type::Bool))
    }

    /// `banned()`, `banned(cidr)`
    pub(super) fn banned(&mut self, label: &Label<'a>, arguments: &[Node<'a>]) -> Option<(Kind, Type)> {
        let net = match arguments {
            [] => None,
            [net] => {
                let net = self.expr(net)?;
                if net.ty != Type::Cidr {
                    let message = format!("`banned` takes type cidr, and this is of type {}", net.ty);
                    return self.fail(Error::new(net.span, message).help(match net.ty {
                        Type::Ip => Some("what is banned is a network, such as `client.net`".to_owned()),
                        _ => as_address(&net, &Type::Cidr),
                    }));
                }
                Some(net)
            }
            more => {
                let message = format!("`banned` takes at most 1 argument, and here it has {}", more.len());
                return self.fail(Error::new(label.span, message));
            }
        };
        Some((Kind::Read(Box::new(Read::Banned(net))), Type::Bool))
    }
}
