//! What a node may keep: the memory of its cache, the number of replicated keys, and where state outlives the process.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::disk::{Disk, RawDisk};
use crate::finding::Check;
use crate::raw::{At, DurationText, Number, SizeText, Text};
use crate::value::{Wrong, duration, shown, size, timeout};

/// `[storage]`: the memory of the cache and of the replicated state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Memory for cached responses, in bytes; at least 1 MiB. Default 256 MiB.
    pub memory: u64,
    /// The largest response that is cached in memory, in bytes; at most `memory`. Default an eighth of it.
    pub object_max: u64,
    /// Where responses are kept on the disk beside, and outlive the process; nowhere when absent.
    pub disk: Option<Disk>,
    /// How long a request waits for another one's fetch of the same response. Default 10 s.
    pub fill_wait: Duration,
    /// Whether a response that names no lifetime gets one by its `Last-Modified`. Default no.
    pub heuristic_freshness: bool,
    /// Replicated keys per table, 1 to [`KEYS_MAX`]. Default 1,000,000.
    pub keys_max: usize,
    /// Bans held at once, 1 to [`KEYS_MAX`]. Default 100,000.
    pub bans_max: usize,
    /// Keys per `[[unique]]`, 1 to [`KEYS_MAX`]. Default 100,000.
    pub uniques_max: usize,
    /// Elements put into lists or taken out of them at run time that are held at once, 1 to [`KEYS_MAX`]; one list has half of
    /// them at most. Default 100,000.
    pub lists_max: usize,
    /// Keys per limit that is shared out, per quota (one for each period) and per limit of what is in flight, 1 to [`KEYS_MAX`].
    /// Default 100,000.
    pub ledgers_max: usize,
    /// Sessions held at once, 1 to [`KEYS_MAX`]. Default 100,000.
    pub sessions_max: usize,
    /// Idempotency keys that are known at once, 1 to [`KEYS_MAX`]. Default 100,000.
    pub idempotency_keys_max: usize,
    /// Room for what was run under them in the folder of the state, bytes; at least 64 MiB. Default 1 GiB.
    pub idempotency_disk: u64,
    /// Revocations held at once, 1 to [`KEYS_MAX`]. Default 1,000,000.
    pub revocations_max: usize,
    /// A folder for what outlives the process; nothing does when absent.
    pub state: Option<PathBuf>,
    /// Between two snapshots. Default 10 s.
    pub state_every: Duration,
}

impl Storage {
    /// The largest response that is stored in memory or on the disk, bytes.
    pub fn largest(&self) -> u64 {
        self.disk.as_ref().map_or(0, |disk| disk.object_max).max(self.object_max)
    }
}

/// The highest value of `keys_max`, `bans_max`, `uniques_max`, `lists_max`, `ledgers_max`, `sessions_max`, `revocations_max` and
/// `idempotency_keys_max`.
pub const KEYS_MAX: usize = 100_000_000;

const MEMORY_LEAST: u64 = 1 << 20;
const MEMORY_DEFAULT: u64 = 256 << 20;
const IDEMPOTENCY_DISK_DEFAULT: u64 = 1 << 30;
const IDEMPOTENCY_DISK_LEAST: u64 = 64 << 20;
const FILL_WAIT_DEFAULT: Duration = Duration::from_secs(10);
const STATE_EVERY_DEFAULT: Duration = Duration::from_secs(10);
const STATE_EVERY_LEAST: Duration = Duration::from_secs(1);
const STATE_EVERY_MOST: Duration = Duration::from_secs(3600);

/// `[storage]` as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawStorage {
    /// Memory for cached responses, at least `1MiB`. An eighth of it, `32MiB` at most, is left for what a process takes beside: its code, buffers, free memory. Default `256MiB`.
    memory: Option<At<SizeText>>,
    /// The largest response that is cached in memory, at most `memory`. Default an eighth of it.
    object_max: Option<At<SizeText>>,
    /// A folder in which responses are kept, too, and outlive the process, such as `{ path = "/var/cache/selvedge", size = "100GiB" }`. Needs `state`. Default none.
    disk: Option<At<RawDisk>>,
    /// How long a request waits for another one's fetch of the same response. Default `10s`.
    fill_wait: Option<At<DurationText>>,
    /// Whether a response that names no lifetime is cached for a tenth of its age by `Last-Modified`, at most an hour. Default `false`; `run --origin` has it on.
    heuristic_freshness: Option<At<bool>>,
    /// Replicated keys per table, 1 to 100,000,000. Default 1000000.
    keys_max: Option<At<Number>>,
    /// Bans held at once, 1 to 100,000,000. Default 100000.
    bans_max: Option<At<Number>>,
    /// Keys per `[[unique]]`, 1 to 100,000,000; one takes up to 11 KiB. Default 100000.
    uniques_max: Option<At<Number>>,
    /// Elements of lists set at run time and held at once, 1 to 100,000,000; one list has half of them at most. Default 100000.
    lists_max: Option<At<Number>>,
    /// Keys per limit that is shared out, per quota (one for each period) and per limit of what is in flight, 1 to 100,000,000. Default 100000.
    ledgers_max: Option<At<Number>>,
    /// Sessions held at once, 1 to 100,000,000; one takes some 300 bytes and what it holds. Default 100000.
    sessions_max: Option<At<Number>>,
    /// Idempotency keys that are known at once, 1 to 100,000,000; one takes about 250 bytes of memory. Default 100000.
    idempotency_keys_max: Option<At<Number>>,
    /// Room in `state` for what was run under idempotency keys, at least `64MiB`; when it is full no more is run. Default `1GiB`.
    idempotency_disk: Option<At<SizeText>>,
    /// Revocations held at once, 1 to 100,000,000; one takes 24 bytes. Beyond, the earliest sessions are revoked as well. Default 1000000.
    revocations_max: Option<At<Number>>,
    /// A folder in which counts, bans and lists outlive the process, such as `/var/lib/selvedge`; nothing does when absent. `${NAME}` is expanded.
    state: Option<At<Text>>,
    /// Between two snapshots of them, `1s` to `1h`; one more is written at a graceful stop. Default `10s`.
    state_every: Option<At<DurationText>>,
}

impl RawStorage {
    pub(crate) fn lower(self, check: &mut Check<'_>) -> Option<Storage> {
        let memory = check.value_or(self.memory.as_ref(), MEMORY_DEFAULT, |text| match size(text)? {
            small if small < MEMORY_LEAST => {
                Err(Wrong::new(format!("`{}` is too little memory; at least 1MiB is needed", shown(text))))
            }
            memory => Ok(memory),
        });
        // Without a usable `memory`, `object_max` is only checked for its form.
        let whole = memory.unwrap_or(u64::MAX);
        let object_max = check.value_or(self.object_max.as_ref(), whole / 8, |text| match size(text)? {
            0 => {
                Err(Wrong::new("no response is that small").advice("leave `object_max` out for an eighth of `memory`"))
            }
            large if large > whole => Err(Wrong::new(format!("`{}` is more than `memory`", shown(text)))),
            object_max => Ok(object_max),
        });
        let disk = match &self.disk {
            None => Some(None),
            Some(disk) => disk.value.lower(check).map(Some),
        };
        if let Some(disk) = self.disk.as_ref().filter(|_| self.state.is_none()) {
            let wrong = Wrong::new("a cache on the disk has to remember purges, and nothing outlives the process here");
            check.note(disk.span(), wrong.advice("name a folder for that in `state`, such as \"/var/lib/selvedge\""));
        }
        let fill_wait = check.value_or(self.fill_wait.as_ref(), FILL_WAIT_DEFAULT, timeout);
        let keys = 1..KEYS_MAX as u64 + 1;
        let keys_max = check.number(self.keys_max.as_ref(), keys.clone(), 1_000_000);
        let bans_max = check.number(self.bans_max.as_ref(), keys.clone(), 100_000);
        let uniques_max = check.number(self.uniques_max.as_ref(), keys.clone(), 100_000);
        let lists_max = check.number(self.lists_max.as_ref(), keys.clone(), 100_000);
        let ledgers_max = check.number(self.ledgers_max.as_ref(), keys.clone(), 100_000);
        let sessions_max = check.number(self.sessions_max.as_ref(), keys.clone(), 100_000);
        let idempotency_keys_max = check.number(self.idempotency_keys_max.as_ref(), keys.clone(), 100_000);
        let idempotency_disk =
            check.value_or(self.idempotency_disk.as_ref(), IDEMPOTENCY_DISK_DEFAULT, idempotency_room);
        let revocations_max = check.number(self.revocations_max.as_ref(), keys, 1_000_000);
        let state = match &self.state {
            None => Some(None),
            Some(written) => check.path(written).map(Some),
        };
        let is_one = disk.iter().flatten().zip(state.iter().flatten()).any(|(disk, state)| disk.path == *state);
        if let Some(written) = self.state.as_ref().filter(|_| is_one) {
            check.note(written.span(), Wrong::new("`disk` is kept in this folder; each needs one of its own"));
        }
        let state_every = check.value_or(self.state_every.as_ref(), STATE_EVERY_DEFAULT, |text| {
            let every = duration(text)?;
            if (STATE_EVERY_LEAST..=STATE_EVERY_MOST).contains(&every) {
                return Ok(every);
            }
            Err(Wrong::new(format!("`{}` is out of range: 1s to 1h is possible here", shown(text))))
        });
        Some(Storage {
            memory: memory?,
            object_max: object_max?,
            disk: disk?,
            fill_wait: fill_wait?,
            heuristic_freshness: self.heuristic_freshness.is_some_and(|written| written.value),
            keys_max: keys_max?,
            bans_max: bans_max?,
            uniques_max: uniques_max?,
            lists_max: lists_max?,
            ledgers_max: ledgers_max?,
            sessions_max: sessions_max?,
            idempotency_keys_max: idempotency_keys_max?,
            idempotency_disk: idempotency_disk?,
            revocations_max: revocations_max?,
            state: state?,
            state_every: state_every?,
        })
    }
}

/// Room for what is run under idempotency keys, bytes.
fn idempotency_room(text: &str) -> Result<u64, Wrong> {
    match size(text)? {
        small if small < IDEMPOTENCY_DISK_LEAST => {
            Err(Wrong::new(format!("`{}` is too little room; at least 64MiB is needed", shown(text))))
        }
        room => Ok(room),
    }
}
