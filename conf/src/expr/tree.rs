//! The checked tree: what an expression means once every name is resolved and every operation has its types.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// A checked expression. [`super::parse`] is the only source of these.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it does.
    pub kind: Kind,
    /// The type of its value.
    pub ty: Type,
    /// Where it is in the text.
    pub span: Span,
}

/// A range of bytes in the text of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// The type of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A signed 64-bit integer.
    Int,
    /// Text.
    String,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A network.
    Cidr,
    /// A list of values of one type.
    List(Box<Type>),
}

/// What a checked expression does.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A truth literal.
    Bool(bool),
    /// An integer literal.
    Int(i64),
    /// A string literal, its escapes resolved.
    String(String),
    /// `ip("192.0.2.1")`.
    Ip(IpAddr),
    /// `cidr("192.0.2.0/24")`, without host bits.
    Cidr(IpNet),
    /// A list literal; never empty, its elements of one type.
    List(Vec<Expr>),
    /// A field of the request or the client.
    Field(Field),
    /// `request.headers["name"]`, the name in lower case; `""` when the request has none.
    Header(String),
    /// `!x` of a truth value.
    Not(Box<Expr>),
    /// `a && b && ...` of two or more truth values.
    And(Vec<Expr>),
    /// `a || b || ...` of two or more truth values.
    Or(Vec<Expr>),
    /// A comparison of two values of one type: any but lists for `==` and `!=`, integers and strings for the others.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// `item in set`: (string, list of strings), (int, list of ints), (ip, list of ips), (ip, cidr) or
    /// (ip, list of cidrs). With networks it means containment.
    In(Box<Expr>, Box<Expr>),
    /// `target.method(arguments)`, typed by the method.
    Call(Method, Box<Expr>, Vec<Expr>),
}

/// A field of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `request.method`, a string.
    Method,
    /// `request.host`, a string in lower case, without a port.
    Host,
    /// `request.path`, a string, without the query.
    Path,
    /// `client.ip`, an ip.
    ClientIp,
    /// `client.net`, a cidr: the address cut to /32 for IPv4 and /64 for IPv6.
    ClientNet,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A method of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `string.startsWith(string) -> bool`
    StartsWith,
    /// `string.endsWith(string) -> bool`
    EndsWith,
    /// `string.contains(string) -> bool`
    Contains,
    /// `string.size() -> int`: the number of characters.
    Size,
    /// `cidr.containsIP(ip) -> bool`
    ContainsIp,
}

impl Comparison {
    /// The operator as it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::String => f.write_str("string"),
            Type::Ip => f.write_str("ip"),
            Type::Cidr => f.write_str("cidr"),
            Type::List(of) => write!(f, "list({of})"),
        }
    }
}
