//! The load: a client at each POP that asks with one of a few keys, and remembers what was answered in which life. What it is
//! not sure of, because the connection broke off, it says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::pops::{Pop, Pops};

pub(crate) const KEYS: u32 = 40;

/// Between two requests to one POP, on average.
const PAUSE: Duration = Duration::from_millis(50);

/// A POP that is stopped answers later.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a life may lose when it is killed: what it counted within this before, if nobody heard it and no snapshot has it.
pub(crate) const FRESH: Duration = Duration::from_secs(1);

/// Requests of one key that one life answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// Answered.
    pub(crate) sure: u64,
    /// Of those: when, of the newest ones.
    recent: Vec<Instant>,
    /// Broken off.
    pub(crate) unsure: u64,
}

/// By POP, life (from 0) and key.
pub(crate) type Truth = BTreeMap<(usize, usize, u32), Asked>;

pub(crate) struct Load {
    tasks: JoinSet<Truth>,
}

pub(crate) fn start(pops: &Arc<Pops>, seed: u64, until: Instant) -> Load {
    let mut tasks = JoinSet::new();
    for at in 0..pops.all.len() {
        let pops = Arc::clone(pops);
        tasks.spawn(async move { client(&pops.all[at], at, seed ^ at as u64, until).await });
    }
    Load { tasks }
}

impl Load {
    pub(crate) async fn finish(mut self) -> Truth {
        let mut truth = Truth::new();
        while let Some(joined) = self.tasks.join_next().await {
            truth.extend(joined.unwrap_or_default());
        }
        truth
    }
}

impl Asked {
    /// Those that were answered long enough before an instant.
    pub(crate) fn settled(&self, end: Instant) -> u64 {
        let fresh = self.recent.iter().filter(|at| end.saturating_duration_since(**at) < FRESH).count();
        self.sure - fresh as u64
    }

    fn answered(&mut self, now: Instant) {
        self.sure += 1;
        self.recent.retain(|at| now.saturating_duration_since(*at) < FRESH * 2);
        self.recent.push(now);
    }

    /// When it was answered last.
    pub(crate) fn last(&self) -> Option<Instant> {
        self.recent.last().copied()
    }
}

async fn client(pop: &Pop, at: usize, seed: u64, until: Instant) -> Truth {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut truth = Truth::new();
    while Instant::now() < until {
        let lives = pop.lives().await.len();
        if let Ok(Ok(mut stream)) = timeout(PATIENCE, TcpStream::connect(pop.http)).await {
            // A connection outlives no process: all it carries belongs to one life, the newest one when it was made. If that
            // changed meanwhile, whose it is cannot be told.
            if pop.lives().await.len() != lives || lives == 0 {
                continue;
            }
            while Instant::now() < until {
                let key = rng.u32(..KEYS);
                let asked = truth.entry((at, lives - 1, key)).or_default();
                match timeout(PATIENCE, ask(&mut stream, key)).await {
                    Ok(Ok(())) => asked.answered(Instant::now()),
                    Ok(Err(_)) | Err(_) => {
                        asked.unsure += 1;
                        break;
                    }
                }
                sleep(PAUSE.mul_f64(rng.f64() * 2.0)).await;
            }
        }
        sleep(PAUSE).await;
    }
    truth
}

async fn ask(stream: &mut TcpStream, key: u32) -> std::io::Result<()> {
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: soak\r\nx-key: k{key}\r\n\r\n").as_bytes()).await?;
    let mut seen: Vec<u8> = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        seen.extend(buffer.iter().take(read));
        if seen.windows(4).any(|four| four == b"\r\n\r\n") {
            let good = seen.starts_with(b"HTTP/1.1 200");
            return if good { Ok(()) } else { Err(std::io::Error::other(String::from_utf8_lossy(&seen).into_owned())) };
        }
    }
}
