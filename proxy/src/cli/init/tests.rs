//! What `init` writes, and what it leaves alone.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::link::tls::{Identity, IdentityError};

fn args(out: &Path, pops: &[&str], addresses: &[&str]) -> Args {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    Args {
        pops: owned(pops),
        out: out.to_owned(),
        addresses: owned(addresses),
        cluster: "edge".into(),
        origin: "http://127.0.0.1:8000".into(),
    }
}

fn make(out: &Path, pops: &[&str]) -> Result<Written, InitError> {
    init(&InitPlan::from_args(args(out, pops, &[])).unwrap())
}

#[test]
fn each_pop_can_start_from_its_folder() {
    let out = tempfile::tempdir().unwrap();
    let written = make(out.path(), &["fra", "iad"]).unwrap();
    let mut listens = Vec::new();
    for (path, name) in written.configs.iter().zip(["fra", "iad"]) {
        let read = |path: &Path| std::fs::read_to_string(path);
        let config = selvedge_conf::load(path, &read, &|_| Ok(Vec::new()), &|_| None).unwrap();
        assert_eq!(config.pop.name, name);
        let cluster = config.cluster.unwrap();
        let roster = Roster::load(&cluster.roster).unwrap();
        let me = roster.named(name).unwrap();
        assert_eq!(me.address, cluster.listen.to_string());
        Secret::load(roster.secret(), roster.secret_id()).unwrap();
        Identity::load(&roster, me, &cluster.certificate, &cluster.key).unwrap();
        listens.push((config.listen.http, cluster.listen, config.admin.socket));
    }
    assert!(listens.first() != listens.last(), "two POPs on one machine share a port or a socket: {listens:?}");
}

#[test]
fn keys_and_secrets_are_the_owners_alone() {
    let out = tempfile::tempdir().unwrap();
    let written = make(out.path(), &["fra"]).unwrap();
    let secret = |path: &Path| path.extension().is_some_and(|end| end == "key" || end == "secret");
    let modes: Vec<(bool, u32)> = written
        .files
        .iter()
        .map(|path| (secret(path), path.metadata().unwrap().permissions().mode() & 0o777))
        .collect();
    assert_eq!(modes.iter().filter(|(secret, _)| *secret).count(), 3);
    assert!(modes.iter().all(|(secret, mode)| if *secret { *mode == 0o600 } else { mode & 0o022 == 0 }), "{modes:?}");
}

#[test]
fn what_is_there_is_left_and_nothing_is_written() {
    let out = tempfile::tempdir().unwrap();
    let taken = out.path().join("iad").join("pop.key");
    std::fs::create_dir(out.path().join("iad")).unwrap();
    std::fs::write(&taken, "mine").unwrap();
    let error = make(out.path(), &["fra", "iad"]).unwrap_err();
    assert!(matches!(&error, InitError::Exists(path) if *path == taken), "{error}");
    assert_eq!(std::fs::read_to_string(&taken).unwrap(), "mine");
    assert!(!out.path().join("ca.key").exists() && !out.path().join("fra").exists());
}

#[test]
fn a_failure_half_way_leaves_no_file() {
    let out = tempfile::tempdir().unwrap();
    // A file where a folder must be: the authority's files come first, then this fails.
    std::fs::write(out.path().join("fra"), "").unwrap();
    let error = make(out.path(), &["fra"]).unwrap_err();
    assert!(matches!(error, InitError::Write { .. }), "{error}");
    assert!(!out.path().join("ca.key").exists() && !out.path().join("ca.pem").exists());
}

#[test]
fn another_pops_certificate_is_told_at_start() {
    let out = tempfile::tempdir().unwrap();
    make(out.path(), &["fra", "iad"]).unwrap();
    let roster = Roster::load(&out.path().join("fra/roster.toml")).unwrap();
    let theirs = out.path().join("iad");
    let found = Identity::load(&roster, roster.named("fra").unwrap(), &theirs.join("pop.pem"), &theirs.join("pop.key"));
    let Err(error @ IdentityError::OtherName { .. }) = found else { panic!("the certificate of iad passed for fra") };
    let text = error.to_string();
    assert!(
        text.ends_with("this certificate is for iad.edge.selvedge, this POP needs one for fra.edge.selvedge"),
        "{text}"
    );
}

#[test]
fn addresses_must_fit_the_pops() {
    let plan = |addresses: &[&str]| InitPlan::from_args(args(Path::new("x"), &["fra", "iad"], addresses));
    for bad in
        [&["fra=a:1"][..], &["fra=a:1", "syd=b:1"], &["fra"], &["fra=a", "iad=b:1"], &["fra=a:1", "fra=b:1", "iad=c:1"]]
    {
        assert!(matches!(plan(bad), Err(InitError::Addresses(_))), "{bad:?}");
    }
    let plan = plan(&["iad=iad.example.net:7000", "fra=fra.example.net:7946"]).unwrap();
    let found: Vec<_> = plan.pops.iter().map(|pop| (pop.address.as_str(), pop.listen.to_string())).collect();
    assert_eq!(
        found,
        [("fra.example.net:7946", "0.0.0.0:7946".into()), ("iad.example.net:7000", "0.0.0.0:7000".into())]
    );
}

#[test]
fn an_origin_that_is_no_url_is_told_before_anything_is_written() {
    let out = tempfile::tempdir().unwrap();
    let mut args = args(out.path(), &["fra"], &[]);
    args.origin = "ftp://files".into();
    let error = init(&InitPlan::from_args(args).unwrap()).unwrap_err();
    assert!(matches!(error, InitError::Config { .. }), "{error}");
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
}
