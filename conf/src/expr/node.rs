//! The tree as it was written, before any name has a meaning.

use super::tree::{Comparison, Span};

/// A piece of syntax, where it is, and how high the tree above its leaves is.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) syntax: Syntax,
    pub(super) span: Span,
    pub(super) height: usize,
}

#[derive(Debug)]
pub(super) enum Syntax {
    Bool(bool),
    Int(i64),
    Text(String),
    Name(String),
    /// `base.name`
    Member(Box<Node>, Label),
    /// `base[index]`
    Index(Box<Node>, Box<Node>),
    /// `name(...)` or `target.name(...)`
    Call(Option<Box<Node>>, Label, Vec<Node>),
    List(Vec<Node>),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    In(Box<Node>, Box<Node>),
}

/// A name behind a dot or before parentheses.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) name: String,
    pub(super) span: Span,
}
