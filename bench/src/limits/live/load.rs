//! wrk as a crowd of clients: so many connections, each of which asks again a pause after its answer. Answers are counted by status where
//! they arrive, by a script of wrk's own; answers under way when wrk ends are not.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Rate;
use crate::server::Folder;

/// Between an answer and the next request of a connection, ms.
const PAUSE: u32 = 25;

/// Connections over what would make ten times the limit if answers took no time.
const HEADROOM: f64 = 1.2;

/// Times the limit.
const TIMES: f64 = 10.0;

/// A client that hops is so long at a POP, in seconds, unless a run is too short for it.
const STAY: u64 = 5;

/// Where the clients are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A third of them at each POP, each at its own to the end.
    Stay,
    /// All of them at one POP, and every few seconds at the next: short runs of wrk, one after the other.
    Hop,
}

/// What clients were answered.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Answers {
    /// Status 200.
    pub(super) admitted: u64,
    /// Status 429.
    pub(super) refused: u64,
    /// Any other, and errors of connections.
    pub(super) failed: u64,
}

/// What came of a load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub(super) answers: Answers,
    /// From before the first request to after the last answer.
    pub(super) over: Duration,
}

/// Clients that ask ten times a limit.
pub(super) struct Crowd {
    wrk: PathBuf,
    script: String,
    connections: u32,
}

impl Crowd {
    pub(super) fn new(folder: &Folder, wrk: PathBuf, rate: Rate) -> Result<Crowd, String> {
        let script = folder.write("crowd.lua", &script())?;
        let each = rate.per_s * TIMES * HEADROOM * f64::from(PAUSE) / 1e3 / super::POPS.len() as f64;
        Ok(Crowd { wrk, script, connections: each.ceil() as u32 * super::POPS.len() as u32 })
    }

    /// The most requests that it makes in a second.
    pub(super) fn arrivals_per_s(&self) -> f64 {
        f64::from(self.connections) * 1e3 / f64::from(PAUSE)
    }

    /// Asks the POPs at these ports. What is done meanwhile begins with it, and takes no longer.
    pub(super) fn ask(
        &self,
        shape: Shape,
        ports: &[u16],
        path: &str,
        seconds: u64,
        meanwhile: impl FnOnce(),
    ) -> Result<Outcome, String> {
        let began = Instant::now();
        let answers = match shape {
            Shape::Stay => {
                let each = self.connections / ports.len().max(1) as u32;
                let all = ports.iter().map(|port| self.start(*port, path, each, seconds));
                let all = all.collect::<Result<Vec<_>, String>>()?;
                meanwhile();
                all.into_iter().try_fold(Answers::default(), |sum, wrk| Ok::<_, String>(sum.and(wrk.answers()?)))?
            }
            Shape::Hop => {
                let (mut sum, mut left) = (Answers::default(), seconds);
                for port in ports.iter().cycle() {
                    let stay = STAY.min(seconds.div_ceil(ports.len() as u64)).min(left);
                    if stay == 0 {
                        break;
                    }
                    sum = sum.and(self.start(*port, path, self.connections, stay)?.answers()?);
                    left -= stay;
                }
                sum
            }
        };
        Ok(Outcome { answers, over: began.elapsed() })
    }

    fn start(&self, port: u16, path: &str, connections: u32, seconds: u64) -> Result<Wrk, String> {
        let child = Command::new(&self.wrk)
            .args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "-s", &self.script])
            .arg(format!("http://127.0.0.1:{port}{path}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        child.map(Wrk).map_err(|error| format!("wrk: {error}"))
    }
}

impl Answers {
    fn and(self, other: Answers) -> Answers {
        Answers {
            admitted: self.admitted + other.admitted,
            refused: self.refused + other.refused,
            failed: self.failed + other.failed,
        }
    }

    pub(super) fn all(self) -> u64 {
        self.admitted + self.refused + self.failed
    }

    /// Reads the line that the script writes.
    fn parse(said: &str) -> Option<Answers> {
        let line = said.lines().find_map(|line| line.strip_prefix("answers "))?;
        let mut numbers = line.split(' ').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Answers { admitted: next()?, refused: next()?, failed: next()? })
    }
}

/// What wrk runs: hooks for the pause and for each answer, and what is told at the end.
fn script() -> String {
    format!(
        "admitted, refused, failed = 0, 0, 0\n\
         local threads = {{}}\n\
         function setup(thread) table.insert(threads, thread) end\n\
         function delay() return {PAUSE} end\n\
         function response(status)\n\
         \x20 if status == 200 then admitted = admitted + 1\n\
         \x20 elseif status == 429 then refused = refused + 1\n\
         \x20 else failed = failed + 1 end\n\
         end\n\
         function done(summary)\n\
         \x20 local a, r, f = 0, 0, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout\n\
         \x20 for _, thread in ipairs(threads) do\n\
         \x20   a, r, f = a + thread:get('admitted'), r + thread:get('refused'), f + thread:get('failed')\n\
         \x20 end\n\
         \x20 io.write(string.format('answers %d %d %d\\n', a, r, f))\n\
         end\n"
    )
}

/// A running wrk; ended when dropped.
struct Wrk(Child);

impl Wrk {
    /// Waits for its end, and reads what it counted.
    fn answers(mut self) -> Result<Answers, String> {
        let mut said = String::new();
        if let Some(stdout) = &mut self.0.stdout {
            stdout.read_to_string(&mut said).map_err(|error| format!("wrk: {error}"))?;
        }
        Answers::parse(&said).ok_or_else(|| format!("wrk said {said:?}"))
    }
}

impl Drop for Wrk {
    fn drop(&mut self) {
        // It has ended by itself if it was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
