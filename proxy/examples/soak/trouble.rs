//! What happens to the POPs, by a seed: ways held and cut, processes stopped and killed, links that flap; and what is stated
//! meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hyper::Method;
use selvedge::admin;
use selvedge::admin::report::{NewBan, NewListEntry};
use tokio::time::{Instant, sleep};

use crate::pops::Pops;

/// How long a process is stopped.
const STOPPED: Duration = Duration::from_secs(30);

/// Before the end all is left alone, so that nothing is under way.
const REST: Duration = Duration::from_secs(5);

/// How often each thing was done.
#[derive(Debug, Default)]
pub(crate) struct Done(BTreeMap<&'static str, u32>);

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(what, times)| format!("{what}: {times}")).collect();
        write!(f, "trouble made: {}", parts.join(", "))
    }
}

pub(crate) async fn make(pops: &Pops, seed: u64, until: Instant) -> Result<Done, String> {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x7072);
    let mut done = Done::default();
    let count = pops.all.len();
    let mut stated = 0;
    while Instant::now() + REST < until {
        let (near, far) = (rng.usize(..count), rng.usize(..count));
        let left = until.saturating_duration_since(Instant::now()).saturating_sub(REST);
        let lasting = Duration::from_millis(rng.u64(500..12_000)).min(left);
        let what = match rng.u8(..16) {
            0..=3 if near != far => {
                pops.hold(near, far);
                state(pops, near, &mut stated).await?;
                sleep(lasting).await;
                pops.heal(near, far);
                "ways held"
            }
            4..=6 if near != far => {
                pops.cut(near, far);
                state(pops, near, &mut stated).await?;
                sleep(lasting).await;
                pops.heal(near, far);
                "wires cut"
            }
            7..=8 => {
                let others = || (0..count).filter(|other| *other != near);
                others().for_each(|other| pops.cut(near, other));
                state(pops, near, &mut stated).await?;
                sleep(lasting).await;
                others().for_each(|other| pops.heal(near, other));
                "POPs cut off"
            }
            9..=11 if near != far => {
                for _ in 0..rng.u8(4..12) {
                    pops.cut(near, far);
                    sleep(Duration::from_millis(rng.u64(20..300)).min(left)).await;
                    pops.heal(near, far);
                    sleep(Duration::from_millis(rng.u64(20..600)).min(left)).await;
                }
                "links flapped"
            }
            12 if left > STOPPED => {
                pops.all[near].signal("STOP").await?;
                sleep(STOPPED).await;
                pops.all[near].signal("CONT").await?;
                "processes stopped"
            }
            13..=14 => {
                // A way is held meanwhile, so that some hear the end of that life later than others.
                pops.hold(near, far);
                sleep(Duration::from_millis(rng.u64(..500)).min(left)).await;
                pops.all[near].kill().await?;
                sleep(Duration::from_millis(rng.u64(..3_000)).min(left)).await;
                pops.heal(near, far);
                pops.all[near].start().await?;
                "processes killed"
            }
            _ => {
                sleep(Duration::from_millis(rng.u64(..1_000)).min(left)).await;
                continue;
            }
        };
        *done.0.entry(what).or_default() += 1;
    }
    done.0.insert("things stated", stated);
    Ok(done)
}

/// States a ban and an entry of a list at a POP. Whose names they are is known by their number.
async fn state(pops: &Pops, at: usize, stated: &mut u32) -> Result<(), String> {
    let (nth, socket) = (*stated, &pops.all[at].socket);
    let subject = format!("203.0.113.{}", nth % 250);
    let ban = NewBan { subject, for_ms: 6 * 3_600_000, reason: format!("soak {nth}") };
    let entry = NewListEntry { element: element(nth), for_ms: 6 * 3_600_000 };
    let told = async {
        let _: serde_json::Value = admin::send(socket, Method::POST, "/v1/bans", &ban).await?;
        let _: serde_json::Value = admin::send(socket, Method::POST, "/v1/lists/marked", &entry).await?;
        Ok::<(), admin::ClientError>(())
    };
    told.await.map_err(|error| format!("{} takes no statement: {error}", pops.all[at].name))?;
    *stated += 1;
    Ok(())
}

/// What is stated for the nth time.
pub(crate) fn element(nth: u32) -> String {
    format!("element-{nth}")
}
