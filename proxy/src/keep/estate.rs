//! What a life that ended in order leaves of quotas, in a file beside its last snapshot. Nobody may inherit twice, or a quota would be there
//! twice: whoever takes it removes the file for good before it looks at what is in it, and a copy of the file is none, since the file names
//! itself by its number and the instant at which the file system made it. Only who puts a whole disk back as it was can have it twice.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

use selvedge_state::{Estate, FRAME_MAX};

const NAME: &str = "estate";

/// Which file it is, among all that a file system ever had: its number, and seconds and ns of its birth (statx(2)).
type Birth = [u8; 20];

/// Writes what is left, for good.
///
/// # Errors
/// What the system says; where the file system does not tell when a file was made nothing can be left.
pub(super) fn leave(folder: &Path, estate: &Estate) -> io::Result<()> {
    let frame = estate.encode().ok_or(io::ErrorKind::InvalidInput)?;
    let beside = folder.join("estate.tmp");
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(&birth(&file.metadata()?)?)?;
    file.write_all(&frame)?;
    file.sync_all()?;
    std::fs::rename(&beside, folder.join(NAME))?;
    File::open(folder)?.sync_all()
}

/// Takes what was left, once: when this gives it, it is gone from the disk. `None` where there is nothing, or what there is is a copy or damaged.
///
/// # Errors
/// What the system says; nothing may be inherited then.
pub(super) fn take(folder: &Path) -> io::Result<Option<Estate>> {
    let path = folder.join(NAME);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    std::fs::remove_file(&path)?;
    File::open(folder)?.sync_all()?;
    let born = birth(&file.metadata()?)?;
    let mut bytes = Vec::new();
    let most = (born.len() + FRAME_MAX).try_into().unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut bytes)?;
    let frame = bytes.strip_prefix(&born);
    Ok(frame.and_then(Estate::decode))
}

fn birth(of: &Metadata) -> io::Result<Birth> {
    let made = of.created()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    let mut birth = Birth::default();
    let parts = of.ino().to_le_bytes().into_iter().chain(made.as_secs().to_le_bytes());
    for (to, from) in birth.iter_mut().zip(parts.chain(made.subsec_nanos().to_le_bytes())) {
        *to = from;
    }
    Ok(birth)
}

#[cfg(test)]
mod tests {
    use selvedge_state::{Actor, Incarnation, PopId, Store, StoreConfig, Time};

    use super::*;

    fn estate(life: u64) -> Estate {
        let store = Store::new(StoreConfig {
            me: Actor { pop: PopId(1), node: 0 },
            incarnation: Incarnation(life),
            cluster: String::new(),
            secret: [0; 16],
            secret_beside: None,
            salt: 0,
            keys_max: 10,
            bans_max: 10,
            roster: 1,
        });
        store.close_rights(None, Time(5));
        store.estate(Time(5)).unwrap()
    }

    #[test]
    fn it_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(take(folder.path()).unwrap(), None);
        // Whoever broke off left something beside.
        std::fs::write(folder.path().join("estate.tmp"), b"half of").unwrap();
        leave(folder.path(), &estate(1)).unwrap();
        leave(folder.path(), &estate(2)).unwrap();
        assert_eq!(take(folder.path()).unwrap(), Some(estate(2)));
        assert_eq!(take(folder.path()).unwrap(), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// However it is copied: beside and renamed, or into a file that is there already.
    #[test]
    fn a_copy_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (path, kept) = (folder.path().join(NAME), folder.path().join("kept"));
        leave(folder.path(), &estate(1)).unwrap();
        std::fs::copy(&path, &kept).unwrap();
        assert_eq!(take(folder.path()).unwrap(), Some(estate(1)));
        std::fs::copy(&kept, &path).unwrap();
        assert_eq!(take(folder.path()).unwrap(), None);
        leave(folder.path(), &estate(2)).unwrap();
        std::fs::copy(&kept, &path).unwrap();
        assert_eq!(take(folder.path()).unwrap(), None, "over the next life's");
        std::fs::rename(&kept, &path).unwrap();
        assert_eq!(take(folder.path()).unwrap(), None);
        // Moved about it is the same file.
        leave(folder.path(), &estate(3)).unwrap();
        std::fs::rename(&path, &kept).unwrap();
        std::fs::rename(&kept, &path).unwrap();
        assert_eq!(take(folder.path()).unwrap(), Some(estate(3)));
    }

    #[test]
    fn what_is_damaged_is_none_and_gone() {
        let folder = tempfile::tempdir().unwrap();
        leave(folder.path(), &estate(1)).unwrap();
        let path = folder.path().join(NAME);
        let last = std::fs::metadata(&path).unwrap().len() - 1;
        OpenOptions::new().write(true).open(&path).unwrap().set_len(last).unwrap();
        assert_eq!(take(folder.path()).unwrap(), None);
        assert!(!path.exists());
    }
}
