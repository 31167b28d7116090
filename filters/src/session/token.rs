//! What a cookie holds: a signed, opaque name of one session, until when it is good, and which writes the client knows of.
//!
//! The bytes are a format number (1), the id of the key (4), the session's id (16), when the session was started and since when it is its user's (6 each, ms
//! since the Unix epoch), when it ends and when this token was made (4 each, seconds), how many authors follow (1), each author with its newest write (pop 2,
//! node 4, life 8, number 8), and the signature (32); numbers with their high bytes first, all of it in base64url without padding (RFC 4648 section 5).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use selvedge_state::{Actor, Author, CONTEXT_MAX, Incarnation, PopId, Time, Version, Versioned};

use super::invalid::Invalid;
use crate::signing::{KeyId, Keys, MAC_LEN};

/// Bytes of a session's id.
pub const ID_LEN: usize = 16;
/// The longest text of a token, bytes.
pub const TOKEN_MAX: usize = (FIXED + CONTEXT_MAX * WRITTEN + MAC_LEN).div_ceil(3) * 4;
/// The format.
const FORMAT: u8 = 1;
/// Bytes before the authors.
const FIXED: usize = 1 + 4 + ID_LEN + 2 * 6 + 2 * 4 + 1;
/// Bytes of one author and its newest write.
const WRITTEN: usize = 2 + 4 + 8 + 8;

/// One session as its client knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Which session: 128 random bits.
    pub id: [u8; ID_LEN],
    /// When the session was started.
    pub started: Time,
    /// Since when it is its user's: what is revoked of that user or tenant before is not this one.
    pub login: Time,
    /// When it ends, whatever happens; to the second.
    pub end: Time,
    /// When this token was made; to the second.
    pub made: Time,
    /// How far of each author the client has seen or written the session; at most [`CONTEXT_MAX`], what is beyond is not said.
    pub context: Vec<Versioned>,
}

impl Token {
    /// Its text, signed by the key that signs. `site` is where it is good alone, everywhere when empty.
    pub fn write(&self, keys: &Keys, site: &str) -> String {
        URL_SAFE_NO_PAD.encode(keys.sign(site, |key| self.bytes(key)))
    }

    /// Reads a text. The other part tells which key has signed it: 0 is the one that signs now.
    ///
    /// # Errors
    /// [`Invalid`], the first that holds in its order.
    pub fn read(text: &[u8], keys: &Keys, site: &str, now: Time) -> Result<(Token, usize), Invalid> {
        if text.len() > TOKEN_MAX {
            return Err(Invalid::Overlong);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Invalid::Malformed)?;
        let (said, mac) = bytes.split_last_chunk::<MAC_LEN>().ok_or(Invalid::Truncated)?;
        let mut reader = Reader(said);
        if reader.byte()? != FORMAT {
            return Err(Invalid::Version);
        }
        let key = reader.take::<4>()?;
        let token = Token::parse(&mut reader)?;
        let key = keys.find(key).ok_or(Invalid::Key)?;
        if !keys.has_signed(key, site, said, mac) {
            return Err(Invalid::Forged);
        }
        if token.end <= now { Err(Invalid::Expired) } else { Ok((token, key)) }
    }

    fn bytes(&self, key: KeyId) -> Vec<u8> {
        let written = self.context.get(..CONTEXT_MAX).unwrap_or(&self.context);
        let mut out = Vec::with_capacity(FIXED + written.len() * WRITTEN + MAC_LEN);
        out.push(FORMAT);
        out.extend_from_slice(&key);
        out.extend_from_slice(&self.id);
        [self.started, self.login].into_iter().for_each(|at| out.extend_from_slice(&millis(at)));
        [self.end, self.made].into_iter().for_each(|at| out.extend_from_slice(&seconds(at)));
        // At most four of them.
        out.push(u8::try_from(written.len()).unwrap_or(0));
        for Versioned { author: Author { actor, incarnation }, version } in written {
            out.extend_from_slice(&actor.pop.0.to_be_bytes());
            out.extend_from_slice(&actor.node.to_be_bytes());
            out.extend_from_slice(&incarnation.0.to_be_bytes());
            out.extend_from_slice(&version.number().to_be_bytes());
        }
        out
    }

    /// What stands behind the id of the key, to the end.
    fn parse(reader: &mut Reader<'_>) -> Result<Token, Invalid> {
        let id = reader.take()?;
        let [started, login] = [reader.millis()?, reader.millis()?];
        let [end, made] = [reader.seconds()?, reader.seconds()?];
        let authors = usize::from(reader.byte()?);
        if reader.0.len() != authors * WRITTEN || authors > CONTEXT_MAX {
            return Err(Invalid::Truncated);
        }
        let mut context = Vec::with_capacity(authors);
        for _ in 0..authors {
            let actor =
                Actor { pop: PopId(u16::from_be_bytes(reader.take()?)), node: u32::from_be_bytes(reader.take()?) };
            let incarnation = Incarnation(u64::from_be_bytes(reader.take()?));
            let version = Version::numbered(u64::from_be_bytes(reader.take()?));
            context.push(Versioned { author: Author { actor, incarnation }, version });
        }
        Ok(Token { id, started, login, end, made, context })
    }
}

/// Seconds of a time; the last one that there is for what comes later (2106).
fn seconds(at: Time) -> [u8; 4] {
    u32::try_from(at.0 / 1000).unwrap_or(u32::MAX).to_be_bytes()
}

/// The low six bytes of a time, which last for 8,900 years.
fn millis(at: Time) -> [u8; 6] {
    let [_, _, low @ ..] = at.0.to_be_bytes();
    low
}

/// Bytes to be read from their beginning.
struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take<const LEN: usize>(&mut self) -> Result<[u8; LEN], Invalid> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Invalid::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, Invalid> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn seconds(&mut self) -> Result<Time, Invalid> {
        Ok(Time(u64::from(u32::from_be_bytes(self.take()?)) * 1000))
    }

    fn millis(&mut self) -> Result<Time, Invalid> {
        let [a, b, c, d, e, f] = self.take()?;
        Ok(Time(u64::from_be_bytes([0, 0, a, b, c, d, e, f])))
    }
}
