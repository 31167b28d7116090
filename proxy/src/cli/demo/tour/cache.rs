//! First scene: each POP fetches once and answers from its own cache after that.

use super::Scene;
use crate::cli::demo::stage::Stage;
use crate::cli::demo::visitor::Visitor;

pub(super) async fn scene(stage: &Stage) -> Result<Scene, String> {
    let mut scene = Scene::new("Each POP caches: GET /hello twice at each");
    let visitor = Visitor::new(1, 1);
    let fetched = || stage.origin.as_ref().map_or(0, |origin| origin.requests());
    let before = fetched();
    let mut same = true;
    for pop in &stage.pops {
        let wrong = |error: std::io::Error| format!("{}: {error}", pop.name);
        let first = visitor.get(pop.http, "/hello").await.map_err(wrong)?;
        let second = visitor.get(pop.http, "/hello").await.map_err(wrong)?;
        scene.line(format!("{:<6} Cache-Status: {}", pop.name, first.header("cache-status")));
        scene.line(format!(
            "{:<6} Cache-Status: {}   Age: {}",
            "",
            second.header("cache-status"),
            second.header("age")
        ));
        same &= first.body == second.body && second.header("cache-status").contains("hit");
    }
    scene.claim("the second answer is the first one, from the cache", same);
    scene.claim("the origin was asked once by each POP", fetched() - before == stage.pops.len() as u64);
    Ok(scene)
}
