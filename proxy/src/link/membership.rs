//! What makes a node a member of its cluster: the roster, its place in it, its certificate, and the cluster's secret.

use std::path::{Path, PathBuf};

use selvedge_conf::{Cluster, Fabric};
use selvedge_state::Actor;

use super::nats::{NatsConfig, NatsError};
use super::roster::{Roster, RosterError};
use super::secret::{Secret, SecretError};
use super::tls::{Identity, IdentityError};
use crate::edge::origin::Authorities;

/// A file of the cluster cannot be used; each error names it.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// The roster.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// This POP's certificate, or its key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What NATS is reached by.
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// The cluster's authorities.
    #[error("{path}: {cause}", path = .path.display())]
    Authorities {
        /// Their file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
}

/// The cluster's files, read and found in order.
#[derive(Debug)]
pub struct Membership {
    /// Who there is.
    pub roster: Roster,
    /// Which of them this is.
    pub me: Actor,
    /// Where other nodes reach this one itself, where its POP has several.
    pub address: Option<String>,
    /// This POP's certificate and key.
    pub identity: Identity,
    /// What the certificates of POPs are checked against where this one fetches through them.
    pub authorities: Authorities,
    /// NATS, where peers are reached over it.
    pub nats: Option<NatsConfig>,
    /// What client-chosen keys are hashed with.
    pub secret: Secret,
    /// What peers may hash them with while the secret is rotated.
    pub secret_beside: Option<Secret>,
}

impl Membership {
    /// Reads the roster, the secret and this POP's certificate.
    ///
    /// # Errors
    /// [`MembershipError`] naming the file.
    pub fn load(pop: &str, cluster: &Cluster) -> Result<Membership, MembershipError> {
        let roster = Roster::load(&cluster.roster)?;
        let me = roster.named(pop)?;
        let identity = Identity::load(&roster, me, &cluster.certificate, &cluster.key)?;
        let authorities = authorities(roster.ca())?;
        let secret = Secret::load(roster.secret(), roster.secret_id())?;
        let load = |(file, id)| Secret::load(file, id);
        let secret_beside = roster.secret_beside().map(load).transpose()?;
        let nats = match &cluster.fabric {
            Fabric::Links => None,
            Fabric::Nats(nats) => Some(NatsConfig::load(nats)?),
        };
        let me = Actor { pop: me.id, node: cluster.node };
        let address = cluster.address.clone();
        Ok(Membership { me, address, identity, authorities, nats, secret, secret_beside, roster })
    }
}

fn authorities(path: &Path) -> Result<Authorities, MembershipError> {
    let wrong = |cause: String| MembershipError::Authorities { path: path.to_owned(), cause };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    Authorities::parse(&pem).map_err(wrong)
}
