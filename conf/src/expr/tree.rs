//! The checked tree: what an expression means once every name is resolved and every operation has its types.
//!
//! *Absent* is what a partial operation gives when it has no value: a key that is not there, `int("abc")`, a division by
//! zero, an overflow. An absent operand makes the result absent, but a comparison or a membership test with it is false;
//! `&&` and `||` follow CEL's commutative rules, and a condition that is absent does not hold.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

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
    /// An unsigned 64-bit integer.
    Uint,
    /// A 64-bit IEEE 754 number.
    Double,
    /// Text.
    String,
    /// Bytes.
    Bytes,
    /// A span of time.
    Duration,
    /// A point in time, years 1 to 9999.
    Timestamp,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A network.
    Cidr,
    /// A list of values of one type.
    List(Box<Type>),
    /// Values by key; keys are bools, ints, uints or strings.
    Map(Box<Type>, Box<Type>),
    /// A value that may be missing without making the whole expression absent.
    Optional(Box<Type>),
    /// A named list of the config.
    Named(ListKind),
}

/// What a named list of the config holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// Addresses and networks: `client.ip in lists.NAME`.
    Addresses,
    /// Whole strings: `request.path in lists.NAME`.
    Strings,
    /// Pieces of text, found anywhere: `request.path.containsAny(lists.NAME)`.
    Needles,
    /// Regular expressions: `request.path.matchesAny(lists.NAME)`.
    Patterns,
}

/// When an expression is asked. Later phases know all that earlier ones know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// When a client's connection is accepted: its address is all there is.
    Connection,
    /// When a request's header is complete.
    Request,
    /// When a response is on its way to the client, whoever made it.
    Response,
}

/// What a checked expression does.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A truth literal.
    Bool(bool),
    /// An integer literal.
    Int(i64),
    /// An unsigned literal, `1u`.
    Uint(u64),
    /// A double literal.
    Double(f64),
    /// A string literal, its escapes resolved.
    String(String),
    /// A bytes literal, `b"..."`.
    Bytes(Vec<u8>),
    /// `duration("10s")` of a literal.
    Duration(SignedDuration),
    /// `timestamp("2026-01-01T00:00:00Z")` of a literal.
    Timestamp(Timestamp),
    /// `ip("192.0.2.1")` of a literal.
    Ip(IpAddr),
    /// `cidr("192.0.2.0/24")` of a literal, without host bits.
    Cidr(IpNet),
    /// A list literal, its elements of one type.
    List(Vec<Expr>),
    /// A map literal, its keys of one type and its values of one type.
    Map(Vec<(Expr, Expr)>),
    /// A field of the environment.
    Field(Field),
    /// `jwt.NAME.valid`, a bool: provider by its place in [`crate::Config::jwts`].
    TokenValid(usize),
    /// `jwt.NAME.error`, a string: why the token is not valid, `""` when it is.
    TokenError(usize),
    /// `jwt.NAME.claims.CLAIM`: provider and claim by their places in the config; absent when the token is not valid,
    /// has no such claim, or has one of another type.
    Claim(usize, usize),
    /// `session["NAME"]`: absent when the request has no valid session, or that has no such attribute.
    Attribute(String),
    /// `session.count("NAME")`, an int: absent when the request has no valid session.
    SessionCount(String),
    /// `lists.NAME`, by its place in [`crate::Config::lists`]. Never a value by itself: the right side of `in`, or the
    /// argument of `containsAny` and `matchesAny`.
    Listed(usize),
    /// What a macro bound: the slot it is in, below [`super::SLOTS_MAX`].
    Variable(u8),
    /// `!x`.
    Not(Box<Expr>),
    /// `-x` of an int or a double; absent on overflow.
    Negate(Box<Expr>),
    /// `a && b && ...` of two or more.
    And(Vec<Expr>),
    /// `a || b || ...` of two or more.
    Or(Vec<Expr>),
    /// `condition ? then : else`; absent when the condition is.
    Choose(Box<Expr>, Box<Expr>, Box<Expr>),
    /// A comparison of two values of one type, or of two numbers of any types. `==` and `!=`: all but named lists and
    /// optionals, lists and maps element by element; the others: bools, numbers, strings, bytes, durations, timestamps.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// `+ - * / %`; see [`Arithmetic`].
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// `item in set`: of a list of the item's type; of a map's keys; an ip in a cidr, in a list of cidrs (containment) or
    /// in a named list of addresses; a string in a named list of strings.
    In(Box<Expr>, Box<Expr>),
    /// `list[int]` and `map[key]`. Absent when it is not there, but `""` for a header, a cookie and a query field.
    Index(Box<Expr>, Box<Expr>),
    /// An entry whose absence is a value: `map[?key]`, `list[?index]`, `claims[?name]`; none of a header, a cookie and a query
    /// field that was not sent. Its type is [`Type::Optional`].
    Maybe(Box<Expr>),
    /// `optional.of(x)`: none when `x` is absent, which a header that was not sent is not. Its type is [`Type::Optional`].
    Some(Box<Expr>),
    /// `optional.none()`.
    None,
    /// `has(x)`, `x.hasValue()`: whether the expression is not absent. For `map[key]` of headers, cookies, query fields,
    /// and for a form field: whether it is there.
    Has(Box<Expr>),
    /// A function or method; the receiver is the first argument.
    Call(Function, Vec<Expr>),
    /// `string.matches("pattern")`: the pattern is found somewhere in the string.
    Matches(Box<Expr>, Pattern),
    /// A part of a timestamp in a time zone.
    Part(TimePart, Box<Expr>, TimeZone),
    /// A macro over a list, or over the keys of a map.
    Fold(Box<Fold>),
    /// A look at the state.
    Read(Box<Read>),
}

/// `range.all(x, body)` and its like.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// Which macro.
    pub macro_: Macro,
    /// The list, or the map whose keys are visited.
    pub range: Expr,
    /// Where the element is bound.
    pub slot: u8,
    /// `map` with three arguments: which elements it takes.
    pub filter: Option<Expr>,
    /// The condition; for `map` the value.
    pub body: Expr,
}

/// The macros of CEL (language definition, section Macros), and `optMap` of its optional types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Macro {
    /// Whether the condition holds for all.
    All,
    /// Whether it holds for any.
    Exists,
    /// Whether it holds for exactly one.
    ExistsOne,
    /// The elements for which it holds, as a list.
    Filter,
    /// The values, as a list.
    Map,
    /// `optional.optMap(x, value)`: the range is an optional.
    OptMap,
}

/// A look at the state. Keys are the values of the key's parts in the config's order; empty for the request's own.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// `count("name", key..., "10m")`, an int: what was counted in the window.
    Count(Counted, Vec<Expr>, Duration),
    /// `rate("name", key..., "10m")`, a double: the same per second.
    Rate(Counted, Vec<Expr>, Duration),
    /// `uniques("name", key..., "10m")`, an int: distinct values, estimated. By its place in [`crate::Config::uniques`].
    Uniques(usize, Vec<Expr>, Duration),
    /// `limit("name").exceeded`, a bool: whether the limit would refuse this request. By its place in
    /// [`crate::Config::limits`].
    Exceeded(usize),
    /// `banned()`, `banned(cidr)`, a bool: whether the client's network, or that one, is banned.
    Banned(Option<Expr>),
}

/// What `count` and `rate` read, by its place in the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A `[[counter]]`.
    Counter(usize),
    /// A `[[limit]]`.
    Limit(usize),
}

/// A regular expression, compiled: linear time, its size capped; and about how many bytes it takes at most. Two are equal when
/// their texts are.
#[derive(Clone, Debug)]
pub struct Pattern(pub regex::Regex, pub usize);

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// A field of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `request.method`, a string.
    Method,
    /// `request.host`, a string in lower case, without a port.
    Host,
    /// `request.path`, a string in normal form, without the query.
    Path,
    /// `request.raw_path`, a string: the path as it came.
    RawPath,
    /// `request.segments`, a list of strings: the normal path between its slashes, without empty ones at the ends.
    Segments,
    /// `request.raw_query`, a string: what follows `?`, as it came.
    RawQuery,
    /// `request.query`, a map of strings: the first value of each name, decoded.
    Query,
    /// `request.scheme`, a string: `"http"` or `"https"`.
    Scheme,
    /// `request.protocol`, a string: `"HTTP/1.0"`, `"HTTP/1.1"`, `"HTTP/2"`.
    Protocol,
    /// `request.headers`, a map of strings by name in any case: the first line of each.
    RequestHeaders,
    /// `request.cookies`, a map of strings: the first of each name.
    Cookies,
    /// `request.length`, an int: the declared length of the body; absent when none is declared.
    Length,
    /// `request.form_read`, a bool: whether the body is a form that was read, so that its fields are known.
    FormRead,
    /// `request.time`, a timestamp: when the header was complete.
    Time,
    /// `request.tags`, a list of strings: what rules tagged it with so far.
    Tags,
    /// `client.ip`, an ip.
    ClientIp,
    /// `client.net`, a cidr: the address cut to /32 for IPv4 and /64 for IPv6.
    ClientNet,
    /// `client.country`, a string: ISO 3166-1 alpha-2; `""` when unknown.
    Country,
    /// `client.continent`, a string of two letters; `""` when unknown.
    Continent,
    /// `client.city`, a string: the English name; `""` when unknown.
    City,
    /// `client.asn`, an int; 0 when unknown.
    Asn,
    /// `client.as_org`, a string; `""` when unknown.
    AsOrg,
    /// `session.valid`, a bool.
    SessionValid,
    /// `session.id`, a string: the keyed hash of its id; absent when there is none that is valid.
    SessionId,
    /// `session.fresh`, a bool: whether all that its client wrote is known here.
    SessionFresh,
    /// `session.age`, a duration: since it was started; absent when there is none that is valid.
    SessionAge,
    /// `response.status`, an int.
    Status,
    /// `response.headers`, a map of strings.
    ResponseHeaders,
    /// `response.from`, a string: `"origin"`, `"cache"` or `"edge"`.
    From,
    /// `cache.status`, a string: `"hit"`, `"miss"`, `"collapsed"`, `"revalidated"`, `"bypass"`, or `""` when the cache was not asked.
    CacheStatus,
    /// `challenge.passed`, a bool: whether the client has a pass.
    ChallengePassed,
    /// `challenge.result`, a string: `"posed"`, `"solved"`, `"failed"`, or `""` when the response has nothing to do with challenges.
    ChallengeResult,
    /// `peers.lag`, a duration: age of the newest thing heard from the peer heard least; zero when alone.
    Lag,
    /// `peers.heard`, an int: POPs heard, this one included.
    Heard,
    /// `peers.warming`, a bool: whether this POP has just started and not every other has said yet what it knows.
    Warming,
    /// `peers.roster`, an int: POPs in the roster, this one included.
    Roster,
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

/// An operator on values of one type; absent on overflow and on division by zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Numbers; strings, bytes and lists end to end; durations; a timestamp and a duration in either order.
    Add,
    /// Numbers; durations; a timestamp less a duration; two timestamps.
    Subtract,
    /// Numbers.
    Multiply,
    /// Numbers.
    Divide,
    /// Ints and uints.
    Remainder,
}

/// A function or a method, by what it does; the receiver of a method is its first argument. Overloads are told apart by the
/// types of the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `size(x)`, `x.size()`: characters, bytes, elements, entries. An int.
    Size,
    /// `string.startsWith(string)`.
    StartsWith,
    /// `string.endsWith(string)`.
    EndsWith,
    /// `string.contains(string)`.
    Contains,
    /// `string.containsAny(lists.NAME)` of needles.
    ContainsAny,
    /// `string.matchesAny(lists.NAME)` of patterns.
    MatchesAny,
    /// `string.lowerAscii()`.
    LowerAscii,
    /// `string.upperAscii()`.
    UpperAscii,
    /// `string.trim()`: without white space at its ends.
    Trim,
    /// `string.indexOf(string)`: an int in characters, -1 when it is not there.
    IndexOf,
    /// `string.substring(start)`, `string.substring(start, end)` in characters; absent when out of range.
    Substring,
    /// `string.replace(old, new)`.
    Replace,
    /// `string.split(separator)`: a list of strings.
    Split,
    /// `headers.values(name)`, and of cookies and query fields: all lines or values of one name, a list of strings.
    Values,
    /// `request.form(name)`: a field of an `application/x-www-form-urlencoded` body, `""` when it is absent.
    Form,
    /// `request.form_values(name)`: all values of a field of such a body, a list of strings.
    FormValues,
    /// `bool(x)` of a string.
    ToBool,
    /// `int(x)` of an int, uint, double, string or timestamp.
    ToInt,
    /// `uint(x)` of an int, uint, double or string.
    ToUint,
    /// `double(x)` of an int, uint, double or string.
    ToDouble,
    /// `string(x)` of any scalar.
    ToString,
    /// `bytes(x)` of a string.
    ToBytes,
    /// `duration(x)` of a string that is no literal.
    ToDuration,
    /// `timestamp(x)` of a string that is no literal, or of an int in seconds.
    ToTimestamp,
    /// `ip(x)` of a string that is no literal.
    ToIp,
    /// `cidr(x)` of a string that is no literal.
    ToCidr,
    /// `isIP(string)`.
    IsIp,
    /// `isCIDR(string)`.
    IsCidr,
    /// `ip.isCanonical(string)`.
    IsCanonical,
    /// `ip.family()`: 4 or 6.
    Family,
    /// `ip.isUnspecified()`.
    IsUnspecified,
    /// `ip.isLoopback()`.
    IsLoopback,
    /// `ip.isGlobalUnicast()`.
    IsGlobalUnicast,
    /// `ip.isLinkLocalMulticast()`.
    IsLinkLocalMulticast,
    /// `ip.isLinkLocalUnicast()`.
    IsLinkLocalUnicast,
    /// `cidr.containsIP(ip)`, or of a string.
    ContainsIp,
    /// `cidr.containsCIDR(cidr)`, or of a string.
    ContainsCidr,
    /// `cidr.ip()`.
    NetworkIp,
    /// `cidr.masked()`.
    Masked,
    /// `cidr.prefixLength()`.
    PrefixLength,
    /// `duration.getHours()`, an int of whole hours in all.
    DurationHours,
    /// `duration.getMinutes()`.
    DurationMinutes,
    /// `duration.getSeconds()`.
    DurationSeconds,
    /// `duration.getMilliseconds()`: the part below a second.
    DurationMilliseconds,
    /// `optional.orValue(default)`.
    OrValue,
    /// `optional.or(optional)`.
    OrElse,
    /// `optional.value()`: absent when there is none.
    OptionalValue,
}

/// A part of a timestamp, an int. `getMonth`, `getDayOfMonth`, `getDayOfYear` and `getDayOfWeek` (Sunday) start at 0,
/// `getDate` at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePart {
    /// `getFullYear()`
    Year,
    /// `getMonth()`
    Month,
    /// `getDate()`
    Date,
    /// `getDayOfMonth()`
    DayOfMonth,
    /// `getDayOfWeek()`
    DayOfWeek,
    /// `getDayOfYear()`
    DayOfYear,
    /// `getHours()`
    Hours,
    /// `getMinutes()`
    Minutes,
    /// `getSeconds()`
    Seconds,
    /// `getMilliseconds()`
    Milliseconds,
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

impl Arithmetic {
    /// The operator as it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::Remainder => "%",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Uint => f.write_str("uint"),
            Type::Double => f.write_str("double"),
            Type::String => f.write_str("string"),
            Type::Bytes => f.write_str("bytes"),
            Type::Duration => f.write_str("duration"),
            Type::Timestamp => f.write_str("timestamp"),
            Type::Ip => f.write_str("ip"),
            Type::Cidr => f.write_str("cidr"),
            Type::List(of) => write!(f, "list({of})"),
            Type::Map(key, value) => write!(f, "map({key}, {value})"),
            Type::Optional(of) => write!(f, "optional({of})"),
            Type::Named(ListKind::Addresses) => f.write_str("named list of addresses"),
            Type::Named(ListKind::Strings) => f.write_str("named list of strings"),
            Type::Named(ListKind::Needles) => f.write_str("named list of needles"),
            Type::Named(ListKind::Patterns) => f.write_str("named list of patterns"),
        }
    }
}
