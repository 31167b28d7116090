//! Random well-typed expressions of the core of the language, as text. The same seed gives the same expression.

mod scalars;

use std::fmt::Write;

/// An expression of a scalar type.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) text: String,
    /// Whether a comparison, a membership test or `has` has an operand that may be absent.
    pub(crate) masks: bool,
}

/// A type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ty {
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    List(Box<Ty>),
    Map(Box<Ty>, Box<Ty>),
    Optional(Box<Ty>),
}

const SCALARS: [Ty; 8] = [Ty::Bool, Ty::Int, Ty::Uint, Ty::Double, Ty::String, Ty::Bytes, Ty::Duration, Ty::Timestamp];

/// The case of a seed.
pub(crate) fn generate(seed: u64) -> Case {
    let mut random = Generator::new(seed);
    let depth = 1 + random.below(4);
    let ty = random.scalar();
    let text = random.expr(&ty, depth);
    Case { text, masks: random.masks }
}

/// An expression of a seed that reads the fields of the environment too, and what [`super::world::World`] names.
pub(crate) fn generate_with_fields(seed: u64) -> String {
    let mut random = Generator { fields: true, ..Generator::new(seed) };
    let depth = 1 + random.below(4);
    let ty = if random.below(2) == 0 { Ty::Bool } else { random.scalar() };
    random.expr(&ty, depth)
}

pub(crate) struct Generator {
    state: u64,
    fields: bool,
    /// Variables in scope.
    bound: Vec<(String, Ty)>,
    /// Whether what was made since this was last cleared may be absent.
    partial: bool,
    masks: bool,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Generator {
        Generator { state: seed, fields: false, bound: Vec::new(), partial: false, masks: false }
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn scalar(&mut self) -> Ty {
        let place = self.below(SCALARS.len());
        SCALARS[place].clone()
    }

    /// The types of which values may be elements.
    fn element(&mut self) -> Ty {
        let place = self.below(5);
        [Ty::Int, Ty::String, Ty::Bool, Ty::Uint, Ty::Double][place].clone()
    }

    fn key(&mut self) -> Ty {
        let place = self.below(4);
        [Ty::String, Ty::Int, Ty::Bool, Ty::Uint][place].clone()
    }

    /// Something that may have no value.
    fn may_fail(&mut self, text: String) -> String {
        self.partial = true;
        text
    }

    /// Operands whose absence is swallowed.
    fn masked(&mut self, make: impl FnOnce(&mut Generator) -> String) -> String {
        let before = std::mem::replace(&mut self.partial, false);
        let text = make(self);
        self.masks |= self.partial;
        self.partial = before;
        text
    }

    pub(crate) fn expr(&mut self, ty: &Ty, depth: usize) -> String {
        if depth == 0 || self.below(8) == 0 {
            return self.leaf(ty);
        }
        let depth = depth - 1;
        if self.below(6) == 0 {
            return self.of_any(ty, depth);
        }
        match ty {
            Ty::Bool => self.bool(depth),
            Ty::Int => self.int(depth),
            Ty::Uint => self.uint(depth),
            Ty::Double => self.double(depth),
            Ty::String => self.string(depth),
            Ty::Bytes => match self.below(2) {
                0 => format!("({} + {})", self.expr(ty, depth), self.expr(ty, depth)),
                _ => format!("bytes({})", self.expr(&Ty::String, depth)),
            },
            Ty::Duration => self.duration(depth),
            Ty::Timestamp => self.timestamp(depth),
            Ty::List(of) => self.list(of, depth),
            Ty::Map(..) => self.leaf(ty),
            Ty::Optional(of) => self.optional(of, depth),
        }
    }

    /// What there is for all types: the choice, an element, an entry, an optional's value.
    fn of_any(&mut self, ty: &Ty, depth: usize) -> String {
        match self.below(5) {
            0 | 1 => {
                let condition = self.expr(&Ty::Bool, depth);
                format!("({condition} ? {} : {})", self.expr(ty, depth), self.expr(ty, depth))
            }
            2 if is_element(ty) => {
                let list = self.expr(&Ty::List(Box::new(ty.clone())), depth);
                let place = self.below(3);
                let text = format!("{list}[{place}]");
                self.may_fail(text)
            }
            3 if is_element(ty) => {
                let key = self.key();
                let map = self.leaf(&Ty::Map(Box::new(key.clone()), Box::new(ty.clone())));
                let text = format!("{map}[{}]", self.expr(&key, depth));
                self.may_fail(text)
            }
            4 if is_element(ty) => {
                let optional = self.expr(&Ty::Optional(Box::new(ty.clone())), depth);
                if self.below(3) == 0 {
                    let text = format!("{optional}.value()");
                    return self.may_fail(text);
                }
                format!("{optional}.orValue({})", self.expr(ty, depth))
            }
            _ => self.leaf(ty),
        }
    }

    fn leaf(&mut self, ty: &Ty) -> String {
        let bound: Vec<String> =
            self.bound.iter().filter(|(_, held)| held == ty).map(|(name, _)| name.clone()).collect();
        if !bound.is_empty() && self.below(3) > 0 {
            let place = self.below(bound.len());
            return bound[place].clone();
        }
        if self.fields && self.below(2) == 0 {
            let fields = fields(ty);
            if !fields.is_empty() {
                return self.pick(fields).to_owned();
            }
        }
        match ty {
            Ty::Bool => self.pick(&["true", "false"]).to_owned(),
            Ty::Int => self.int_literal(),
            Ty::Uint => self.pick(&["0u", "1u", "2u", "7u", "18446744073709551615u", "0x10u"]).to_owned(),
            Ty::Double => self
                .pick(&[
                    "0.0",
                    "1.0",
                    "2.5",
                    "-0.0",
                    "-1.5",
                    "1e300",
                    "-1e300",
                    "0.1",
                    "1e-7",
                    "9007199254740993.0",
                    "9.2233720368547758e18",
                    "(0.0 / 0.0)",
                    "(1.0 / 0.0)",
                ])
                .to_owned(),
            Ty::String => self
                .pick(&[
                    "\"\"",
                    "\"a\"",
                    "\"abc\"",
                    "\"ABC\"",
                    "'aü€'",
                    "\"12\"",
                    "\"-7\"",
                    "\"1.5\"",
                    "\"true\"",
                    "\" x \"",
                    "r\"a\\b\"",
                    "\"😀\"",
                    "\"a,b,c\"",
                    "\"1h30m\"",
                    "\"2026-02-28T23:59:59.5Z\"",
                ])
                .to_owned(),
            Ty::Bytes => self.pick(&["b\"\"", "b\"abc\"", "b\"\\xff\"", "b'ü'", "b\"\\303\\274\""]).to_owned(),
            Ty::Duration => {
                let text = self.pick(&["0s", "1s", "-1s", "1h30m", "1.5s", "250ms", "-90m", "100000h", "1us", "3ns"]);
                format!("duration(\"{text}\")")
            }
            Ty::Timestamp => {
                let text = self.pick(&[
                    "1970-01-01T00:00:00Z",
                    "2026-02-28T23:59:59.5Z",
                    "2024-02-29T12:00:00+05:30",
                    "0001-01-01T00:00:00Z",
                    "9999-01-01T00:00:00Z",
                    "1969-12-31T23:59:59.999Z",
                ]);
                format!("timestamp(\"{text}\")")
            }
            Ty::List(of) => {
                let len = 1 + self.below(3);
                let elements: Vec<String> = (0..len).map(|_| self.leaf(of)).collect();
                format!("[{}]", elements.join(", "))
            }
            Ty::Map(key, value) => self.map(key, value),
            Ty::Optional(of) => {
                let value = self.leaf(of);
                format!("optional.of({value})")
            }
        }
    }

    fn int_literal(&mut self) -> String {
        match self.below(4) {
            0 => self.pick(&["9223372036854775807", "-9223372036854775808", "0x7f", "-1"]).to_owned(),
            _ => (self.below(12) as i64 - 3).to_string(),
        }
    }

    /// Keys that differ, so that the map is one.
    fn map(&mut self, key: &Ty, value: &Ty) -> String {
        let keys: &[&str] = match key {
            Ty::Bool => &["true", "false"],
            Ty::Int => &["1", "0", "-2"],
            Ty::Uint => &["1u", "0u", "7u"],
            _ => &["\"a\"", "\"\"", "\"abc\""],
        };
        let len = 1 + self.below(keys.len());
        let mut text = String::from("{");
        for (place, key) in keys.iter().take(len).enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(text, "{comma}{key}: {}", self.leaf(value)).unwrap();
        }
        text.push('}');
        text
    }

    fn bool(&mut self, depth: usize) -> String {
        match self.below(12) {
            0 => format!("!({})", self.expr(&Ty::Bool, depth)),
            1 => self.logical("&&", depth),
            2 => self.logical("||", depth),
            3 | 4 => self.comparison(depth),
            5 => self.equality(depth),
            6 => self.membership(depth),
            7 => {
                let method = self.pick(&["startsWith", "endsWith", "contains"]);
                format!("{}.{method}({})", self.expr(&Ty::String, depth), self.expr(&Ty::String, depth))
            }
            8 => {
                let pattern = self.pick(&["a", "^a", "b+$", "[0-9]+", "\\\\.", "(?i)ABC", "^$", "ü|€"]);
                format!("{}.matches(\"{pattern}\")", self.expr(&Ty::String, depth))
            }
            9 => {
                let text = format!("bool({})", self.expr(&Ty::String, depth));
                self.may_fail(text)
            }
            10 => {
                let of = self.element();
                self.masked(|it| format!("{}.hasValue()", it.expr(&Ty::Optional(Box::new(of)), depth)))
            }
            _ => self.quantified(depth),
        }
    }

    fn logical(&mut self, operator: &str, depth: usize) -> String {
        let terms: Vec<String> = (0..2 + self.below(2)).map(|_| self.expr(&Ty::Bool, depth)).collect();
        format!("({})", terms.join(&format!(" {operator} ")))
    }

    fn comparison(&mut self, depth: usize) -> String {
        let operator = self.pick(&["<", "<=", ">", ">="]);
        let ty = self.scalar();
        let other = match ty {
            Ty::Int | Ty::Uint | Ty::Double => [Ty::Int, Ty::Uint, Ty::Double][self.below(3)].clone(),
            _ => ty.clone(),
        };
        self.masked(|it| format!("({} {operator} {})", it.expr(&ty, depth), it.expr(&other, depth)))
    }

    fn equality(&mut self, depth: usize) -> String {
        let operator = self.pick(&["==", "!="]);
        let ty = match self.below(5) {
            0 => Ty::List(Box::new(self.element())),
            1 => Ty::Map(Box::new(self.key()), Box::new(self.element())),
            _ => self.scalar(),
        };
        let other = match ty {
            Ty::Int | Ty::Uint | Ty::Double => [Ty::Int, Ty::Uint, Ty::Double][self.below(3)].clone(),
            _ => ty.clone(),
        };
        self.masked(|it| format!("({} {operator} {})", it.expr(&ty, depth), it.expr(&other, depth)))
    }

    fn membership(&mut self, depth: usize) -> String {
        if self.below(2) == 0 {
            let key = self.key();
            let map = Ty::Map(Box::new(key.clone()), Box::new(self.element()));
            return self.masked(|it| format!("({} in {})", it.expr(&key, depth), it.leaf(&map)));
        }
        let of = self.element();
        self.masked(|it| format!("({} in {})", it.expr(&of, depth), it.expr(&Ty::List(Box::new(of.clone())), depth)))
    }

    fn quantified(&mut self, depth: usize) -> String {
        let name = self.pick(&["all", "exists", "exists_one"]);
        let (range, of) = self.range(depth);
        let (variable, body) = self.body(&of, &Ty::Bool, depth);
        format!("{range}.{name}({variable}, {body})")
    }

    /// A list, or a map whose keys are visited.
    fn range(&mut self, depth: usize) -> (String, Ty) {
        if self.below(3) == 0 {
            let key = self.key();
            let value = self.element();
            return (self.leaf(&Ty::Map(Box::new(key.clone()), Box::new(value))), key);
        }
        let of = self.element();
        (self.expr(&Ty::List(Box::new(of.clone())), depth), of)
    }

    /// A variable and an expression in which it is bound.
    fn body(&mut self, of: &Ty, ty: &Ty, depth: usize) -> (String, String) {
        let variable = format!("v{}", self.bound.len());
        self.bound.push((variable.clone(), of.clone()));
        let body = self.expr(ty, depth.min(2));
        self.bound.pop();
        (variable, body)
    }

    fn list(&mut self, of: &Ty, depth: usize) -> String {
        let ty = Ty::List(Box::new(of.clone()));
        match self.below(5) {
            0 => format!("({} + {})", self.expr(&ty, depth), self.expr(&ty, depth)),
            1 => {
                let range = self.expr(&ty, depth);
                let (variable, body) = self.body(of, &Ty::Bool, depth);
                format!("{range}.filter({variable}, {body})")
            }
            2 => {
                let (range, from) = self.range(depth);
                let (variable, body) = self.body(&from, of, depth);
                format!("{range}.map({variable}, {body})")
            }
            3 if *of == Ty::String => {
                format!("{}.split({})", self.expr(&Ty::String, depth), self.leaf(&Ty::String))
            }
            _ => {
                let elements: Vec<String> = (0..1 + self.below(3)).map(|_| self.expr(of, depth)).collect();
                format!("[{}]", elements.join(", "))
            }
        }
    }

    /// `optional.of` and the indexes with `?` take what may fail; the optionals themselves are always there.
    fn optional(&mut self, of: &Ty, depth: usize) -> String {
        let ty = Ty::Optional(Box::new(of.clone()));
        match self.below(4) {
            0 => {
                let list = self.expr(&Ty::List(Box::new(of.clone())), depth);
                let place = self.below(3);
                format!("{list}[?{place}]")
            }
            1 => {
                let key = self.key();
                let map = self.leaf(&Ty::Map(Box::new(key.clone()), Box::new(of.clone())));
                format!("{map}[?{}]", self.leaf(&key))
            }
            2 => format!("{}.or({})", self.expr(&ty, depth), self.expr(&ty, depth)),
            _ => self.masked(|it| format!("optional.of({})", it.expr(of, depth))),
        }
    }
}

/// Whether lists and maps of the type are made here.
fn is_element(ty: &Ty) -> bool {
    matches!(ty, Ty::Int | Ty::String | Ty::Bool | Ty::Uint | Ty::Double)
}

/// Fields, looks and functions of the environment by type.
fn fields(ty: &Ty) -> &'static [&'static str] {
    match ty {
        Ty::Bool => &[
            "(client.ip in lists.nets)",
            "(request.path in lists.paths)",
            "request.path.containsAny(lists.bots)",
            "request.raw_query.matchesAny(lists.shapes)",
            "jwt.app.valid",
            "jwt.app.claims.admin",
            "limit(\"all\").exceeded",
            "banned()",
            "banned(client.net)",
            "client.ip.isLoopback()",
            "client.ip.isGlobalUnicast()",
            "(client.ip in cidr(\"192.0.2.0/24\"))",
            "(client.ip in [ip(\"192.0.2.7\"), ip(\"::1\")])",
            "client.net.containsIP(request.path)",
            "client.net.containsCIDR(client.net)",
            "isIP(request.headers[\"x-a\"])",
            "isCIDR(request.headers[\"x-a\"])",
            "ip.isCanonical(request.headers[\"x-a\"])",
            "(\"x-a\" in request.headers)",
            "has(request.query[\"a\"])",
            "has(request.length)",
            "request.headers.exists(h, h == \"x-a\")",
            "request.query.all(q, request.query[q].size() > 1)",
            "request.cookies.exists_one(c, c == \"a\")",
            "(ip(request.headers[\"x-a\"]) == client.ip)",
            "(cidr(request.headers[\"x-a\"]) == client.net)",
        ],
        Ty::Int => &[
            "request.length",
            "client.asn",
            "response.status",
            "peers.heard",
            "peers.roster",
            "request.headers.size()",
            "request.query.size()",
            "client.ip.family()",
            "client.net.prefixLength()",
            "count(\"visits\", \"1m\")",
            "count(\"hits\", client.net, request.segments[1], \"1m\")",
            "uniques(\"users\", client.net, \"1m\")",
            "jwt.app.claims.level",
            "request.time.getDayOfYear(\"Asia/Kathmandu\")",
        ],
        Ty::Double => &["rate(\"visits\", \"1m\")"],
        Ty::String => &[
            "request.method",
            "request.host",
            "request.path",
            "request.raw_path",
            "request.raw_query",
            "request.scheme",
            "request.protocol",
            "request.headers[\"x-a\"]",
            "request.headers[request.path]",
            "request.cookies[\"a\"]",
            "request.cookies[request.raw_query]",
            "request.query[\"a\"]",
            "request.query[request.path]",
            "request.form(\"a\")",
            "request.form(request.path)",
            "client.country",
            "client.city",
            "client.as_org",
            "response.headers[\"content-type\"]",
            "response.from",
            "cache.status",
            "jwt.app.error",
            "jwt.app.claims.sub",
            "string(client.ip)",
            "string(client.net)",
            "string(client.net.ip())",
            "request.headers[?\"x-a\"].orValue(\"z\")",
        ],
        Ty::Duration => &["peers.lag", "duration(request.headers[\"x-a\"])"],
        Ty::Timestamp => &["request.time", "timestamp(request.headers[\"x-a\"])"],
        Ty::List(of) if **of == Ty::String => &[
            "request.segments",
            "request.tags",
            "request.headers.values(\"x-a\")",
            "request.query.values(\"a\")",
            "request.cookies.values(\"a\")",
            "request.form_values(\"a\")",
            "jwt.app.claims.scope",
            "request.headers.map(h, request.headers[h])",
            "request.path.split(\"/\")",
        ],
        _ => &[],
    }
}
