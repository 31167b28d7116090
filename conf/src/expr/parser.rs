//! From words to a tree: a Pratt parser (V. Pratt, "Top Down Operator Precedence", 1973). Precedence is CEL's, from
//! loose to tight: `||`, `&&`, comparisons and `in`, `!` and `-`, then `.`, `[]` and calls.

use super::lexer::{Token, Word};
use super::node::{Label, Node, Syntax};
use super::tree::{Comparison, Span};
use super::{Error, NESTING_MAX};

/// CEL specification, "Syntax": words that are never names.
const RESERVED: [&str; 18] = [
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
    "null",
    "package",
    "return",
    "var",
    "void",
    "while",
];

/// Parses a whole text.
pub(super) fn parse(tokens: &[Token]) -> Result<Node, Error> {
    let mut parser = Parser { tokens, at: 0, depth: 0 };
    let node = parser.expression(0)?;
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
}

impl Infix {
    fn of(word: &Word) -> Option<Infix> {
        match word {
            Word::Or => Some(Infix::Or),
            Word::And => Some(Infix::And),
            Word::Compare(comparison) => Some(Infix::Compare(*comparison)),
            Word::In => Some(Infix::In),
            _ => None,
        }
    }

    /// How tightly it binds. All are left-associative.
    fn power(self) -> u8 {
        match self {
            Infix::Or => 1,
            Infix::And => 2,
            Infix::Compare(_) | Infix::In => 3,
        }
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Word {
        self.tokens.get(self.at).map_or(&Word::End, |token| &token.word)
    }

    /// The place of the next word; after the last one, the end of the text.
    fn here(&self) -> Span {
        let token = self.tokens.get(self.at).or(self.tokens.last());
        token.map_or(Span { start: 0, end: 0 }, |token| token.span)
    }

    /// Where the last word taken ends.
    fn end(&self) -> usize {
        let taken = self.at.checked_sub(1).and_then(|last| self.tokens.get(last));
        taken.map_or(0, |token| token.span.end)
    }

    fn eat(&mut self, word: &Word) -> bool {
        let found = self.peek() == word;
        if found {
            self.at += 1;
        }
        found
    }

    /// Operators of `least` power and more, and their operands.
    fn expression(&mut self, least: u8) -> Result<Node, Error> {
        self.descend()?;
        let mut left = self.prefix()?;
        while let Some(infix) = Infix::of(self.peek()).filter(|infix| infix.power() >= least) {
            self.at += 1;
            let right = self.expression(infix.power() + 1)?;
            left = join(infix, left, right)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn descend(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > NESTING_MAX { Err(too_deep(self.here())) } else { Ok(()) }
    }

    fn prefix(&mut self) -> Result<Node, Error> {
        let start = self.here().start;
        if self.eat(&Word::Not) {
            self.descend()?;
            let operand = self.prefix()?;
            self.depth -= 1;
            let (height, end) = (operand.height + 1, self.end());
            return node(Syntax::Not(Box::new(operand)), Span { start, end }, height);
        }
        if self.eat(&Word::Minus) {
            let Word::Int(number) = *self.peek() else {
                return Err(self.misplaced("a number behind the minus"));
            };
            self.at += 1;
            let span = Span { start, end: self.end() };
            let number =
                0i64.checked_sub_unsigned(number).ok_or_else(|| Error::new(span, "not a number of 64 bits"))?;
            return node(Syntax::Int(number), span, 1);
        }
        let operand = self.operand()?;
        self.postfix(operand)
    }

    fn operand(&mut self) -> Result<Node, Error> {
        let span = self.here();
        let word = self.peek().clone();
        self.at += 1;
        match word {
            Word::Int(number) => {
                let number = i64::try_from(number).map_err(|_| Error::new(span, "not a number of 64 bits"))?;
                node(Syntax::Int(number), span, 1)
            }
            Word::Text(text) => node(Syntax::Text(text), span, 1),
            Word::Name(name) => self.named(name, span),
            Word::Open => {
                let inner = self.expression(0)?;
                self.close(&Word::Close, span, "`(`")?;
                Ok(Node { span: Span { start: span.start, end: self.end() }, ..inner })
            }
            Word::OpenList => {
                let elements = self.elements(&Word::CloseList, span, "`[`")?;
                let height = above(&elements);
                node(Syntax::List(elements), Span { start: span.start, end: self.end() }, height)
            }
            _ => {
                self.at -= 1;
                Err(self.misplaced("a value"))
            }
        }
    }

    fn named(&mut self, name: String, span: Span) -> Result<Node, Error> {
        match name.as_str() {
            "true" => return node(Syntax::Bool(true), span, 1),
            "false" => return node(Syntax::Bool(false), span, 1),
            "not" => return Err(Error::new(span, "`not` is not an operator").advice("negation is written `!`")),
            reserved if RESERVED.contains(&reserved) => {
                return Err(Error::new(span, format!("`{reserved}` is a reserved word")));
            }
            _ => {}
        }
        let open = self.here();
        if !self.eat(&Word::Open) {
            return node(Syntax::Name(name), span, 1);
        }
        let arguments = self.elements(&Word::Close, open, "`(`")?;
        let height = above(&arguments);
        let syntax = Syntax::Call(None, Label { name, span }, arguments);
        node(syntax, Span { start: span.start, end: self.end() }, height)
    }

    /// `.name`, `.name(...)` and `[index]`, as many as there are.
    fn postfix(&mut self, mut base: Node) -> Result<Node, Error> {
        loop {
            let (start, open) = (base.span.start, self.here());
            if self.eat(&Word::Dot) {
                let span = self.here();
                let Word::Name(name) = self.peek().clone() else {
                    return Err(self.misplaced("a name behind the dot"));
                };
                self.at += 1;
                let label = Label { name, span };
                let open = self.here();
                let (syntax, height) = if self.eat(&Word::Open) {
                    let arguments = self.elements(&Word::Close, open, "`(`")?;
                    let height = above(&arguments).max(base.height + 1);
                    (Syntax::Call(Some(Box::new(base)), label, arguments), height)
                } else {
                    let height = base.height + 1;
                    (Syntax::Member(Box::new(base), label), height)
                };
                base = node(syntax, Span { start, end: self.end() }, height)?;
            } else if self.eat(&Word::OpenList) {
                let index = self.expression(0)?;
                self.close(&Word::CloseList, open, "`[`")?;
                let height = base.height.max(index.height) + 1;
                let syntax = Syntax::Index(Box::new(base), Box::new(index));
                base = node(syntax, Span { start, end: self.end() }, height)?;
            } else {
                return Ok(base);
            }
        }
    }

    /// Expressions between commas up to `closing`; a comma may follow the last one.
    fn elements(&mut self, closing: &Word, open: Span, opening: &str) -> Result<Vec<Node>, Error> {
        let mut elements = Vec::new();
        while !self.eat(closing) {
            elements.push(self.expression(0)?);
            if !self.eat(&Word::Comma) {
                self.close(closing, open, opening)?;
                break;
            }
        }
        Ok(elements)
    }

    fn close(&mut self, closing: &Word, open: Span, opening: &str) -> Result<(), Error> {
        if self.eat(closing) {
            Ok(())
        } else if *self.peek() == Word::End {
            Err(Error::new(open, format!("this {opening} is never closed")))
        } else {
            Err(self.misplaced("an operator"))
        }
    }

    fn misplaced(&self, wanted: &str) -> Error {
        let word = match self.peek() {
            Word::End => return Error::new(self.here(), format!("expected {wanted}, found the end")),
            Word::Name(name) => format!("`{name}`"),
            Word::Int(_) => "a number".to_owned(),
            Word::Text(_) => "a string".to_owned(),
            Word::Open => "`(`".to_owned(),
            Word::Close => "`)`".to_owned(),
            Word::OpenList => "`[`".to_owned(),
            Word::CloseList => "`]`".to_owned(),
            Word::Comma => "`,`".to_owned(),
            Word::Dot => "`.`".to_owned(),
            Word::Not => "`!`".to_owned(),
            Word::Minus => "`-`".to_owned(),
            Word::And => "`&&`".to_owned(),
            Word::Or => "`||`".to_owned(),
            Word::In => "`in`".to_owned(),
            Word::Compare(comparison) => format!("`{}`", comparison.symbol()),
        };
        let error = Error::new(self.here(), format!("expected {wanted}, found {word}"));
        match self.peek() {
            Word::Name(name) if name == "and" => error.advice("\"and\" is written `&&`"),
            Word::Name(name) if name == "or" => error.advice("\"or\" is written `||`"),
            Word::Name(name) if name == "matches" => error.advice("regular expressions are not available"),
            Word::Minus => error.advice("arithmetic is not available"),
            _ => error,
        }
    }
}

fn node(syntax: Syntax, span: Span, height: usize) -> Result<Node, Error> {
    if height > NESTING_MAX { Err(too_deep(span)) } else { Ok(Node { syntax, span, height }) }
}

/// The height of a node over these.
fn above(nodes: &[Node]) -> usize {
    1 + nodes.iter().map(|node| node.height).max().unwrap_or(0)
}

/// Chains of `&&` and of `||` become one node however long they are.
fn join(infix: Infix, left: Node, right: Node) -> Result<Node, Error> {
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
    }
}

fn too_deep(span: Span) -> Error {
    Error::new(span, format!("nested deeper than {NESTING_MAX} levels"))
}
