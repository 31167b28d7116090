//! Blocks: the parts of a frame, each with its length and its checksum.

use super::WireError;
use super::reader::Reader;

/// Bytes of a block before its body.
pub(super) const BLOCK_HEAD: usize = 9;

pub(super) const HEAD: u8 = 1;
// 2 was counters in version 1.
pub(super) const FACTS: u8 = 3;
pub(super) const SKETCHES: u8 = 4;
pub(super) const LISTINGS: u8 = 5;
pub(super) const COUNTERS: u8 = 6;
/// From version 3 on.
pub(super) const REGISTERS: u8 = 8;
/// From version 3 on.
pub(super) const MAXIMA: u8 = 9;
/// From version 3 on.
pub(super) const MARKS: u8 = 10;
/// From version 4 on.
pub(super) const REVOCATIONS: u8 = 11;
/// From version 3 on.
pub(super) const ACCOUNTS: u8 = 16;
/// From version 4 on.
pub(super) const SESSIONS: u8 = 17;
/// Of snapshots alone: what comes over a link with it is passed over.
pub(super) const DEBTS: u8 = 32;

fn checksum(kind: u8, body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[kind]);
    crc.update(body);
    crc.finalize()
}

pub(super) fn put(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    // A body is far below 4 GiB: the builder stops at FRAME_MAX.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    out.push(kind);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(kind, body).to_le_bytes());
    out.extend_from_slice(body);
}

/// The next block's kind and body.
pub(super) fn take<'a>(reader: &mut Reader<'a>) -> Result<(u8, &'a [u8]), WireError> {
    let kind = reader.u8()?;
    let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    let sum = reader.u32()?;
    let body = reader.take(length)?;
    if checksum(kind, body) != sum {
        return Err(WireError::Checksum(kind));
    }
    Ok((kind, body))
}
