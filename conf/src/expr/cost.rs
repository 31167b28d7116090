//! What an expression may take at most, known before it runs: the costs of the table, added up, and multiplied by the
//! elements that macros visit. Rough nanoseconds for ordinary lengths of text; the point is to tell a rule from a program.

use super::environment::{self, Form, Needs};
use super::tree::{Arithmetic, Expr, Field, Fold, Function, Kind, ListKind, Macro, Pattern, Read, Type};
use super::{COST_MAX, ELEMENTS_MAX, Error, SLOTS_MAX, Span};

/// What an expression may take at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Nanoseconds for one evaluation, roughly.
    pub nanos: u64,
    /// What is dear in it, in the order of the text, each once.
    pub notes: Vec<String>,
}

/// A comparison, an operator, a step of a macro.
const STEP: u64 = 2;
/// What is worth a note, in nanoseconds.
const DEAR: u64 = 100;
/// A small regular expression over a text of ordinary length.
const MATCH: u64 = 150;
/// A larger one fits the processor's caches worse: twice as much for each step of four times the size.
const SMALL: usize = 4 * 1024;
/// A part of a time in a time zone.
const PART: u64 = 120;

impl Expr {
    /// What it may take at most.
    pub fn cost(&self) -> Cost {
        let mut meter = Meter::default();
        let nanos = meter.measure(self).nanos.saturating_add(meter.once);
        Cost { nanos, notes: meter.notes }
    }
}

/// Refuses an expression that may take more than [`COST_MAX`].
pub(super) fn check(expr: &Expr) -> Result<(), Error> {
    let mut meter = Meter::default();
    let nanos = meter.measure(expr).nanos.saturating_add(meter.once);
    if nanos <= COST_MAX {
        return Ok(());
    }
    let most = time(COST_MAX);
    let Some(nest) = meter.dear else {
        let message = format!("this may take {} for a request; an expression may take {most}", time(nanos));
        return Err(Error::new(expr.span, message).advice("split it into several"));
    };
    let macros = match nest.depth {
        1 => "this macro".to_owned(),
        depth => format!("{depth} macros one in another"),
    };
    let message = format!(
        "{macros} may take {} steps, {} for a request; an expression may take {most}",
        nest.visits,
        time(nest.nanos)
    );
    Err(Error::new(nest.span, message)
        .advice("put what is looked for into a `[list.NAME]`, or look for it in fewer lists"))
}

/// What one search takes: the square root of the size, in units of [`MATCH`].
fn search_of(pattern: &Pattern) -> u64 {
    MATCH.saturating_mul((pattern.1 / SMALL).isqrt().max(1) as u64)
}

fn time(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{} us", nanos / 1_000),
        1_000_000..10_000_000_000 => format!("{} ms", nanos / 1_000_000),
        10_000_000_000..100_000_000_000_000 => format!("{} s", nanos / 1_000_000_000),
        _ => "more than a day".to_owned(),
    }
}

/// What evaluating a part takes, and how large its value may be.
#[derive(Clone, Copy)]
struct Measured {
    nanos: u64,
    /// Elements of a list, entries of a map; 1 of anything else.
    elements: u64,
    /// Values in it, those within its elements included.
    values: u64,
}

/// A nest of macros that takes more than is possible.
struct Nest {
    nanos: u64,
    visits: u64,
    depth: usize,
    span: Span,
}

#[derive(Default)]
struct Meter {
    /// How large what macros bound may be.
    slots: [u64; SLOTS_MAX],
    /// The steps and the depth of the macros inside the part that is being measured.
    inner: (u64, usize),
    /// What is computed at most once for a request and remembered, however often it is asked.
    once: u64,
    remembered: Vec<(Form, usize)>,
    notes: Vec<String>,
    /// The smallest nest that is too dear.
    dear: Option<Nest>,
}

impl Meter {
    fn measure(&mut self, expr: &Expr) -> Measured {
        let own = match &expr.kind {
            Kind::Fold(fold) => return self.fold(expr, fold),
            Kind::TokenValid(provider) | Kind::TokenError(provider) | Kind::Claim(provider, _) => {
                let cost = environment::cost_of_form(Form::TokenValid);
                self.remember(Form::TokenValid, *provider, cost, "a token's signature");
                STEP
            }
            Kind::Field(field) => self.field(*field),
            Kind::Call(function, _) => match environment::entry_of_function(*function) {
                Some(entry) => self.noted(entry.cost, || format!("`{}`", entry.written())),
                None => STEP,
            },
            Kind::Matches(_, pattern) => self.noted(search_of(pattern), || "a regular expression".to_owned()),
            Kind::Part(..) => self.noted(PART, || "a part of a time".to_owned()),
            Kind::Read(read) => self.read(read),
            Kind::In(_, set) => self.search(set),
            Kind::Bool(_) | Kind::Int(_) | Kind::Uint(_) | Kind::Double(_) | Kind::String(_) | Kind::Bytes(_) => 0,
            Kind::Duration(_) | Kind::Timestamp(_) | Kind::Ip(_) | Kind::Cidr(_) | Kind::Listed(_) => 0,
            _ => STEP,
        };
        self.composed(expr, own)
    }

    /// A part and the parts it is made of.
    fn composed(&mut self, expr: &Expr, own: u64) -> Measured {
        let (mut nanos, mut elements, mut values, mut sum) = (own, 0, 0, 0u64);
        expr.for_each_part(&mut |part| {
            let measured = self.measure(part);
            nanos = nanos.saturating_add(measured.nanos);
            elements = measured.elements.max(elements);
            values = measured.values.max(values);
            sum = sum.saturating_add(measured.values);
        });
        // What looks through lists and maps takes a step for each value in them.
        if let Kind::Compare(..)
        | Kind::In(..)
        | Kind::Index(..)
        | Kind::Arithmetic(..)
        | Kind::List(_)
        | Kind::Map(_) = &expr.kind
        {
            nanos = nanos.saturating_add(sum);
        }
        let most = ELEMENTS_MAX as u64;
        let (elements, values) = match (&expr.kind, &expr.ty) {
            (Kind::List(parts), _) => (parts.len() as u64, sum),
            (Kind::Map(entries), _) => (entries.len() as u64, sum),
            (Kind::Variable(slot), Type::List(_) | Type::Map(..) | Type::Optional(_)) => {
                let held = self.slots.get(usize::from(*slot)).copied().unwrap_or(1);
                (held, held)
            }
            (Kind::Arithmetic(Arithmetic::Add, ..), Type::List(_)) => (sum, sum),
            (Kind::Index(..), Type::List(_) | Type::Map(..)) => (values, values),
            (
                Kind::Field(_)
                | Kind::Claim(..)
                | Kind::Call(Function::Split | Function::Values | Function::FormValues, _),
                Type::List(_) | Type::Map(..),
            ) => (most, most),
            (_, Type::List(_) | Type::Map(..) | Type::Optional(_)) => (elements.max(1), values.max(1)),
            _ => (1, 1),
        };
        Measured { nanos, elements, values }
    }

    fn fold(&mut self, expr: &Expr, fold: &Fold) -> Measured {
        let range = self.measure(&fold.range);
        let visits = if fold.macro_ == Macro::OptMap { 1 } else { range.elements };
        if let Some(slot) = self.slots.get_mut(usize::from(fold.slot)) {
            *slot = range.values;
        }
        let beside = std::mem::replace(&mut self.inner, (1, 0));
        let body = self.measure(&fold.body);
        let filter = fold.filter.as_ref().map_or(0, |filter| self.measure(filter).nanos);
        let visit = body.nanos.saturating_add(filter).saturating_add(STEP);
        let nanos = visits.saturating_mul(visit).saturating_add(range.nanos);
        let steps = (visits.saturating_mul(self.inner.0), self.inner.1 + 1);
        self.inner = beside.max(steps);
        if nanos > COST_MAX && self.dear.is_none() {
            self.dear = Some(Nest { nanos, visits: steps.0, depth: steps.1, span: expr.span });
        }
        let (elements, values) = match fold.macro_ {
            Macro::All | Macro::Exists | Macro::ExistsOne => (1, 1),
            Macro::Filter => (range.elements, range.values),
            Macro::Map => (range.elements, range.elements.saturating_mul(body.values)),
            Macro::OptMap => (body.elements, body.values),
        };
        Measured { nanos, elements, values }
    }

    fn field(&mut self, field: Field) -> u64 {
        let Some(entry) = environment::entry_of(field) else { return STEP };
        match entry.needs {
            Needs::Nothing | Needs::Session => entry.cost,
            Needs::Challenge if field == Field::ChallengeResult => entry.cost,
            Needs::Challenge => {
                self.remember(Form::Has, Needs::Challenge as usize, entry.cost, "a look at a pass");
                STEP
            }
            needs => {
                // One look into a database gives all of its fields.
                self.remember(Form::Has, needs as usize, entry.cost, "a look into a database of places");
                STEP
            }
        }
    }

    fn read(&mut self, read: &Read) -> u64 {
        let (form, what) = match read {
            Read::Count(..) => (Form::Count, "`count`"),
            Read::Rate(..) => (Form::Rate, "`rate`"),
            Read::Uniques(..) => (Form::Uniques, "`uniques`"),
            Read::Exceeded(_) => (Form::Limit, "`limit`"),
            Read::Banned(_) => (Form::Banned, "`banned`"),
        };
        self.noted(environment::cost_of_form(form), || what.to_owned())
    }

    /// The search in what is on the right of `in`.
    fn search(&mut self, set: &Expr) -> u64 {
        match &set.ty {
            Type::Named(ListKind::Addresses) => self.noted(150, || "a list of addresses".to_owned()),
            Type::Named(_) => 60,
            _ => STEP,
        }
    }

    fn noted(&mut self, cost: u64, what: impl Fn() -> String) -> u64 {
        if cost >= DEAR {
            let note = format!("{} ({cost} ns)", what());
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        cost
    }

    fn remember(&mut self, form: Form, which: usize, cost: u64, what: &str) {
        if !self.remembered.contains(&(form, which)) {
            self.remembered.push((form, which));
            self.once = self.once.saturating_add(cost);
            self.noted(cost, || what.to_owned());
        }
    }
}
