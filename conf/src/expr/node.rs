//! The tree as it was written, before any name has a meaning.

use std::borrow::Cow;

use super::tree::{Arithmetic, Comparison, Span};

/// A piece of syntax, where it is, and how high the tree above its leaves is.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) syntax: Syntax<'a>,
    pub(super) span: Span,
    pub(super) height: usize,
}

#[derive(Debug)]
pub(super) enum Syntax<'a> {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Cow<'a, str>),
    Bytes(Vec<u8>),
    Name(&'a str),
    /// `base.name`, `base.?name`
    Member(Box<Node<'a>>, Label<'a>, Access),
    /// `base[index]`, `base[?index]`
    Index(Box<Node<'a>>, Box<Node<'a>>, Access),
    /// `name(...)` or `target.name(...)`
    Call(Option<Box<Node<'a>>>, Label<'a>, Vec<Node<'a>>),
    List(Vec<Node<'a>>),
    Map(Vec<(Node<'a>, Node<'a>)>),
    Not(Box<Node<'a>>),
    Negate(Box<Node<'a>>),
    And(Vec<Node<'a>>),
    Or(Vec<Node<'a>>),
    /// `condition ? then : else`
    Choose(Box<[Node<'a>; 3]>),
    Compare(Comparison, Box<Node<'a>>, Box<Node<'a>>),
    Arithmetic(Arithmetic, Box<Node<'a>>, Box<Node<'a>>),
    In(Box<Node<'a>>, Box<Node<'a>>),
}

/// How a part of a value is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// As it is; absent when it is not there.
    Plain,
    /// As an optional.
    Optional,
}

/// A name behind a dot or before parentheses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label<'a> {
    pub(super) name: &'a str,
    pub(super) span: Span,
}
