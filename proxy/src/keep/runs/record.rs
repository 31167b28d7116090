//! What is written down of a run: that it is about to begin, and how it ended. Numbers are little-endian. Checksums are the [segment](super::segment)'s.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use selvedge_filters::idempotency::{Fence, Name, Print, Recalled, Run};
use selvedge_state::Time;

/// It is about to be run.
const INTENT: u8 = 1;
/// It was answered, with this response.
const DONE: u8 = 2;
/// It was answered, with this status.
const UNKEPT: u8 = 3;
/// It was not run.
const VOID: u8 = 4;

/// A response that is kept for repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its status.
    pub status: u16,
    /// Its fields, without those of a hop or a frame.
    pub fields: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
}

impl Kept {
    /// About how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 6);
        fields.sum::<usize>() + self.body.len() + 16
    }
}

/// That a run is about to begin.
pub(super) fn intent(run: &Run) -> Vec<u8> {
    begun(INTENT, run)
}

/// That it was answered, with how much.
pub(super) fn done(run: &Run, kept: &Kept) -> Vec<u8> {
    let mut out = begun(DONE, run);
    out.reserve(kept.size());
    out.extend(kept.status.to_le_bytes());
    out.extend(length(kept.fields.len()));
    for (name, value) in &kept.fields {
        [name.as_str().as_bytes(), value.as_bytes()].into_iter().for_each(|text| {
            out.extend(length(text.len()));
            out.extend(text);
        });
    }
    out.extend(&kept.body);
    out
}

/// That it was answered with this status.
pub(super) fn unkept(run: &Run, status: u16) -> Vec<u8> {
    let mut out = begun(UNKEPT, run);
    out.extend(status.to_le_bytes());
    out
}

/// That it was not run.
pub(super) fn void(name: &Name, fence: Fence) -> Vec<u8> {
    let mut out = vec![VOID];
    out.extend(name.to_bytes());
    out.extend(fence.0.to_le_bytes());
    out
}

/// What a record says; a response is left where it is, at `place`. None where it is no record.
pub(super) fn recalled<P>(bytes: &[u8], place: P) -> Option<Recalled<P>> {
    let mut fields = Fields(bytes);
    let [kind] = fields.take()?;
    if kind == VOID {
        return Some(Recalled::Void(fields.name()?, fields.fence()?));
    }
    let run = fields.run()?;
    match kind {
        INTENT => Some(Recalled::Intent(run)),
        DONE => Some(Recalled::Done(run, place)),
        UNKEPT => Some(Recalled::Unkept(run, u16::from_le_bytes(fields.take()?))),
        _ => None,
    }
}

/// The response in a record that has one.
pub(super) fn kept(bytes: &[u8]) -> Option<Kept> {
    let mut rest = Fields(bytes);
    let [kind] = rest.take()?;
    rest.run().filter(|_| kind == DONE)?;
    let status = u16::from_le_bytes(rest.take()?);
    let mut fields = HeaderMap::new();
    for _ in 0..rest.length()? {
        let name = HeaderName::from_bytes(rest.text()?).ok()?;
        fields.append(name, HeaderValue::from_bytes(rest.text()?).ok()?);
    }
    Some(Kept { status, fields, body: Bytes::copy_from_slice(rest.0) })
}

fn begun(kind: u8, run: &Run) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend(run.name.to_bytes());
    out.extend(run.fence.0.to_le_bytes());
    out.extend(run.print.to_bytes());
    out.extend(run.end.0.to_le_bytes());
    out
}

/// Headers have bounds of their own, far below.
fn length(of: usize) -> [u8; 4] {
    u32::try_from(of).unwrap_or(u32::MAX).to_le_bytes()
}

/// What is left to read.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.take()?)).ok()
    }

    fn text(&mut self) -> Option<&'b [u8]> {
        let length = self.length()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }

    fn name(&mut self) -> Option<Name> {
        self.take().map(Name::from_bytes)
    }

    fn fence(&mut self) -> Option<Fence> {
        self.take().map(u64::from_le_bytes).map(Fence)
    }

    fn run(&mut self) -> Option<Run> {
        let (name, fence) = (self.name()?, self.fence()?);
        let print = self.take().map(Print::from_bytes)?;
        Some(Run { name, print, fence, end: Time(u64::from_le_bytes(self.take()?)) })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn run(key: u8, fence: u64) -> Run {
        let (name, print) = (Name::from_bytes([key; 32]), Print::from_bytes([9; 32]));
        Run { name, print, fence: Fence(fence), end: Time(1_800_000_060_000) }
    }

    pub(crate) fn response(body: &'static [u8]) -> Kept {
        let fields = [("content-type", "a/b"), ("set-cookie", "a=1"), ("set-cookie", "b=2")];
        let fields = fields.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let fields = fields.into_iter().fold(HeaderMap::new(), |mut all, (name, value)| {
            all.append(name, value);
            all
        });
        Kept { status: 201, fields, body: Bytes::from_static(body) }
    }

    #[test]
    fn what_is_written_is_read() {
        let run = run(3, 7);
        assert_eq!(recalled(&intent(&run), 1), Some(Recalled::Intent(run)));
        assert_eq!(recalled(&unkept(&run, 204), 1), Some(Recalled::Unkept(run, 204)));
        assert_eq!(recalled(&void(&run.name, run.fence), 1), Some(Recalled::Void(run.name, run.fence)));
        for body in [&b""[..], b"{}"] {
            let record = done(&run, &response(body));
            assert_eq!(recalled(&record, 1), Some(Recalled::Done(run, 1)));
            assert_eq!(kept(&record), Some(response(body)));
            assert!(record.len() <= 81 + response(body).size());
        }
        assert_eq!(kept(&intent(&run)), None);
    }

    #[test]
    fn what_is_cut_off_or_of_another_kind_is_no_record() {
        let run = run(3, 7);
        for record in [intent(&run), unkept(&run, 204), void(&run.name, run.fence)] {
            (0..record.len()).for_each(|length| assert_eq!(recalled(&record[..length], 1), None, "{length}"));
        }
        let record = done(&run, &response(b""));
        (0..record.len()).for_each(|length| assert_eq!(kept(&record[..length]), None, "{length}"));
        assert_eq!(recalled(&[[9].as_slice(), &intent(&run)[1..]].concat(), 1), None);
    }
}
