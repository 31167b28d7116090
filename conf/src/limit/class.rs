//! How a global limit is held over all POPs, and what that asks of the rest of it.

use super::{Measure, OnPartition, RawLimit, Scope, Tier};
use crate::expr::{Expr, Field, Function, Kind, Type};
use crate::finding::Check;
use crate::key::KeyPart;
use crate::known::Known;
use crate::raw::Choice;
use crate::value::{Wrong, shown};

/// How a global limit is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Class {
    /// POPs tell each other what they admitted and decide alone: what arrives while that is on its way may pass as well.
    Converge,
    /// As [`Class::Strict`], and beyond burst and rate at most this part of the limit's count, once and not again before it is made up for:
    /// more than 0, and 1 at most.
    Bounded(f64),
    /// Over all POPs together no more passes than burst and rate, whatever is late, lost, cut off or dead: each spends its own share.
    Strict,
}

/// Four an hour: one in so many ms.
const SLOWEST_MS: u128 = 900_000;

const POSSIBLE: &str = "possible here: `converge`, `bounded(2%)`, `strict`";

impl Choice for Class {
    const WORDS: &'static [(&'static str, Class)] = &[("converge", Class::Converge), ("strict", Class::Strict)];

    fn parse(text: &str) -> Result<Class, Wrong> {
        if let Some((_, class)) = Self::WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(*class);
        }
        let wrong = || Wrong::new(format!("`{}` is not a class", shown(text))).advice(POSSIBLE);
        let Some(written) = text.strip_prefix("bounded(").and_then(|rest| rest.strip_suffix(')')) else {
            return Err(wrong());
        };
        let percent =
            written.strip_suffix('%').filter(|number| number.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit()));
        match percent.and_then(|number| number.parse::<f64>().ok()) {
            Some(percent) if percent > 0.0 && percent <= 100.0 => Ok(Class::Bounded(percent / 100.0)),
            _ => Err(Wrong::new(format!("`{}` is not a part of a limit", shown(written)))
                .advice("write a percentage up to 100%, such as `bounded(2%)`")),
        }
    }
}

impl Class {
    /// As it is written.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Class::Converge => "converge".to_owned(),
            Class::Bounded(part) => format!("bounded({}%)", (part * 1e8).round() / 1e6),
            Class::Strict => "strict".to_owned(),
        }
    }

    /// Whether each POP spends a share of its own, which no other spends; only a limit of scope `global` is.
    #[must_use]
    pub fn is_shared_out(self) -> bool {
        self != Class::Converge
    }
}

/// What cannot be held by one POP's own count of it.
struct Held {
    /// As messages call it.
    text: String,
    /// What to write instead, behind a comma.
    else_use: &'static str,
}

impl Held {
    /// Of a limit of which each POP spends what is its own.
    fn of(measure: &Measure, class: Class) -> Option<Held> {
        match measure {
            Measure::Quota(_) => Some(Held { text: "a quota".to_owned(), else_use: "" }),
            Measure::Rates(_) if class.is_shared_out() => {
                Some(Held { text: format!("a limit that is `{}`", class.text()), else_use: ", or use `converge`" })
            }
            Measure::Rates(_) | Measure::InFlight(_) => None,
        }
    }
}

impl RawLimit {
    /// Notes what is said of others to a POP that counts alone.
    fn has_others(&self, scope: Scope, check: &mut Check<'_>) -> Option<()> {
        let Some(written) = self.on_partition.as_ref().filter(|_| scope == Scope::Pop) else { return Some(()) };
        let wrong = Wrong::new("a POP that counts for itself alone does not miss the others");
        check.note(written.span(), wrong.advice("leave it out, or write scope = \"global\""));
        None
    }

    /// Notes what a class, or a quota, cannot do.
    pub(super) fn holds(
        &self,
        (measure, class): (&Measure, Class),
        (scope, on_partition): (Scope, OnPartition),
        (key, when): (Option<&[KeyPart]>, Option<&Expr>),
        known: &Known,
        check: &mut Check<'_>,
    ) -> Option<()> {
        let Some(Held { text, else_use }) = Held::of(measure, class) else { return self.has_others(scope, check) };
        let mut fits = Some(());
        let mut note = |span, message: String, help: String, check: &mut Check<'_>| {
            check.note(span, Wrong::new(message).help(help));
            fits = None;
        };
        if let (Some(written), Scope::Pop) = (&self.scope, scope) {
            let message = format!("{text} is of all POPs together: a POP of itself has nobody to share with");
            let help = if else_use.is_empty() { "" } else { "leave out `class`, or " };
            note(written.span(), message, format!("{help}write scope = \"global\""), check);
        }
        if let (Some(written), OnPartition::Full) = (&self.on_partition, on_partition) {
            let message = format!("a POP never admits all of {text}");
            note(written.span(), message, "leave it out: each POP goes on with its share".to_owned(), check);
        }
        if let Some(written) = &self.penalty {
            let message = format!("{text} may refuse clients that are under it, so it bans nobody");
            note(written.span(), message, format!("leave out `penalty`{else_use}"), check);
        }
        let slow = |tier: &&Tier| tier.rate.per.as_millis() > u128::from(tier.rate.count) * SLOWEST_MS;
        if let (Some(written), Some(_)) = (&self.rate, measure.tiers().iter().find(slow)) {
            let message = format!("this is too slow for {text}: its shares are counted in whole parts");
            note(written.span(), message, format!("write a rate of four an hour or more{else_use}"), check);
        }
        // A site for all hosts takes any.
        let hosts = if known.sites.place("*").is_some() { Hosts::Any } else { Hosts::Named };
        for (part, written) in key.into_iter().flatten().zip(&self.key.value) {
            if is_free(part, hosts) && !is_listed(part, when) {
                let message = format!("clients choose this as they like, and {text} remembers each value");
                let help = "count by what they cannot choose, such as an address or a claim of a token";
                note(written.span(), message, format!("{help}{else_use}"), check);
            }
        }
        fits
    }
}

/// Which hosts are served.
#[derive(Clone, Copy, PartialEq)]
enum Hosts {
    Named,
    Any,
}

/// Whether a condition holds only where a part is in a list of the config: then it has no more values than that.
fn is_listed(part: &KeyPart, when: Option<&Expr>) -> bool {
    let Some(when) = when else { return false };
    match &when.kind {
        Kind::And(all) => all.iter().any(|one| is_listed(part, Some(one))),
        Kind::In(item, list) => matches!(list.kind, Kind::Listed(_)) && reads(item, part),
        _ => false,
    }
}

/// Whether an expression is the value of a part.
fn reads(expr: &Expr, part: &KeyPart) -> bool {
    match (&expr.kind, part) {
        (Kind::Field(Field::Host), KeyPart::Host) | (Kind::Field(Field::Path), KeyPart::Path) => true,
        (Kind::Index(headers, name), KeyPart::Header(part)) => {
            matches!(headers.kind, Kind::Field(Field::RequestHeaders))
                && matches!(&name.kind, Kind::String(name) if name == part)
        }
        _ => false,
    }
}

/// Whether clients choose the values of a part as they like: no end of keys.
fn is_free(part: &KeyPart, hosts: Hosts) -> bool {
    match part {
        KeyPart::ClientIp | KeyPart::ClientNet => false,
        KeyPart::Host => hosts == Hosts::Any,
        KeyPart::Method | KeyPart::Path | KeyPart::Header(_) => true,
        KeyPart::Value(expr, _) => expr.ty != Type::Bool && reads_what_is_free(expr, hosts),
    }
}

fn reads_what_is_free(expr: &Expr, hosts: Hosts) -> bool {
    let mut free = match &expr.kind {
        Kind::Field(Field::Host) => hosts == Hosts::Any,
        Kind::Field(field) => !is_given(*field),
        Kind::Call(function, _) => matches!(function, Function::Form | Function::FormValues),
        _ => false,
    };
    expr.for_each_part(&mut |part| free = free || reads_what_is_free(part, hosts));
    free
}

/// Whether a field has few values, or such as cost something to have.
fn is_given(field: Field) -> bool {
    matches!(
        field,
        Field::Scheme
            | Field::Protocol
            | Field::ClientIp
            | Field::ClientNet
            | Field::Country
            | Field::Continent
            | Field::City
            | Field::Asn
            | Field::AsOrg
    )
}
