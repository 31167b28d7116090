//! Whom something is counted by: the parts of a request that make the key of a limit, a counter or a unique.
//!
//! A part that is absent counts as the empty string. So does a header field that is missing or repeated: neither leaving it out
//! nor another line beside the one that the origin reads buys a fresh bucket. A key that an expression writes out reads a header field
//! in the same way, so that both are one key.

use std::net::IpAddr;

use ipnet::IpNet;
use selvedge_conf::expr::Type;
use selvedge_conf::{KeyPart, Width};
use selvedge_state::{Key, Key64, Store};

use crate::head::client_net;
use crate::rule::{Context, KeyBytes, Program, Value};

/// The most parts a key has.
const PARTS_MAX: usize = selvedge_conf::KEY_PARTS_MAX;

/// What the parts of a key say.
type Bytes<'v> = [KeyBytes<'v>; PARTS_MAX];

/// The parts of a key, in order.
#[derive(Debug)]
pub(crate) struct KeyShape {
    parts: Vec<Part>,
    name: String,
}

/// One part, ready to be asked.
#[derive(Debug)]
enum Part {
    ClientIp,
    ClientNet,
    Host,
    Method,
    Path,
    Header(String),
    /// The configuration does not let it read what is counted, so keys never ask for keys.
    Value(Box<Program>, Type),
}

impl KeyShape {
    pub(crate) fn new(parts: &[KeyPart]) -> KeyShape {
        let parts = parts.get(..PARTS_MAX).unwrap_or(parts);
        let name = parts.iter().map(part_name).collect::<Vec<_>>().join(",");
        KeyShape { parts: parts.iter().map(Part::compile).collect(), name }
    }

    /// The shape as text: part of the identity of a table, since keys of another shape mean something else.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The key of one request.
    pub(crate) fn hash(&self, context: &Context<'_>) -> Key {
        self.name_bytes(&self.read(context), |parts| context.store.key(parts))
    }

    /// What the parts say of one request, as bytes.
    pub(crate) fn bytes<K>(&self, context: &Context<'_>, name: impl Fn(&[&[u8]]) -> K) -> K {
        self.name_bytes(&self.read(context), name)
    }

    /// What is shared out is named by, for one request: a name that lasts.
    pub(crate) fn lasting(&self, context: &Context<'_>) -> Key64 {
        self.name_bytes(&self.read(context), |parts| context.store.lasting_key(parts))
    }

    /// The key of one request whose client counts with a wider network; `None` where its family has no width.
    pub(crate) fn hash_wide(&self, width: Width, context: &Context<'_>) -> Option<Key> {
        let client = context.head.client.to_canonical();
        let bits = if client.is_ipv4() { width.ipv4 } else { width.ipv6 };
        let net = IpNet::new(client, bits?).ok()?.trunc();
        let mut bytes = self.read(context);
        for (slot, part) in bytes.iter_mut().zip(&self.parts) {
            if let Part::ClientIp | Part::ClientNet = part {
                *slot = Value::Ip(net.network()).key();
            }
        }
        Some(self.name_bytes(&bytes, |parts| context.store.key(parts)))
    }

    /// Whether a request has each part of the key.
    pub(crate) fn is_whole(&self, context: &Context<'_>) -> bool {
        self.parts.iter().all(|part| !part.is_missing(context))
    }

    fn read<'v>(&'v self, context: &'v Context<'_>) -> Bytes<'v> {
        let mut bytes = [nothing(); PARTS_MAX];
        for (slot, part) in bytes.iter_mut().zip(&self.parts) {
            *slot = part.read(context);
        }
        bytes
    }

    /// The values that make the key of one request, as text that [`hash_of`](KeyShape::hash_of) reads. Bytes that are no text, and values
    /// of types that have none, come out as something else.
    pub(crate) fn texts(&self, context: &Context<'_>) -> Vec<String> {
        self.parts.iter().map(|part| part.text(context)).collect()
    }

    /// The key that these values make, in the order of the parts.
    pub(crate) fn hash_values(&self, values: &[Value<'_>], store: &Store) -> Key {
        let mut bytes = [nothing(); PARTS_MAX];
        for ((slot, part), value) in bytes.iter_mut().zip(&self.parts).zip(values) {
            *slot = part.encode(*value);
        }
        self.name_bytes(&bytes, |parts| store.key(parts))
    }

    /// The key that values given as text make: what an operator asks about.
    ///
    /// # Errors
    /// In words, when there are too few or too many, or one is not what its part holds.
    pub(crate) fn hash_of(&self, values: &[String], store: &Store) -> Result<Key, String> {
        Ok(self.name_bytes(&self.parse(values)?, |parts| store.key(parts)))
    }

    /// The lasting name of what these values make, likewise.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn lasting_of(&self, values: &[String], store: &Store) -> Result<Key64, String> {
        Ok(self.name_bytes(&self.parse(values)?, |parts| store.lasting_key(parts)))
    }

    fn parse<'v>(&self, values: &'v [String]) -> Result<Bytes<'v>, String> {
        if values.len() != self.parts.len() {
            return Err(format!("the key has {} parts ({}), not {}", self.parts.len(), self.name, values.len()));
        }
        let mut bytes = [nothing(); PARTS_MAX];
        for ((slot, part), value) in bytes.iter_mut().zip(&self.parts).zip(values) {
            *slot = part.parse(value)?;
        }
        Ok(bytes)
    }

    fn name_bytes<K>(&self, bytes: &Bytes<'_>, name: impl Fn(&[&[u8]]) -> K) -> K {
        let mut parts: [&[u8]; PARTS_MAX] = [&[]; PARTS_MAX];
        for (slot, part) in parts.iter_mut().zip(bytes) {
            *slot = part.as_slice();
        }
        name(parts.get(..self.parts.len()).unwrap_or(&parts))
    }
}

impl Part {
    fn compile(part: &KeyPart) -> Part {
        match part {
            KeyPart::ClientIp => Part::ClientIp,
            KeyPart::ClientNet => Part::ClientNet,
            KeyPart::Host => Part::Host,
            KeyPart::Method => Part::Method,
            KeyPart::Path => Part::Path,
            KeyPart::Header(name) => Part::Header(name.clone()),
            KeyPart::Value(expr, _) => Part::Value(Box::new(Program::compile(expr)), expr.ty.clone()),
        }
    }

    fn read<'v>(&'v self, context: &'v Context<'_>) -> KeyBytes<'v> {
        let head = &context.head;
        match self {
            Part::ClientIp => Value::Ip(head.client).key(),
            Part::ClientNet => Value::Ip(head.client_net().network()).key(),
            Part::Host => Value::String(head.host).key(),
            Part::Method => Value::String(head.method).key(),
            Part::Path => Value::String(head.path).key(),
            Part::Header(name) => Value::Bytes(head.only_line(name)).key(),
            Part::Value(program, _) => program.value(context).map_or(nothing(), |value| value.key()),
        }
    }

    /// Whether a request has no value for it: a field that is not there once, an expression without a value, or one that is the empty text.
    fn is_missing(&self, context: &Context<'_>) -> bool {
        match self {
            Part::Header(name) => context.head.only_line(name).is_empty(),
            Part::Value(program, _) => match program.value(context) {
                None => true,
                Some(value) => matches!(value, Value::String("")),
            },
            Part::ClientIp | Part::ClientNet | Part::Host | Part::Method | Part::Path => false,
        }
    }

    fn text(&self, context: &Context<'_>) -> String {
        let head = &context.head;
        match self {
            Part::ClientIp => head.client.to_string(),
            Part::ClientNet => head.client_net().network().to_string(),
            Part::Host => head.host.to_owned(),
            Part::Method => head.method.to_owned(),
            Part::Path => head.path.to_owned(),
            Part::Header(name) => String::from_utf8_lossy(head.only_line(name)).into_owned(),
            Part::Value(program, _) => program.value(context).map_or(String::new(), shown),
        }
    }

    fn encode<'v>(&self, value: Value<'v>) -> KeyBytes<'v> {
        match (self, value) {
            (Part::ClientNet, Value::Cidr(net)) => Value::Ip(net.network()).key(),
            (_, value) => value.key(),
        }
    }

    fn parse<'v>(&self, text: &'v str) -> Result<KeyBytes<'v>, String> {
        let wrong = |what: &str| format!("{text:?} is no {what}");
        let address = || text.split('/').next().unwrap_or(text).parse::<IpAddr>().map_err(|_| wrong("address"));
        Ok(match self {
            Part::ClientIp | Part::Value(_, Type::Ip) => Value::Ip(address()?).key(),
            Part::ClientNet => Value::Ip(client_net(address()?).network()).key(),
            Part::Value(_, Type::Cidr) => {
                let alone = || text.parse::<IpAddr>().map(IpNet::from).map_err(|_| wrong("network"));
                Value::Cidr(text.parse::<IpNet>().or_else(|_| alone())?.trunc()).key()
            }
            Part::Value(_, Type::Int) => Value::Int(text.parse().map_err(|_| wrong("int"))?).key(),
            Part::Value(_, Type::Bool) => Value::Bool(text.parse().map_err(|_| wrong("bool"))?).key(),
            Part::Host | Part::Method | Part::Path | Part::Header(_) | Part::Value(..) => Value::String(text).key(),
        })
    }
}

/// Of something absent: the same as the empty text.
fn nothing<'v>() -> KeyBytes<'v> {
    Value::String("").key()
}

fn shown(value: Value<'_>) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::String(text) => text.to_owned(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Duration(span) => span.to_string(),
        Value::Timestamp(at) => at.to_string(),
        Value::Ip(address) => address.to_string(),
        Value::Cidr(net) => net.to_string(),
    }
}

fn part_name(part: &KeyPart) -> String {
    match part {
        KeyPart::ClientIp => "client.ip".to_owned(),
        KeyPart::ClientNet => "client.net".to_owned(),
        KeyPart::Host => "request.host".to_owned(),
        KeyPart::Method => "request.method".to_owned(),
        KeyPart::Path => "request.path".to_owned(),
        KeyPart::Header(name) => format!("request.headers[{name:?}]"),
        KeyPart::Value(_, text) => text.clone(),
    }
}
