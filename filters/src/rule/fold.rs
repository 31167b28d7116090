//! Macros: the same expression for each element of a list, each key of a map, or what an optional holds (CEL language definition,
//! section Macros).
//!
//! All that a request brings is visited, so that nothing is hidden behind many other entries. Time is bounded by the size of a
//! request then; where macros are one in another, by [`super::STEPS_MAX`].

use std::slice;

use selvedge_conf::expr::Macro;

use super::condition::Condition;
use super::datum::Datum;
use super::eval::Eval;
use super::node::Node;
use super::source::Names;
use super::value::Value;

/// A macro over a range.
#[derive(Clone, Debug)]
pub(super) struct Fold {
    pub(super) macro_: Macro,
    /// What is visited.
    pub(super) range: Node,
    /// Where the element is bound.
    pub(super) slot: usize,
    pub(super) filter: Option<Condition>,
    pub(super) body: Body,
}

/// What is asked of each element, or made of it.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Condition(Condition),
    Value(Node),
}

/// What is visited, without a list being made of it.
enum Elements<'v> {
    List(slice::Iter<'v, Datum<'v>>),
    Keys(slice::Iter<'v, (Datum<'v>, Datum<'v>)>),
    Names(Names<'v>),
}

impl<'v> Iterator for Elements<'v> {
    type Item = Datum<'v>;

    fn next(&mut self) -> Option<Datum<'v>> {
        match self {
            Elements::List(elements) => elements.next().copied(),
            Elements::Keys(entries) => entries.next().map(|(key, _)| *key),
            Elements::Names(names) => names.next().map(|name| Datum::Scalar(Value::String(name))),
        }
    }
}

impl Fold {
    /// `all`, `exists` and `exists_one`.
    pub(super) fn holds<'v>(&'v self, eval: &Eval<'v, '_>) -> Option<bool> {
        let elements = self.elements(eval)?;
        eval.nest(|| self.folded(elements, eval))
    }

    fn folded<'v>(&'v self, elements: Elements<'v>, eval: &Eval<'v, '_>) -> Option<bool> {
        match self.macro_ {
            Macro::All => self.decided(elements, false, eval),
            Macro::Exists => self.decided(elements, true, eval),
            Macro::ExistsOne => {
                let mut found = 0_usize;
                for element in elements {
                    // The language definition: an error in any element is the result.
                    found += usize::from(self.asked(element, eval)?);
                }
                Some(found == 1)
            }
            Macro::Filter | Macro::Map | Macro::OptMap => None,
        }
    }

    /// `&&` or `||` of the conditions of all elements: one `decisive` answer is the result, and wins over absence.
    fn decided<'v>(&'v self, elements: Elements<'v>, decisive: bool, eval: &Eval<'v, '_>) -> Option<bool> {
        let mut result = Some(!decisive);
        for element in elements {
            match self.asked(element, eval) {
                Some(answer) if answer == decisive => return Some(decisive),
                Some(_) => {}
                None if eval.is_spent() => return None,
                None => result = None,
            }
        }
        result
    }

    /// `filter`, `map` and `optMap`.
    pub(super) fn eval<'v>(&'v self, eval: &Eval<'v, '_>) -> Option<Datum<'v>> {
        if self.macro_ == Macro::OptMap {
            return self.mapped(eval);
        }
        let elements = self.elements(eval)?;
        eval.nest(|| self.listed(elements, eval))
    }

    fn listed<'v>(&'v self, elements: Elements<'v>, eval: &Eval<'v, '_>) -> Option<Datum<'v>> {
        let mut list = eval.scratch.list(0)?;
        for element in elements {
            eval.step()?;
            eval.bind(self.slot, element);
            let taken = match &self.filter {
                Some(filter) => filter.eval(eval)?,
                None => true,
            };
            match (self.macro_, &self.body) {
                (Macro::Filter, Body::Condition(condition)) if condition.eval(eval)? => list.push(element),
                (Macro::Map, body) if taken => list.push(body.value(eval)?),
                _ => {}
            }
        }
        Some(Datum::List(list.into_bump_slice()))
    }

    fn mapped<'v>(&'v self, eval: &Eval<'v, '_>) -> Option<Datum<'v>> {
        let Datum::Optional(held) = self.range.eval(eval)? else { return None };
        let Some(held) = held else { return Some(Datum::Optional(None)) };
        eval.bind(self.slot, *held);
        Some(Datum::Optional(Some(eval.scratch.keep(self.body.value(eval)?)?)))
    }

    fn asked<'v>(&'v self, element: Datum<'v>, eval: &Eval<'v, '_>) -> Option<bool> {
        eval.step()?;
        eval.bind(self.slot, element);
        match &self.body {
            Body::Condition(condition) => condition.eval(eval),
            Body::Value(node) => node.eval(eval)?.bool(),
        }
    }

    fn elements<'v>(&'v self, eval: &Eval<'v, '_>) -> Option<Elements<'v>> {
        if let Node::Names(source) = &self.range {
            return Some(Elements::Names(source.names(eval.context)));
        }
        match self.range.eval(eval)? {
            Datum::List(elements) => Some(Elements::List(elements.iter())),
            Datum::Map(entries) => Some(Elements::Keys(entries.iter())),
            _ => None,
        }
    }
}

impl Body {
    fn value<'v>(&'v self, eval: &Eval<'v, '_>) -> Option<Datum<'v>> {
        match self {
            Body::Condition(condition) => condition.eval(eval).map(|value| Datum::Scalar(Value::Bool(value))),
            Body::Value(node) => node.eval(eval),
        }
    }
}
