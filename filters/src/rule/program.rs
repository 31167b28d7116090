//! A compiled expression.

use std::cell::OnceCell;

use selvedge_conf::expr::{Expr, Type};

use super::condition::Condition;
use super::context::Context;
use super::eval::{Binds, Eval};
use super::lower::Lowering;
use super::node::Node;
use super::text::Text;
use super::value::Value;

/// An expression, compiled once and asked about each request. Total; allocates nothing unless it makes text or lists.
#[derive(Clone, Debug)]
pub struct Program {
    root: Root,
    binds: Binds,
}

#[derive(Clone, Debug)]
enum Root {
    Condition(Condition),
    Text(Text),
    Node(Node),
}

impl Program {
    /// Compiles what [`selvedge_conf::expr`] has checked. A tree put together in any other way is total too: what is ill-typed in
    /// it is absent.
    pub fn compile(expr: &Expr) -> Program {
        let mut lowering = Lowering::new();
        let root = match expr.ty {
            Type::Bool => Root::Condition(lowering.condition(expr)),
            Type::String => Root::Text(lowering.text(expr)),
            _ => Root::Node(lowering.node(expr)),
        };
        Program { root, binds: lowering.binds }
    }

    /// Whether a condition holds; what is absent does not.
    pub fn holds(&self, context: &Context<'_>) -> bool {
        let arena = OnceCell::new();
        let holds = match &self.root {
            Root::Condition(condition) => condition.eval(&Eval::new(context, &arena, self.binds)) == Some(true),
            Root::Text(_) | Root::Node(_) => false,
        };
        if let Some(mut arena) = arena.into_inner() {
            arena.reset();
            context.memo.spare.set(Some(arena));
        }
        holds
    }

    /// A scalar value; `None` when it is absent, or no scalar.
    pub fn value<'v>(&'v self, context: &'v Context<'_>) -> Option<Value<'v>> {
        let eval = Eval::new(context, &context.memo.kept, self.binds);
        match &self.root {
            Root::Condition(condition) => condition.eval(&eval).map(Value::Bool),
            Root::Text(text) => text.eval(&eval).map(Value::String),
            Root::Node(node) => node.eval(&eval)?.scalar(),
        }
    }

    /// The value of an expression of type string; `None` when it is absent, or no string.
    pub fn text<'v>(&'v self, context: &'v Context<'_>) -> Option<&'v str> {
        match &self.root {
            Root::Text(text) => text.eval(&Eval::new(context, &context.memo.kept, self.binds)),
            Root::Condition(_) | Root::Node(_) => None,
        }
    }
}
