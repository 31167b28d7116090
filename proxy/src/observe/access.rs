//! The access log: one JSON object a line, one line a request, never a wait.
//!
//! Requests put their line into a bounded queue; one thread writes. When the queue is full the line is dropped and counted: a
//! slow disk costs log lines, not answers. Query strings, cookies and authorisation are not logged.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use selvedge_conf::AccessLog as Target;
use serde::Serialize;

/// Lines that may wait for the writer.
const QUEUE: usize = 8192;

/// Bytes of one text in a line that the client chose.
const TEXT_MAX: usize = 2048;

/// One request, as it is logged. Field names follow OpenTelemetry's where it has one.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    /// Node time, milliseconds since the Unix epoch, when the request was finished.
    pub ts: u64,
    /// Version of this format.
    pub v: u8,
    /// The POP that answered.
    pub pop: &'a str,
    /// The request's id, as in `X-Request-Id`.
    pub request_id: String,
    /// Whom limits counted.
    #[serde(rename = "client.address")]
    pub client: Option<IpAddr>,
    /// The method token.
    #[serde(rename = "http.request.method")]
    pub method: &'a str,
    /// The host asked for.
    #[serde(rename = "server.address")]
    pub host: &'a str,
    /// The path, without its query.
    #[serde(rename = "url.path")]
    pub path: &'a str,
    /// The status sent; 0 when the client went away before any was.
    #[serde(rename = "http.response.status_code")]
    pub status: u16,
    /// From the request's header to the end of the answer, milliseconds.
    pub dur_ms: f64,
    /// Body bytes sent.
    pub bytes_out: usize,
    /// hit, miss, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<&'a str>,
    /// The limit that refused, or has the least left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<&'a str>,
    /// The limits in monitor mode that would have refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub would_refuse: Vec<&'a str>,
    /// Why the edge answered by itself, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<&'a str>,
    /// The rule that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'a str>,
    /// What rules tagged the request with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<&'a str>,
    /// The rules in monitor mode that matched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub monitored: Vec<&'a str>,
    /// The rules that want to be named here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logged_by: Vec<&'a str>,
    /// The keyed hash of the request's session, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What its cookie came to, where its site has sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_standing: Option<&'a str>,
    /// Why something that was said of its session was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_error: Option<&'a str>,
    /// What came of it, where it is run once for each key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<&'a str>,
    /// The origin asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<&'a str>,
    /// The address asked last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_address: Option<String>,
    /// The POP through which it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shield: Option<&'a str>,
    /// Times an origin was asked.
    pub tries: u8,
    /// What went wrong, if anything did; who failed, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What goes through the queue.
enum Entry {
    Line(Vec<u8>),
    /// Everything before it is to be written; then say so.
    Flush(SyncSender<()>),
}

/// The queue's near end.
#[derive(Debug)]
pub struct AccessLog {
    queue: Option<SyncSender<Entry>>,
    dropped: Arc<AtomicU64>,
}

impl AccessLog {
    /// Opens the log and starts its writer.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread not be started.
    pub fn open(target: &Target) -> io::Result<AccessLog> {
        let dropped = Arc::new(AtomicU64::new(0));
        let out: Box<dyn Write + Send> = match target {
            Target::Off => return Ok(AccessLog { queue: None, dropped }),
            Target::Stdout => Box::new(io::stdout()),
            Target::File(path) => Box::new(append(path)?),
        };
        let (near, far) = sync_channel(QUEUE);
        let writer = Writer { out: BufWriter::with_capacity(64 * 1024, out), dropped: Arc::clone(&dropped) };
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(&far))?;
        Ok(AccessLog { queue: Some(near), dropped })
    }

    /// Queues a line, or drops it.
    pub fn log(&self, line: &Line<'_>) {
        let Some(queue) = &self.queue else { return };
        let Ok(mut text) = serde_json::to_vec(line) else { return };
        text.push(b'\n');
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = queue.try_send(Entry::Line(text)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all that was logged is written, or for two seconds.
    pub fn flush(&self) {
        let (done, heard) = sync_channel(1);
        if let Some(queue) = &self.queue
            && queue.send(Entry::Flush(done)).is_ok()
        {
            // A disk that is stuck must not keep the process from ending.
            let _ = heard.recv_timeout(Duration::from_secs(2));
        }
    }

    /// Lines dropped since the start, or lost in a failed write.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// The start of a text that a client chose: a line has a bound, so the queue has.
pub fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_MAX)).unwrap_or("")
}

fn append(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The queue's far end.
struct Writer {
    out: BufWriter<Box<dyn Write + Send>>,
    dropped: Arc<AtomicU64>,
}

impl Writer {
    /// Writes what comes, and flushes whenever nothing is waiting. A line that cannot be written is lost and counted.
    fn run(mut self, entries: &Receiver<Entry>) {
        while let Ok(entry) = entries.recv() {
            self.write(entry);
            while let Ok(entry) = entries.try_recv() {
                self.write(entry);
            }
            self.flush();
        }
    }

    fn write(&mut self, entry: Entry) {
        match entry {
            Entry::Line(line) => {
                if self.out.write_all(&line).is_err() {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            Entry::Flush(done) => {
                self.flush();
                // Nobody waits any more when the two seconds are over.
                let _ = done.try_send(());
            }
        }
    }

    fn flush(&mut self) {
        if self.out.flush().is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
