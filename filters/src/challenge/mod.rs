//! Challenges: a client that looks suspicious solves a puzzle, which costs it time and the edge next to nothing, and gets a pass for it
//! (C. Dwork, M. Naor, Pricing via Processing, 1992; A. Back, Hashcash, 2002).
//!
//! In go a client, the host that it asks for, random bytes and an instant; out come a puzzle, a pass for who has solved it, or the reason why
//! there is none ([`Refused`]). A puzzle and a pass say all that there is to know of them and are signed, so every POP with the same keys reads
//! what any other has written, and nothing is kept of either. A puzzle leads to one pass, whose end is known when the puzzle is made: whoever
//! sends a solution twice gets what it has.

mod outcome;
mod refused;
mod solution;
mod statement;

use std::net::IpAddr;
use std::sync::Arc;

use selvedge_state::Time;

use crate::signing::Keys;
pub use outcome::Outcome;
pub use refused::Refused;
pub use statement::NONCE_LEN;
use statement::{Kind, Statement, Whose};

/// Where solutions are sent to, at each site; and where a client asks whether it has a pass.
pub const PATH: &str = "/.well-known/selvedge/challenge";
/// What keys of challenges are for: no session is called so.
pub const PURPOSE: &str = "challenge:";

/// Who is challenged, and where.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// Its address, of which the network counts.
    pub address: IpAddr,
    /// The host that it asks for, in lower case.
    pub host: &'a str,
}

/// The challenges of one config.
#[derive(Debug, Clone)]
pub struct Challenge {
    keys: Arc<Keys>,
    cookie: String,
    /// How long a puzzle may take, ms.
    solve: u64,
    /// How long a pass is good, from when its puzzle was made, ms.
    lasts: u64,
}

/// What whoever has solved a puzzle gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Its text, which fits a cookie.
    pub text: String,
    /// Until when it is good.
    pub end: Time,
}

impl Challenge {
    /// Challenges whose passes are in the cookie of this name. A puzzle is good for `solve` ms, a pass for `lasts`, both from when the puzzle
    /// was made.
    pub fn new(keys: Arc<Keys>, cookie: &str, solve: u64, lasts: u64) -> Challenge {
        Challenge { keys, cookie: cookie.to_owned(), solve, lasts }
    }

    /// The name of the cookie that passes are in.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// A puzzle for a client: solved by a number whose SHA-256 behind the puzzle begins with so many zero bits, at most 32.
    pub fn pose(&self, client: Client<'_>, bits: u8, nonce: [u8; NONCE_LEN], now: Time) -> String {
        let whose = Whose::of(&self.keys, Keys::SIGNING, client);
        Statement { at: now, bits, whose, nonce: nonce.to_vec() }.write(&self.keys, Kind::Puzzle)
    }

    /// The pass for a solution: the puzzle as it was posed, a dot, and the number in decimal.
    ///
    /// # Errors
    /// [`Refused`], the first that holds in its order: one signature is looked at first, and one hash last.
    pub fn accept(&self, solution: &[u8], client: Client<'_>, now: Time) -> Result<Pass, Refused> {
        let (puzzle, counter) = solution::split(solution)?;
        let Statement { at, bits, .. } = self.read(puzzle, Kind::Puzzle, client, |at| at.plus(self.solve), now)?;
        if !solution::solves(puzzle, counter, bits) {
            return Err(Refused::Unsolved);
        }
        Ok(self.pass(client, bits, at))
    }

    /// The pass for a puzzle of so many bits that was posed at an instant.
    pub fn pass(&self, client: Client<'_>, bits: u8, posed: Time) -> Pass {
        let end = posed.plus(self.lasts);
        let whose = Whose::of(&self.keys, Keys::SIGNING, client);
        let text = Statement { at: end, bits, whose, nonce: Vec::new() }.write(&self.keys, Kind::Pass);
        Pass { text, end }
    }

    /// How many bits the puzzle had for which a client has this pass.
    ///
    /// # Errors
    /// [`Refused`], the first that holds in its order.
    pub fn passed(&self, pass: &[u8], client: Client<'_>, now: Time) -> Result<u8, Refused> {
        self.read(pass, Kind::Pass, client, |end| end, now).map(|statement| statement.bits)
    }

    /// Reads what was signed for this client and is not over.
    fn read(
        &self,
        text: &[u8],
        kind: Kind,
        client: Client<'_>,
        end: impl FnOnce(Time) -> Time,
        now: Time,
    ) -> Result<Statement, Refused> {
        let (statement, key) = Statement::read(text, &self.keys, kind)?;
        if end(statement.at) <= now {
            return Err(Refused::Expired);
        }
        let whose = Whose::of(&self.keys, key, client);
        match statement.whose {
            of if of.network != whose.network => Err(Refused::Network),
            of if of.host != whose.host => Err(Refused::Host),
            _ => Ok(statement),
        }
    }
}
