//! Frames that no honest node says, made from those of stores that were told absurd things.

use bytes::Bytes;
use selvedge_state::{Actor, Input, LinkId, Output, Time};

use super::peer::{Player, Role, now};

/// Changes, as a frame's first byte has it.
const DELTA: u8 = 2;
/// What was heard.
const ACK: u8 = 3;

const LINK: LinkId = LinkId(1);

/// The changes that a node of this name says when `does` was done at its store.
pub(crate) fn deltas(role: &Role, me: Actor, does: impl FnOnce(&Player)) -> Vec<Bytes> {
    frames(role, me, DELTA, |teller, _| does(teller))
}

/// What a node acknowledges whose peer did `does`.
pub(crate) fn acks(role: &Role, does: impl FnOnce(&Player)) -> Vec<Bytes> {
    frames(role, role.me, ACK, |_, other| does(other))
}

/// The frames of one type that a node says to another one, in a link that is never seen outside.
fn frames(role: &Role, me: Actor, what: u8, does: impl FnOnce(&Player, &Player)) -> Vec<Bytes> {
    // So that none of its times is of the future.
    let began = now(-5_000);
    let whom = if me.pop == role.whom { role.me.pop } else { role.whom };
    let (mut teller, mut other) = (role.play(me), role.play(Actor { pop: whom, node: 0 }));
    let mut said = Vec::new();
    let mut to_other = teller.feed(Input::Connected { link: LINK, peer: whom }, began);
    let mut to_teller = other.feed(Input::Connected { link: LINK, peer: me.pop }, began);
    let mut does = Some(does);
    for round in 0..200 {
        let now = Time(began.0 + round * 10);
        if round == 100
            && let Some(does) = does.take()
        {
            does(&teller, &other);
            to_other.extend(teller.feed(Input::Dirty, now));
            to_teller.extend(other.feed(Input::Dirty, now));
        }
        let heard = hand_over(&mut teller, &mut other, std::mem::take(&mut to_other), &mut to_teller, now);
        said.extend(heard.into_iter().filter(|frame| frame.first() == Some(&what)));
        hand_over(&mut other, &mut teller, std::mem::take(&mut to_teller), &mut to_other, now);
        to_other.extend(teller.feed(Input::Timeout, now));
        to_teller.extend(other.feed(Input::Timeout, now));
    }
    assert!(!said.is_empty(), "nothing was said");
    said
}

/// Hands frames of one node to the other one; says which.
fn hand_over(
    from: &mut Player,
    to: &mut Player,
    said: Vec<Output>,
    answers: &mut Vec<Output>,
    now: Time,
) -> Vec<Bytes> {
    let mut handed = Vec::new();
    let mut said = std::collections::VecDeque::from(said);
    while let Some(output) = said.pop_front() {
        if let Output::Send { link, frame } = output {
            said.extend(from.feed(Input::Sent { link, bytes: frame.len() }, now));
            answers.extend(to.feed(Input::Frame { link, bytes: frame.clone() }, now));
            handed.push(frame);
        }
    }
    handed
}

/// The frame with another count in the place of `count`, which nothing else in it looks like, and checksums that are right.
pub(crate) fn forged(frame: &Bytes, count: u32, other: u64) -> Bytes {
    let (honest, lie) = (varint(count.into()), varint(other));
    let (kind, mut rest) = frame.split_first().unwrap();
    let (mut made, mut found) = (vec![*kind], 0);
    while let Some((kind, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk().unwrap();
        // Behind the checksum, which is made anew.
        let (mut body, after) = after[4..].split_at(u32::from_le_bytes(*length) as usize);
        let mut forged = Vec::new();
        while let Some((byte, others)) = body.split_first() {
            if let Some(others) = body.strip_prefix(&honest[..]) {
                forged.extend_from_slice(&lie);
                (body, found) = (others, found + 1);
            } else {
                forged.push(*byte);
                body = others;
            }
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(&[*kind]);
        crc.update(&forged);
        made.push(*kind);
        made.extend_from_slice(&u32::try_from(forged.len()).unwrap().to_le_bytes());
        made.extend_from_slice(&crc.finalize().to_le_bytes());
        made.extend_from_slice(&forged);
        rest = after;
    }
    assert_eq!(found, 2, "once in a fine cell and once in a coarse one");
    made.into()
}

/// The frame with a bit that is another one.
pub(crate) fn damaged(frame: &Bytes) -> Bytes {
    let mut bytes = frame.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bytes.into()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
