//! Expressions of type bool. The usual tests have steps of their own, which read exactly what they need; the rest goes through
//! values of any type. `None` is absence.

use http::HeaderName;
use memchr::memmem::{self, Finder};
use regex::Regex;
use selvedge_conf::expr::Comparison;

use super::eval::Eval;
use super::fold::Fold;
use super::network::{self, Networks};
use super::node::Node;
use super::source::Source;
use super::text::Text;
use super::words::Words;

/// A truth value.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// `None` for what is always absent.
    Constant(Option<bool>),
    Not(Box<Condition>),
    All(Box<[Condition]>),
    Any(Box<[Condition]>),
    Choose(Box<[Condition; 3]>),
    /// A string against what is known beforehand.
    Text(Text, TextTest),
    /// A header field against what an empty string is not, byte by byte: what is no UTF-8 in it is no part of a text that was
    /// written.
    Header(HeaderName, TextTest),
    Matches(Text, Regex),
    /// Two strings.
    Texts(TextPair, Box<(Text, Text)>),
    /// The client's address in networks known beforehand.
    Client(Networks),
    Compare(Comparison, Box<(Node, Node)>),
    In(Box<(Node, Node)>),
    /// An address, in a network or in a list of networks or addresses.
    Within(Box<(Node, Node)>),
    /// An address or a string in a named list, by its place.
    Listed(Box<Node>, usize),
    /// Needles or patterns of a named list in a string.
    FoundIn(Text, usize),
    /// A name in a map of the request.
    Present(Source, Text),
    Has(Box<Node>),
    /// `all`, `exists`, `exists_one`.
    Fold(Box<Fold>),
    TokenValid(usize),
    /// All others.
    Other(Box<Node>),
}

/// What is asked of a string.
#[derive(Clone, Debug)]
pub(super) enum TextTest {
    Is(Box<str>),
    IsNot(Box<str>),
    Starts(Box<str>),
    Ends(Box<str>),
    Contains(Box<Finder<'static>>),
    In(Words),
}

/// What is asked of two strings.
#[derive(Clone, Copy, Debug)]
pub(super) enum TextPair {
    Starts,
    Ends,
    Contains,
}

impl Condition {
    /// Nesting is bounded by [`selvedge_conf::expr::NESTING_MAX`], so is the recursion.
    pub(super) fn eval<'v>(&'v self, eval: &Eval<'v, '_>) -> Option<bool> {
        match self {
            Condition::Constant(value) => *value,
            Condition::All(terms) => all(terms, eval),
            Condition::Any(terms) => any(terms, eval),
            Condition::Not(term) => term.eval(eval).map(|value| !value),
            Condition::Header(name, test) => {
                Some(eval.context.head.headers.get(name).is_some_and(|value| test.holds(value.as_bytes())))
            }
            Condition::Text(text, test) => match text.eval(eval) {
                Some(text) => Some(test.holds(text.as_bytes())),
                None => test.absent(),
            },
            Condition::Client(networks) => Some(networks.contain(eval.context.client())),
            _ => self.general(eval),
        }
    }

    /// The steps that are not met in every rule, out of the way of those that are.
    #[inline(never)]
    fn general<'v>(&'v self, eval: &Eval<'v, '_>) -> Option<bool> {
        match self {
            Condition::Choose(parts) => {
                let [condition, then, otherwise] = &**parts;
                if condition.eval(eval)? { then.eval(eval) } else { otherwise.eval(eval) }
            }
            Condition::Matches(text, pattern) => Some(pattern.is_match(text.eval(eval)?)),
            Condition::Texts(pair, texts) => Some(pair.holds(texts.0.eval(eval)?, texts.1.eval(eval)?)),
            Condition::Compare(comparison, sides) => Some(match (sides.0.eval(eval), sides.1.eval(eval)) {
                (Some(left), Some(right)) => left.compares(*comparison, right),
                _ => false,
            }),
            Condition::In(sides) => Some(match (sides.0.eval(eval), sides.1.eval(eval)) {
                (Some(item), Some(set)) => network::member(item, set),
                _ => false,
            }),
            Condition::Within(sides) => Some(match (sides.0.eval(eval), sides.1.eval(eval)) {
                (Some(item), Some(set)) => network::within(item, set),
                _ => false,
            }),
            Condition::Listed(item, list) => {
                Some(item.eval(eval).is_some_and(|item| network::listed(item, *list, eval.context)))
            }
            Condition::FoundIn(text, list) => Some(eval.context.tables.lists.get(*list)?.found_in(text.eval(eval)?)),
            Condition::Present(source, name) => {
                Some(name.eval(eval).is_some_and(|name| source.has(eval.context, name)))
            }
            Condition::Has(node) => Some(node.eval(eval).is_some()),
            Condition::Fold(fold) => fold.holds(eval),
            Condition::TokenValid(issuer) => Some(eval.context.token_valid(*issuer)),
            Condition::Other(node) => node.eval(eval)?.bool(),
            // Answered before.
            _ => None,
        }
    }
}

/// CEL language definition, section Logical Operators: false wins over absence, whatever the order.
fn all<'v>(terms: &'v [Condition], eval: &Eval<'v, '_>) -> Option<bool> {
    let mut result = Some(true);
    for term in terms {
        match term.eval(eval) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => result = None,
        }
    }
    result
}

/// True wins over absence, whatever the order.
fn any<'v>(terms: &'v [Condition], eval: &Eval<'v, '_>) -> Option<bool> {
    let mut result = Some(false);
    for term in terms {
        match term.eval(eval) {
            Some(false) => {}
            Some(true) => return Some(true),
            None => result = None,
        }
    }
    result
}

impl TextTest {
    /// Of the text's bytes: UTF-8 is compared and searched by them.
    #[inline(always)]
    fn holds(&self, text: &[u8]) -> bool {
        match self {
            TextTest::Is(other) => text == other.as_bytes(),
            TextTest::IsNot(other) => text != other.as_bytes(),
            TextTest::Starts(prefix) => text.starts_with(prefix.as_bytes()),
            TextTest::Ends(suffix) => text.ends_with(suffix.as_bytes()),
            TextTest::Contains(finder) => finder.find(text).is_some(),
            TextTest::In(words) => words.contain(text),
        }
    }

    /// Of an absent string: comparisons and membership are false, functions are absent.
    fn absent(&self) -> Option<bool> {
        match self {
            TextTest::Is(_) | TextTest::IsNot(_) | TextTest::In(_) => Some(false),
            TextTest::Starts(_) | TextTest::Ends(_) | TextTest::Contains(_) => None,
        }
    }

    /// Whether it is false of an empty string, and the same of a field's bytes as of its text: U+FFFD is in the text alone.
    pub(super) fn takes_bytes(&self) -> bool {
        let mut mark = [0; 4];
        let mark: &[u8] = char::REPLACEMENT_CHARACTER.encode_utf8(&mut mark).as_bytes();
        let marked = match self {
            TextTest::Is(text) | TextTest::IsNot(text) | TextTest::Starts(text) | TextTest::Ends(text) => {
                memmem::find(text.as_bytes(), mark).is_some()
            }
            TextTest::Contains(finder) => memmem::find(finder.needle(), mark).is_some(),
            TextTest::In(words) => words.any(|word| memmem::find(word.as_bytes(), mark).is_some()),
        };
        !marked && !self.holds(b"")
    }
}

impl TextPair {
    fn holds(self, text: &str, part: &str) -> bool {
        match self {
            TextPair::Starts => text.starts_with(part),
            TextPair::Ends => text.ends_with(part),
            TextPair::Contains => text.contains(part),
        }
    }
}
