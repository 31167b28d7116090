//! A body on the disk: chunks of one size, each behind by its checksum, so that a range reads only the chunks it lies in and what was
//! damaged is found before it is sent.

use std::fs::File;
use std::io::{self, IoSliceMut, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::super::piece::PIECE;
use super::super::pieces::CHUNK_PIECES;

/// The size of a chunk in bytes, and so the most that one read returns.
pub(crate) const CHUNK: usize = CHUNK_PIECES * PIECE;

/// The bytes of a checksum.
const SUM: usize = size_of::<u32>();

/// How many bytes a body of `len` bytes takes in its file.
pub(super) fn size(len: u64) -> u64 {
    len.saturating_add(len.div_ceil(CHUNK as u64).saturating_mul(SUM as u64))
}

/// Writes a body as chunks.
#[derive(Debug)]
pub(super) struct ChunkWriter<W: Write> {
    out: W,
    sum: crc32fast::Hasher,
    len: u64,
}

impl<W: Write> ChunkWriter<W> {
    pub(super) fn new(out: W) -> ChunkWriter<W> {
        ChunkWriter { out, sum: crc32fast::Hasher::new(), len: 0 }
    }

    /// Bytes of the body so far.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Adds to the body.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn add(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let filled = (self.len % CHUNK as u64) as usize;
            let (now, later) = data.split_at(data.len().min(CHUNK - filled));
            self.out.write_all(now)?;
            self.sum.update(now);
            self.len += now.len() as u64;
            if filled + now.len() == CHUNK {
                self.seal()?;
            }
            data = later;
        }
        Ok(())
    }

    /// What is written is in the file, but for a chunk that is not full.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// The body is complete; gives what comes behind it its turn.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn end(mut self) -> io::Result<W> {
        if !self.len.is_multiple_of(CHUNK as u64) {
            self.seal()?;
        }
        Ok(self.out)
    }

    fn seal(&mut self) -> io::Result<()> {
        let sum = std::mem::take(&mut self.sum).finalize();
        self.out.write_all(&sum.to_le_bytes())
    }
}

/// Why a chunk cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChunkError {
    #[error("its checksum is not that of its bytes")]
    Damaged,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What is at `at` and before `end` of a body of `len` bytes, up to the end of its chunk. Reads that chunk: at once what the system has in
/// memory, else on a thread that may wait for the disk.
pub(super) async fn read(file: &Arc<File>, at: usize, end: usize, len: usize) -> Result<Bytes, ChunkError> {
    let first = at - at % CHUNK;
    let whole = CHUNK.min(len.saturating_sub(first));
    let place = size(first as u64);
    let mut chunk = vec![0; whole + SUM];
    if !is_read_at_once(file, &mut chunk, place) {
        let file = Arc::clone(file);
        let read = move || file.read_exact_at(&mut chunk, place).map(|()| chunk);
        chunk = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
    }
    let sum = chunk.split_off(whole);
    if crc32fast::hash(&chunk).to_le_bytes() != *sum {
        return Err(ChunkError::Damaged);
    }
    let chunk = Bytes::from(chunk);
    let (from, to) = (at - first, end.saturating_sub(first).min(whole));
    Ok(if from < to { chunk.slice(from..to) } else { Bytes::new() })
}

/// Reads without waiting for the disk. `false`: not all of it was in memory, or the system cannot tell.
pub(super) fn is_read_at_once(file: &File, mut into: &mut [u8], mut at: u64) -> bool {
    while !into.is_empty() {
        match preadv2(file, &mut [IoSliceMut::new(into)], at, ReadWriteFlags::NOWAIT) {
            Ok(read @ 1..) => {
                into = into.split_at_mut(read).1;
                at += read as u64;
            }
            Err(Errno::INTR) => {}
            Ok(0) | Err(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n * 7 % 251) as u8).collect()
    }

    fn written(body: &[u8], part: usize) -> File {
        let mut writer = ChunkWriter::new(tempfile::tempfile().expect("a file"));
        body.chunks(part).for_each(|part| writer.add(part).expect("written"));
        assert_eq!(writer.len(), body.len() as u64);
        writer.end().expect("written")
    }

    #[tokio::test]
    async fn what_is_written_is_read_from_any_position() {
        for len in [1, 1000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17] {
            let body = body(len);
            let file = Arc::new(written(&body, 1 + len / 3));
            assert_eq!(file.metadata().expect("there").len(), size(len as u64), "{len}");
            for (from, to) in [(0, len), (len - 1, len), (len / 2, len), (len / 3, len / 2)] {
                let mut read = Vec::new();
                let mut at = from;
                while at < to {
                    let part = super::read(&file, at, to, len).await.expect("read");
                    at += part.len();
                    read.extend_from_slice(&part);
                }
                assert_eq!(read, body.get(from..to).expect("in the body"), "{from}..{to} of {len}");
            }
        }
    }

    #[tokio::test]
    async fn a_changed_bit_is_found_in_its_chunk_and_in_no_other() {
        let body = body(2 * CHUNK + 100);
        let file = Arc::new(written(&body, CHUNK));
        let place = size(CHUNK as u64) + 5;
        let mut byte = [0];
        file.read_exact_at(&mut byte, place).expect("read");
        file.write_all_at(&[byte.first().expect("one") ^ 4], place).expect("written");
        let all = body.len();
        assert!(read(&file, 0, all, all).await.is_ok());
        assert!(matches!(read(&file, CHUNK, all, all).await, Err(ChunkError::Damaged)));
        assert!(read(&file, 2 * CHUNK, all, all).await.is_ok());
        assert!(matches!(read(&file, 2 * CHUNK, all, all + 7).await, Err(ChunkError::Io(_))), "shorter than it says");
    }
}
