//! One file of a log: a head, then frames. A frame is what was written and synced at once, so what is torn by a crash is the last one, and was told to nobody.
//! A frame that others follow was on the disk whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crc32fast::Hasher;

/// What a file begins with: the name of its log and the version of what follows.
pub(super) type Magic = [u8; 5];

/// Bytes of a head: that, the file's number, a number of the log's own, salt, checksum.
const HEAD: usize = 5 + 8 + 8 + 4 + 4;
/// What a frame begins with, so that one is found behind something that is none.
const FRAME: [u8; 4] = [0xf7, 0x9d, 0x0a, 0xc1];
/// Bytes of a frame's own: that, its length, checksum.
const FRAMING: usize = 4 + 4 + 4;
/// The longest that is read, bytes; none is written that is longer.
const READ_MAX: u64 = 1 << 29;

/// Where a record is in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    offset: u64,
    len: u32,
    sum: u32,
}

/// What was read of a file.
#[derive(Debug)]
pub(super) struct Read<R> {
    /// The number of the log's own in its head; 0 without a head.
    pub(super) own: u64,
    pub(super) records: Vec<R>,
    /// Where something is that is no frame, though frames follow: it was there and is no more.
    pub(super) damaged: Option<u64>,
    /// Up to where it was read, bytes.
    pub(super) read: u64,
}

/// What checksums of frames go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed(u32);

impl Seed {
    fn sum(self, parts: [&[u8]; 2]) -> u32 {
        let mut hasher = Hasher::new_with_initial(self.0);
        parts.iter().for_each(|part| hasher.update(part));
        hasher.finalize()
    }
}

/// A file's path in the folder of the log.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.log"))
}

/// The numbers of the files in a folder, in order.
///
/// # Errors
/// What the system says.
pub(super) fn all(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log")).filter(|name| name.len() == 16);
        numbers.extend(number.and_then(|number| u64::from_str_radix(number, 16).ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A file that is written.
#[derive(Debug)]
pub(super) struct Segment {
    number: u64,
    file: File,
    seed: Seed,
    length: u64,
}

impl Segment {
    /// Begins a file that is not there.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn begin(folder: &Path, magic: &Magic, (number, own): (u64, u64), salt: u32) -> io::Result<Segment> {
        let (head, seed) = head(magic, (number, own), salt);
        // What is written of clients is nobody else's business.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path(folder, number))?;
        file.write_all(&head)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(Segment { number, file, seed, length: HEAD as u64 })
    }

    /// Writes records, in one frame that is on the disk when this returns. Gives their places.
    ///
    /// # Errors
    /// What the system says; some of it, or all, may be there then, and nothing is to be written behind it.
    pub(super) fn write(&mut self, records: &[Vec<u8>]) -> io::Result<Vec<Extent>> {
        let payload: usize = records.iter().map(|record| record.len() + 4).sum();
        let length = u32::try_from(payload).map_err(io::Error::other)?.to_le_bytes();
        let mut frame = Vec::with_capacity(FRAMING + payload);
        frame.extend(FRAME);
        frame.extend(length);
        frame.extend([0; 4]);
        let mut places = Vec::with_capacity(records.len());
        for record in records {
            let len = u32::try_from(record.len()).map_err(io::Error::other)?;
            frame.extend(len.to_le_bytes());
            let (offset, sum) = (self.length + frame.len() as u64, crc32fast::hash(record));
            places.push(Extent { offset, len, sum });
            frame.extend(record);
        }
        let sum = self.seed.sum([&length, frame.get(FRAMING..).unwrap_or_default()]);
        if let Some(field) = frame.get_mut(8..FRAMING) {
            field.copy_from_slice(&sum.to_le_bytes());
        }
        self.file.write_all(&frame)?;
        self.file.sync_data()?;
        self.length += frame.len() as u64;
        Ok(places)
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// How long it is, bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

/// Reads a file from a byte on where a frame begins; from its head with 0. A frame with a record that cannot be decoded is none.
///
/// # Errors
/// What the system says.
pub(super) fn read<R>(
    (folder, magic): (&Path, &Magic),
    (number, from): (u64, u64),
    decode: impl Fn(&[u8], Extent) -> Option<R>,
) -> io::Result<Read<R>> {
    let path = path(folder, number);
    if std::fs::metadata(&path)?.len() > READ_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let bytes = std::fs::read(&path)?;
    let Some((own, seed)) = read_head(&bytes, magic, number) else {
        // Its frames are written when its head is on the disk.
        let damaged = (bytes.len() > HEAD).then_some(0);
        return Ok(Read { own: 0, records: Vec::new(), damaged, read: from });
    };
    let begin = usize::try_from(from).map_or(usize::MAX, |from| from.max(HEAD));
    let mut frames = Frames { bytes: &bytes, seed, at: begin };
    let (mut records, mut damaged) = (Vec::new(), None);
    loop {
        if let Some(mut found) = frames.next(&decode) {
            records.append(&mut found);
            continue;
        }
        match frames.next_begin() {
            Some(at) => {
                damaged = damaged.or(Some(frames.at as u64));
                frames.at = at;
            }
            None => return Ok(Read { own, records, damaged, read: frames.at as u64 }),
        }
    }
}

/// Reads a record that is there.
///
/// # Errors
/// What the system says, or that it is not what was written.
pub(super) fn fetch(path: &Path, Extent { offset, len, sum }: Extent) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    File::open(path)?.read_exact_at(&mut bytes, offset)?;
    if crc32fast::hash(&bytes) == sum { Ok(bytes) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn head(magic: &Magic, (number, own): (u64, u64), salt: u32) -> (Vec<u8>, Seed) {
    let mut out = magic.to_vec();
    out.extend(number.to_le_bytes());
    out.extend(own.to_le_bytes());
    out.extend(salt.to_le_bytes());
    let sum = crc32fast::hash(&out);
    out.extend(sum.to_le_bytes());
    (out, Seed(sum))
}

fn read_head(bytes: &[u8], magic: &Magic, number: u64) -> Option<(u64, Seed)> {
    let (said, sum) = bytes.get(..HEAD)?.split_last_chunk()?;
    let sum = u32::from_le_bytes(*sum);
    let rest = said.strip_prefix(magic).filter(|_| crc32fast::hash(said) == sum)?;
    let (named, rest) = rest.split_first_chunk()?;
    let (own, _) = rest.split_first_chunk()?;
    (u64::from_le_bytes(*named) == number).then_some((u64::from_le_bytes(*own), Seed(sum)))
}

/// The frames of a file, in order.
struct Frames<'b> {
    bytes: &'b [u8],
    seed: Seed,
    /// Where the next one begins.
    at: usize,
}

impl Frames<'_> {
    /// The records of the next frame; none where there is none.
    fn next<R>(&mut self, decode: impl Fn(&[u8], Extent) -> Option<R>) -> Option<Vec<R>> {
        let payload = self.frame_at(self.at)?;
        let begin = self.at + FRAMING;
        let (mut records, mut rest) = (Vec::new(), payload);
        while !rest.is_empty() {
            let (len, behind) = rest.split_first_chunk()?;
            let len = u32::from_le_bytes(*len);
            let (record, behind) = behind.split_at_checked(usize::try_from(len).ok()?)?;
            let offset = (begin + payload.len() - behind.len() - record.len()) as u64;
            records.push(decode(record, Extent { offset, len, sum: crc32fast::hash(record) })?);
            rest = behind;
        }
        self.at = begin + payload.len();
        Some(records)
    }

    /// What a frame that begins there holds.
    fn frame_at(&self, at: usize) -> Option<&[u8]> {
        let bytes = self.bytes.get(at..)?.strip_prefix(&FRAME)?;
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (sum, rest) = rest.split_first_chunk()?;
        let payload = rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        (self.seed.sum([length, payload]) == u32::from_le_bytes(*sum)).then_some(payload)
    }

    /// Where a frame begins that is behind something that is none.
    fn next_begin(&self) -> Option<usize> {
        let from = self.at + 1;
        let rest = self.bytes.get(from..)?;
        let begins = rest.windows(FRAME.len()).enumerate().filter(|(_, window)| **window == FRAME);
        begins.map(|(at, _)| from + at).find(|at| self.frame_at(*at).is_some())
    }
}
