//! Expressions in the config: each is checked where it stands, and each of its errors is noted at its own place in the file.

use crate::expr::{self, Expr, Phase, Setting, Type};
use crate::finding::Check;
use crate::raw::{At, Text};
use crate::value::{Patterns, Wrong, quoted};

/// More doubtful names than this are not remembered: as many problems were noted as a report shows.
const DOUBTFUL_MAX: usize = 32;

impl Check<'_> {
    /// A condition.
    pub(crate) fn condition(&mut self, written: &At<Text>, phase: Phase) -> Option<Expr> {
        self.parsed(written, phase, expr::condition)
    }

    /// A condition that may be left out.
    pub(crate) fn condition_or_all(&mut self, written: Option<&At<Text>>, phase: Phase) -> Option<Option<Expr>> {
        written.map_or(Some(None), |written| self.condition(written, phase).map(Some))
    }

    /// An expression of one of these types; `what` says in messages whose value it is.
    pub(crate) fn typed(&mut self, written: &At<Text>, phase: Phase, what: &str, wanted: &[Type]) -> Option<Expr> {
        let expr = self.parsed(written, phase, expr::value)?;
        if wanted.contains(&expr.ty) {
            return Some(expr);
        }
        let types: Vec<String> = wanted.iter().map(Type::to_string).collect();
        let types = match types.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        };
        let message = format!("{what} is of type {types}, and this is of type {}", expr.ty);
        let scalar = matches!(expr.ty, Type::Bool | Type::Int | Type::Uint | Type::Double | Type::Ip | Type::Cidr);
        let help = (scalar && wanted.contains(&Type::String)).then(|| "write `string(...)` around it".to_owned());
        self.note_expression(written, expr::Error { span: expr.span, message, help });
        None
    }

    /// The condition that a value stands for; what is wrong with it is noted at the value.
    pub(crate) fn stands_for(&mut self, written: &At<Text>, text: &str, phase: Phase) -> Option<Expr> {
        match expr::condition(text, &Setting { phase, names: &self.names }, &self.patterns) {
            Ok(expr) => Some(expr),
            Err(errors) => {
                let message = errors.into_iter().next().map(|error| error.message).unwrap_or_default();
                self.note(written.span(), Wrong::new(message));
                None
            }
        }
    }

    /// Notes an error inside an expression.
    pub(crate) fn note_expression(&mut self, written: &At<Text>, error: expr::Error) {
        let raw = self.sources.get(self.file).and_then(|source| source.text.get(written.span())).unwrap_or_default();
        let start = written.start + quoted::offset(raw, error.span.start);
        let end = written.start + quoted::offset(raw, error.span.end);
        self.note(start..end, Wrong { message: error.message, help: error.help });
    }

    /// Notes what an expression reads of sessions that a site it is for does not have.
    pub(crate) fn in_scope(&mut self, written: &At<Text>, expr: &Expr) -> Option<()> {
        let mut all_there = Some(());
        for part in expr.of_session() {
            if let Err(Wrong { message, help }) = self.scope.has(part) {
                self.note_expression(written, expr::Error { span: part.span, message, help });
                all_there = None;
            }
        }
        all_there
    }

    /// Says that what a config declares by this name is wrong itself and was noted: expressions that name it are not judged,
    /// because most of what could be said about them would only follow from that.
    pub(crate) fn doubt(&mut self, spelling: String) {
        if self.doubtful.len() < DOUBTFUL_MAX {
            self.doubtful.push(spelling);
        }
    }

    fn parsed(
        &mut self,
        written: &At<Text>,
        phase: Phase,
        parse: impl Fn(&str, &Setting<'_>, &Patterns) -> Result<Expr, Vec<expr::Error>>,
    ) -> Option<Expr> {
        let text = written.value.as_ref();
        let errors = match parse(text, &Setting { phase, names: &self.names }, &self.patterns) {
            Ok(expr) => return self.in_scope(written, &expr).map(|()| expr),
            Err(errors) => errors,
        };
        if !self.doubtful.iter().any(|name| text.contains(name.as_str())) {
            errors.into_iter().for_each(|error| self.note_expression(written, error));
        }
        None
    }
}
