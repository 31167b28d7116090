//! Third scene: a ban made at one POP holds at all of them; by the POPs' own clocks, how soon.

use hyper::Method;

use super::{Scene, eventually};
use crate::admin::report::{Ban, NewBan, Unban};
use crate::cli::demo::stage::{Pop, Stage};
use crate::cli::demo::visitor::Visitor;

/// The POP where the ban is made.
const MAKER: &str = "ams";

pub(super) async fn scene(stage: &Stage) -> Result<Scene, String> {
    let mut scene = Scene::new("One ban at all POPs: made at ams");
    let visitor = Visitor::new(3, 1);
    let maker = stage.pops.iter().find(|pop| pop.name == MAKER).ok_or("no such POP")?;
    let new = NewBan { subject: visitor.name(), for_ms: 60_000, reason: "tour".to_owned() };
    let made: Ban =
        crate::admin::send(&maker.socket, Method::POST, "/v1/bans", &new).await.map_err(|error| error.to_string())?;
    let mut forbidden = true;
    for pop in &stage.pops {
        let ban = eventually("the ban arrives", async || ban_at(pop, &made.subject).await).await?;
        let status = visitor.get(pop.http, "/hello").await.map_err(|error| format!("{}: {error}", pop.name))?.status;
        scene.line(format!(
            "{:<6} known after {:>3} ms   answers {status}",
            pop.name,
            ban.applied_at.saturating_sub(ban.made_at)
        ));
        forbidden &= status == 403;
    }
    scene.claim("the client is forbidden at all POPs", forbidden);
    let old = Unban { subject: made.subject.clone() };
    let _: Ban =
        crate::admin::send(&maker.socket, Method::DELETE, "/v1/bans", &old).await.map_err(|error| error.to_string())?;
    let mut welcome = true;
    for pop in &stage.pops {
        eventually("the ban is lifted", async || match ban_at(pop, &made.subject).await {
            Ok(_) => Err(format!("{} still bans", pop.name)),
            Err(_) => Ok(()),
        })
        .await?;
        welcome &= visitor.get(pop.http, "/hello").await.is_ok_and(|answer| answer.status == 200);
    }
    scene.claim("lifted at ams, the client is welcome at all POPs again", welcome);
    Ok(scene)
}

async fn ban_at(pop: &Pop, subject: &str) -> Result<Ban, String> {
    let bans: Vec<Ban> = crate::admin::get(&pop.socket, "/v1/bans").await.map_err(|error| error.to_string())?;
    bans.into_iter().find(|ban| ban.subject == subject).ok_or_else(|| format!("{} does not know it", pop.name))
}
