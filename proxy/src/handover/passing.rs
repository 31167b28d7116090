//! What is said first: a card, and with its first byte the sockets that it names (`SCM_RIGHTS`, unix(7)).

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use super::sockets::{Purpose, Sockets};

/// The most sockets that one message may carry in Linux.
const SOCKETS_MAX: usize = 253;

/// The longest card, bytes.
const CARD_MAX: u32 = 64 * 1024;

/// The form of all that is said. Processes of another form do not take over from each other.
pub(super) const FORM: u32 = 1;

/// Who hands over.
#[derive(Serialize, Deserialize)]
pub(super) struct Card {
    /// [`FORM`].
    pub(super) form: u32,
    /// The version of the program.
    pub(super) version: String,
    /// Its process.
    pub(super) pid: u32,
    /// Its life.
    pub(super) incarnation: u64,
    /// What it hashes keys with, in hex, where no cluster says so.
    pub(super) secret: Option<String>,
    /// Whether a successor is to say its life when it serves, and hears what is left to it.
    #[serde(default)]
    pub(super) leaves: bool,
    /// What each socket is for.
    pub(super) sockets: Vec<Purpose>,
}

impl fmt::Debug for Card {
    /// Not the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card").field("version", &self.version).field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// Says who hands over, and gives the sockets.
///
/// # Errors
/// What the system says.
pub(super) fn send(stream: &mut UnixStream, card: &Card, sockets: &Sockets) -> io::Result<()> {
    let card = serde_json::to_vec(card)?;
    let length = u32::try_from(card.len()).map_err(io::Error::other)?.to_le_bytes();
    let handles: Vec<BorrowedFd<'_>> = sockets.0.iter().map(|(_, socket)| socket.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&handles)) {
        return Err(io::Error::other(format!("{} sockets are more than one message carries", handles.len())));
    }
    let parts = [IoSlice::new(&length)];
    let sent = retry_on_intr(|| sendmsg(&*stream, &parts, &mut control, SendFlags::NOSIGNAL))?;
    stream.write_all(length.get(sent..).unwrap_or_default())?;
    stream.write_all(&card)
}

/// Hears who hands over, and takes the sockets.
///
/// # Errors
/// What the system says, or that it is something else.
pub(super) fn receive(stream: &mut UnixStream) -> io::Result<(Card, Sockets)> {
    let mut length = [0_u8; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let got = retry_on_intr(|| recvmsg(&*stream, &mut [IoSliceMut::new(&mut length)], &mut control, flags))?.bytes;
    if got == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut handles: Vec<OwnedFd> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(sockets) = message {
            handles.extend(sockets);
        }
    }
    stream.read_exact(length.get_mut(got..).unwrap_or_default())?;
    let length = u32::from_le_bytes(length);
    if length > CARD_MAX {
        return Err(io::Error::other(format!("a card of {length} bytes")));
    }
    let mut card = Vec::new();
    stream.take(length.into()).read_to_end(&mut card)?;
    let card: Card = serde_json::from_slice(&card)?;
    if card.sockets.len() != handles.len() {
        return Err(io::Error::other(format!("{} sockets came of {}", handles.len(), card.sockets.len())));
    }
    let sockets = Sockets(card.sockets.iter().cloned().zip(handles).collect());
    Ok((card, sockets))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn card(sockets: &Sockets) -> Card {
        let sockets = sockets.0.iter().map(|(purpose, _)| purpose.clone()).collect();
        Card { form: FORM, version: "0".into(), pid: 1, incarnation: 7, secret: None, leaves: true, sockets }
    }

    #[test]
    fn sockets_arrive_with_what_they_are_for() {
        let listeners: Vec<TcpListener> = (0..131).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let asked = "127.0.0.1:0".parse().unwrap();
        let mut sockets = Sockets::default();
        listeners.iter().for_each(|listener| sockets.keep(Purpose::Http(asked), listener).unwrap());
        let (mut near, mut far) = UnixStream::pair().unwrap();
        send(&mut near, &card(&sockets), &sockets).unwrap();
        let (card, mut taken) = receive(&mut far).unwrap();
        assert_eq!((card.incarnation, card.sockets.len()), (7, 131));
        for listener in &listeners {
            let same = TcpListener::from(taken.take(&Purpose::Http(asked)).unwrap());
            assert_eq!(same.local_addr().unwrap(), listener.local_addr().unwrap());
        }
        assert!(taken.take(&Purpose::Http(asked)).is_none());
    }

    #[test]
    fn what_is_no_card_is_an_error() {
        for bytes in [&b""[..], b"\x01", b"\x02\0\0\0{}", b"\xff\xff\xff\xff", b"\x09\0\0\0{}"] {
            let (mut near, mut far) = UnixStream::pair().unwrap();
            near.write_all(bytes).unwrap();
            drop(near);
            receive(&mut far).unwrap_err();
        }
    }
}
