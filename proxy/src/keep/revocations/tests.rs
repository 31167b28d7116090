//! One log over several lives, cut off and damaged anywhere, on a disk that is full, and left to another process.

use selvedge_state::{Actor, Incarnation, PopId, Revocable, RevocationKey, RevokedBy, StoreBounds, StoreConfig};
use tempfile::TempDir;

use super::*;

const NOW: Time = Time(1_800_000_000_000);
const HOUR: u64 = 3_600_000;
const SECRETS: (u64, Option<u64>) = (7, None);

/// The store of a life that knows nothing.
fn store(life: u64) -> Arc<Store> {
    let config = StoreConfig {
        me: Actor { pop: PopId(1), node: 0 },
        incarnation: Incarnation(life),
        cluster: "one".to_owned(),
        secret: [9; 16],
        secret_beside: None,
        salt: 0,
        keys_max: 10,
        bans_max: 10,
        roster: 1,
    };
    Arc::new(Store::with_bounds(config, StoreBounds::default()))
}

struct Life {
    store: Arc<Store>,
    log: Arc<RevocationLog>,
}

impl Life {
    fn begin(folder: &Path, life: u64) -> Life {
        let store = store(life);
        Life { log: RevocationLog::open(folder, SECRETS, &store, NOW), store }
    }

    fn key(&self, user: u8) -> RevocationKey {
        self.store.revocation_key(Revocable::User, &[b"shop", &[user]])
    }

    /// Revokes a user, and waits until that is on the disk.
    async fn revoke(&self, user: u8) -> Result<(), String> {
        self.store.revoke(self.key(user), NOW, NOW.plus(HOUR), NOW).expect("it may be");
        self.log.until_durable(self.store.revocations_made()).await
    }

    /// Which of the first users are revoked.
    fn revoked(&self) -> Vec<u8> {
        let is = |user: &u8| self.store.revoked(self.key(*user), NOW.minus(1)) == Some(RevokedBy::Name);
        (1..=9).filter(is).collect()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let folder = folder.join("revocations");
    segment::all(&folder).unwrap().into_iter().map(|number| segment::path(&folder, number)).collect()
}

#[tokio::test]
async fn what_was_revoked_is_revoked_in_the_next_lives() {
    let folder = tempfile::tempdir().unwrap();
    for life in 1..=4 {
        let begun = Life::begin(folder.path(), life);
        assert_eq!(begun.revoked(), (1..life as u8).collect::<Vec<_>>());
        assert_eq!(begun.revoke(life as u8).await, Ok(()));
        assert_eq!(begun.log.status().error, None);
    }
    // By another secret its names mean nothing; the one beside is as good.
    let (other, beside) = (store(9), store(9));
    RevocationLog::open(folder.path(), (8, None), &other, NOW);
    RevocationLog::open(folder.path(), (8, Some(7)), &beside, NOW);
    assert_eq!((other.revocations(), beside.revocations()), (0, 4));
}

#[tokio::test]
async fn what_is_in_a_snapshot_is_not_in_the_log_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let first = Life::begin(folder.path(), 1);
    first.revoke(1).await.unwrap();
    let cut = first.log.cut();
    first.revoke(2).await.unwrap();
    assert_eq!(files(folder.path()).len(), 2);
    first.log.forget(cut);
    assert_eq!(files(folder.path()).len(), 1);
    let bytes = std::fs::metadata(&files(folder.path())[0]).unwrap().len();
    assert_eq!(first.log.status().bytes, bytes);
    drop(first);
    // What the life before left goes with the first snapshot as well.
    let second = Life::begin(folder.path(), 2);
    assert_eq!(second.revoked(), [2]);
    let cut = second.log.cut();
    second.log.forget(cut);
    assert_eq!((files(folder.path()).len(), second.log.status().bytes), (0, 0));
    second.revoke(3).await.unwrap();
    assert_eq!(Life::begin(folder.path(), 3).revoked(), [3]);
}

/// A file with one frame for each user, and how long it is with each.
async fn written(folder: &TempDir, users: u8) -> (PathBuf, Vec<u8>, Vec<usize>) {
    let life = Life::begin(folder.path(), 1);
    let mut lengths = Vec::new();
    for user in 1..=users {
        life.revoke(user).await.unwrap();
        lengths.push(usize::try_from(life.log.status().bytes).unwrap());
    }
    drop(life);
    let [file] = &files(folder.path())[..] else { panic!("one file") };
    (file.clone(), std::fs::read(file).unwrap(), lengths)
}

/// Whatever a crash leaves of the file: what was on the disk is revoked.
#[tokio::test]
async fn a_log_that_is_cut_off_anywhere_forgets_nothing_that_was_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (file, whole, lengths) = written(&folder, 3).await;
    for cut in 0..=whole.len() {
        for tail in [&b""[..], &[0x55; 40]] {
            // A head is on the disk before anything else is.
            let tail = if cut < 29 { b"" } else { tail };
            std::fs::write(&file, [&whole[..cut], tail].concat()).unwrap();
            let next = Life::begin(folder.path(), 2);
            let expected = lengths.iter().filter(|length| **length <= cut).count() as u8;
            assert_eq!(next.revoked(), (1..=expected).collect::<Vec<_>>(), "cut at {cut} of {}", whole.len());
            assert_eq!(next.log.status().damaged, None, "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn of_a_damaged_log_all_is_taken_that_is_sound_and_the_rest_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (file, whole, lengths) = written(&folder, 3).await;
    for byte in lengths[0]..lengths[1] {
        let mut bytes = whole.clone();
        bytes[byte] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let next = Life::begin(folder.path(), 2);
        assert_eq!(next.revoked(), [1, 3], "byte {byte}");
        let damaged = next.log.status().damaged.unwrap();
        assert!(damaged.ends_with(&format!("is damaged at byte {}", lengths[0])), "{damaged}");
        // It goes on all the same.
        assert_eq!(next.revoke(9).await, Ok(()));
        drop(next);
        let [_, new] = &files(folder.path())[..] else { panic!("two files") };
        std::fs::remove_file(new).unwrap();
    }
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_told_and_is_safe_with_the_next_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let life = Life::begin(folder.path(), 1);
    let (place, away) = (folder.path().join("revocations"), folder.path().join("away"));
    life.revoke(1).await.unwrap();
    // A file that is open can be written still; what comes next needs another one.
    let before = life.log.cut();
    std::fs::rename(&place, &away).unwrap();
    assert!(life.revoke(2).await.is_err());
    std::fs::rename(&away, &place).unwrap();
    assert!(life.revoke(3).await.is_err(), "one before it is missing");
    life.log.forget(before);
    assert!(life.log.status().error.is_some(), "that snapshot has not got it");
    let cut = life.log.cut();
    life.log.forget(cut);
    assert_eq!((life.log.status().error, life.revoke(4).await), (None, Ok(())));
    assert_eq!(life.revoked(), [1, 2, 3, 4], "in force all the while");
}

#[tokio::test]
async fn a_log_is_no_longer_than_it_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(1);
    let life = Life { log: RevocationLog::bounded(folder.path(), (SECRETS, 200), &store, NOW), store };
    let mut users = 1..;
    let error = loop {
        if let Err(error) = life.revoke(users.next().unwrap()).await {
            break error;
        }
    };
    assert!(error.contains("no snapshot was written"), "{error}");
    assert!(life.log.status().bytes < 300);
    let cut = life.log.cut();
    life.log.forget(cut);
    assert_eq!(life.revoke(9).await, Ok(()));
}

#[tokio::test]
async fn a_process_that_takes_over_has_it_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let old = Life::begin(folder.path(), 1);
    old.revoke(1).await.unwrap();
    old.log.release();
    assert!(old.revoke(2).await.is_err(), "it is another's");
    let new = Life::begin(folder.path(), 2);
    new.revoke(3).await.unwrap();
    assert_eq!(new.revoked(), [1, 3]);
    drop(new);
    old.log.retake(NOW);
    assert_eq!(old.revoke(4).await, Ok(()));
    assert_eq!(old.revoked(), [1, 2, 3, 4]);
    drop(old);
    assert_eq!(Life::begin(folder.path(), 3).revoked(), [1, 2, 3, 4]);
}
