//! What a puzzle and a pass say, and how they are written.
//!
//! The bytes are a format number (1 for a puzzle, 2 for a pass), the id of the key (4), a time (4, seconds since the Unix epoch: when the puzzle
//! was made, or when the pass ends), the bits of the puzzle (1), keyed hashes of the client's network and of the host (8 each), of a puzzle 20
//! random ones, and the signature (32); numbers with their high bytes first, all of it in base64url without padding (RFC 4648 section 5). With
//! 20 random bytes the text of a puzzle is whole words of four bytes, so that a number behind it is one word more: what tries numbers changes
//! one word of the last block of SHA-256 (FIPS 180-4 section 5.2.1) and has hashed the one before once.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ipnet::IpNet;
use selvedge_state::Time;

use super::Client;
use super::refused::Refused;
use crate::head::client_net;
use crate::signing::{KeyId, Keys, MAC_LEN};

/// Random bytes of a puzzle.
pub const NONCE_LEN: usize = 20;
/// Bytes before the random ones.
const FIXED: usize = 1 + 4 + 4 + 1 + 2 * HASH_LEN;
/// Bytes of a hash of a network or a host: enough that nobody finds another one of the same hash without the key.
const HASH_LEN: usize = 8;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Puzzle,
    Pass,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// When a puzzle was made; when a pass ends.
    pub(super) at: Time,
    /// Zero bits of the puzzle.
    pub(super) bits: u8,
    pub(super) whose: Whose,
    /// What tells puzzles apart; empty of a pass.
    pub(super) nonce: Vec<u8>,
}

/// For whom, and where: hashes that say nothing to who has not the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whose {
    pub(super) network: [u8; HASH_LEN],
    pub(super) host: [u8; HASH_LEN],
}

impl Kind {
    fn format(self) -> u8 {
        match self {
            Kind::Puzzle => 1,
            Kind::Pass => 2,
        }
    }

    fn nonce_len(self) -> usize {
        match self {
            Kind::Puzzle => NONCE_LEN,
            Kind::Pass => 0,
        }
    }
}

/// The length of the text, bytes.
pub(super) fn text_len(kind: Kind) -> usize {
    ((FIXED + kind.nonce_len() + MAC_LEN) * 4).div_ceil(3)
}

impl Whose {
    /// As one of the keys has it.
    pub(super) fn of(keys: &Keys, key: usize, client: Client<'_>) -> Whose {
        let net = match client_net(client.address) {
            IpNet::V4(net) => net.addr().octets().to_vec(),
            IpNet::V6(net) => net.addr().octets().to_vec(),
        };
        Whose { network: keys.hash(key, "network", &net), host: keys.hash(key, "host", client.host.as_bytes()) }
    }
}

impl Statement {
    /// Its text, signed by the key that signs.
    pub(super) fn write(&self, keys: &Keys, kind: Kind) -> String {
        // The hashes say for whom and where it is.
        URL_SAFE_NO_PAD.encode(keys.sign("", |key| self.bytes(key, kind)))
    }

    fn bytes(&self, key: KeyId, kind: Kind) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED + kind.nonce_len() + MAC_LEN);
        out.push(kind.format());
        out.extend_from_slice(&key);
        // The last second that there is for what comes later (2106).
        out.extend_from_slice(&u32::try_from(self.at.0 / 1000).unwrap_or(u32::MAX).to_be_bytes());
        out.push(self.bits);
        out.extend_from_slice(&self.whose.network);
        out.extend_from_slice(&self.whose.host);
        out.extend_from_slice(&self.nonce);
        out
    }

    /// Reads a text. The other part tells which key has signed it.
    pub(super) fn read(text: &[u8], keys: &Keys, kind: Kind) -> Result<(Statement, usize), Refused> {
        if text.len() > text_len(kind) {
            return Err(Refused::Overlong);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused::Malformed)?;
        let (said, mac) = bytes.split_last_chunk::<MAC_LEN>().ok_or(Refused::Malformed)?;
        let ([format], rest) = said.split_first_chunk().ok_or(Refused::Malformed)?;
        if *format != kind.format() {
            return Err(Refused::Version);
        }
        let (id, statement) = parse(rest, kind.nonce_len()).ok_or(Refused::Malformed)?;
        let key = keys.find(id).ok_or(Refused::Key)?;
        if keys.has_signed(key, "", said, mac) { Ok((statement, key)) } else { Err(Refused::Forged) }
    }
}

/// What stands behind the format, to the end.
fn parse(bytes: &[u8], nonce_len: usize) -> Option<(KeyId, Statement)> {
    let (id, bytes) = bytes.split_first_chunk()?;
    let (seconds, bytes) = bytes.split_first_chunk()?;
    let ([bits], bytes) = bytes.split_first_chunk()?;
    let (network, bytes) = bytes.split_first_chunk()?;
    let (host, nonce) = bytes.split_first_chunk()?;
    let at = Time(u64::from(u32::from_be_bytes(*seconds)) * 1000);
    let whose = Whose { network: *network, host: *host };
    let statement = Statement { at, bits: *bits, whose, nonce: nonce.to_vec() };
    (nonce.len() == nonce_len).then_some((*id, statement))
}
