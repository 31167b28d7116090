//! What a tree reads: a visitor of its parts, and the questions that need no more than that.

use super::environment;
use super::tree::{Expr, Field, Function, Kind, Phase, Read};

impl Expr {
    /// Calls `visit` with each part of this expression, but not with the parts of those.
    pub fn for_each_part<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        match &self.kind {
            Kind::Bool(_) | Kind::Int(_) | Kind::Uint(_) | Kind::Double(_) | Kind::String(_) | Kind::Bytes(_) => {}
            Kind::Duration(_) | Kind::Timestamp(_) | Kind::Ip(_) | Kind::Cidr(_) => {}
            Kind::Field(_) | Kind::TokenValid(_) | Kind::TokenError(_) | Kind::Claim(..) => {}
            Kind::Attribute(_) | Kind::SessionCount(_) => {}
            Kind::Listed(_) | Kind::Variable(_) | Kind::None => {}
            Kind::List(parts) | Kind::And(parts) | Kind::Or(parts) | Kind::Call(_, parts) => {
                parts.iter().for_each(visit);
            }
            Kind::Map(entries) => entries.iter().for_each(|(key, value)| {
                visit(key);
                visit(value);
            }),
            Kind::Not(part) | Kind::Negate(part) | Kind::Maybe(part) | Kind::Some(part) | Kind::Has(part) => {
                visit(part)
            }
            Kind::Matches(part, _) | Kind::Part(_, part, _) => visit(part),
            Kind::Choose(condition, then, otherwise) => {
                [condition, then, otherwise].into_iter().for_each(|part| visit(part))
            }
            Kind::Compare(_, left, right)
            | Kind::Arithmetic(_, left, right)
            | Kind::In(left, right)
            | Kind::Index(left, right) => {
                visit(left);
                visit(right);
            }
            Kind::Fold(fold) => {
                visit(&fold.range);
                fold.filter.iter().for_each(&mut *visit);
                visit(&fold.body);
            }
            Kind::Read(read) => match &**read {
                Read::Count(_, key, _) | Read::Rate(_, key, _) | Read::Uniques(_, key, _) => key.iter().for_each(visit),
                Read::Exceeded(_) => {}
                Read::Banned(net) => net.iter().for_each(visit),
            },
        }
    }

    /// The earliest phase in which all it reads is known. A look at the state without a key is of the request, whose own key it
    /// takes, though a connection may know that, too.
    pub fn phase(&self) -> Phase {
        let mut phase = match &self.kind {
            Kind::Field(field) => environment::entry_of(*field).map_or(Phase::Connection, |entry| entry.phase),
            Kind::TokenValid(_) | Kind::TokenError(_) | Kind::Claim(..) => Phase::Request,
            Kind::Attribute(_) | Kind::SessionCount(_) => Phase::Request,
            Kind::Call(Function::Form | Function::FormValues, _) => Phase::Request,
            Kind::Read(read) => match &**read {
                // The request's own key.
                Read::Count(_, key, _) | Read::Rate(_, key, _) | Read::Uniques(_, key, _) if key.is_empty() => {
                    Phase::Request
                }
                Read::Exceeded(_) => Phase::Request,
                _ => Phase::Connection,
            },
            _ => Phase::Connection,
        };
        self.for_each_part(&mut |part| phase = phase.max(part.phase()));
        phase
    }

    /// The parts that read the request's session, in the order of the text.
    pub fn of_session(&self) -> Vec<&Expr> {
        let mut found = match &self.kind {
            Kind::Attribute(_) | Kind::SessionCount(_) => vec![self],
            Kind::Field(Field::SessionValid | Field::SessionId | Field::SessionFresh | Field::SessionAge) => vec![self],
            _ => Vec::new(),
        };
        self.for_each_part(&mut |part| found.append(&mut part.of_session()));
        found
    }

    /// Whether it reads the request's body as a form, so that the body is needed before it is asked.
    pub fn reads_form(&self) -> bool {
        let mut reads =
            matches!(&self.kind, Kind::Call(Function::Form | Function::FormValues, _) | Kind::Field(Field::FormRead));
        self.for_each_part(&mut |part| reads = reads || part.reads_form());
        reads
    }
}
