//! One established link: frames from the socket to the driver, frames from the driver to the socket. Each frame is
//! preceded by its length (u32, big-endian). Reading waits while the driver is busy, which TCP tells the peer; writing
//! takes from a bounded outbox and reports what left, so the replica never has more in flight than it decided.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use selvedge_state::{FRAME_MAX, LinkId, PopId};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsStream;

use super::cause::Down;
use super::driver::{Message, Outbox};
use super::{Shared, Way};

/// Frames that may wait in one link's outbox. The replica bounds the bytes it has in flight; this bounds their number, with
/// room for ten seconds of small ones on a path that stalls. A peer that makes us answer but never reads the answers hits
/// it and is closed.
pub const OUTBOX_MAX: usize = 1024;

/// A peer sends a heartbeat twice a second; silence this long means that the path is gone.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How long one frame may take to leave.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// How long the farewell of TLS may take.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// Frames taken from the outbox at once.
const BATCH: usize = 32;

/// Bytes asked from the socket at once.
const READ_CHUNK: usize = 32 * 1024;

/// Carries one link from its announcement to the driver until its end, which the driver hears in any case.
pub(crate) async fn carry(shared: Arc<Shared>, stream: TlsStream<TcpStream>, peer: PopId, address: SocketAddr) {
    let link = shared.next_link();
    let (outbox, frames) = mpsc::channel(OUTBOX_MAX);
    let opened = Message::Opened { link, peer, way: Way::Link(address), outbox: Outbox::Link(outbox) };
    if shared.messages.send(opened).await.is_err() {
        return;
    }
    let (read, write) = tokio::io::split(stream);
    let messages = shared.messages.clone();
    // A task of its own: should it panic, the link ends and nothing else does.
    let pumping = tokio::spawn(async move {
        tokio::select! {
            down = read_frames(read, link, &messages) => down,
            down = write_frames(write, frames, link, &messages) => down,
        }
    });
    let cause = pumping.await.unwrap_or_else(|error| Down::Fault(error.to_string()));
    // The driver being gone is fine: then nobody waits for this.
    let _ = shared.messages.send(Message::Closed { link, cause }).await;
}

async fn read_frames(mut socket: impl AsyncRead + Unpin, link: LinkId, messages: &mpsc::Sender<Message>) -> Down {
    let mut buffer = BytesMut::with_capacity(READ_CHUNK);
    loop {
        match take_frame(&mut buffer) {
            Ok(Some(bytes)) => {
                if messages.send(Message::Frame { link, bytes }).await.is_err() {
                    return Down::Stopping;
                }
                continue;
            }
            Ok(None) => {}
            Err(length) => return Down::FrameTooLong { length, max: FRAME_MAX },
        }
        // Bounded: an incomplete frame is at most FRAME_MAX, so is what this reserves beyond it.
        buffer.reserve(READ_CHUNK);
        match timeout(SILENCE_MAX, socket.read_buf(&mut buffer)).await {
            Ok(Ok(0)) => return Down::PeerClosed,
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Down::of_io(&error),
            Err(_) => return Down::Silent(SILENCE_MAX),
        }
    }
}

/// Takes one whole frame from the front of the buffer; `Err` is an announced length beyond [`FRAME_MAX`].
fn take_frame(buffer: &mut BytesMut) -> Result<Option<Bytes>, u32> {
    let Some(prefix) = buffer.first_chunk::<4>() else { return Ok(None) };
    let announced = u32::from_be_bytes(*prefix);
    let length = usize::try_from(announced).ok().filter(|length| *length <= FRAME_MAX).ok_or(announced)?;
    if buffer.len() - prefix.len() < length {
        return Ok(None);
    }
    buffer.advance(4);
    Ok(Some(buffer.split_to(length).freeze()))
}

async fn write_frames(
    socket: impl AsyncWrite + Unpin,
    mut frames: mpsc::Receiver<Bytes>,
    link: LinkId,
    messages: &mpsc::Sender<Message>,
) -> Down {
    let mut socket = BufWriter::with_capacity(READ_CHUNK, socket);
    let mut batch = Vec::with_capacity(BATCH);
    // The outbox closes when the driver lets go of the link; what is in it still leaves.
    while frames.recv_many(&mut batch, BATCH).await > 0 {
        let mut sent = 0_usize;
        for frame in batch.drain(..) {
            match timeout(WRITE_MAX, write_frame(&mut socket, &frame)).await {
                Ok(Ok(())) => sent = sent.saturating_add(frame.len()),
                Ok(Err(error)) => return Down::of_io(&error),
                Err(_) => return Down::Stuck(WRITE_MAX),
            }
        }
        match timeout(WRITE_MAX, socket.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Down::of_io(&error),
            Err(_) => return Down::Stuck(WRITE_MAX),
        }
        if messages.send(Message::Sent { link, bytes: sent }).await.is_err() {
            return Down::Stopping;
        }
    }
    // A peer that does not hear the farewell sees the connection end all the same.
    let _ = timeout(FAREWELL_MAX, socket.shutdown()).await;
    Down::Stopping
}

async fn write_frame(socket: &mut (impl AsyncWrite + Unpin), frame: &Bytes) -> std::io::Result<()> {
    let too_long = |_| std::io::Error::other("a frame longer than its length can say");
    socket.write_all(&u32::try_from(frame.len()).map_err(too_long)?.to_be_bytes()).await?;
    socket.write_all(frame).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(parts: &[&[u8]]) -> BytesMut {
        BytesMut::from(parts.concat().as_slice())
    }

    #[test]
    fn frames_come_out_whole_and_in_order() {
        let mut buffer = buffer(&[&[0, 0, 0, 2], b"ab", &[0, 0, 0, 0], &[0, 0, 0, 3], b"cd"]);
        assert_eq!(take_frame(&mut buffer), Ok(Some(Bytes::from_static(b"ab"))));
        assert_eq!(take_frame(&mut buffer), Ok(Some(Bytes::new())));
        assert_eq!(take_frame(&mut buffer), Ok(None));
        buffer.extend_from_slice(b"e");
        assert_eq!(take_frame(&mut buffer), Ok(Some(Bytes::from_static(b"cde"))));
        assert_eq!(take_frame(&mut buffer), Ok(None));
    }

    #[test]
    fn a_long_frame_is_refused_at_its_prefix() {
        let length = u32::try_from(FRAME_MAX).unwrap() + 1;
        assert_eq!(take_frame(&mut buffer(&[&length.to_be_bytes()])), Err(length));
        let longest = u32::try_from(FRAME_MAX).unwrap();
        assert_eq!(take_frame(&mut buffer(&[&longest.to_be_bytes()])), Ok(None));
    }

    #[tokio::test]
    async fn the_reader_ends_with_the_reason() {
        let (messages, mut driver) = mpsc::channel(8);
        let down = read_frames(&[0_u8, 0, 0, 1, 7, 255, 255, 255, 255][..], LinkId(1), &messages).await;
        assert_eq!(down, Down::FrameTooLong { length: u32::MAX, max: FRAME_MAX });
        assert!(matches!(driver.recv().await, Some(Message::Frame { bytes, .. }) if bytes.as_ref() == [7]));
        assert_eq!(read_frames(&[0_u8, 0][..], LinkId(1), &messages).await, Down::PeerClosed);
    }

    #[tokio::test]
    async fn the_writer_reports_what_left_and_empties_the_outbox() {
        let (messages, mut driver) = mpsc::channel(8);
        let (outbox, frames) = mpsc::channel(8);
        outbox.try_send(Bytes::from_static(b"ab")).unwrap();
        outbox.try_send(Bytes::from_static(b"c")).unwrap();
        drop(outbox);
        let mut written = Vec::new();
        write_frames(&mut written, frames, LinkId(1), &messages).await;
        assert_eq!(written, [0, 0, 0, 2, b'a', b'b', 0, 0, 0, 1, b'c']);
        assert!(matches!(driver.recv().await, Some(Message::Sent { bytes: 3, .. })));
    }
}
