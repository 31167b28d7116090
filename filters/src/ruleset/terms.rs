//! Terms that several rules ask: `request.method == "POST"`, the same networks, the same list. Each is compiled once for all
//! rules of a phase and answered at most once for a request, so that asking it again takes a look at one bit.
//!
//! A rule's condition is a conjunction, and its *leading* terms are taken: those before the first one that is asked by no other
//! rule. So terms are asked in the order in which they are written. Only what is the same for all rules of a request is taken:
//! what reads tags, state or text that is made is asked by each rule for itself.

use std::cell::Cell;
use std::cmp::Reverse;

use selvedge_conf::expr::{Expr, Kind, Type};

use super::index::fast::FastMap;
use super::spelling::spelling;
use crate::rule::{Context, Program};

/// The most terms that are shared in one phase; those that most rules ask.
const TERMS_MAX: usize = 1024;
/// The most terms that a rule shares.
const LEADING_MAX: usize = 8;
/// No term: the rule shares no more.
const NO_TERM: u16 = u16::MAX;

/// The shared terms of one phase.
#[derive(Debug, Default)]
pub(super) struct Terms {
    programs: Vec<Program>,
}

/// A rule's condition.
#[derive(Debug)]
pub(super) struct When {
    /// Its leading terms, filled up with [`NO_TERM`].
    shared: [u16; LEADING_MAX],
    /// All others; boxed, since most rules do not get so far.
    rest: Option<Box<Program>>,
}

/// What shared terms answered about one request: for each one bit whether it was asked, and one whether it holds.
#[derive(Debug)]
pub(super) struct Answers {
    asked: [Cell<u64>; TERMS_MAX / 64],
    hold: [Cell<u64>; TERMS_MAX / 64],
}

impl Answers {
    pub(super) fn new() -> Answers {
        Answers { asked: [const { Cell::new(0) }; TERMS_MAX / 64], hold: [const { Cell::new(0) }; TERMS_MAX / 64] }
    }
}

impl Terms {
    /// Of conditions, what they share, and each of them by that.
    pub(super) fn share<'e>(conditions: impl Iterator<Item = Option<&'e Expr>>) -> (Terms, Vec<When>) {
        let conditions: Vec<&[Expr]> = conditions.map(|when| when.map_or(&[][..], terms)).collect();
        let mut spelt: FastMap<String, usize> = FastMap::default();
        // Each term that can be shared, and how often it is asked.
        let mut askable: Vec<(&Expr, usize)> = Vec::new();
        let mut leading: Vec<Vec<usize>> = Vec::with_capacity(conditions.len());
        for terms in &conditions {
            let spellings = terms.iter().take(LEADING_MAX).map_while(|term| Some((term, spelling(term)?)));
            let mut number = |(term, spelling)| {
                let at = *spelt.entry(spelling).or_insert(askable.len());
                match askable.get_mut(at) {
                    Some((_, times)) => *times += 1,
                    None => askable.push((term, 1)),
                }
                at
            };
            leading.push(spellings.map(&mut number).collect());
        }
        let mut several: Vec<usize> = Vec::new();
        several.extend(askable.iter().enumerate().filter(|(_, (_, times))| *times > 1).map(|(at, _)| at));
        several.sort_by_key(|at| askable.get(*at).map(|(_, times)| Reverse(*times)));
        several.truncate(TERMS_MAX);
        let numbers: FastMap<usize, u16> = several.iter().copied().zip(0..).collect();
        let shared = several.iter().filter_map(|at| askable.get(*at));
        let programs = shared.map(|(term, _)| Program::compile(term)).collect();
        let whens = conditions.iter().zip(&leading).map(|(terms, leading)| When::new(terms, leading, &numbers));
        (Terms { programs }, whens.collect())
    }

    fn holds(&self, number: u16, answers: &Answers, context: &Context<'_>) -> bool {
        let (word, bit) = (usize::from(number >> 6), 1 << (number & 63));
        let (Some(asked), Some(hold)) = (answers.asked.get(word), answers.hold.get(word)) else { return false };
        if asked.get() & bit == 0 {
            asked.set(asked.get() | bit);
            if self.programs.get(usize::from(number)).is_some_and(|program| program.holds(context)) {
                hold.set(hold.get() | bit);
            }
        }
        hold.get() & bit != 0
    }
}

impl When {
    fn new(terms: &[Expr], leading: &[usize], numbers: &FastMap<usize, u16>) -> When {
        let mut shared = [NO_TERM; LEADING_MAX];
        let mut taken = 0;
        for (place, number) in shared.iter_mut().zip(leading.iter().map_while(|at| numbers.get(at))) {
            *place = *number;
            taken += 1;
        }
        let rest = match terms.get(taken..).unwrap_or_default() {
            [] => None,
            [one] => Some(Program::compile(one)),
            several @ [first, .., last] => {
                let mut span = first.span;
                span.end = last.span.end;
                Some(Program::compile(&Expr { kind: Kind::And(several.to_vec()), ty: Type::Bool, span }))
            }
        };
        When { shared, rest: rest.map(Box::new) }
    }

    /// Whether it holds; what is absent does not, and neither does a conjunction with it.
    #[inline]
    pub(super) fn holds(&self, terms: &Terms, answers: &Answers, context: &Context<'_>) -> bool {
        let mut shared = self.shared.iter().take_while(|number| **number != NO_TERM);
        shared.all(|number| terms.holds(*number, answers, context))
            && self.rest.as_ref().is_none_or(|rest| rest.holds(context))
    }
}

/// The terms of a condition.
fn terms(when: &Expr) -> &[Expr] {
    match &when.kind {
        Kind::And(terms) => terms,
        _ => std::slice::from_ref(when),
    }
}

#[cfg(test)]
mod tests {
    use selvedge_conf::expr::{Setting, parse};

    use super::*;

    /// How many terms these conditions share, how many of them each takes, and whether it asks more.
    fn shared(texts: &[&str]) -> (usize, Vec<(usize, bool)>) {
        let exprs: Vec<Expr> = texts.iter().map(|text| parse(text, &Setting::bare()).unwrap()).collect();
        let (terms, whens) = Terms::share(exprs.iter().map(Some));
        let taken = |when: &When| when.shared.iter().filter(|number| **number != NO_TERM).count();
        (terms.programs.len(), whens.iter().map(|when| (taken(when), when.rest.is_some())).collect())
    }

    #[test]
    fn leading_terms_that_others_ask_too_are_shared() {
        let post = "request.method == \"POST\"";
        let more = "request.method == \"POST\" && request.path == \"/a\"";
        let behind = "request.path == \"/b\" && request.method == \"POST\"";
        assert_eq!(shared(&[post, more, behind]), (1, vec![(1, false), (1, true), (0, true)]));
        assert_eq!(shared(&[more, more]), (2, vec![(2, false), (2, false)]));
    }

    #[test]
    fn what_a_rule_may_change_is_not_shared() {
        for text in [
            "\"a\" in request.tags",
            "banned()",
            "request.query[\"a\"] == \"b\"",
            "request.path.lowerAscii() == \"/a\"",
            "request.headers.exists(h, h == \"a\")",
        ] {
            assert_eq!(shared(&[text, text]), (0, vec![(0, true), (0, true)]), "{text}");
        }
    }

    #[test]
    fn terms_that_differ_in_anything_are_not_one() {
        let texts = [
            "request.path == \"/a\"",
            "request.path != \"/a\"",
            "request.raw_path == \"/a\"",
            "request.path.startsWith(\"/a\")",
            "request.path.contains(\"/a\")",
            "request.path.matches(\"/a\")",
            "!request.path.matches(\"/a\")",
            "request.headers[\"x\"] == \"/a\"",
            "request.cookies[\"x\"] == \"/a\"",
            "client.ip in [cidr(\"192.0.2.0/24\")]",
            "client.ip in [ip(\"192.0.2.0\")]",
            "client.ip == ip(\"192.0.2.0\")",
            "request.raw_path in [\"/a\", \"/b\"]",
            "request.raw_path in [\"/a\\\", \\\"/b\"]",
        ];
        assert_eq!(shared(&texts).0, 0);
        assert_eq!(shared(&[texts, texts].concat()).0, texts.len());
    }
}
