//! An operator of NATS with one account: it signs the account, which signs its users. Servers that know the operator
//! know them all.

use nkeys::KeyPair;
use serde_json::{Value, json};

use super::base64::base64;

/// What a user may do: subjects as the config of servers writes them.
pub(crate) struct Permissions {
    pub(crate) publish: Vec<String>,
    pub(crate) never: Vec<String>,
    pub(crate) subscribe: Vec<String>,
}

pub(crate) struct Operator {
    key: KeyPair,
    account: KeyPair,
}

impl Operator {
    pub(crate) fn new() -> Operator {
        Operator { key: KeyPair::new_operator(), account: KeyPair::new_account() }
    }

    /// What the config of its servers says.
    pub(crate) fn config(&self) -> String {
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1
        });
        let operator = claims(&self.key, &self.key, json!({ "type": "operator", "version": 2 }));
        let account = claims(&self.account, &self.key, json!({ "type": "account", "version": 2, "limits": limits }));
        let key = self.account.public_key();
        format!("operator: {operator}\nresolver: MEMORY\nresolver_preload {{ {key}: {account} }}\n")
    }

    /// The credentials of a new user of the account: a file as `nsc` writes it.
    pub(crate) fn user(&self, permissions: &Permissions) -> String {
        let Permissions { publish, never, subscribe } = permissions;
        let user = KeyPair::new_user();
        let said = json!({
            "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1,
            "pub": { "allow": publish, "deny": never }, "sub": { "allow": subscribe }
        });
        let (token, seed) = (claims(&user, &self.account, said), user.seed().expect("a seed"));
        format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

/// What `by` says of `of`: a token of version 2.
fn claims(of: &KeyPair, by: &KeyPair, nats: Value) -> String {
    let sub = of.public_key();
    let said = json!({ "jti": sub, "iat": 1, "iss": by.public_key(), "name": sub, "sub": sub, "nats": nats });
    let header = base64(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let message = format!("{header}.{}", base64(said.to_string().as_bytes()));
    let signature = by.sign(message.as_bytes()).expect("a signature");
    format!("{message}.{}", base64(&signature))
}
