//! A node that knows nothing joins one that knows everything, over loopback TCP, while that one is charged.

use std::io::{BufReader, BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use selvedge_state::{FRAME_MAX, Input, Key, LinkId, Output, PopId, Replica, Time};

use super::wire::replica;
use super::{Bench, START};
use crate::figures::{Figures, rounded};

/// Charges in each ms.
const CHARGES: usize = 50;

/// A join that takes longer has failed.
const LONGEST: Duration = Duration::from_secs(120);

/// Inputs that are taken at once.
const BATCH: usize = 32;

const LINK: LinkId = LinkId(1);

/// One node's replica and its end of the connection.
struct Shell {
    replica: Replica,
    stream: BufWriter<TcpStream>,
    inputs: Receiver<Heard>,
    began: Instant,
}

/// What a shell is told.
enum Heard {
    Input(Input),
    Over,
}

pub(super) fn measure(keys: &[Key], figures: &mut Figures) -> Result<(), String> {
    let (giver, joiner) = (Bench::new(0, keys.len())?, Bench::new(1, keys.len())?);
    giver.fill(keys)?;
    let (mut giving, joining) = (replica(&giver, 0, 2), replica(&joiner, 1, 2));
    // What changed before there was a peer is repair's business.
    giving.handle(Input::Dirty, START);
    while giving.poll_output().is_some() {}
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let near = TcpStream::connect(address).map_err(|error| error.to_string())?;
    let (far, _) = listener.accept().map_err(|error| error.to_string())?;
    let began = Instant::now();
    let (tell_giver, giver_hears) = channel();
    let (tell_joiner, joiner_hears) = channel();
    let (wake, end) = (tell_giver.clone(), [tell_giver.clone(), tell_joiner.clone()]);
    giver.store.on_dirty(Box::new(move || drop(wake.send(Heard::Input(Input::Dirty)))));
    let took = thread::scope(|scope| {
        let mut ends = Vec::new();
        for (replica, peer, stream, inputs, tell) in
            [(giving, 1, near, giver_hears, tell_giver), (joining, 0, far, joiner_hears, tell_joiner)]
        {
            let _ = stream.set_nodelay(true);
            let Ok(reading) = stream.try_clone() else { return Err("no second handle of a socket".to_owned()) };
            ends.extend(stream.try_clone());
            let shell = Shell { replica, stream: BufWriter::with_capacity(FRAME_MAX, stream), inputs, began };
            scope.spawn(move || read(reading, &tell));
            scope.spawn(move || shell.run(PopId(peer)));
        }
        let took = charge_until(keys, &giver, &joiner, began);
        for tell in end {
            let _ = tell.send(Heard::Over);
        }
        ends.iter().for_each(|stream| drop(stream.shutdown(std::net::Shutdown::Both)));
        took
    })?;
    figures.add("join_1m_s", rounded(took.as_secs_f64()));
    Ok(())
}

/// Charges the giver until the joiner knows all keys.
fn charge_until(keys: &[Key], giver: &Bench, joiner: &Bench, began: Instant) -> Result<Duration, String> {
    let mut charged = keys.iter().cycle().step_by(7);
    while joiner.store.keys(joiner.table) < keys.len() {
        if began.elapsed() > LONGEST {
            return Err(format!("the joiner knows {} keys only", joiner.store.keys(joiner.table)));
        }
        let now = time(began);
        charged.by_ref().take(CHARGES).try_for_each(|key| giver.touch(*key, now))?;
        thread::sleep(Duration::from_millis(1));
    }
    Ok(began.elapsed())
}

fn time(began: Instant) -> Time {
    START.plus(began.elapsed().as_millis() as u64)
}

/// Frames with their length before them, until the connection ends.
fn read(stream: TcpStream, tell: &Sender<Heard>) {
    let mut stream = BufReader::with_capacity(FRAME_MAX, stream);
    let mut length = [0; 4];
    while stream.read_exact(&mut length).is_ok() {
        let mut frame = vec![0; (u32::from_be_bytes(length) as usize).min(FRAME_MAX)];
        let input = |frame| Heard::Input(Input::Frame { link: LINK, bytes: Bytes::from(frame) });
        if stream.read_exact(&mut frame).is_err() || tell.send(input(frame)).is_err() {
            return;
        }
    }
}

impl Shell {
    fn run(mut self, peer: PopId) {
        self.replica.handle(Input::Connected { link: LINK, peer }, time(self.began));
        loop {
            if self.say().is_err() {
                return;
            }
            let now = time(self.began);
            let wait = self.replica.poll_timeout().map_or(1_000, |due| due.since(now));
            let first = match self.inputs.recv_timeout(Duration::from_millis(wait)) {
                Ok(heard) => heard,
                Err(RecvTimeoutError::Timeout) => Heard::Input(Input::Timeout),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let more: Vec<Heard> = self.inputs.try_iter().take(BATCH).collect();
            for heard in std::iter::once(first).chain(more) {
                match heard {
                    Heard::Input(input) => self.replica.handle(input, time(self.began)),
                    Heard::Over => return,
                }
            }
        }
    }

    /// Writes what the replica says.
    fn say(&mut self) -> std::io::Result<()> {
        loop {
            let mut sent = 0;
            while let Some(output) = self.replica.poll_output() {
                if let Output::Send { frame, .. } = output {
                    self.stream.write_all(&(frame.len() as u32).to_be_bytes())?;
                    self.stream.write_all(&frame)?;
                    sent += frame.len();
                }
            }
            self.stream.flush()?;
            if sent == 0 {
                return Ok(());
            }
            self.replica.handle(Input::Sent { link: LINK, bytes: sent }, time(self.began));
        }
    }
}
