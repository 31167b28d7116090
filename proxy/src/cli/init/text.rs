//! The config that `selvedge init` writes: small, complete, and commented for whoever edits it next.

use super::{InitPlan, PopPlan};

/// The limits of a cluster made from the command line: one, generous, as a model.
pub(super) const LIMITS: &str = r#"# Each client network may make 50 requests per second, over all POPs together, and 100 at once.
[[limit]]
name  = "per-client"
key   = ["client.net"]
rate  = "50/1s"
burst = 100
"#;

/// The config of one POP.
pub(super) fn config(plan: &InitPlan, pop: &PopPlan) -> String {
    let region = pop.region.as_deref().map(|region| format!("region = {}\n", quoted(region))).unwrap_or_default();
    format!(
        r#"# POP {name} of cluster {cluster}. Written by `selvedge init`; yours to edit.
# Relative paths are taken from this file's folder.

[pop]
name = {quoted_name}
{region}
# Where clients come.
[listen]
http = [{http}]

[admin]
socket = {admin}
log    = "stdout"  # stdout | off | a file

# Where peers come, with TLS on both sides. The roster is the same file at every POP.
[cluster]
listen = {listen}
roster = "roster.toml"
tls    = {{ certificate = "pop.pem", key = "pop.key" }}

# The cache, and the folder in which counts and bans outlive the process.
[storage]
memory = "256MiB"
{state}
[origin.app]
servers = [{origin}]

[site."*"]
origin = "app"

{limits}"#,
        name = pop.name,
        cluster = plan.cluster,
        quoted_name = quoted(&pop.name),
        http = quoted(&pop.http.to_string()),
        admin = quoted(&pop.admin.to_string_lossy()),
        listen = quoted(&pop.listen.to_string()),
        origin = quoted(&plan.origin),
        state = plan
            .state
            .as_deref()
            .map_or(String::new(), |path| format!("state  = {}\n", quoted(&path.to_string_lossy()))),
        limits = plan.limits,
    )
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
