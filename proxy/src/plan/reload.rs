//! A reload: everything is read and checked anew, then the plan is exchanged whole, or the old one goes on and the failure is
//! told. Reloads take turns; reading and making happen aside, so nobody waits for one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use selvedge_conf::Config;
use selvedge_state::{TableFull, Time};
use serde_json::{Value, json};

use super::fixed::{self, Keyrings};
use super::ledger::Look;
use super::load::Fault;
use super::{Contents, Ledger, LoadError, Loaded, Plan, load};
use crate::admin::report::{ConfigStatus, Reloaded};
use crate::edge::origin::resolve;
use crate::link::membership::Membership;
use crate::link::roster::Roster;
use crate::node::Node;
use crate::observe::log;

/// How long the names of new origins may hold up a reload. Those that do not resolve in time go on in the background.
const LOOKUP: Duration = Duration::from_secs(2);

/// Who wanted a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// SIGHUP.
    Signal,
    /// The admin socket.
    Admin,
    /// A file that changed.
    Watch,
}

impl Cause {
    /// For logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Signal => "signal",
            Cause::Admin => "admin",
            Cause::Watch => "watch",
        }
    }
}

/// Why the old plan goes on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub struct ReloadError {
    /// Everything that is wrong, for people.
    pub text: String,
    /// The same for programs.
    pub problems: Value,
    /// The first problem and its place, in one line.
    pub first: String,
}

impl From<LoadError> for ReloadError {
    fn from(error: LoadError) -> ReloadError {
        ReloadError { text: error.text(), problems: error.problems(), first: error.first() }
    }
}

impl ReloadError {
    fn plain(text: String) -> ReloadError {
        ReloadError { problems: json!([{ "message": text }]), first: text.clone(), text: format!("error: {text}\n") }
    }
}

impl From<TableFull> for ReloadError {
    fn from(error: TableFull) -> ReloadError {
        ReloadError::plain(format!("{error}; a restart frees those of names that are gone"))
    }
}

/// What a node knows of its reloads.
#[derive(Debug)]
pub struct Reloads {
    entry: Option<PathBuf>,
    /// The config of the start, and what its files held.
    start: (Config, Contents),
    turn: tokio::sync::Mutex<()>,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    /// What the last load looked at, whether it could be used or not.
    ledger: Ledger,
    /// What the plan in force was made of.
    contents: Contents,
    loaded_at: Time,
    failure: Option<(Time, String)>,
    needs_restart: Vec<String>,
}

impl Reloads {
    /// Those of a node that has just started with a config.
    pub fn new(entry: Option<PathBuf>, start: Config, ledger: Ledger, now: Time) -> Reloads {
        let contents = ledger.contents();
        let start = (start, contents.clone());
        let last = Last { ledger, contents, loaded_at: now, failure: None, needs_restart: Vec::new() };
        Reloads { entry, start, turn: tokio::sync::Mutex::default(), last: Mutex::new(last) }
    }

    /// What is to be told of them, with the revision in force.
    pub fn status(&self, revision: &str) -> ConfigStatus {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        ConfigStatus {
            revision: revision.to_owned(),
            loaded_at: last.loaded_at.0,
            path: self.entry.clone(),
            last_error: last.failure.as_ref().map(|(_, text)| text.clone()),
            failed_at: last.failure.as_ref().map(|(at, _)| at.0),
            needs_restart: last.needs_restart.clone(),
        }
    }

    /// Whether there is a file that could be loaded again.
    pub(super) fn has_entry(&self) -> bool {
        self.entry.is_some()
    }

    /// Whether any file of the last load, successful or not, holds something else by now. Reads files.
    pub(super) fn look(&self) -> Look {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).ledger.look()
    }

    /// A load was put in force. Gives the files that hold something else than those of the plan before.
    fn succeeded(&self, now: Time, ledger: Ledger, needs_restart: Vec<String>) -> Vec<PathBuf> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let contents = ledger.contents();
        let changed = contents.differs_from(&last.contents);
        *last = Last { ledger, contents, loaded_at: now, failure: None, needs_restart };
        changed
    }

    /// A load could not be used. What it looked at is not known when it broke off.
    fn failed(&self, now: Time, ledger: Option<Ledger>, error: &ReloadError) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ledger) = ledger {
            last.ledger = ledger;
        }
        last.failure = Some((now, error.text.clone()));
    }
}

/// Loads the config again and exchanges the plan. The reload goes on to its end even if whoever asked for it goes away.
///
/// # Errors
/// [`ReloadError`]; the old plan goes on then.
pub async fn reload(node: &Arc<Node>, cause: Cause) -> Result<Reloaded, ReloadError> {
    let node = Arc::clone(node);
    let task = tokio::spawn(async move { in_turn(&node, cause).await });
    task.await.unwrap_or_else(|error| Err(ReloadError::plain(format!("the reload broke off: {error}"))))
}

async fn in_turn(node: &Arc<Node>, cause: Cause) -> Result<Reloaded, ReloadError> {
    let Some(entry) = node.reloads.entry.clone() else {
        return Err(ReloadError::plain("there is no config file: this node was started with --origin".to_owned()));
    };
    let _turn = node.reloads.turn.lock().await;
    let before = node.plan.load_full();
    let made = {
        let (node, before) = (Arc::clone(node), Arc::clone(&before));
        aside(move || {
            // Another reload may have taken the change in while this one waited for its turn.
            let seen = cause == Cause::Watch && node.reloads.look() == Look::Same;
            if seen { None } else { Some(make(&node, &entry, &before)) }
        })
        .await
    };
    let (error, ledger) = match made {
        Ok(None) => return Ok(report(&before, &before, Vec::new(), Vec::new())),
        Ok(Some(Ok((made, ledger)))) => return Ok(exchange(node, &before, made, ledger, cause).await),
        Ok(Some(Err((error, ledger)))) => (*error, Some(ledger)),
        Err(broken) => (broken, None),
    };
    node.metrics.config_failed();
    node.reloads.failed(node.clock.now(), ledger, &error);
    log::reload_failed(&error, cause);
    Err(error)
}

/// A plan that is ready to be put in force.
struct Made {
    plan: Plan,
    keyrings: Keyrings,
    needs_restart: Vec<String>,
    membership: Option<Membership>,
}

type Unmade = (Box<ReloadError>, Ledger);

fn make(node: &Node, entry: &std::path::Path, before: &Plan) -> Result<(Made, Ledger), Unmade> {
    let mut loaded = load(entry, Some(before), Ledger::default())
        .map_err(|(error, ledger)| (Box::new(ReloadError::from(error)), ledger))?;
    let (start, files) = &node.reloads.start;
    let in_force = node.links.get().map(|links| links.roster());
    let (needs_restart, keyrings) = fixed::hold((start, files), in_force.as_ref(), &mut loaded);
    let Loaded { config, authorities, shelf, membership, ledger, .. } = loaded;
    if let Err(message) = succeeds(in_force.as_ref(), membership.as_ref()) {
        let roster = config.cluster.as_ref().map(|cluster| cluster.roster.clone()).unwrap_or_default();
        let message = format!("{}: {message}", roster.display());
        let error = LoadError::Files(entry.to_owned(), vec![Fault::whole(roster, message)]);
        return Err((Box::new(error.into()), ledger));
    }
    match Plan::new(config, (authorities, membership.as_ref()), shelf, node.ground(), Some(before)) {
        Ok(plan) => {
            // Before the replica hears of the roster; it visits all that the store holds.
            if let Some(membership) = &membership {
                node.store.set_voids(membership.roster.voids());
            }
            Ok((Made { plan, keyrings, needs_restart, membership }, ledger))
        }
        Err(error) => Err((Box::new(error.into()), ledger)),
    }
}

/// A roster that says something else has a greater revision: else nobody could tell which of two POPs has the newer one.
fn succeeds(in_force: Option<&Roster>, membership: Option<&Membership>) -> Result<(), String> {
    match (in_force, membership.map(|membership| &membership.roster)) {
        (Some(old), Some(new)) if old != new && new.revision() <= old.revision() => Err(format!(
            "the roster was changed, so its revision must be greater than {}, which is in force; it is {}",
            old.revision(),
            new.revision()
        )),
        _ => Ok(()),
    }
}

/// Between two looks whether a plan is still in use.
const IN_USE: Duration = Duration::from_secs(1);

/// Frees a plan that is no longer in force once no request uses it, aside: freeing a million networks takes a while, and must not
/// fall to the last request that used it.
async fn retire(plan: Arc<Plan>) {
    while Arc::strong_count(&plan) > 1 {
        tokio::time::sleep(IN_USE).await;
    }
    // When this is not done, the process ends.
    let _ = tokio::task::spawn_blocking(move || drop(plan)).await;
}

async fn exchange(node: &Node, before: &Arc<Plan>, made: Made, ledger: Ledger, cause: Cause) -> Reloaded {
    let Made { plan, keyrings, needs_restart, membership } = made;
    let new: Vec<_> = plan.named_not_in(before).cloned().collect();
    // A request must find an address at once.
    let _ = tokio::time::timeout(LOOKUP, resolve::once(&new)).await;
    let plan = Arc::new(plan);
    for (certificates, keyring) in node.certificates.iter().zip(keyrings) {
        if let Some(keyring) = keyring {
            certificates.replace(keyring);
        }
    }
    if let Some((links, Membership { roster, identity, .. })) = node.links.get().zip(membership) {
        node.pops.renew(roster.names());
        links.renew(roster, identity).await;
    }
    plan.filters.begin(&node.store, node.clock.now());
    node.plan.store(Arc::clone(&plan));
    node.witness.renew(&plan);
    resolve::keep(&new);
    let now = node.clock.now();
    node.metrics.config_loaded(&plan.config, now);
    let changed = node.reloads.succeeded(now, ledger, needs_restart.clone());
    let reloaded = report(before, &plan, needs_restart, changed);
    log::reloaded(&reloaded, cause);
    log::notes(&plan.config);
    tokio::spawn(retire(Arc::clone(before)));
    reloaded
}

fn report(before: &Plan, after: &Plan, needs_restart: Vec<String>, changed: Vec<PathBuf>) -> Reloaded {
    let revision = |plan: &Plan| plan.config.revision.clone();
    Reloaded { from: revision(before), to: revision(after), changed, needs_restart }
}

/// Works on a thread of its own: a million networks must not hold up the peer links.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ReloadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ReloadError::plain(format!("the reload broke off: {error}")))
}
