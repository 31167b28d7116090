//! `selvedge init`: a cluster from nothing. It writes one folder per POP with all that POP needs (config, roster,
//! authority, certificate, key, secret), to be copied there as it is, and the authority's key beside them, to be kept.
//! Everything is made in memory and checked first; either all files are written or none.

mod files;
mod text;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use selvedge_state::PopId;

use self::files::NewFile;
use super::render::{Failure, Render};
use crate::link::authority::{Authority, Validity};
use crate::link::roster::{Roster, RosterError, RosterPop, certificate_name};
use crate::link::secret::{Secret, SecretId};

/// How long the authority holds: ten years.
pub const AUTHORITY_DAYS: u32 = 3653;

/// How long a POP's certificate holds.
pub const CERTIFICATE_DAYS: u32 = 365;

/// The first client port when all POPs are on one machine; each POP takes the next.
const HTTP_PORT: u16 = 8080;

/// The first peer port when all POPs are on one machine.
const PEER_PORT: u16 = 7946;

/// `selvedge init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of the POPs, such as fra,iad,syd
    #[arg(long, required = true, value_delimiter = ',', value_name = "NAME")]
    pub pops: Vec<String>,
    /// Where to write; made if absent
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub out: PathBuf,
    /// Where POPs reach one another, such as fra=fra.example.net:7946. Without it all run on this machine
    #[arg(long, value_delimiter = ',', value_name = "NAME=HOST:PORT")]
    pub addresses: Vec<String>,
    /// The cluster's name, part of its certificates
    #[arg(long, default_value = "edge", value_name = "NAME")]
    pub cluster: String,
    /// The server behind the edge
    #[arg(long, default_value = "http://127.0.0.1:8000", value_name = "URL")]
    pub origin: String,
}

/// What to write.
#[derive(Clone, Debug)]
pub struct InitPlan {
    /// The folder to write into; made if absent.
    pub out: PathBuf,
    /// The cluster's name.
    pub cluster: String,
    /// The POPs; ids are given in this order, from 1.
    pub pops: Vec<PopPlan>,
    /// The origin server's URL.
    pub origin: String,
    /// Where each POP's state outlives its process, from its config's folder.
    pub state: Option<PathBuf>,
    /// `[[limit]]` tables in TOML, at the end of every POP's config.
    pub limits: String,
}

/// One POP of an [`InitPlan`].
#[derive(Clone, Debug)]
pub struct PopPlan {
    /// Its name.
    pub name: String,
    /// Its region, for display.
    pub region: Option<String>,
    /// Where it serves clients.
    pub http: SocketAddr,
    /// Where it listens for peers.
    pub listen: SocketAddr,
    /// Where peers reach it: `host:port`. Another than `listen` behind a relay or a load balancer.
    pub address: String,
    /// Its admin socket; a relative path is taken from its config's folder.
    pub admin: PathBuf,
}

/// What was written.
#[derive(Debug, serde::Serialize)]
pub struct Written {
    /// The authority's key, which stays with the operator.
    pub authority_key: PathBuf,
    /// Each POP's config file, in the plan's order.
    pub configs: Vec<PathBuf>,
    /// Every file, in the order of writing.
    pub files: Vec<PathBuf>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// `--addresses` does not fit `--pops`.
    #[error("--addresses: {0}")]
    Addresses(String),
    /// The POPs make no roster.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// A config that would not load, such as for an origin that is no URL.
    #[error("the config of POP {pop} would not load:\n{report}")]
    Config {
        /// Whose config.
        pop: String,
        /// What the loader says.
        report: String,
    },
    /// No key or certificate could be made.
    #[error("cannot make the certificates: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The system has no random bytes.
    #[error("cannot make the cluster secret: {0}")]
    Random(getrandom::Error),
    /// A file is there already; none was written.
    #[error("{path}: is there already, and is left as it is; nothing was written", path = .0.display())]
    Exists(PathBuf),
    /// A file or folder could not be written; those written before it were removed.
    #[error("{path}: cannot be written: {source}", path = .path.display())]
    Write {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl InitPlan {
    /// The plan that the command line asks for.
    ///
    /// # Errors
    /// Addresses that do not fit the POPs.
    pub fn from_args(args: Args) -> Result<Self, InitError> {
        let Args { pops, out, addresses, cluster, origin } = args;
        let pops = if addresses.is_empty() { Self::local(&pops) } else { Self::remote(&pops, &addresses)? };
        Ok(Self { out, cluster, pops, origin, state: Some(PathBuf::from("state")), limits: text::LIMITS.to_owned() })
    }

    /// All POPs on this machine, each on its own ports.
    pub fn local(names: &[String]) -> Vec<PopPlan> {
        let pop = |(offset, name): (u16, &String)| {
            let on = |port: u16| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.saturating_add(offset));
            PopPlan {
                name: name.clone(),
                region: None,
                http: on(HTTP_PORT),
                listen: on(PEER_PORT),
                address: on(PEER_PORT).to_string(),
                admin: PathBuf::from("admin.sock"),
            }
        };
        (0..).zip(names).map(pop).collect()
    }

    /// Each POP on a machine of its own, reached at its address.
    fn remote(names: &[String], addresses: &[String]) -> Result<Vec<PopPlan>, InitError> {
        let mut pairs = Vec::new();
        for text in addresses {
            let pair = text.split_once('=').filter(|(name, _)| names.iter().any(|known| known == name));
            let (name, address) = pair.ok_or_else(|| {
                InitError::Addresses(format!("{text:?} must be NAME=HOST:PORT with a name of --pops"))
            })?;
            pairs.push((name, address));
        }
        names.iter().map(|name| Self::remote_pop(name, &pairs)).collect()
    }

    fn remote_pop(name: &str, pairs: &[(&str, &str)]) -> Result<PopPlan, InitError> {
        let mut own = pairs.iter().filter(|(of, _)| *of == name);
        let (Some((_, address)), None) = (own.next(), own.next()) else {
            return Err(InitError::Addresses(format!("POP {name} needs one address, as the others have")));
        };
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let port = port.ok_or_else(|| InitError::Addresses(format!("{address:?} of POP {name} names no port")))?;
        let on = |port: u16| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
        Ok(PopPlan {
            name: name.to_owned(),
            region: None,
            http: on(HTTP_PORT),
            listen: on(port),
            address: (*address).to_owned(),
            admin: PathBuf::from("admin.sock"),
        })
    }
}

/// The command: plan, make, and say what was made.
pub(super) fn command(args: Args) -> Result<Render, Failure> {
    let written = InitPlan::from_args(args).and_then(|plan| init(&plan));
    let written = written.map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(Render::new(written.to_string(), &written))
}

/// Makes the cluster and writes it.
///
/// # Errors
/// See [`InitError`]; whichever it is, no file of this call is left.
pub fn init(plan: &InitPlan) -> Result<Written, InitError> {
    let secret = Secret::generate().map_err(InitError::Random)?;
    let pops = (1..).zip(&plan.pops).map(|(id, pop)| RosterPop {
        id: PopId(id),
        name: pop.name.clone(),
        region: pop.region.clone(),
        address: pop.address.clone(),
        shield: None,
    });
    let roster = Roster::new(plan.cluster.clone(), 1, secret.id(), pops.collect())?;

    let now = SystemTime::now();
    let authority = Authority::new(&plan.cluster, Validity::days(now, AUTHORITY_DAYS))?;
    let mut files = vec![
        NewFile::open(plan.out.join("ca.pem"), authority.certificate()),
        NewFile::secret(plan.out.join("ca.key"), &authority.key()),
    ];
    let mut configs = Vec::new();
    for pop in &plan.pops {
        let folder = plan.out.join(&pop.name);
        let config = text::config(plan, pop);
        check(&pop.name, &folder.join("selvedge.toml"), &config)?;
        let name = certificate_name(&plan.cluster, &pop.name);
        let issued = authority.issue(&name, Validity::days(now, CERTIFICATE_DAYS))?;
        configs.push(folder.join("selvedge.toml"));
        files.extend([
            NewFile::open(folder.join("selvedge.toml"), &config),
            NewFile::open(folder.join("roster.toml"), &roster.to_toml()),
            NewFile::open(folder.join("ca.pem"), authority.certificate()),
            NewFile::open(folder.join("pop.pem"), &issued.certificate),
            NewFile::secret(folder.join("pop.key"), &issued.key),
            NewFile::secret(folder.join("cluster.secret"), &format!("{}\n", secret.to_hex())),
        ]);
    }
    files::write_all(&files)?;
    let authority_key = plan.out.join("ca.key");
    Ok(Written { authority_key, configs, files: files.into_iter().map(NewFile::into_path).collect() })
}

/// Makes a cluster secret in a folder, in a file that is called by its id; says where, and its id.
///
/// # Errors
/// See [`InitError`]; nothing is left then.
pub(super) fn new_secret(folder: &Path) -> Result<(PathBuf, SecretId), InitError> {
    let secret = Secret::generate().map_err(InitError::Random)?;
    let path = folder.join(format!("cluster-{}.secret", secret.id()));
    files::write_all(&[NewFile::secret(path.clone(), &format!("{}\n", secret.to_hex()))])?;
    Ok((path, secret.id()))
}

/// The loader's own word on a config, before it is on disk.
fn check(pop: &str, path: &Path, text: &str) -> Result<(), InitError> {
    let loaded = selvedge_conf::load(path, &|_| Ok(text.to_owned()), &|_| Ok(Vec::new()), &|_| None);
    loaded.map(|_| ()).map_err(|report| InitError::Config { pop: pop.to_owned(), report: report.render(false) })
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "wrote {} files", self.files.len())?;
        for config in &self.configs {
            writeln!(f, "  start a POP: selvedge run --config {}", config.display())?;
        }
        write!(f, "  keep {} to yourself: who has it can join the cluster", self.authority_key.display())
    }
}

#[cfg(test)]
mod tests;
