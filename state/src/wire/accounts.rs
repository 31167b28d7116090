//! Accounts of one table of ledgers:
//!
//! ```text
//! table (u64, LE), authors (count, then POP, node, incarnation each; receivers included), greatest time of a version,
//! greatest end, accounts (count), then for each:
//! key (difference to the one before), author's index, a byte of what follows,
//! version: difference to the greatest time, changes within it,
//! then, each if its bit is set: 1 end (difference to the greatest), 2 amount, 4 claim, 8 want, 16 terms (two numbers),
//! 32 gifts (count, then receiver's index, amount, tokens each)
//! ```
//!
//! All numbers are varints, but for the table and the byte. Accounts are in the order of (key, author), authors and gifts in the
//! order of authors. What is 0 is left out: a gauge takes about 16 bytes, most of them its key.

use super::WireError;
use super::counters::{AUTHOR_MOST, authors, put_authors};
use super::reader::{Reader, put_varint};
use crate::identity::Author;
use crate::key::Key64;
use crate::ledger::{AUTHORS_MAX, Account, Gift, Version};
use crate::time::Time;

/// The fewest bytes of an account: key, index, bits, two of its version.
const ACCOUNT_LEAST: usize = 5;

/// The fewest bytes of a gift.
const GIFT_LEAST: usize = 3;

/// The most bytes of a block beside its accounts and authors.
pub(super) const LEDGER_MOST: usize = 8 + 3 + 10 + 10 + 5;

const ENDS: u8 = 1;
const AMOUNT: u8 = 2;
const CLAIM: u8 = 4;
const WANT: u8 = 8;
const TERMS: u8 = 16;
const GIVEN: u8 = 32;
const ALL: u8 = 63;

/// Accounts of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accounts {
    pub(crate) table: u64,
    pub(crate) accounts: Vec<(Key64, Author, Account)>,
}

/// The most bytes that an account takes, its author's and receivers' entries in the list included.
pub(super) fn weight(account: &Account) -> usize {
    let numbers = 10 + 3 + 1 + 10 + 3 + 10 + 3 * 10 + 20 + 2;
    numbers + AUTHOR_MOST + account.given.len() * (AUTHOR_MOST + 3 + 20)
}

/// In the order of (key, author).
pub(super) fn encode(table: u64, accounts: &[(Key64, Author, Account)]) -> Vec<u8> {
    let receivers = accounts.iter().flat_map(|(.., account)| account.given.iter().map(|gift| gift.to));
    let mut authors: Vec<Author> = accounts.iter().map(|(_, author, _)| *author).chain(receivers).collect();
    authors.sort_unstable();
    authors.dedup();
    let index = |author: Author| authors.partition_point(|other| *other < author) as u64;
    let latest = accounts.iter().map(|(.., account)| account.version.at().0).max().unwrap_or_default();
    let last_end = accounts.iter().map(|(.., account)| account.ends.0).max().unwrap_or_default();
    let mut out = table.to_le_bytes().to_vec();
    put_authors(&mut out, &authors);
    for number in [latest, last_end, accounts.len() as u64] {
        put_varint(&mut out, number);
    }
    let mut before = 0;
    for (key, author, account) in accounts {
        put_varint(&mut out, key.0.wrapping_sub(before));
        before = key.0;
        put_varint(&mut out, index(*author));
        put_account(&mut out, account, (latest, last_end), index);
    }
    out
}

fn put_account(out: &mut Vec<u8>, account: &Account, greatest: (u64, u64), index: impl Fn(Author) -> u64) {
    let numbers = [(ENDS, account.ends.0), (AMOUNT, account.amount), (CLAIM, account.claim), (WANT, account.want)];
    let has = |bit: u8, has: bool| if has { bit } else { 0 };
    let bits = numbers.iter().fold(0, |bits, (bit, number)| bits | has(*bit, *number > 0));
    let bits = bits | has(TERMS, account.terms != (0, 0)) | has(GIVEN, !account.given.is_empty());
    out.push(bits);
    put_varint(out, greatest.0 - account.version.at().0);
    put_varint(out, account.version.changes());
    for (bit, number) in numbers.into_iter().filter(|(_, number)| *number > 0) {
        put_varint(out, if bit == ENDS { greatest.1 - number } else { number });
    }
    if bits & TERMS > 0 {
        put_varint(out, account.terms.0);
        put_varint(out, account.terms.1);
    }
    if bits & GIVEN > 0 {
        put_varint(out, account.given.len() as u64);
        for gift in &account.given {
            put_varint(out, index(gift.to));
            put_varint(out, gift.amount);
            put_varint(out, gift.tokens);
        }
    }
}

pub(super) fn decode(body: &[u8]) -> Result<Accounts, WireError> {
    let mut reader = Reader::new(body, "a block of accounts");
    let table = reader.u64()?;
    let authors = authors(&mut reader)?;
    let (latest, last_end) = (reader.varint()?, reader.varint()?);
    let count = reader.count(ACCOUNT_LEAST)?;
    let mut accounts: Vec<(Key64, Author, Account)> = Vec::with_capacity(count);
    let mut before = 0_u64;
    for _ in 0..count {
        before = before.checked_add(reader.varint()?).ok_or(WireError::Range("a key"))?;
        let (key, author) = (Key64(before), by_index(&mut reader, &authors)?);
        if accounts.last().is_some_and(|(known, by, _)| (*known, *by) >= (key, author)) {
            return Err(WireError::Order("an account"));
        }
        accounts.push((key, author, account(&mut reader, (latest, last_end), &authors)?));
    }
    reader.end()?;
    Ok(Accounts { table, accounts })
}

fn by_index(reader: &mut Reader<'_>, authors: &[Author]) -> Result<Author, WireError> {
    let index = usize::try_from(reader.varint()?).ok();
    index.and_then(|index| authors.get(index)).copied().ok_or(WireError::Range("an author's index"))
}

fn account(reader: &mut Reader<'_>, greatest: (u64, u64), authors: &[Author]) -> Result<Account, WireError> {
    let bits = reader.u8()?;
    if bits & !ALL > 0 {
        return Err(WireError::Range("what an account says"));
    }
    let (back, changes) = (reader.varint()?, reader.varint()?);
    let version = greatest.0.checked_sub(back).and_then(|at| Version::new(Time(at), changes));
    let mut number = |bit: u8| if bits & bit > 0 { reader.varint() } else { Ok(0) };
    let ends = if bits & ENDS > 0 { greatest.1.checked_sub(number(ENDS)?) } else { Some(0) };
    let account = Account {
        version: version.ok_or(WireError::Range("a version"))?,
        ends: Time(ends.ok_or(WireError::Range("an end"))?),
        amount: number(AMOUNT)?,
        claim: number(CLAIM)?,
        want: number(WANT)?,
        terms: (number(TERMS)?, number(TERMS)?),
        given: Vec::new(),
    };
    let given = if bits & GIVEN > 0 { gifts(reader, authors)? } else { Vec::new() };
    Ok(Account { given, ..account })
}

fn gifts(reader: &mut Reader<'_>, authors: &[Author]) -> Result<Vec<Gift>, WireError> {
    let count = reader.count(GIFT_LEAST)?;
    if count > AUTHORS_MAX {
        return Err(WireError::Range("a number of gifts"));
    }
    let mut given: Vec<Gift> = Vec::with_capacity(count);
    for _ in 0..count {
        let to = by_index(reader, authors)?;
        if given.last().is_some_and(|last| last.to >= to) {
            return Err(WireError::Order("a gift"));
        }
        given.push(Gift { to, amount: reader.varint()?, tokens: reader.varint()? });
    }
    Ok(given)
}
