//! Whom a limit counts by: the parts of a request that make its key.

use std::net::IpAddr;

use http::HeaderMap;
use selvedge_conf::KeyPart;
use selvedge_state::{Key64, Store};

use crate::head::{Head, client_net};
/// The most parts a key has.
const PARTS_MAX: usize = selvedge_conf::KEY_PARTS_MAX;

/// The parts of a limit's key, in order.
#[derive(Debug, Clone)]
pub(crate) struct KeyShape {
    parts: Vec<KeyPart>,
    name: String,
}

impl KeyShape {
    pub(crate) fn new(parts: &[KeyPart]) -> KeyShape {
        let parts: Vec<KeyPart> = parts.iter().take(PARTS_MAX).cloned().collect();
        let name = parts.iter().map(part_name).collect::<Vec<_>>().join(",");
        KeyShape { parts, name }
    }

    /// The shape as text: part of the identity of the limit's table, since keys of another shape mean something else.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The key of one request. A header field that is missing or repeated counts as the empty string: neither leaving it out
    /// nor another line beside the one that the origin reads buys a fresh bucket.
    pub(crate) fn hash(&self, head: &Head<'_>, store: &Store) -> Key64 {
        let address = AddressBytes::of(head.client);
        let net = AddressBytes::of(head.client_net().network());
        let mut parts: [&[u8]; PARTS_MAX] = [&[]; PARTS_MAX];
        for (slot, part) in parts.iter_mut().zip(&self.parts) {
            *slot = match part {
                KeyPart::ClientIp => address.as_slice(),
                KeyPart::ClientNet => net.as_slice(),
                KeyPart::Host => head.host.as_bytes(),
                KeyPart::Method => head.method.as_bytes(),
                KeyPart::Path => head.path.as_bytes(),
                KeyPart::Header(name) => only_line(head.headers, name),
            };
        }
        store.key(parts.get(..self.parts.len()).unwrap_or(&parts))
    }
}

/// The line of a header field that has just one, as bytes.
fn only_line<'a>(headers: &'a HeaderMap, name: &str) -> &'a [u8] {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => line.as_bytes(),
        _ => &[],
    }
}

impl KeyShape {
    /// The key that values given as text make: what an operator asks about.
    pub(crate) fn hash_of(&self, values: &[String], store: &Store) -> Result<Key64, String> {
        if values.len() != self.parts.len() {
            return Err(format!("the key has {} parts ({}), not {}", self.parts.len(), self.name, values.len()));
        }
        let bytes = self
            .parts
            .iter()
            .zip(values)
            .map(|(part, value)| part_bytes(part, value))
            .collect::<Result<Vec<_>, _>>()?;
        let bytes: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();
        Ok(store.key(&bytes))
    }
}

fn part_bytes(part: &KeyPart, value: &str) -> Result<Vec<u8>, String> {
    let address = || {
        let text = value.split('/').next().unwrap_or(value);
        text.parse::<IpAddr>().map_err(|_| format!("{value:?} is no address"))
    };
    Ok(match part {
        KeyPart::ClientIp => AddressBytes::of(address()?).as_slice().to_vec(),
        KeyPart::ClientNet => AddressBytes::of(client_net(address()?).network()).as_slice().to_vec(),
        KeyPart::Host | KeyPart::Method | KeyPart::Path | KeyPart::Header(_) => value.as_bytes().to_vec(),
    })
}

fn part_name(part: &KeyPart) -> String {
    match part {
        KeyPart::ClientIp => "client.ip".to_owned(),
        KeyPart::ClientNet => "client.net".to_owned(),
        KeyPart::Host => "request.host".to_owned(),
        KeyPart::Method => "request.method".to_owned(),
        KeyPart::Path => "request.path".to_owned(),
        KeyPart::Header(name) => format!("request.headers[{name:?}]"),
    }
}

/// An address as 4 or 16 bytes, on the stack.
struct AddressBytes {
    bytes: [u8; 16],
    len: usize,
}

impl AddressBytes {
    fn of(address: IpAddr) -> AddressBytes {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let mut bytes = [0; 16];
                for (slot, octet) in bytes.iter_mut().zip(v4.octets()) {
                    *slot = octet;
                }
                AddressBytes { bytes, len: 4 }
            }
            IpAddr::V6(v6) => AddressBytes { bytes: v6.octets(), len: 16 },
        }
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}
