//! Tokens: whose signature is believed, and what rules may read of them (RFC 7519).

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::expr::Type;
use crate::finding::Check;
use crate::place::Place;
use crate::raw::{At, Choice, DurationText, Entries, Text, Word};
use crate::sections::{Section, at_most};
use crate::suggest;
use crate::value::{Wrong, duration, field_name, name, shown};

/// `[jwt.NAME]`: one issuer of tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Jwt {
    /// Its name in expressions.
    pub name: String,
    /// A file with the keys: a JWK set (RFC 7517, `.json`), a PEM public key, or (`.key`) a shared secret as it is.
    pub keys: PathBuf,
    /// Which algorithms are accepted; at least one, and all fit the keys' kind.
    pub algorithms: Vec<Algorithm>,
    /// The issuer a token must name, if any.
    pub issuer: Option<String>,
    /// The audiences of which a token must name one; empty accepts any.
    pub audience: Vec<String>,
    /// Where a request carries it.
    pub from: TokenSource,
    /// Tolerance for `exp` and `nbf`. Default 30 s.
    pub leeway: Duration,
    /// The claims rules may read, and their types: bool, int, double, string, or a list of strings.
    pub claims: Vec<(String, Type)>,
    /// Within what its users (`sub`), tenants and tokens (`jti`) have their names.
    pub realm: String,
    /// The claim that says of which tenant a token is, a string or a whole number.
    pub tenant: Option<String>,
    /// Where it is written.
    pub place: Place,
}

/// Where a request carries a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// `Authorization: Bearer` (RFC 6750 section 2.1).
    Bearer,
    /// A header field by name, in lower case.
    Header(String),
    /// A cookie by name.
    Cookie(String),
}

/// Signature algorithms (RFC 7518 section 3.1, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS #1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS #1 v1.5 with SHA-512.
    Rs512,
    /// RSA PSS with SHA-256.
    Ps256,
    /// RSA PSS with SHA-384.
    Ps384,
    /// RSA PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// The most issuers of one config.
pub const JWTS_MAX: usize = 16;
/// The most claims of one issuer.
pub const CLAIMS_MAX: usize = 64;
/// The most audiences of one issuer.
const AUDIENCES_MAX: usize = 16;
const LEEWAY_DEFAULT: Duration = Duration::from_secs(30);
const LEEWAY_LONGEST: Duration = Duration::from_secs(3600);

impl Choice for Algorithm {
    const WORDS: &'static [(&'static str, Algorithm)] = &[
        ("HS256", Algorithm::Hs256),
        ("HS384", Algorithm::Hs384),
        ("HS512", Algorithm::Hs512),
        ("RS256", Algorithm::Rs256),
        ("RS384", Algorithm::Rs384),
        ("RS512", Algorithm::Rs512),
        ("PS256", Algorithm::Ps256),
        ("PS384", Algorithm::Ps384),
        ("PS512", Algorithm::Ps512),
        ("ES256", Algorithm::Es256),
        ("ES384", Algorithm::Es384),
        ("EdDSA", Algorithm::EdDsa),
    ];
}

/// What keys an algorithm needs: one key has one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    Secret,
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Algorithm {
    fn key_kind(self) -> KeyKind {
        match self {
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => KeyKind::Secret,
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 => KeyKind::Rsa,
            Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => KeyKind::Rsa,
            Algorithm::Es256 => KeyKind::P256,
            Algorithm::Es384 => KeyKind::P384,
            Algorithm::EdDsa => KeyKind::Ed25519,
        }
    }
}

/// `[jwt.NAME]` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawJwt {
    /// The file with the keys: a JWK set (`.json`), a public key (`.pem`) or a shared secret (`.key`). `${NAME}` is expanded.
    keys: At<Text>,
    /// Required. The signatures that are accepted, such as `["RS256"]`; all of a kind that the keys are for.
    algorithms: At<Vec<At<Word<Algorithm>>>>,
    /// The issuer a token must name; any when absent.
    issuer: Option<At<Text>>,
    /// The audiences of which a token must name one; any when absent.
    #[serde(default)]
    audience: Vec<At<Text>>,
    /// Where a request carries the token: `bearer` (the default), `header:NAME` or `cookie:NAME`.
    from: Option<At<Text>>,
    /// How far clocks may differ, at most `1h`. Default `30s`.
    leeway: Option<At<DurationText>>,
    /// The claims that rules may read and their types: `string`, `int`, `double`, `bool` or `list(string)`.
    #[serde(default)]
    claims: Entries<Text>,
    /// Within what users (the claim `sub`), tenants and tokens (`jti`) have their names: those of sections with one realm are the same. Default the name of the section.
    realm: Option<At<Text>>,
    /// The claim that says of which tenant a token is, a string or a whole number. All tokens of a tenant can be revoked at once then.
    tenant: Option<At<Text>>,
}

/// Checks all issuers, each by itself: expressions refer to them, so the wrong ones are marked, not left out.
pub(crate) fn lower(sections: &[Section<RawJwt>], check: &mut Check<'_>) -> Option<Vec<Option<Jwt>>> {
    let within = at_most(sections, JWTS_MAX, "issuers of tokens", check);
    let jwts: Vec<_> = sections
        .iter()
        .take(JWTS_MAX)
        .map(|section| {
            check.file = section.file;
            let name = name(&section.name).map_err(|wrong| check.note(section.head.clone(), wrong));
            let place = check.place(section.head.start);
            section.raw.as_ref()?.lower(name.ok(), place?, check)
        })
        .collect();
    within?;
    Some(jwts)
}

impl RawJwt {
    fn lower(&self, name: Option<String>, place: Place, check: &mut Check<'_>) -> Option<Jwt> {
        let keys = check.path(&self.keys);
        let written = &self.algorithms.value;
        if written.is_empty() {
            check.note(self.algorithms.span(), Wrong::new("at least one algorithm is needed, such as \"RS256\""));
        }
        let algorithms = check.list(written, Algorithm::WORDS.len(), Algorithm::parse);
        let fitting = match (&keys, &algorithms) {
            (Some(keys), Some(algorithms)) => self.fit(keys, algorithms, check),
            _ => None,
        };
        let issuer = check.value_or(self.issuer.as_ref(), None, |text| nonempty(text).map(Some));
        let audience = check.list(&self.audience, AUDIENCES_MAX, nonempty);
        let from = check.value_or(self.from.as_ref(), TokenSource::Bearer, source);
        let leeway = check.value_or(self.leeway.as_ref(), LEEWAY_DEFAULT, |text| match duration(text)? {
            long if long > LEEWAY_LONGEST => {
                Err(Wrong::new(format!("`{}` is too long; at most 1h is possible here", shown(text))))
            }
            leeway => Ok(leeway),
        });
        let claims = self.claims(check);
        let realm = check.value_or(self.realm.as_ref(), name.clone().unwrap_or_default(), self::name);
        let tenant = check.value_or(self.tenant.as_ref(), None, |text| nonempty(text).map(Some));
        fitting?;
        Some(Jwt {
            name: name?,
            keys: keys?,
            algorithms: algorithms?,
            issuer: issuer?,
            audience: audience?,
            from: from?,
            leeway: leeway?,
            claims: claims?,
            realm: realm?,
            tenant: tenant?,
            place,
        })
    }

    /// Notes algorithms that no key of the file can be for. A public key taken for a shared secret would let everybody sign.
    fn fit(&self, keys: &Path, algorithms: &[Algorithm], check: &mut Check<'_>) -> Option<()> {
        let secrets = algorithms.iter().filter(|algorithm| algorithm.key_kind() == KeyKind::Secret).count();
        let mixed = secrets > 0 && secrets < algorithms.len();
        let (wrong, span) = match keys.extension().and_then(|extension| extension.to_str()) {
            _ if mixed => (
                Wrong::new("algorithms of shared secrets beside those of public keys")
                    .advice("write two sections, one for each kind"),
                self.algorithms.span(),
            ),
            Some("key") if secrets == 0 && !algorithms.is_empty() => (
                Wrong::new("a shared secret (.key) is for HS256, HS384 and HS512")
                    .advice("public keys are in a .pem or .json file"),
                self.algorithms.span(),
            ),
            Some("json" | "pem") if secrets > 0 => (
                Wrong::new("HS256, HS384 and HS512 need a shared secret").advice("it is in a file that ends in .key"),
                self.algorithms.span(),
            ),
            Some("pem") if algorithms.windows(2).any(|two| matches!(two, [a, b] if a.key_kind() != b.key_kind())) => (
                Wrong::new("one public key is not for all of these algorithms")
                    .advice("several keys are in a .json file, a JWK set"),
                self.algorithms.span(),
            ),
            Some("json" | "pem" | "key") => return Some(()),
            _ => (
                Wrong::new("the name of a file of keys ends in .json, .pem or .key")
                    .advice("a JWK set, a public key or a shared secret"),
                self.keys.span(),
            ),
        };
        check.note(span, wrong);
        None
    }

    fn claims(&self, check: &mut Check<'_>) -> Option<Vec<(String, Type)>> {
        let written = &self.claims.0;
        if let Some((excess, _)) = written.get(CLAIMS_MAX) {
            let message = format!("{} claims; at most {CLAIMS_MAX} are possible", written.len());
            check.note(excess.span(), Wrong::new(message));
            return None;
        }
        let mut claims = Vec::new();
        for (name, ty) in written {
            let named = nonempty(&name.value).map_err(|wrong| check.note(name.span(), wrong));
            claims.push(named.ok().zip(check.value(ty, claim_type)));
        }
        claims.into_iter().collect()
    }
}

fn nonempty(text: &str) -> Result<String, Wrong> {
    const LONGEST: usize = 256;
    if (1..=LONGEST).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(format!("{} bytes; 1 to {LONGEST} are possible here", text.len())))
}

fn claim_type(text: &str) -> Result<Type, Wrong> {
    let types = || ["string", "int", "double", "bool", "list(string)"];
    Ok(match text {
        "string" => Type::String,
        "int" => Type::Int,
        "double" => Type::Double,
        "bool" => Type::Bool,
        "list(string)" => Type::List(Box::new(Type::String)),
        _ => {
            let wrong = Wrong::new(format!("`{}` is not the type of a claim", shown(text)));
            return Err(wrong.help(suggest::among(text, types)));
        }
    })
}

fn source(text: &str) -> Result<TokenSource, Wrong> {
    match text.split_once(':') {
        None if text == "bearer" => Ok(TokenSource::Bearer),
        Some(("header", name)) => field_name(name).map(TokenSource::Header),
        // RFC 6265 section 4.1.1: the name of a cookie is a token, its case kept.
        Some(("cookie", name)) => field_name(name).map(|_| TokenSource::Cookie(name.to_owned())),
        _ => Err(Wrong::new(format!("`{}` is no place for a token", shown(text)))
            .advice("write \"bearer\", \"header:NAME\" or \"cookie:NAME\"")),
    }
}
