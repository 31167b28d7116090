//! A stored file: its number, its name, and what is known of it without opening it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use selvedge_filters::cache::Reuse;
use selvedge_state::Fill;

use super::super::budget::Charge;
use super::super::shelf::Shelved;
use super::super::storage::EntryKey;

/// What a file takes of the disk, rounded up to this many bytes.
const BLOCK: u64 = 4096;

/// What a file of `size` bytes takes of the disk.
pub(super) fn weight(size: u64) -> u64 {
    size.max(1).next_multiple_of(BLOCK)
}

/// Names one file of this folder: the later one of two has the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileNumber(pub(super) u64);

/// The name of a file, such as `5f…-0000018f…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileName {
    pub(super) key: EntryKey,
    pub(super) number: FileNumber,
}

impl FileName {
    /// Where it lies in a folder of objects. Folders with some million files are slow in some file systems, hence the 256.
    pub(super) fn path(self, objects: &Path) -> PathBuf {
        let FileName { key, number } = self;
        objects.join(format!("{:02x}", key.0 >> 120)).join(format!("{:032x}-{:016x}", key.0, number.0))
    }

    pub(super) fn parse(name: &str) -> Option<FileName> {
        let (key, number) = name.split_once('-').filter(|(key, number)| key.len() == 32 && number.len() == 16)?;
        let key = EntryKey(u128::from_str_radix(key, 16).ok()?);
        Some(FileName { key, number: FileNumber(u64::from_str_radix(number, 16).ok()?) })
    }
}

/// A stored file.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(super) name: FileName,
    /// When it was asked for; `None` for one of an earlier life.
    fill: Option<Fill>,
    /// The number of the purge up to which it was found untouched in this life.
    clean: AtomicU64,
    /// Whether each use has to validate it. Of one of an earlier life that is known when it was read once.
    is_validated: AtomicBool,
    weight: u64,
    charge: Mutex<Charge>,
}

impl Kept {
    pub(super) fn new(name: FileName, fill: Option<Fill>, reuse: Reuse, charge: Charge) -> Kept {
        Kept {
            name,
            fill,
            clean: AtomicU64::new(fill.map_or(0, Fill::number)),
            is_validated: AtomicBool::new(reuse == Reuse::Validated),
            weight: charge.bytes(),
            charge: Mutex::new(charge),
        }
    }

    /// When it was asked for; `None` for one of an earlier life.
    pub(super) fn fill(&self) -> Option<Fill> {
        self.fill
    }

    /// The purge up to which it was found untouched.
    pub(super) fn clean(&self) -> u64 {
        self.clean.load(Ordering::Acquire)
    }

    pub(super) fn found_clean(&self, up_to: u64) {
        self.clean.fetch_max(up_to, Ordering::AcqRel);
    }

    pub(super) fn reuse(&self) -> Reuse {
        if self.is_validated.load(Ordering::Relaxed) { Reuse::Validated } else { Reuse::WhileFresh }
    }

    pub(super) fn set_reuse(&self, reuse: Reuse) {
        self.is_validated.store(reuse == Reuse::Validated, Ordering::Relaxed);
    }

    /// The same file after a validation, for which it takes `more`. The charge is the new one's.
    pub(super) fn renewed(&self, fill: Fill, reuse: Reuse, more: Charge) -> Kept {
        let mut charge = self.charge.lock().unwrap_or_else(PoisonError::into_inner).split_off();
        charge.merge(more);
        Kept::new(self.name, Some(fill), reuse, charge)
    }

    /// What it is charged for.
    pub(super) fn held(&self) -> u64 {
        self.charge.lock().unwrap_or_else(PoisonError::into_inner).bytes()
    }
}

impl Shelved for std::sync::Arc<Kept> {
    fn weight(&self) -> u64 {
        self.weight
    }

    /// What was asked for after more purges stays; of an earlier life is what was written first.
    fn gives_way_to(&self, other: &Self) -> bool {
        match (self.fill, other.fill) {
            (Some(mine), Some(its)) => mine <= its,
            (None, Some(_)) => true,
            (Some(_), None) => false,
            (None, None) => self.name.number < other.name.number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let name = FileName { key: EntryKey(0xab << 120 | 77), number: FileNumber(0x18f << 20 | 5) };
        let path = name.path(Path::new("/objects"));
        assert!(path.starts_with("/objects/ab"));
        let text = path.file_name().and_then(|name| name.to_str()).expect("text");
        assert_eq!(FileName::parse(text), Some(name));
        for wrong in ["", "-", "ab-12", "lock", &format!("{text}0"), &text.replace('-', "+")] {
            assert_eq!(FileName::parse(wrong), None, "{wrong}");
        }
    }
}
