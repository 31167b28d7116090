//! One log over several lives, cut off and damaged anywhere, and between two processes of one node.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::record::tests::response;
use super::*;

const BOUNDS: Bounds = Bounds { keys: 1_000, bytes: 64 << 20 };

fn open(folder: &TempDir) -> Arc<Runs> {
    Runs::open(folder.path(), BOUNDS, &Clock::start())
}

fn question(key: u8) -> Question {
    let (name, print) = (Name::from_bytes([key; 32]), Print::from_bytes([9; 32]));
    Question { name, print, lifetime: 3_600_000, response_max: 1_000 }
}

/// What is said of a key, in a word.
async fn said(runs: &Arc<Runs>, key: u8) -> String {
    match runs.ask(question(key)).await {
        // Dropped, it would be in doubt.
        Said::Run(turn) => {
            turn.void();
            "run".to_owned()
        }
        Said::Again(kept) => format!("again {}", String::from_utf8_lossy(&kept.body)),
        Said::No(refusal) => refusal.text(),
    }
}

async fn turn(runs: &Arc<Runs>, key: u8) -> Turn {
    match runs.ask(question(key)).await {
        Said::Run(turn) => turn,
        said => panic!("{said:?}"),
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let folder = folder.join("idempotency");
    segment::all(&folder).unwrap().into_iter().map(|number| segment::path(&folder, number)).collect()
}

#[tokio::test]
async fn what_was_run_is_known_in_the_next_life() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(&folder);
    let fence = turn(&first, 1).await.fence();
    turn(&first, 2).await.done(&response(b"{}")).await;
    turn(&first, 3).await.unkept(201).await;
    turn(&first, 4).await.void();
    let running = turn(&first, 5).await;
    let expected = ["in-doubt", "again {}", "unkept 201", "run", "running", "run"];
    for (key, expected) in (1..).zip(expected) {
        assert_eq!(said(&first, key).await, expected, "key {key}");
    }
    let Said::Again(kept) = first.ask(question(2)).await else { panic!("it is kept") };
    assert_eq!(*kept, response(b"{}"));
    let other = Question { print: Print::from_bytes([8; 32]), ..question(2) };
    assert!(matches!(first.ask(other).await, Said::No(Refusal::Other)));
    assert!(first.knows(&question(1).name) && !first.knows(&question(6).name));
    std::mem::forget(running);
    drop(first);
    let second = open(&folder);
    for (key, expected) in (1..).zip(["in-doubt", "again {}", "unkept 201", "run", "in-doubt", "run"]) {
        assert_eq!(said(&second, key).await, expected, "key {key}");
    }
    assert!(turn(&second, 7).await.fence() > fence);
    assert_eq!(second.status().error, None);
}

#[tokio::test]
async fn of_many_at_once_one_runs() {
    let folder = tempfile::tempdir().unwrap();
    let runs = open(&folder);
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let runs = Arc::clone(&runs);
            tokio::spawn(async move { runs.ask(question(1)).await })
        })
        .collect();
    let mut turns = Vec::new();
    for asked in asking {
        match asked.await.unwrap() {
            Said::Run(turn) => turns.push(turn),
            said => assert!(matches!(said, Said::No(Refusal::Running)), "{said:?}"),
        }
    }
    assert_eq!(turns.len(), 1);
}

/// Whatever a crash leaves of the file: what was on the disk is never run again, and what was not is as if it had not been.
#[tokio::test]
async fn a_log_that_is_cut_off_anywhere_forgets_nothing_that_was_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let runs = open(&folder);
    // How long the file is when each is on the disk, and what is said of its key from there on.
    let mut steps: Vec<(u64, u8, &str)> = Vec::new();
    let at = || runs.status().bytes;
    for key in 1..=4 {
        let turn = turn(&runs, key).await;
        steps.push((at(), key, "in-doubt"));
        match key {
            1 => turn.done(&response(b"one")).await,
            2 => turn.unkept(500).await,
            3 => turn.done(&response(b"")).await,
            _ => drop(turn),
        }
        let ended = ["again one", "unkept 500", "again ", "in-doubt"];
        steps.push((at(), key, ended[usize::from(key) - 1]));
    }
    drop(runs);
    let [file] = &files(folder.path())[..] else { panic!("one file") };
    let whole = std::fs::read(file).unwrap();
    assert_eq!(whole.len() as u64, steps.last().unwrap().0);
    for cut in 0..=whole.len() {
        for tail in [&b""[..], &[0x55; 40]] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("idempotency")).unwrap();
            let path = folder.path().join("idempotency").join(file.file_name().unwrap());
            // A head is on the disk before anything else is.
            let tail = if cut < 29 { b"" } else { tail };
            std::fs::write(path, [&whole[..cut], tail].concat()).unwrap();
            let runs = open(&folder);
            for key in 1..=4 {
                let mut on_disk = steps.iter().filter(|(length, of, _)| *of == key && *length <= cut as u64);
                let expected = on_disk.next_back().map_or("run", |(.., said)| *said);
                assert_eq!(said(&runs, key).await, expected, "key {key}, cut at {cut} of {}", whole.len());
            }
        }
    }
}

#[tokio::test]
async fn what_is_damaged_keeps_everything_from_being_run_until_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let runs = open(&folder);
    drop(turn(&runs, 1).await);
    let first = usize::try_from(runs.status().bytes).unwrap();
    turn(&runs, 2).await.done(&response(b"two")).await;
    drop(runs);
    let [file] = &files(folder.path())[..] else { panic!("one file") };
    let whole = std::fs::read(file).unwrap();
    for byte in 0..first {
        let mut bytes = whole.clone();
        bytes[byte] ^= 1;
        std::fs::write(file, bytes).unwrap();
        let runs = open(&folder);
        assert!(runs.status().error.is_some(), "byte {byte}");
        assert_eq!((said(&runs, 2).await, said(&runs, 3).await), ("unwritable".to_owned(), "unwritable".to_owned()));
        assert_eq!(files(folder.path()).len(), 1, "nothing is written");
    }
    std::fs::remove_file(file).unwrap();
    assert_eq!(said(&open(&folder), 2).await, "run");
}

#[tokio::test]
async fn a_response_that_cannot_be_read_is_not_given_and_not_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let runs = open(&folder);
    turn(&runs, 1).await.done(&response(b"one")).await;
    let file = &files(folder.path())[0];
    let mut bytes = std::fs::read(file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(file, bytes).unwrap();
    assert_eq!(said(&runs, 1).await, "in-doubt");
}

#[tokio::test]
async fn without_a_disk_nothing_is_run_until_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let runs = open(&folder);
    let begun = turn(&runs, 1).await;
    let second = turn(&runs, 2).await;
    // The file that is open can be written still; a fresh start needs another one.
    drop(begun);
    second.done(&response(b"two")).await;
    drop(runs);
    let runs = open(&folder);
    let place = folder.path().join("idempotency");
    let away = folder.path().join("away");
    std::fs::rename(&place, &away).unwrap();
    assert_eq!(said(&runs, 3).await, "unwritable");
    assert_eq!(runs.status().error.as_deref(), Some("it cannot be written"));
    std::fs::rename(&away, &place).unwrap();
    assert_eq!((said(&runs, 3).await, said(&runs, 2).await), ("run".to_owned(), "again two".to_owned()));
    assert_eq!(runs.status().error, None);
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::write(&place, b"no folder").unwrap();
    let none = open(&folder);
    assert!(none.status().error.is_some());
    assert_eq!(said(&none, 9).await, "unwritable");
}

#[tokio::test]
async fn a_run_has_room_for_its_outcome_or_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let large = |key| Question { response_max: 1 << 20, ..question(key) };
    let runs = Runs::open(folder.path(), Bounds { keys: 3, bytes: 3 << 20 }, &Clock::start());
    let Said::Run(first) = runs.ask(large(1)).await else { panic!("there is room") };
    let Said::Run(second) = runs.ask(large(2)).await else { panic!("there is room") };
    assert!(matches!(runs.ask(large(3)).await, Said::No(Refusal::Full)));
    first.done(&response(b"one")).await;
    let Said::Run(third) = runs.ask(large(3)).await else { panic!("there is room again") };
    drop((second, third));
    assert!(matches!(runs.ask(large(4)).await, Said::No(Refusal::Full)), "as many keys as may be");
    assert_eq!(runs.status().keys, 3);
}

/// What is over is removed from the disk, and the numbers that were given are known all the same.
#[tokio::test]
async fn files_go_when_all_that_they_hold_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let room = Room::new(16 << 20);
    let writer = Writer::start(folder.path(), 0, Arc::clone(&room)).unwrap();
    let record = vec![0; 600 << 10];
    for nth in 0..8_u64 {
        let times = (Time(nth + 4), Time(nth));
        writer.write(record.clone(), times, Fence(nth)).on_disk().await.unwrap();
    }
    writer.write(Vec::new(), (Time(0), Time(8)), Fence(8)).on_disk().await.unwrap();
    drop(writer);
    // Two records fit in a file; those that end by then are gone.
    assert_eq!(segment::all(folder.path()).unwrap(), [2, 3, 4]);
    assert!(room.bytes() < 3 << 20);
}

#[tokio::test]
async fn between_two_processes_each_key_is_run_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let old = open(&folder);
    let (running, lost) = (turn(&old, 1).await, turn(&old, 2).await);
    turn(&old, 3).await.done(&response(b"three")).await;
    let leaving = Arc::clone(&old);
    tokio::task::spawn_blocking(move || leaving.release()).await.unwrap();
    for key in 1..=4 {
        assert_eq!(said(&old, key).await, "leaving");
    }
    let new = open(&folder);
    let all = async |runs: &Arc<Runs>| {
        let mut all = Vec::new();
        for key in 1..=4 {
            all.push(said(runs, key).await);
        }
        all
    };
    assert_eq!(all(&new).await, ["in-doubt", "in-doubt", "again three", "run"]);
    running.done(&response(b"one")).await;
    drop(lost);
    assert_eq!(all(&new).await, ["again one", "in-doubt", "again three", "run"]);
    // It fails, and the old one goes on, with what the other one wrote.
    turn(&new, 5).await.done(&response(b"five")).await;
    drop(new);
    old.retake();
    assert_eq!(all(&old).await, ["again one", "in-doubt", "again three", "run"]);
    assert_eq!((said(&old, 5).await, said(&old, 6).await), ("again five".to_owned(), "run".to_owned()));
    assert_eq!(old.status().error, None);
}

/// The old process closes its file in the middle of a hand-over, and begins another one.
#[tokio::test]
async fn how_a_run_of_the_process_before_ended_is_found_in_whichever_file() {
    let folder = tempfile::tempdir().unwrap();
    let old = open(&folder);
    let large = Question { response_max: 4 << 20, ..question(1) };
    let (Said::Run(first), second) = (old.ask(large).await, turn(&old, 2).await) else { panic!("it may run") };
    let leaving = Arc::clone(&old);
    tokio::task::spawn_blocking(move || leaving.release()).await.unwrap();
    let new = open(&folder);
    drop(turn(&new, 3).await);
    let body = vec![b'x'; 4 << 20];
    first.done(&Kept { body: body.into(), ..response(b"") }).await;
    second.done(&response(b"two")).await;
    assert_eq!(said(&new, 2).await, "again two");
    let Said::Again(kept) = new.ask(question(1)).await else { panic!("it is kept") };
    assert_eq!(kept.body.len(), 4 << 20);
    assert!(files(folder.path()).len() >= 3);
}
