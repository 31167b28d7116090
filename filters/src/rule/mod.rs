//! Expressions about a request. In goes a checked expression (`selvedge_conf::expr`), out comes a [`Program`] that is asked about
//! each request: typed once, owned, and answered without failure, and without allocation unless it makes text or lists.
//!
//! The tree is lowered (`lower`) to three kinds of steps: conditions, texts, and nodes of any type. The first two read what they
//! need directly; the last is the general way. Absence, bounds and the rest of the meaning are those of
//! [`selvedge_conf::expr::Expr`].

mod arithmetic;
mod call;
mod condition;
mod context;
mod convert;
mod datum;
mod entries;
mod eval;
mod fold;
mod key;
mod lookup;
mod lower;
mod network;
mod node;
mod pass;
mod program;
mod reads;
mod scratch;
mod session;
mod source;
mod strings;
mod text;
mod time;
mod token;
mod urlencoded;
mod value;
mod words;

pub use context::Context;
pub use eval::STEPS_MAX;
pub use key::KeyBytes;
pub use program::Program;
pub use reads::Reads;
pub use scratch::{MADE_MAX, SCRATCH_MAX};
pub(crate) use source::cookies;
pub use value::Value;
