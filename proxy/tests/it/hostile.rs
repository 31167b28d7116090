//! Processes and a peer that lies to them, with a certificate of the cluster: what others counted stays, the node serves on, the liar is named in
//! status and metrics, and what it poisoned is voided.

use std::path::Path;

use bytes::Bytes;
use selvedge_state::{Actor, Incarnation, PopId, Time};

use crate::cluster::{plan_of, start};
use crate::roster::{bans, give, reload};
use crate::support::lies::{acks, damaged, deltas, forged};
use crate::support::peer::{LIMIT, Peer, Player, Role, now};
use crate::support::{DEADLINE, Edge, Origin, eventually, get, metrics, program, talk_and_leave};

const HOUR: u64 = 3_600_000;

/// How many keys a table holds here.
const KEYS_MAX: usize = 1_000;

/// What the three POPs counted before anybody lies.
const COUNTED: [(&str, u64); 3] = [("one", 5), ("three", 2), ("two", 3)];

/// Writes a cluster into a folder: its tables are small. The origin behind it.
async fn cluster(folder: &Path, names: &[&str]) -> Origin {
    let origin = Origin::fixed("Cache-Control: no-store\r\n", "x").await;
    plan_of(folder, &origin.url(), names, LIMIT);
    for name in names {
        let path = folder.join(name).join("selvedge.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replace("[storage]\n", &format!("[storage]\nkeys_max = {KEYS_MAX}\n"))).unwrap();
    }
    origin
}

async fn shown(edge: &Edge) -> serde_json::Value {
    let (code, text, error) = edge.command(&["limits", "show", "few", "--json"]).await;
    assert_eq!(code, 0, "{error}");
    serde_json::from_str(&text).unwrap()
}

/// What each POP counted for the limit's busiest key, as `limits show` has it.
async fn counted(edge: &Edge) -> Vec<(String, u64)> {
    let limit = shown(edge).await;
    let rows = limit["top"][0]["rows"].as_array().cloned().unwrap_or_default();
    let mut counted: Vec<(String, u64)> = Vec::new();
    for row in rows {
        let (pop, count) = (row["pop"].as_str().unwrap().to_owned(), row["count"].as_u64().unwrap());
        match counted.iter_mut().find(|(known, _)| *known == pop) {
            Some((_, sum)) => *sum += count,
            None => counted.push((pop, count)),
        }
    }
    counted.sort();
    counted
}

async fn counts(edge: &Edge, expected: &[(&str, u64)]) {
    eventually(DEADLINE, async || {
        let found = counted(edge).await;
        let is = found.iter().map(|(pop, count)| (pop.as_str(), *count)).eq(expected.iter().copied());
        if is { Ok(()) } else { Err(format!("{found:?}, not {expected:?}")) }
    })
    .await;
}

/// Waits until the metrics say that something happened at a peer; all events of peers are among those of the cluster.
pub(crate) async fn met(edge: &Edge, peer: &str, event: &str) {
    eventually(DEADLINE, async || {
        let text = metrics(edge).await;
        let has = |line: &str| text.lines().any(|found| found.starts_with(line));
        let at_peer = has(&format!("selvedge_peer_events_total{{event=\"{event}\",peer=\"{peer}\"}} "));
        let is = at_peer && has(&format!("selvedge_cluster_events_total{{event=\"{event}\"}} "));
        if is { Ok(()) } else { Err(format!("{event} at {peer} is not among:\n{}", events(&text))) }
    })
    .await;
}

/// Waits until the metrics say that something happened to the cluster.
pub(crate) async fn met_with(edge: &Edge, event: &str) {
    eventually(DEADLINE, async || {
        let text = metrics(edge).await;
        let line = format!("selvedge_cluster_events_total{{event=\"{event}\"}} ");
        if text.contains(&line) { Ok(()) } else { Err(format!("{event} is not among:\n{}", events(&text))) }
    })
    .await;
}

/// How often the metrics say that something happened.
async fn times(edge: &Edge, event: &str) -> u64 {
    let line = format!("selvedge_cluster_events_total{{event=\"{event}\"}} ");
    let text = metrics(edge).await;
    text.lines().find_map(|found| found.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
}

fn events(text: &str) -> String {
    text.lines().filter(|line| line.contains("_events_total{")).map(|line| format!("{line}\n")).collect()
}

/// The metrics name the liar, and so does the status, with these words; nobody else is.
async fn named(edge: &Edge, event: &str, words: &str) {
    met(edge, "one", event).await;
    eventually(DEADLINE, async || {
        let (_, text, _) = edge.command(&["status"]).await;
        let line = text.lines().find(|line| line.starts_with("  one ")).unwrap_or_default();
        if line.contains(words) { Ok(()) } else { Err(format!("{event}: {text}")) }
    })
    .await;
    let (_, text, _) = edge.command(&["status", "--json"]).await;
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    for peer in status["cluster"]["peers"].as_array().unwrap() {
        let error = peer["error"].as_str().unwrap_or_default();
        match peer["pop"].as_str() {
            Some("one") => assert!(error.contains(words), "{error}"),
            _ => assert_eq!(error, "", "{peer}"),
        }
    }
}

/// Has the peer count one more, which goes behind what it said before: when that is known, all else was heard.
async fn heard(edge: &Edge, liar: &Peer, expected: &[(&str, u64)]) {
    liar.add(1);
    counts(edge, expected).await;
}

fn add(n: u32, at: Time) -> impl Fn(&Player) {
    move |player| player.store.add(player.table, player.key, n, at)
}

async fn passes(edge: &Edge) -> u16 {
    get(edge.address(), "test", "/").await.status
}

/// A cluster of three in which all counted something. The first one is played.
async fn three(folder: &Path) -> (Peer, Edge, Edge, Origin) {
    let origin = cluster(folder, &["one", "two", "three"]).await;
    let (two, three) = (start(folder, "two").await, start(folder, "three").await);
    let liar = Peer::join(Role::new(folder, "one", "three")).await;
    eventually(DEADLINE, async || match three.status().await.cluster.unwrap().heard {
        3 => Ok(()),
        heard => Err(format!("{heard} heard")),
    })
    .await;
    for (edge, times) in [(&two, 3), (&three, 2)] {
        for _ in 0..times {
            assert_eq!(passes(edge).await, 200);
        }
    }
    liar.add(5);
    counts(&three, &COUNTED).await;
    (liar, two, three, origin)
}

#[tokio::test]
async fn a_peer_that_lies_is_named_and_changes_nobody_elses_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (liar, _two, mut three, _origin) = three(folder.path()).await;
    let role = &liar.role;
    let mark = 0x0eca_fe77;
    let honest = deltas(role, role.me, add(mark, now(0)));
    liar.say(honest.iter().map(|frame| forged(frame, mark, u64::MAX)).collect());
    named(&three, "implausible", "POP 1 counted more than any node can; dropped").await;
    counts(&three, &COUNTED).await;
    // In the names of the other node, and of the one that it speaks to.
    for pop in [2, 3] {
        let lie = deltas(role, Actor { pop: PopId(pop), node: 0 }, add(1_000, now(0)));
        // A link is told of once.
        liar.join_again().await;
        liar.say(lie);
        named(&three, "foreign_author", &format!("POP 1 spoke in the name of {pop}/0; dropped")).await;
        counts(&three, &COUNTED).await;
    }
    liar.say(deltas(role, role.me, add(1_000, now(0).plus(6 * HOUR))));
    named(&three, "clock_ahead", "POP 1 counts in slots that are too far ahead; dropped").await;
    counts(&three, &COUNTED).await;
    liar.say(deltas(role, role.me, add(1_000, now(0).minus(9 * HOUR))));
    named(&three, "over", "POP 1 sent counts of slots that are over; dropped").await;
    counts(&three, &COUNTED).await;
    assert!(three.lives());
    assert_eq!(passes(&three).await, 200);
}

#[tokio::test]
async fn what_a_peer_repeats_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let (liar, _two, mut three, _origin) = three(folder.path()).await;
    let mut said: Vec<Bytes> = liar.said();
    let all = |said: &[Bytes]| std::iter::repeat_n(said, 20).flatten().cloned().collect::<Vec<_>>();
    // In this link, in a later one, and the newest first.
    liar.say(all(&said));
    heard(&three, &liar, &[("one", 6), ("three", 2), ("two", 3)]).await;
    liar.join_again().await;
    liar.say(all(&said));
    heard(&three, &liar, &[("one", 7), ("three", 2), ("two", 3)]).await;
    said.reverse();
    liar.say(all(&said));
    heard(&three, &liar, &[("one", 8), ("three", 2), ("two", 3)]).await;
    assert!(three.lives());
    assert_eq!(passes(&three).await, 200);
}

#[tokio::test]
async fn a_flood_of_new_keys_is_bounded_and_named_and_pushes_out_nothing_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let (liar, _two, mut three, _origin) = three(folder.path()).await;
    let flood = |player: &Player| {
        for key in 0..20 * KEYS_MAX as u64 {
            player.store.add(player.table, player.store.key(&[&key.to_le_bytes()]), 1, now(0));
        }
    };
    liar.say(deltas(&liar.role, liar.role.me, flood));
    named(&three, "no_room", "no room for all that POP 1 sent; some of it is not kept").await;
    heard(&three, &liar, &[("one", 6), ("three", 2), ("two", 3)]).await;
    let limit = shown(&three).await;
    assert!(limit["keys"].as_u64().unwrap() <= KEYS_MAX as u64 && limit["partial"] == true, "{limit}");
    let (_, text, _) = three.command(&["limits", "show"]).await;
    assert!(text.contains("\n  PARTIAL: more keys than fit are counted"), "{text}");
    let (_, text, _) = three.command(&["status"]).await;
    assert!(text.contains("PARTIAL: more keys than fit are counted by few\n"), "{text}");
    assert_eq!(three.status().await.partial, ["few"]);
    assert!(metrics(&three).await.contains("selvedge_limit_partial{limit=\"few\"} 1\n"));
    assert!(three.lives());
    assert_eq!(passes(&three).await, 200);
}

#[tokio::test]
async fn what_a_peer_poisoned_is_voided_while_the_others_run() {
    let folder = tempfile::tempdir().unwrap();
    let (liar, two, three, _origin) = three(folder.path()).await;
    // It says that it alone admitted more than all may, and bans somebody.
    liar.add(1_000_000);
    counts(&three, &[("one", 1_000_005), ("three", 2), ("two", 3)]).await;
    let at = liar.now();
    liar.store.ban("192.0.2.77/32", at.plus(HOUR), 1, "lie", at).unwrap();
    bans(&three, 1).await;
    assert_eq!(passes(&three).await, 429);
    let (from, before) = (liar.role.incarnation.0, now(0).plus(HOUR).0 << 16);
    let void = format!("[[void]]\npop = 1\nfrom = {from}\nbefore = {before}\n");
    for (name, edge) in [("two", &two), ("three", &three)] {
        give(folder.path(), name, 2, 3, &void);
        reload(edge).await;
    }
    counts(&three, &[("three", 2), ("two", 3)]).await;
    bans(&three, 0).await;
    assert_eq!(passes(&three).await, 200);
    counts(&three, &[("three", 3), ("two", 3)]).await;
    // It insists.
    liar.add(1);
    named(&three, "void_author", "POP 1 sends what 1/0 said in incarnations").await;
    counts(&three, &[("three", 3), ("two", 3)]).await;
    for edge in [&two, &three] {
        assert_eq!(passes(edge).await, 200);
    }
    // In its next life it counts again.
    drop(liar);
    let mut role = Role::new(folder.path(), "one", "three");
    role.incarnation = Incarnation(before);
    let next = Peer::join(role).await;
    next.add(9);
    counts(&three, &[("one", 9), ("three", 4), ("two", 4)]).await;
}

#[tokio::test]
async fn a_peer_that_goes_on_with_broken_frames_is_barred() {
    let folder = tempfile::tempdir().unwrap();
    let _origin = cluster(folder.path(), &["one", "two"]).await;
    let mut two = start(folder.path(), "two").await;
    let liar = Peer::join(Role::new(folder.path(), "one", "two")).await;
    met(&two, "one", "peer_up").await;
    let broken = damaged(&deltas(&liar.role, liar.role.me, add(1, now(0)))[0]);
    liar.say(vec![broken.clone()]);
    named(&two, "undecodable", "POP 1 sent a frame that cannot be read: the checksum of a block of kind 6").await;
    liar.say(vec![broken; 64]);
    named(&two, "barred", "the peer sent too many bad frames and is not listened to for ").await;
    met(&two, "one", "peer_down").await;
    // It is told so, and not heard.
    let cut = times(&two, "link_down").await;
    liar.join_again().await;
    liar.add(1);
    eventually(DEADLINE, async || {
        let again = times(&two, "link_down").await;
        if again > cut { Ok(()) } else { Err(format!("{again} links down")) }
    })
    .await;
    assert_eq!(two.status().await.cluster.unwrap().heard, 1);
    assert!(counted(&two).await.is_empty());
    assert!(two.lives());
    assert_eq!(passes(&two).await, 200);
}

/// What else is told of a peer, and who would not be believed.
#[tokio::test]
async fn whatever_differs_at_a_peer_is_told_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let _origin = cluster(folder, &["one", "two"]).await;
    // Another secret is known beside the one in force.
    let made = program().args(["cluster", "secret", "--json", "--out"]).arg(folder.join("one")).output().await.unwrap();
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let file = Path::new(made["file"].as_str().unwrap());
    std::fs::copy(file, folder.join("two").join(file.file_name().unwrap())).unwrap();
    for name in ["one", "two"] {
        let path = folder.join(name).join("roster.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let line = made["roster"].as_str().unwrap();
        std::fs::write(path, text.replacen("\n[[pop]]", &format!("{line}\n\n[[pop]]"), 1)).unwrap();
    }
    let two = start(folder, "two").await;
    let role = Role::new(folder, "one", "two");
    let peer = Peer::join(role.clone()).await;
    met(&two, "one", "peer_up").await;
    // It acknowledges what nobody said to it.
    let many = |player: &Player| {
        for key in 0..500_u64 {
            player.store.add(player.table, player.store.key(&[&key.to_le_bytes()]), 1, now(0));
        }
    };
    peer.say(acks(&role, many));
    named(&two, "foreign_ack", "POP 1 acknowledged what was never sent; ignored").await;
    let unknown = Role { table: "nowhere", ..role.clone() };
    peer.say(deltas(&unknown, role.me, add(1, now(0))));
    named(&two, "unknown_table", "which no config here knows; dropped").await;
    peer.retire();
    met(&two, "one", "retires").await;
    drop(peer);
    met(&two, "one", "peer_down").await;
    // Another process with the same name, then one with another roster, then one with the other secret.
    let twin = Peer::join(Role { boot: 2, ..role.clone() }).await;
    named(&two, "same_incarnation", "two processes say they are 1/0 in incarnation").await;
    drop(twin);
    let later = Incarnation(role.incarnation.0 + (2 << 16));
    let ahead = Peer::join(Role { incarnation: later, roster_revision: 7, ..role.clone() }).await;
    met(&two, "one", "roster_differs").await;
    drop(ahead);
    let (force, beside) = role.secrets.clone();
    let secrets = (beside.unwrap(), Some(force));
    let later = Incarnation(role.incarnation.0 + (4 << 16));
    let _rotated = Peer::join(Role { incarnation: later, secrets, ..role }).await;
    met(&two, "one", "secret_differs").await;
    for event in ["link_up", "link_down"] {
        met_with(&two, event).await;
    }
}

#[tokio::test]
async fn what_happens_to_links_and_to_the_node_itself_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let _origin = cluster(folder, &["one", "two"]).await;
    let one = start(folder, "one").await;
    met_with(&one, "unreachable").await;
    talk_and_leave(one.status().await.cluster.unwrap().listening, b"GET / HTTP/1.1\r\n\r\n").await;
    met_with(&one, "refused").await;
    // The roster voids the life that goes by it.
    let before = one.status().await.incarnation + (HOUR << 16);
    give(folder, "one", 2, 2, &format!("[[void]]\npop = 1\nfrom = 1\nbefore = {before}\n"));
    reload(&one).await;
    met_with(&one, "void").await;
}
