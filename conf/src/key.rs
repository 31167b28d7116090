//! Keys: what limits, counters and uniques count by.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::expr::{self, Expr, Field, Kind, Phase, Setting, Type};
use crate::finding::Check;
use crate::raw::{At, Text};
use crate::value::{Wrong, ip, network, shown};

/// One part of the key requests are counted by.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyPart {
    /// `client.ip`.
    ClientIp,
    /// `client.net`: the address cut to /32 for IPv4 and /64 for IPv6.
    ClientNet,
    /// `request.host`.
    Host,
    /// `request.method`.
    Method,
    /// `request.path`.
    Path,
    /// `request.headers["name"]`, the name in lower case; an absent or repeated header counts as `""`.
    Header(String),
    /// Any other expression of type string, ip, cidr, int or bool; an absent value counts as `""`. With its text in one
    /// spelling, which has the config's names and not its places: what tells this part from another.
    Value(Expr, String),
}

/// The most parts of one key.
pub const KEY_PARTS_MAX: usize = 8;

/// What a part of a key, and what a unique tells apart, may be.
pub(crate) const SCALARS: [Type; 5] = [Type::String, Type::Ip, Type::Cidr, Type::Int, Type::Bool];

impl KeyPart {
    /// The type of its values.
    pub(crate) fn ty(&self) -> &Type {
        match self {
            KeyPart::ClientIp => &Type::Ip,
            KeyPart::ClientNet => &Type::Cidr,
            KeyPart::Host | KeyPart::Method | KeyPart::Path | KeyPart::Header(_) => &Type::String,
            KeyPart::Value(expr, _) => &expr.ty,
        }
    }

    /// The earliest phase in which it is known.
    pub(crate) fn phase(&self) -> Phase {
        match self {
            KeyPart::ClientIp | KeyPart::ClientNet => Phase::Connection,
            KeyPart::Host | KeyPart::Method | KeyPart::Path | KeyPart::Header(_) => Phase::Request,
            KeyPart::Value(expr, _) => expr.phase(),
        }
    }

    /// Whether a text names a value of this part, as tests write them.
    pub(crate) fn accepts(&self, text: &str) -> Result<(), Wrong> {
        let no = |what: &str| Wrong::new(format!("`{}` is not {what}", shown(text)));
        match self.ty() {
            Type::Ip => ip(text).map(drop),
            Type::Cidr => match network(text)? {
                net if *self == KeyPart::ClientNet && !client_net(net.addr()).contains(&net) => {
                    Err(no("one client").advice("a client is an IPv4 address (/32) or an IPv6 network (/64)"))
                }
                _ => Ok(()),
            },
            Type::Int => text.parse::<i64>().map(drop).map_err(|_| no("a whole number")),
            Type::Bool => text.parse::<bool>().map(drop).map_err(|_| no("`true` or `false`")),
            _ => Ok(()),
        }
    }

    /// A text that this part accepts, in one spelling for all that name one value: a client's network by any of its addresses.
    pub(crate) fn name(&self, text: &str) -> String {
        let name = match (self, self.ty()) {
            (KeyPart::ClientNet, _) => network(text).ok().map(|net| client_net(net.addr()).to_string()),
            (_, Type::Ip) => ip(text).ok().map(|address| address.to_string()),
            (_, Type::Cidr) => network(text).ok().map(|net| net.to_string()),
            (_, Type::Int) => text.parse::<i64>().ok().map(|number| number.to_string()),
            _ => None,
        };
        name.unwrap_or_else(|| text.to_owned())
    }

    /// Whether two count by the same, wherever they are written.
    fn is(&self, other: &KeyPart) -> bool {
        match (self, other) {
            (KeyPart::Value(_, this), KeyPart::Value(_, other)) => this == other,
            (this, other) => this == other,
        }
    }

    /// The common fields have parts of their own, which cost nothing to evaluate.
    fn of(expr: Expr, text: &str) -> KeyPart {
        match &expr.kind {
            Kind::Field(Field::ClientIp) => KeyPart::ClientIp,
            Kind::Field(Field::ClientNet) => KeyPart::ClientNet,
            Kind::Field(Field::Host) => KeyPart::Host,
            Kind::Field(Field::Method) => KeyPart::Method,
            Kind::Field(Field::Path) => KeyPart::Path,
            Kind::Index(headers, name) => match (&headers.kind, &name.kind) {
                (Kind::Field(Field::RequestHeaders), Kind::String(name)) => KeyPart::Header(name.clone()),
                _ => KeyPart::Value(expr, expr::spelling(text)),
            },
            _ => KeyPart::Value(expr, expr::spelling(text)),
        }
    }
}

/// Checks a whole key, whose parts may be known as late as `phase`.
pub(crate) fn lower(written: &[At<Text>], phase: Phase, check: &mut Check<'_>) -> Option<Vec<KeyPart>> {
    let within = check.at_most(written, KEY_PARTS_MAX);
    let mut key: Vec<Option<KeyPart>> = Vec::new();
    for part in written.iter().take(KEY_PARTS_MAX) {
        let parsed = one(part, phase, check);
        if parsed.as_ref().is_some_and(|parsed| key.iter().flatten().any(|earlier| earlier.is(parsed))) {
            check.note(part.span(), Wrong::new("this part is in the key already"));
            key.push(None);
        } else {
            key.push(parsed);
        }
    }
    within?;
    key.into_iter().collect()
}

/// Notes parts of a key that read sessions which a site in question does not have. For when those sites are known.
pub(crate) fn in_scope(written: &[At<Text>], key: Option<&[KeyPart]>, check: &mut Check<'_>) -> Option<()> {
    let parts = written.iter().zip(key.unwrap_or_default());
    let there = parts.map(|(text, part)| match part {
        KeyPart::Value(expr, _) => check.in_scope(text, expr),
        _ => Some(()),
    });
    there.collect::<Vec<_>>().into_iter().collect()
}

/// When something is counted that is known in these phases: with the request if it can be, else with the response.
pub(crate) fn at_request(known: impl Iterator<Item = Phase>) -> Phase {
    known.fold(Phase::Request, Phase::max)
}

/// Keys are read before anything that is counted has a name, so that they cannot go round in circles.
fn one(part: &At<Text>, phase: Phase, check: &mut Check<'_>) -> Option<KeyPart> {
    let text = part.value.as_ref();
    let reads = ["count(", "rate(", "uniques(", "limit("].iter().any(|read| text.contains(read));
    if reads && expr::value(text, &Setting { phase, names: &check.names }, &check.patterns).is_err() {
        let wrong = Wrong::new("a key cannot look at what was counted");
        check.note(part.span(), wrong.advice("count by what the request says, and ask for counts in `when`"));
        return None;
    }
    check.typed(part, phase, "a part of a key", &SCALARS).map(|expr| KeyPart::of(expr, text))
}

/// The network of one client: /32 for IPv4, /64 for IPv6.
fn client_net(client: IpAddr) -> IpNet {
    let bits = if client.is_ipv4() { 32 } else { 64 };
    IpNet::new(client, bits).map_or_else(|_| IpNet::from(client), |net| net.trunc())
}
