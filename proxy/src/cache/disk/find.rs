//! Finding a stored file, and reading it.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use pingora::http::ResponseHeader;
use selvedge_filters::cache::validates;
use selvedge_filters::purge::{Renewal, Standing, lives};

use super::super::object::Times;
use super::super::stamp::{Stamp, Stamped, instant};
use super::super::storage::EntryKey;
use super::chunks::ChunkError;
use super::file::Kept;
use super::head::{Head, HeadError};
use super::{Disk, chunks, file};

/// What is stored under a key and may be used.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) times: Times,
    pub(crate) header: ResponseHeader,
    pub(crate) stamped: Arc<Stamped>,
    pub(crate) body: DiskBody,
}

/// What is stored, and what purges made of it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) times: Times,
    pub(crate) header: ResponseHeader,
    pub(crate) stamped: Arc<Stamped>,
    pub(crate) standing: Standing,
}

/// A body to be read.
#[derive(Debug, Clone)]
pub(crate) struct DiskBody {
    disk: &'static Disk,
    file: Arc<File>,
    kept: Arc<Kept>,
    len: usize,
}

impl DiskBody {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What is at `at` and before `end`, up to the end of its chunk.
    ///
    /// # Errors
    /// [`ChunkError`]; the file is taken out then.
    pub(crate) async fn read(&self, at: usize, end: usize) -> Result<Bytes, ChunkError> {
        let read = chunks::read(&self.file, at, end, self.len).await;
        read.inspect_err(|error| self.disk.is_damaged(&self.kept, error))
    }

    /// Whether it is still what is stored.
    pub(crate) fn is_stored(&self) -> bool {
        self.disk.has(&self.kept)
    }
}

impl Disk {
    /// What is stored under a key and may be used: what a hard purge is about goes, what a soft one is about is stale.
    pub(crate) async fn find(&'static self, key: EntryKey) -> Option<Found> {
        if !self.is_on() || !self.purges.may_serve() {
            return None;
        }
        let kept = self.shelf.get(key)?;
        let (file, head, len) = match self.open_file(&kept).await {
            Ok(opened) => opened,
            Err(error) => {
                self.is_damaged(&kept, &error);
                return None;
            }
        };
        kept.set_reuse(head.times.terms.reuse);
        let body = DiskBody { disk: self, file, len: usize::try_from(len).ok()?, kept };
        let found = self.judge(head, body)?;
        self.counters.hits.add();
        Some(found)
    }

    async fn open_file(&self, kept: &Arc<Kept>) -> Result<(Arc<File>, Head, u64), HeadError> {
        let file = Arc::new(File::open(self.path_of(kept.name))?);
        let key = kept.name.key;
        if let Some((head, len)) = Head::read(&file, key, false)? {
            return Ok((file, head, len));
        }
        let cold = Arc::clone(&file);
        let read = tokio::task::spawn_blocking(move || Head::read(&cold, key, true)).await.map_err(io::Error::other)?;
        let (head, len) = read?.ok_or(HeadError::Damaged)?;
        Ok((file, head, len))
    }

    /// What may be used of it after what purges made of it; else it is gone.
    fn judge(&self, head: Head, body: DiskBody) -> Option<Found> {
        // Taken first: a purge that comes meanwhile is for the next look.
        let up_to = self.store.fill();
        let Judged { mut times, header, stamped, standing } = self.judged(head, body.kept.clean());
        match standing {
            Standing::Gone => return self.is_gone(&body),
            Standing::Stale(applied) => times.expire_at(instant(applied.at, SystemTime::now())),
            Standing::Valid => body.kept.found_clean(up_to.number()),
        }
        Some(Found { times, header, stamped, body })
    }

    /// What purges made of it, in this life and in those before; up to the number `clean` of this one it was looked at.
    fn judged(&self, Head { mut times, header, stamp, life }: Head, clean: u64) -> Judged {
        let (purged_by, owner) = (stamp.purged_by().clone(), stamp.owner().clone());
        let judged = self.purges.earlier().lives().judge(purged_by, (life, self.life), clean, &self.store);
        let lives::Judged { stamped, standing, stale_since } = judged;
        if let Some(at) = stale_since {
            times.expire_at(instant(at, SystemTime::now()));
        }
        Judged { times, header, stamped: Stamped::judged(stamped, owner), standing }
    }

    /// What is stored under a key, as it is, and how long its body is. Counts no use and takes nothing out. Waits for the disk.
    pub(crate) fn look(&self, key: EntryKey) -> Option<(Judged, usize)> {
        let kept = self.shelf.peek(key).filter(|_| self.is_on() && self.purges.may_serve())?;
        let file = File::open(self.path_of(kept.name)).ok()?;
        let (head, len) = Head::read(&file, key, true).ok()??;
        Some((self.judged(head, kept.clean()), usize::try_from(len).ok()?))
    }

    fn is_gone(&self, body: &DiskBody) -> Option<Found> {
        self.discard(&body.kept);
        None
    }

    /// What cannot be read is taken out, and counted unless somebody else did that meanwhile.
    fn is_damaged(&self, kept: &Arc<Kept>, error: &dyn std::fmt::Display) {
        if self.has(kept) {
            self.counters.damaged.add();
            crate::observe::log::disk_damaged(&self.path_of(kept.name), &error.to_string());
            self.discard(kept);
        }
    }

    /// Renews the header and the instants of what is stored after a 304 to a request that carries this stamp. `false`: nothing was.
    pub(crate) async fn renew(&'static self, key: EntryKey, head: (Times, ResponseHeader, Stamp)) -> bool {
        let Some(kept) = self.shelf.peek(key).filter(|_| self.is_on() && self.purges.may_serve()) else { return false };
        let renewing = tokio::task::spawn_blocking(move || self.append(&kept, head));
        // A panic there would leave the file as it is or damaged, which is found.
        renewing.await.unwrap_or(false)
    }

    fn append(&'static self, kept: &Arc<Kept>, (times, header, stamp): (Times, ResponseHeader, Stamp)) -> bool {
        if kept.fill().is_some_and(|fill| fill > stamp.fill()) {
            return false;
        }
        let (fill, reuse) = (stamp.fill(), times.terms.reuse);
        let head = Head { times, header, stamp, life: self.life };
        let size = match self.write_anew(kept, head) {
            Ok(Some(size)) => size,
            Ok(None) => return false,
            Err(HeadError::Full | HeadError::Purged) => {
                self.discard(kept);
                return false;
            }
            Err(error) => {
                self.is_damaged(kept, &error);
                return false;
            }
        };
        let Some(more) = self.room(file::weight(size).saturating_sub(kept.held())) else { return false };
        let is_same = |known: &Arc<Kept>| Arc::ptr_eq(known, kept);
        let renewed = |known: &Arc<Kept>| is_same(known).then(|| Arc::new(known.renewed(fill, reuse, more)));
        self.shelf.change(kept.name.key, renewed).is_some()
    }

    /// Writes another head behind what is stored, if the request that it comes of validates that. Gives the length of the file.
    ///
    /// # Errors
    /// [`HeadError`]; the file is of no use then. What was purged is not validated, also where the request went out after the purge for what it
    /// had found before.
    fn write_anew(&self, kept: &Kept, head: Head) -> Result<Option<u64>, HeadError> {
        let (key, path) = (kept.name.key, self.path_of(kept.name));
        let file = File::options().read(true).write(true).open(path)?;
        let (known, len) = Head::read(&file, key, true)?.ok_or(HeadError::Damaged)?;
        let Judged { header, stamped, standing, .. } = self.judged(known, kept.clean());
        let by = Stamped::new(head.stamp.clone());
        match stamped.renewal(&by, &self.store) {
            Renewal::Gone => Err(HeadError::Purged),
            _ if standing == Standing::Gone => Err(HeadError::Purged),
            Renewal::Renewed if validates(&header.headers, &head.header.headers) => {
                Head { stamp: head.stamp.validating(&stamped), ..head }.append(&file, key, len).map(Some)
            }
            Renewal::Renewed | Renewal::Newer => Ok(None),
        }
    }
}
