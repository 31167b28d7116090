//! The roster: who belongs to the cluster. One file, identical at every POP, written by `selvedge init` and changed by
//! the operator. It names the POPs with ids that are never reused, because counts are kept under those ids; it never
//! holds a secret, only the id of one.
//!
//! ```toml
//! cluster  = "edge"
//! revision = 1
//! ca       = "ca.pem"
//! secret   = { file = "cluster.secret", id = "2f6a..." }
//! # While the secret is rotated: the next one, then the former one.
//! secret_beside = { file = "next.secret", id = "91c4..." }
//!
//! [[pop]]
//! id = 1
//! name = "fra"
//! region = "eu"
//! address = "fra.example.net:7946"
//! # Where the others fetch through it; for POPs that may be a shield.
//! shield = "fra.example.net:7947"
//!
//! # What POP 1 said in its lives from one on, and before another, counts for nothing.
//! [[void]]
//! pop = 1
//! from = 117964800000000000
//! before = 117964987654321000
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use selvedge_state::{Actor, Incarnation, PopId, VOIDS_MAX, Void};
use serde::Deserialize;

use super::secret::SecretId;

/// The most POPs in one roster: each pair keeps a connection, and a full mesh is sound to about this size.
pub const POPS_MAX: usize = 256;

/// The longest name of a POP or a cluster; both become a DNS label in certificates (RFC 1035 section 2.3.4 allows 63).
pub const NAME_MAX: usize = 32;

/// A checked roster, POPs in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    cluster: String,
    revision: u64,
    ca: PathBuf,
    secret: PathBuf,
    secret_id: SecretId,
    secret_beside: Option<(PathBuf, SecretId)>,
    pops: BTreeMap<u16, RosterPop>,
    voids: Vec<Void>,
}

/// One POP of the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterPop {
    /// Its id, never reused.
    pub id: PopId,
    /// Its name, a DNS label of at most [`NAME_MAX`] bytes.
    pub name: String,
    /// Where it is, for display.
    pub region: Option<String>,
    /// Where other POPs reach it: `host:port`, a name being resolved at each dial.
    pub address: String,
    /// Where other POPs fetch through it, as `address`; none where it is no shield.
    pub shield: Option<String>,
}

/// What is wrong with a roster; the file is named by [`RosterError::In`].
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// The file could not be read.
    #[error("cannot read the roster: {0}")]
    Read(io::Error),
    /// The file is not TOML, or has an unknown, missing or ill-typed key. The text names line and column.
    #[error("{0}")]
    Syntax(String),
    /// A cluster or POP name that cannot stand in a certificate.
    #[error("{what} name {name:?} must be 1 to {NAME_MAX} of a-z, 0-9 and -, and not begin or end with -")]
    Name {
        /// `cluster` or `POP`.
        what: &'static str,
        /// The name as written.
        name: String,
    },
    /// No POP at all.
    #[error("the roster names no POP")]
    Empty,
    /// More than [`POPS_MAX`] POPs.
    #[error("{0} POPs, at most {POPS_MAX} can be linked")]
    TooMany(usize),
    /// Two POPs under one id.
    #[error("POPs {first} and {second} share the id {id}")]
    SameId {
        /// The id.
        id: u16,
        /// The POP that has it.
        first: String,
        /// The POP that repeats it.
        second: String,
    },
    /// Two POPs under one name.
    #[error("POPs {first} and {second} share the name {name}")]
    SameName {
        /// The id that has the name.
        first: u16,
        /// The id that repeats it.
        second: u16,
        /// The name.
        name: String,
    },
    /// An address that is not `host:port`.
    #[error("POP {pop}: {key} {address:?} must be host:port, such as 192.0.2.1:7946 or [2001:db8::1]:7946")]
    Address {
        /// Whose address.
        pop: String,
        /// `address` or `shield`.
        key: &'static str,
        /// The address as written.
        address: String,
    },
    /// A secret id that is not 16 hex digits.
    #[error("secret id {0:?} must be 16 hex digits")]
    SecretId(String),
    /// One secret in force and beside itself.
    #[error("`secret` and `secret_beside` have one id, {0}: beside the one in force is the next or the former one")]
    SameSecret(SecretId),
    /// A void that ends before it begins.
    #[error("void of POP {pop}: `before` must be a later life than `from`")]
    VoidEnds {
        /// Whose.
        pop: u16,
    },
    /// More than [`VOIDS_MAX`] voids.
    #[error("{0} voids, at most {VOIDS_MAX} are kept; drop those that are older than what is remembered")]
    TooManyVoids(usize),
    /// A POP that the roster does not name.
    #[error("no POP is called {name}; the roster names {known}")]
    Unknown {
        /// The name that was looked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// One of the above, in this file.
    #[error("{path}: {cause}", path = .path.display())]
    In {
        /// The roster file.
        path: PathBuf,
        /// What is wrong with it.
        cause: Box<RosterError>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRoster {
    cluster: String,
    revision: u64,
    ca: PathBuf,
    secret: RawSecret,
    secret_beside: Option<RawSecret>,
    pop: Vec<RawPop>,
    #[serde(default)]
    void: Vec<RawVoid>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVoid {
    pop: u16,
    #[serde(default)]
    node: u32,
    /// Lives, as `selvedge status --json` shows incarnations.
    from: u64,
    before: u64,
}

impl RawVoid {
    fn read(self) -> Result<Void, RosterError> {
        let RawVoid { pop, node, from, before } = self;
        let to = before.checked_sub(1).filter(|to| *to >= from).ok_or(RosterError::VoidEnds { pop })?;
        Ok(Void { actor: Actor { pop: PopId(pop), node }, from: Incarnation(from), to: Incarnation(to) })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSecret {
    file: PathBuf,
    id: String,
}

impl RawSecret {
    fn read(self, folder: &Path) -> Result<(PathBuf, SecretId), RosterError> {
        let id = SecretId::from_hex(&self.id).ok_or(RosterError::SecretId(self.id))?;
        Ok((folder.join(self.file), id))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPop {
    id: u16,
    name: String,
    region: Option<String>,
    address: String,
    shield: Option<String>,
}

impl From<RawPop> for RosterPop {
    fn from(RawPop { id, name, region, address, shield }: RawPop) -> RosterPop {
        RosterPop { id: PopId(id), name, region, address, shield }
    }
}

impl Roster {
    /// Reads the roster file at `path`.
    ///
    /// # Errors
    /// [`RosterError::In`], naming the file and what is wrong with it.
    pub fn load(path: &Path) -> Result<Self, RosterError> {
        let within = |cause| RosterError::In { path: path.to_owned(), cause: Box::new(cause) };
        let text = std::fs::read_to_string(path).map_err(|error| within(RosterError::Read(error)))?;
        Self::parse(&text, path.parent().unwrap_or(Path::new(""))).map_err(within)
    }

    /// Parses the roster's text; relative paths in it are taken from `folder`.
    ///
    /// # Errors
    /// The first thing wrong with it.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, RosterError> {
        let raw: RawRoster = toml::from_str(text).map_err(|error| RosterError::Syntax(error.to_string()))?;
        let (secret, secret_id) = raw.secret.read(folder)?;
        let secret_beside = raw.secret_beside.map(|beside| beside.read(folder)).transpose()?;
        if secret_beside.as_ref().is_some_and(|(_, id)| *id == secret_id) {
            return Err(RosterError::SameSecret(secret_id));
        }
        let pops = raw.pop.into_iter().map(RosterPop::from).collect();
        let mut roster = Self::new(raw.cluster, raw.revision, secret_id, pops)?;
        roster.ca = folder.join(raw.ca);
        (roster.secret, roster.secret_beside) = (secret, secret_beside);
        if raw.void.len() > VOIDS_MAX {
            return Err(RosterError::TooManyVoids(raw.void.len()));
        }
        roster.voids = raw.void.into_iter().map(RawVoid::read).collect::<Result<_, _>>()?;
        Ok(roster)
    }

    /// A roster of these POPs, its CA in `ca.pem` and its secret in `cluster.secret`.
    ///
    /// # Errors
    /// A name, id or address that cannot be; no POP; more than [`POPS_MAX`].
    pub fn new(cluster: String, revision: u64, secret_id: SecretId, pops: Vec<RosterPop>) -> Result<Self, RosterError> {
        if !is_label(&cluster) {
            return Err(RosterError::Name { what: "cluster", name: cluster });
        }
        if pops.is_empty() {
            return Err(RosterError::Empty);
        }
        if pops.len() > POPS_MAX {
            return Err(RosterError::TooMany(pops.len()));
        }
        let mut by_id: BTreeMap<u16, RosterPop> = BTreeMap::new();
        let mut by_name: BTreeMap<String, u16> = BTreeMap::new();
        for pop in pops {
            if !is_label(&pop.name) {
                return Err(RosterError::Name { what: "POP", name: pop.name });
            }
            let addresses = [("address", Some(&pop.address)), ("shield", pop.shield.as_ref())];
            let wrong = addresses.into_iter().find(|(_, address)| address.is_some_and(|address| !is_address(address)));
            if let Some((key, Some(address))) = wrong {
                return Err(RosterError::Address { key, address: address.clone(), pop: pop.name });
            }
            let id = pop.id.0;
            if let Some(first) = by_id.get(&id) {
                return Err(RosterError::SameId { id, first: first.name.clone(), second: pop.name });
            }
            if let Some(first) = by_name.insert(pop.name.clone(), id) {
                return Err(RosterError::SameName { first, second: id, name: pop.name });
            }
            by_id.insert(id, pop);
        }
        Ok(Self {
            cluster,
            revision,
            ca: PathBuf::from("ca.pem"),
            secret: PathBuf::from("cluster.secret"),
            secret_id,
            secret_beside: None,
            pops: by_id,
            voids: Vec::new(),
        })
    }

    /// What counts for nothing.
    pub fn voids(&self) -> &[Void] {
        &self.voids
    }

    /// The text of this roster's file, as `init` writes it.
    pub fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let path = |path: &Path| quoted(&path.to_string_lossy());
        let mut text = String::from(
            "# The roster: the POPs of this cluster. The same file at every POP. After an edit raise the revision.\n\
             # An id is never reused, not even after its POP is gone: counts are kept under it.\n",
        );
        // Writing to a String cannot fail.
        let _ = writeln!(text, "cluster  = {}\nrevision = {}", quoted(&self.cluster), self.revision);
        let _ = writeln!(text, "ca       = {}", path(&self.ca));
        let _ = writeln!(text, "secret   = {{ file = {}, id = \"{}\" }}", path(&self.secret), self.secret_id);
        if let Some((file, id)) = &self.secret_beside {
            let _ = writeln!(text, "secret_beside = {{ file = {}, id = \"{id}\" }}", path(file));
        }
        for pop in self.pops() {
            let _ = writeln!(text, "\n[[pop]]\nid = {}\nname = {}", pop.id.0, quoted(&pop.name));
            if let Some(region) = &pop.region {
                let _ = writeln!(text, "region = {}", quoted(region));
            }
            let _ = writeln!(text, "address = {}", quoted(&pop.address));
            if let Some(shield) = &pop.shield {
                let _ = writeln!(text, "shield = {}", quoted(shield));
            }
        }
        text
    }

    /// The cluster's id.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Rises with each edit; peers report when theirs differs.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The file of the certificate authorities, one or (while roots change) two.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// The file of the cluster secret.
    pub fn secret(&self) -> &Path {
        &self.secret
    }

    /// Which secret that file must hold.
    pub fn secret_id(&self) -> SecretId {
        self.secret_id
    }

    /// The file of the secret that is known beside it while it is rotated, and which one that must be.
    pub fn secret_beside(&self) -> Option<(&Path, SecretId)> {
        self.secret_beside.as_ref().map(|(file, id)| (file.as_path(), *id))
    }

    /// All POPs, by rising id.
    pub fn pops(&self) -> impl Iterator<Item = &RosterPop> {
        self.pops.values()
    }

    /// All POPs but `me`, by rising id.
    pub fn peers(&self, me: PopId) -> impl Iterator<Item = &RosterPop> {
        self.pops().filter(move |pop| pop.id != me)
    }

    /// The names of all POPs, by rising id.
    pub fn names(&self) -> Vec<(PopId, String)> {
        self.pops().map(|pop| (pop.id, pop.name.clone())).collect()
    }

    /// The POP with this id.
    pub fn pop(&self, id: PopId) -> Option<&RosterPop> {
        self.pops.get(&id.0)
    }

    /// The POP with this name.
    ///
    /// # Errors
    /// [`RosterError::Unknown`], listing the names there are.
    pub fn named(&self, name: &str) -> Result<&RosterPop, RosterError> {
        self.pops().find(|pop| pop.name == name).ok_or_else(|| RosterError::Unknown {
            name: name.to_owned(),
            known: self.pops().map(|pop| pop.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    /// The name a POP's certificate must carry: `<pop>.<cluster>.selvedge`.
    pub fn certificate_name(&self, pop: &RosterPop) -> String {
        certificate_name(&self.cluster, &pop.name)
    }
}

/// The name that the certificate of `pop` in `cluster` carries.
pub fn certificate_name(cluster: &str, pop: &str) -> String {
    format!("{pop}.{cluster}.selvedge")
}

/// One DNS label in lower case (RFC 1035 section 2.3.1), at most [`NAME_MAX`] bytes.
fn is_label(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// `host:port`, the host an address or a DNS name, the port not 0.
fn is_address(text: &str) -> bool {
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return address.port() != 0;
    }
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let named = (1..=253).contains(&host.len())
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
    named && port.parse::<std::num::NonZeroU16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "cluster = \"edge\"\nrevision = 3\nca = \"ca.pem\"\n\
                        secret = { file = \"cluster.secret\", id = \"00000000000000ff\" }\n";

    fn pop(id: &str, name: &str, address: &str) -> String {
        format!("[[pop]]\nid = {id}\nname = \"{name}\"\naddress = \"{address}\"\n")
    }

    fn parse(pops: &[String]) -> Result<Roster, RosterError> {
        Roster::parse(&format!("{HEAD}{}", pops.concat()), Path::new("/etc/selvedge"))
    }

    fn error(pops: &[String]) -> String {
        parse(pops).unwrap_err().to_string()
    }

    #[test]
    fn a_roster_is_read_in_id_order_with_paths_from_its_folder() {
        let roster = parse(&[pop("7", "iad", "iad.example.net:7946"), pop("2", "fra", "[::1]:7946")]).unwrap();
        assert_eq!(roster.pops().map(|pop| pop.id.0).collect::<Vec<_>>(), [2, 7]);
        assert_eq!(roster.ca(), Path::new("/etc/selvedge/ca.pem"));
        assert_eq!(roster.secret(), Path::new("/etc/selvedge/cluster.secret"));
        assert_eq!(roster.secret_id(), SecretId(255));
        assert_eq!(roster.certificate_name(roster.named("fra").unwrap()), "fra.edge.selvedge");
        assert_eq!(roster.peers(PopId(2)).map(|pop| pop.name.as_str()).collect::<Vec<_>>(), ["iad"]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let roster = parse(&[pop("1", "fra", "127.0.0.1:7946"), pop("2", "iad", "[2001:db8::1]:7946")]).unwrap();
        assert_eq!(Roster::parse(&roster.to_toml(), Path::new("/elsewhere")).unwrap(), roster);
    }

    fn beside(lines: &str) -> Result<Roster, RosterError> {
        Roster::parse(&format!("{HEAD}{lines}\n{}", pop("1", "fra", "a:1")), Path::new("/etc/selvedge"))
    }

    #[test]
    fn a_secret_beside_is_another_one() {
        let roster = beside(r#"secret_beside = { file = "next.secret", id = "00000000000000fe" }"#).unwrap();
        assert_eq!(roster.secret_beside(), Some((Path::new("/etc/selvedge/next.secret"), SecretId(254))));
        assert_eq!(Roster::parse(&roster.to_toml(), Path::new("/elsewhere")).unwrap(), roster);
        let error = |lines: &str| beside(lines).unwrap_err().to_string();
        assert_eq!(
            error(r#"secret_beside = { file = "next.secret", id = "00000000000000ff" }"#),
            "`secret` and `secret_beside` have one id, 00000000000000ff: beside the one in force is the next or the former one"
        );
        assert_eq!(error(r#"secret_beside = { file = "x", id = "fe" }"#), r#"secret id "fe" must be 16 hex digits"#);
        assert!(error(r#"secret_beside = { file = "x" }"#).contains("missing field `id`"));
        assert!(error(r#"secret_besides = { file = "x", id = "00000000000000fe" }"#).contains("unknown field"));
        let twice = r#"secret_beside = { file = "x", id = "00000000000000fe" }"#;
        assert!(error(&format!("{twice}\n{twice}")).contains("duplicate key"));
    }

    #[test]
    fn repeated_ids_and_names_say_who() {
        let (a, b) = (pop("1", "fra", "a:1"), pop("1", "iad", "b:1"));
        assert_eq!(error(&[a.clone(), b]), "POPs fra and iad share the id 1");
        assert_eq!(error(&[a, pop("2", "fra", "b:1")]), "POPs 1 and 2 share the name fra");
    }

    #[test]
    fn addresses_need_host_and_port() {
        for bad in ["", "fra", "fra:", "fra:0", ":7946", "127.0.0.1:0", "a b:1", "::1:7946", "fra:70000", "a..b:1"] {
            assert!(error(&[pop("1", "fra", bad)]).contains("must be host:port"), "{bad:?}");
        }
        let shields = |at: &str| format!("{}\nshield = {at:?}", pop("1", "fra", "fra:1"));
        assert!(error(&[shields("fra")]).starts_with("POP fra: shield \"fra\" must be host:port"));
        let shield = parse(&[shields("fra:2")]).unwrap();
        assert_eq!(shield.named("fra").unwrap().shield.as_deref(), Some("fra:2"));
        assert_eq!(Roster::parse(&shield.to_toml(), Path::new("/elsewhere")).unwrap(), shield);
        for good in ["fra:1", "192.0.2.1:65535", "[2001:db8::1]:7946", "a_b.example.net:80"] {
            assert!(parse(&[pop("1", "fra", good)]).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn names_are_dns_labels() {
        for bad in ["", "Fra", "-fra", "fra-", "f.ra", "f_ra", &"a".repeat(NAME_MAX + 1)] {
            assert!(error(&[pop("1", bad, "a:1")]).starts_with("POP name"), "{bad:?}");
        }
    }

    #[test]
    fn the_number_of_pops_is_bounded() {
        let pops = |n: usize| (0..n).map(|i| pop(&i.to_string(), &format!("p{i}"), "a:1")).collect::<Vec<_>>();
        assert!(parse(&pops(POPS_MAX)).is_ok());
        assert_eq!(error(&pops(POPS_MAX + 1)), "257 POPs, at most 256 can be linked");
        assert_eq!(
            Roster::new("edge".into(), 1, SecretId(1), vec![]).unwrap_err().to_string(),
            "the roster names no POP"
        );
    }

    #[test]
    fn voids_are_stretches_of_lives() {
        let with = |void: &str| parse(&[pop("1", "fra", "a:1"), format!("[[void]]\n{void}\n")]);
        let roster = with("pop = 7\nfrom = 160\nbefore = 176").unwrap();
        let actor = Actor { pop: PopId(7), node: 0 };
        assert_eq!(roster.voids(), [Void { actor, from: Incarnation(160), to: Incarnation(175) }]);
        let error = |void: &str| with(void).unwrap_err().to_string();
        assert_eq!(
            error("pop = 7\nfrom = 160\nbefore = 160"),
            "void of POP 7: `before` must be a later life than `from`"
        );
        assert!(error("pop = 7").contains("missing field `from`"));
        let many = "pop = 7\nfrom = 1\nbefore = 2\n[[void]]\n".repeat(VOIDS_MAX) + "pop = 7\nfrom = 1\nbefore = 2";
        assert!(error(&many).starts_with("1025 voids, at most 1024 are kept"));
    }

    #[test]
    fn unknown_keys_and_unknown_names_are_told() {
        let text = format!("{HEAD}colour = 1\n");
        let error = Roster::parse(&text, Path::new("")).unwrap_err().to_string();
        assert!(error.contains("colour") && error.contains("line 5"), "{error}");
        let roster = parse(&[pop("1", "fra", "a:1"), pop("2", "iad", "b:1")]).unwrap();
        assert_eq!(roster.named("syd").unwrap_err().to_string(), "no POP is called syd; the roster names fra, iad");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Roster::load(Path::new("/nonexistent/roster.toml")).unwrap_err().to_string();
        assert!(error.starts_with("/nonexistent/roster.toml: cannot read the roster"), "{error}");
    }
}
