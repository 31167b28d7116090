//! How an input holds several frames, and how a frame that was spoilt gets its checksums back.
//!
//! An input is one byte that says whether to seal, then frames, each behind its length (u16, LE); the last one may be short.
//! Without seals hardly any input would get past the checksum of a block.

/// Whether the frames of an input are sealed.
pub(crate) const SEALED: u8 = 1;

/// Bytes of a block before its body: kind, length, checksum.
const BLOCK_HEAD: usize = 9;

/// Frames in an input at most: enough for what one frame prepares and another one breaks.
const FRAMES_MAX: usize = 32;

/// The frames of an input.
pub(crate) fn frames(input: &[u8]) -> Vec<Vec<u8>> {
    let Some((how, mut rest)) = input.split_first() else { return Vec::new() };
    let mut frames = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (frame, after) = after.split_at(usize::from(u16::from_le_bytes(*length)).min(after.len()));
        let mut frame = frame.to_vec();
        if *how == SEALED {
            seal(&mut frame);
        }
        frames.push(frame);
        if frames.len() == FRAMES_MAX {
            break;
        }
        rest = after;
    }
    frames
}

/// Makes the checksum of each block right. A block that says it is longer than the frame ends with the frame.
pub(crate) fn seal(frame: &mut [u8]) {
    let mut start = 1;
    while let Some(head) = frame.get(start..start + BLOCK_HEAD) {
        let body = start + BLOCK_HEAD;
        let says = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        let length = usize::try_from(says).unwrap_or(usize::MAX).min(frame.len() - body);
        let sum = crc32(&[&frame[start..start + 1], &frame[body..body + length]]);
        frame[start + 1..start + 5].copy_from_slice(&(length as u32).to_le_bytes());
        frame[start + 5..body].copy_from_slice(&sum.to_le_bytes());
        start = body + length;
    }
}

/// CRC-32 (ISO 3309), four bits at a time.
fn crc32(parts: &[&[u8]]) -> u32 {
    const NIBBLES: [u32; 16] = {
        let mut table = [0; 16];
        let mut at = 0;
        while at < 16 {
            let (mut crc, mut bit) = (at as u32, 0);
            while bit < 4 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
                bit += 1;
            }
            table[at] = crc;
            at += 1;
        }
        table
    };
    let step = |crc: u32, byte: &u8| {
        let crc = NIBBLES[((crc ^ u32::from(*byte)) & 15) as usize] ^ crc >> 4;
        NIBBLES[((crc ^ u32::from(*byte >> 4)) & 15) as usize] ^ crc >> 4
    };
    !parts.iter().copied().flatten().fold(!0, step)
}
