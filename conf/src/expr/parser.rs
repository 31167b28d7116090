//! From words to a tree: a Pratt parser (V. Pratt, "Top Down Operator Precedence", 1973). Precedence is that of the CEL
//! language definition, "Syntax", from loose to tight: `? :`, `||`, `&&`, comparisons and `in`, `+ -`, `* / %`, `!` and `-`,
//! then `.`, `[]` and calls. What stands in a wrong place is described in `misplaced.rs`.

use super::lexer::{Mark, Token, Word};
use super::node::{Access, Label, Node, Syntax};
use super::tree::{Arithmetic, Comparison, Span};
use super::{Error, NESTING_MAX, environment};

/// CEL language definition, "Syntax": words that are no identifiers.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "namespace",
    "package",
    "return",
    "var",
    "void",
    "while",
];

/// Parses a whole text.
pub(super) fn parse(tokens: Vec<Token<'_>>) -> Result<Node<'_>, Error> {
    let mut parser = Parser { tokens, at: 0, depth: 0 };
    let node = parser.expression()?;
    match parser.peek() {
        Word::End => Ok(node),
        _ => Err(parser.misplaced("an operator")),
    }
}

/// An operator between two operands.
#[derive(Clone, Copy)]
enum Infix {
    Or,
    And,
    Compare(Comparison),
    In,
    Arithmetic(Arithmetic),
}

impl Infix {
    fn of(word: &Word<'_>) -> Option<Infix> {
        let Word::Mark(mark) = word else { return None };
        match mark {
            Mark::Or => Some(Infix::Or),
            Mark::And => Some(Infix::And),
            Mark::Compare(comparison) => Some(Infix::Compare(*comparison)),
            Mark::In => Some(Infix::In),
            Mark::Arithmetic(operator) => Some(Infix::Arithmetic(*operator)),
            _ => None,
        }
    }

    /// How tightly it binds. All are left-associative.
    fn power(self) -> u8 {
        match self {
            Infix::Or => 1,
            Infix::And => 2,
            Infix::Compare(_) | Infix::In => 3,
            Infix::Arithmetic(Arithmetic::Add | Arithmetic::Subtract) => 4,
            Infix::Arithmetic(_) => 5,
        }
    }
}

pub(super) struct Parser<'a> {
    pub(super) tokens: Vec<Token<'a>>,
    pub(super) at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn peek(&self) -> &Word<'a> {
        self.tokens.get(self.at).map_or(&Word::End, |token| &token.word)
    }

    /// The place of the next word; after the last one, the end of the text.
    pub(super) fn here(&self) -> Span {
        let token = self.tokens.get(self.at).or(self.tokens.last());
        token.map_or(Span { start: 0, end: 0 }, |token| token.span)
    }

    /// Where the last word taken ends.
    fn end(&self) -> usize {
        let taken = self.at.checked_sub(1).and_then(|last| self.tokens.get(last));
        taken.map_or(0, |token| token.span.end)
    }

    fn eat(&mut self, mark: Mark) -> bool {
        let found = *self.peek() == Word::Mark(mark);
        if found {
            self.at += 1;
        }
        found
    }

    /// A whole expression: operators, and perhaps a choice between two.
    fn expression(&mut self) -> Result<Node<'a>, Error> {
        self.descend()?;
        let condition = self.operation(0)?;
        let node = if self.eat(Mark::Question) { self.choice(condition) } else { Ok(condition) };
        self.depth -= 1;
        node
    }

    /// `? then : else` behind its condition. Between the marks a further choice needs parentheses, as in CEL.
    fn choice(&mut self, condition: Node<'a>) -> Result<Node<'a>, Error> {
        let then = self.operation(0)?;
        if !self.eat(Mark::Colon) {
            return Err(match self.peek() {
                Word::Mark(Mark::Question) => {
                    self.misplaced("`:`").advice("a choice within a choice needs parentheses")
                }
                _ => self.misplaced("`:`").advice("a choice is written `condition ? then : else`"),
            });
        }
        let otherwise = self.expression()?;
        let height = 1 + condition.height.max(then.height).max(otherwise.height);
        let span = Span { start: condition.span.start, end: otherwise.span.end };
        node(Syntax::Choose(Box::new([condition, then, otherwise])), span, height)
    }

    /// Operators of `least` power and more, and their operands. It calls itself at most once for each power.
    fn operation(&mut self, least: u8) -> Result<Node<'a>, Error> {
        let mut left = self.prefix()?;
        while let Some(infix) = Infix::of(self.peek()).filter(|infix| infix.power() >= least) {
            self.at += 1;
            let right = self.operation(infix.power() + 1)?;
            left = join(infix, left, right)?;
        }
        Ok(left)
    }

    fn descend(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > NESTING_MAX { Err(too_deep(self.here())) } else { Ok(()) }
    }

    fn prefix(&mut self) -> Result<Node<'a>, Error> {
        let start = self.here().start;
        let not = self.eat(Mark::Not);
        if not || self.eat(Mark::Arithmetic(Arithmetic::Subtract)) {
            if !not && let Some(number) = self.negative(start)? {
                return Ok(number);
            }
            self.descend()?;
            let operand = Box::new(self.prefix()?);
            self.depth -= 1;
            let (height, end) = (operand.height + 1, self.end());
            let syntax = if not { Syntax::Not(operand) } else { Syntax::Negate(operand) };
            return node(syntax, Span { start, end }, height);
        }
        let operand = self.operand()?;
        self.postfix(operand)
    }

    /// A number behind a minus: together they are one literal, so that the least int can be written.
    fn negative(&mut self, start: usize) -> Result<Option<Node<'a>>, Error> {
        let syntax = match *self.peek() {
            Word::Int(number) => 0i64.checked_sub_unsigned(number).map(Syntax::Int),
            Word::Double(number) => Some(Syntax::Double(-number)),
            _ => return Ok(None),
        };
        self.at += 1;
        let span = Span { start, end: self.end() };
        let syntax = syntax.ok_or_else(|| Error::new(span, "not a number of 64 bits"))?;
        node(syntax, span, 1).map(Some)
    }

    fn operand(&mut self) -> Result<Node<'a>, Error> {
        let span = self.here();
        let Some(token) = self.tokens.get_mut(self.at) else { return Err(self.misplaced("a value")) };
        let syntax = match &mut token.word {
            Word::Int(number) => match i64::try_from(*number) {
                Ok(number) => Syntax::Int(number),
                Err(_) => {
                    let error = Error::new(span, "not a number of 64 bits");
                    return Err(error.help(format!("an unsigned number is written `{number}u`")));
                }
            },
            Word::Uint(number) => Syntax::Uint(*number),
            Word::Double(number) => Syntax::Double(*number),
            Word::Text(text) => Syntax::Text(std::mem::take(text)),
            Word::Bytes(bytes) => Syntax::Bytes(std::mem::take(bytes)),
            Word::Name(name) => {
                let name = *name;
                self.at += 1;
                return self.named(name, span);
            }
            Word::Mark(mark) => {
                let mark = *mark;
                return self.bracketed(mark, span);
            }
            Word::End => return Err(self.misplaced("a value")),
        };
        self.at += 1;
        node(syntax, span, 1)
    }

    /// Parentheses, a list, a map; or a name of the root, behind a dot.
    fn bracketed(&mut self, mark: Mark, span: Span) -> Result<Node<'a>, Error> {
        self.at += 1;
        match mark {
            Mark::Open => {
                let inner = self.expression()?;
                if *self.peek() == Word::Mark(Mark::Comma) {
                    return Err(self.misplaced("`)`").advice("a list is written in brackets: `x in [\"a\", \"b\"]`"));
                }
                self.close(Mark::Close, span, "`(`")?;
                Ok(Node { span: Span { start: span.start, end: self.end() }, ..inner })
            }
            Mark::OpenList => {
                let elements = self.elements(Mark::CloseList, span, "`[`")?;
                let height = above(&elements);
                node(Syntax::List(elements), Span { start: span.start, end: self.end() }, height)
            }
            Mark::OpenMap => self.map(span),
            Mark::Dot if self.names_the_root() => self.operand(),
            _ => {
                self.at -= 1;
                Err(self.misplaced("a value"))
            }
        }
    }

    /// CEL language definition, "Name Resolution": a name behind a leading dot is one of the root scope, and never a macro's
    /// variable. In that scope are the roots of fields, and functions.
    fn names_the_root(&self) -> bool {
        let Word::Name(name) = self.peek() else { return false };
        let call = self.tokens.get(self.at + 1).is_some_and(|token| token.word == Word::Mark(Mark::Open));
        call || environment::root(name).is_some()
    }

    fn map(&mut self, open: Span) -> Result<Node<'a>, Error> {
        let mut entries = Vec::new();
        let mut height = 1;
        while !self.eat(Mark::CloseMap) {
            self.no_optional_part()?;
            let key = self.expression()?;
            if !self.eat(Mark::Colon) {
                return Err(self.misplaced("`:`").advice("a map is written `{\"key\": value, ...}`"));
            }
            let value = self.expression()?;
            height = height.max(1 + key.height.max(value.height));
            entries.push((key, value));
            if !self.eat(Mark::Comma) {
                self.close(Mark::CloseMap, open, "`{`")?;
                break;
            }
        }
        node(Syntax::Map(entries), Span { start: open.start, end: self.end() }, height)
    }

    fn named(&mut self, name: &'a str, span: Span) -> Result<Node<'a>, Error> {
        match name {
            "true" => return node(Syntax::Bool(true), span, 1),
            "false" => return node(Syntax::Bool(false), span, 1),
            _ => self.not_a_name(name, span, &RESERVED)?,
        }
        let open = self.here();
        if !self.eat(Mark::Open) {
            return node(Syntax::Name(name), span, 1);
        }
        let arguments = self.arguments(open)?;
        let height = above(&arguments);
        let syntax = Syntax::Call(None, Label { name, span }, arguments);
        node(syntax, Span { start: span.start, end: self.end() }, height)
    }

    /// `.name`, `.name(...)` and `[index]`, as many as there are.
    fn postfix(&mut self, mut base: Node<'a>) -> Result<Node<'a>, Error> {
        loop {
            let (start, open) = (base.span.start, self.here());
            if self.eat(Mark::Dot) {
                base = self.member(base, start)?;
            } else if self.eat(Mark::OpenList) {
                let access = self.access();
                let index = self.expression()?;
                self.close(Mark::CloseList, open, "`[`")?;
                let height = base.height.max(index.height) + 1;
                let syntax = Syntax::Index(Box::new(base), Box::new(index), access);
                base = node(syntax, Span { start, end: self.end() }, height)?;
            } else {
                return Ok(base);
            }
        }
    }

    fn member(&mut self, base: Node<'a>, start: usize) -> Result<Node<'a>, Error> {
        let access = self.access();
        let span = self.here();
        let name = match *self.peek() {
            Word::Name(name) if !matches!(name, "true" | "false" | "null") => name,
            _ => return Err(self.misplaced("a name behind the dot")),
        };
        self.at += 1;
        let label = Label { name, span };
        let open = self.here();
        let (syntax, height) = if access == Access::Plain && self.eat(Mark::Open) {
            let arguments = self.arguments(open)?;
            let height = above(&arguments).max(base.height + 1);
            (Syntax::Call(Some(Box::new(base)), label, arguments), height)
        } else {
            let height = base.height + 1;
            (Syntax::Member(Box::new(base), label, access), height)
        };
        node(syntax, Span { start, end: self.end() }, height)
    }

    /// Whether a part is picked as an optional: `[?index]`, `.?name`.
    fn access(&mut self) -> Access {
        if self.eat(Mark::Question) { Access::Optional } else { Access::Plain }
    }

    /// What is between the parentheses of a call.
    fn arguments(&mut self, open: Span) -> Result<Vec<Node<'a>>, Error> {
        if self.eat(Mark::Close) { Ok(Vec::new()) } else { self.elements(Mark::Close, open, "`(`") }
    }

    /// Expressions between commas up to `closing`; a comma may follow the last one, but not that of a call.
    fn elements(&mut self, closing: Mark, open: Span, opening: &str) -> Result<Vec<Node<'a>>, Error> {
        let mut elements = Vec::new();
        while closing == Mark::Close || !self.eat(closing) {
            self.no_optional_part()?;
            elements.push(self.expression()?);
            if !self.eat(Mark::Comma) {
                self.close(closing, open, opening)?;
                break;
            }
        }
        Ok(elements)
    }

    fn no_optional_part(&self) -> Result<(), Error> {
        if *self.peek() != Word::Mark(Mark::Question) {
            return Ok(());
        }
        let error = Error::new(self.here(), "optional parts of a list or a map are not available");
        Err(error.advice("give a value for when there is none: `x.orValue(...)`"))
    }

    fn close(&mut self, closing: Mark, open: Span, opening: &str) -> Result<(), Error> {
        if self.eat(closing) {
            Ok(())
        } else if *self.peek() == Word::End {
            Err(Error::new(open, format!("this {opening} is never closed")))
        } else {
            Err(self.misplaced("an operator"))
        }
    }
}

fn node(syntax: Syntax<'_>, span: Span, height: usize) -> Result<Node<'_>, Error> {
    if height > NESTING_MAX { Err(too_deep(span)) } else { Ok(Node { syntax, span, height }) }
}

/// The height of a node over these.
fn above(nodes: &[Node<'_>]) -> usize {
    1 + nodes.iter().map(|node| node.height).max().unwrap_or(0)
}

/// Chains of `&&` and of `||` become one node however long they are.
fn join<'a>(infix: Infix, left: Node<'a>, right: Node<'a>) -> Result<Node<'a>, Error> {
    let span = Span { start: left.span.start, end: right.span.end };
    let height = left.height.max(right.height) + 1;
    let chain_height = left.height.max(right.height + 1);
    match (infix, left) {
        (Infix::And, Node { syntax: Syntax::And(mut terms), .. }) => {
            terms.push(right);
            node(Syntax::And(terms), span, chain_height)
        }
        (Infix::Or, Node { syntax: Syntax::Or(mut terms), .. }) => {
            terms.push(right);
            node(Syntax::Or(terms), span, chain_height)
        }
        (Infix::And, left) => node(Syntax::And(vec![left, right]), span, height),
        (Infix::Or, left) => node(Syntax::Or(vec![left, right]), span, height),
        (Infix::Compare(comparison), left) => {
            node(Syntax::Compare(comparison, Box::new(left), Box::new(right)), span, height)
        }
        (Infix::In, left) => node(Syntax::In(Box::new(left), Box::new(right)), span, height),
        (Infix::Arithmetic(operator), left) => {
            node(Syntax::Arithmetic(operator, Box::new(left), Box::new(right)), span, height)
        }
    }
}

fn too_deep(span: Span) -> Error {
    Error::new(span, format!("nested deeper than {NESTING_MAX} levels"))
}
