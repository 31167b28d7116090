//! From a path to everything that the config there stands for, with the files it names: the one way in for `check`, `run` and
//! a reload.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use selvedge_conf::{Config, Measure, PROBLEMS_MAX, Place, Report};
use serde_json::{Value, json};

use super::{Ledger, Plan};
use crate::edge::origin::Authorities;
use crate::front::Keyring;
use crate::link::membership::Membership;
use crate::link::roster::Roster;
use crate::tables::Shelf;

/// The largest file of certificates, bytes.
const PEM_MAX: u64 = 16 << 20;

/// A config and everything read for it; nothing is bound or made in the store.
#[derive(Debug)]
pub struct Loaded {
    /// Where it was read; absent when it came from the command line.
    pub entry: Option<PathBuf>,
    /// The config.
    pub config: Config,
    /// Certificates for each of `listen.https`.
    pub keyrings: Vec<Arc<Keyring>>,
    /// Authorities for each origin that has its own.
    pub authorities: Vec<Option<Authorities>>,
    /// Lists, databases and token keys.
    pub shelf: Shelf,
    /// The cluster's files.
    pub membership: Option<Membership>,
    /// Every file that was looked at.
    pub ledger: Ledger,
}

/// A file that a config names cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The line; 0 when the file as a whole is meant.
    pub line: usize,
    /// Where the config names it; the config as a whole when absent.
    pub place: Option<Place>,
    /// What is wrong, the file named.
    pub message: String,
}

impl Fault {
    /// Something is wrong with a file as a whole.
    pub fn whole(file: PathBuf, message: String) -> Fault {
        Fault { file, line: 0, place: None, message }
    }
}

/// Why a config cannot be used. The ledger tells what was looked at on the way.
#[derive(Debug)]
pub enum LoadError {
    /// Its text.
    Config(Report),
    /// Files that it names; at least one.
    Files(PathBuf, Vec<Fault>),
}

impl LoadError {
    /// Everything that is wrong, for people.
    pub fn text(&self) -> String {
        match self {
            LoadError::Config(report) => report.render(false),
            LoadError::Files(entry, faults) => {
                let place = |fault: &Fault| fault.place.as_ref().map_or(entry.display().to_string(), Place::to_string);
                let line = |fault: &Fault| format!("error: {}: {}\n", place(fault), fault.message);
                let mut text: String = faults.iter().take(PROBLEMS_MAX).map(line).collect();
                if let Some(more) = faults.len().checked_sub(PROBLEMS_MAX).filter(|more| *more > 0) {
                    text.push_str(&format!("and {more} more not shown\n"));
                }
                text
            }
        }
    }

    /// The same for programs.
    pub fn problems(&self) -> Value {
        match self {
            LoadError::Config(report) => json!(report.problems()),
            LoadError::Files(_, faults) => {
                let problem = |fault: &Fault| json!({ "file": fault.file, "line": fault.line, "column": 0, "message": fault.message, "help": null });
                faults.iter().take(PROBLEMS_MAX).map(problem).collect()
            }
        }
    }

    /// The first problem and its place, in one line.
    pub fn first(&self) -> String {
        match self {
            LoadError::Config(report) => report
                .problems()
                .first()
                .map_or_else(String::new, |problem| format!("{}: {}", problem.place, problem.message)),
            LoadError::Files(_, faults) => faults.first().map_or_else(String::new, |fault| fault.message.clone()),
        }
    }
}

/// Reads a config and the files it names. What `before` made of files that are the same is taken over. `ledger` is told of
/// every file, also when something is wrong.
///
/// # Errors
/// [`LoadError`] with everything that is wrong: in the config, or else in the files.
pub fn load(entry: &Path, before: Option<&Plan>, ledger: Ledger) -> Result<Loaded, (LoadError, Ledger)> {
    match read(entry, &ledger) {
        Ok(config) => Loaded::of(config, Some(entry), before, ledger),
        Err(error) => Err((error, ledger)),
    }
}

/// Reads a config with the system's files and environment, and none of the files it names.
///
/// # Errors
/// [`LoadError::Config`].
pub fn read(entry: &Path, ledger: &Ledger) -> Result<Config, LoadError> {
    let environment = |name: &str| std::env::var(name).ok();
    let read = |path: &Path| ledger.read_text(path);
    let list = |path: &Path| ledger.list(path);
    selvedge_conf::load(entry, &read, &list, &environment).map_err(LoadError::Config)
}

impl Loaded {
    /// Reads the files that a config names.
    ///
    /// # Errors
    /// [`LoadError::Files`].
    pub fn of(
        config: Config,
        entry: Option<&Path>,
        before: Option<&Plan>,
        ledger: Ledger,
    ) -> Result<Loaded, (LoadError, Ledger)> {
        let mut faults = Vec::new();
        let keyrings = config.listen.https.iter().map(|https| keyring(&https.certificates, &ledger, &mut faults));
        let keyrings: Vec<_> = keyrings.collect();
        let authorities = config.origins.iter().map(|origin| authorities(origin, &ledger, &mut faults)).collect();
        let shelf = Shelf::load(&config, &ledger, before.map(|plan| &plan.shelf), &mut faults);
        let membership = membership(&config, &ledger, &mut faults);
        shared_out(&config, membership.as_ref(), &mut faults);
        kept(&config, membership.as_ref(), &mut faults);
        shielded(&config, membership.as_ref(), &mut faults);
        homed(&config, membership.as_ref(), &mut faults);
        match shelf {
            Some(shelf) if faults.is_empty() => {
                let entry = entry.map(Path::to_owned);
                let keyrings = keyrings.into_iter().flatten().collect();
                Ok(Loaded { entry, config, keyrings, authorities, shelf, membership, ledger })
            }
            _ => Err((LoadError::Files(entry.unwrap_or(Path::new("command line")).to_owned(), faults), ledger)),
        }
    }
}

fn keyring(files: &[PathBuf], ledger: &Ledger, faults: &mut Vec<Fault>) -> Option<Arc<Keyring>> {
    match Keyring::load(files, &|path| ledger.read(path, PEM_MAX)) {
        Ok(keyring) => Some(Arc::new(keyring)),
        Err(errors) => {
            let fault = |error: crate::front::CertificateError| Fault::whole(error.path.clone(), error.to_string());
            faults.extend(errors.into_iter().map(fault));
            None
        }
    }
}

fn authorities(origin: &selvedge_conf::Origin, ledger: &Ledger, faults: &mut Vec<Fault>) -> Option<Authorities> {
    let path = origin.tls.ca.as_ref()?;
    let pem = ledger.read(path, PEM_MAX).map_err(|error| error.to_string());
    match pem.and_then(|pem| Authorities::parse(&pem)) {
        Ok(authorities) => Some(authorities),
        Err(cause) => {
            let message = format!("origin {}: CA file {}: {cause}", origin.name, path.display());
            faults.push(Fault::whole(path.clone(), message));
            None
        }
    }
}

/// The cluster's files.
fn membership(config: &Config, ledger: &Ledger, faults: &mut Vec<Fault>) -> Option<Membership> {
    let cluster = config.cluster.as_ref()?;
    let cluster_files = [&cluster.roster, &cluster.certificate, &cluster.key].map(PathBuf::as_path);
    // Only to have them in the ledger: what is wrong with them is told below.
    let note = |path: &Path| drop(ledger.read(path, PEM_MAX));
    cluster_files.into_iter().chain(cluster.fabric.files()).for_each(note);
    if let Ok(roster) = Roster::load(&cluster.roster) {
        let beside = roster.secret_beside().map(|(path, _)| path);
        [Some(roster.ca()), Some(roster.secret()), beside].into_iter().flatten().for_each(note);
    }
    match Membership::load(&config.pop.name, cluster) {
        Ok(membership) => Some(membership),
        Err(error) => {
            faults.push(Fault::whole(cluster.roster.clone(), error.to_string()));
            None
        }
    }
}

/// A quota over several POPs has to know what it gave out before a restart.
fn kept(config: &Config, membership: Option<&Membership>, faults: &mut Vec<Fault>) {
    let alone = membership.is_none_or(|membership| membership.roster.pops().count() < 2);
    if alone || config.storage.state.is_some() {
        return;
    }
    for limit in config.limits.iter().filter(|limit| matches!(limit.measure, Measure::Quota(_))) {
        let message = format!(
            "limit {}: a quota over several POPs has to outlive a restart, so `[storage] state` names a folder for it",
            limit.name
        );
        let (file, place) = (limit.place.file.clone(), Some(limit.place.clone()));
        faults.push(Fault { file, line: limit.place.line as usize, place, message });
    }
}

/// Some POP has to be a shield where an origin asks for one, and one that the roster names has to listen.
fn shielded(config: &Config, membership: Option<&Membership>, faults: &mut Vec<Fault>) {
    let Some((membership, cluster)) = membership.zip(config.cluster.as_ref()) else { return };
    let mut fault = |message| faults.push(Fault::whole(cluster.roster.clone(), message));
    let file = cluster.roster.display();
    if membership.roster.pops().all(|pop| pop.shield.is_none()) {
        for origin in config.origins.iter().filter(|origin| origin.shield) {
            fault(format!(
                "origin {}: `shield = true`, and no POP of the roster {file} is one: `shield = \"HOST:PORT\"` says where others fetch through it",
                origin.name
            ));
        }
    }
    let me = membership.roster.pop(membership.me.pop);
    if cluster.shield.is_none() && me.is_some_and(|pop| pop.shield.is_some()) {
        fault(format!(
            "the roster {file} says that others fetch through this POP, and `[cluster] shield` does not say at which address it listens for them"
        ));
    }
}

/// Some POP has to answer for keys, where requests are run once, at an address that others reach.
fn homed(config: &Config, membership: Option<&Membership>, faults: &mut Vec<Fault>) {
    let (Some(policy), Some(membership)) = (config.idempotencies.first(), membership) else { return };
    if membership.roster.pops().any(|pop| pop.shield.is_some()) {
        return;
    }
    let message = format!(
        "idempotency {}: no POP of the roster answers for keys: `shield = \"HOST:PORT\"` says where others reach one that does",
        policy.name
    );
    let (file, place) = (policy.place.file.clone(), Some(policy.place.clone()));
    faults.push(Fault { file, line: policy.place.line as usize, place, message });
}

/// Of a limit that is shared out each POP must have a whole request, or nothing would ever pass.
fn shared_out(config: &Config, membership: Option<&Membership>, faults: &mut Vec<Fault>) {
    let pops = membership.map_or(1, |membership| membership.roster.pops().count());
    let shared = config.limits.iter().filter(|limit| limit.class.is_shared_out());
    let bursts = shared.flat_map(|limit| limit.measure.tiers().iter().map(move |tier| (limit, tier.burst)));
    for (limit, burst) in bursts.filter(|(_, burst)| (*burst as usize) < pops) {
        let (name, class) = (&limit.name, limit.class.text());
        let message = format!(
            "limit {name}: `{class}` gives each of the {pops} POPs of the roster its part of the burst, so that is {pops} or more, and not {burst}"
        );
        let (file, place) = (limit.place.file.clone(), Some(limit.place.clone()));
        faults.push(Fault { file, line: limit.place.line as usize, place, message });
    }
}
