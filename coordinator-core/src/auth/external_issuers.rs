//! External issuers: whose tokens are taken besides our own, and how each of them signs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Uri;
use jwt_compact::alg::Hs256Key;
use serde::Deserialize;

use super::workspace_patterns::WorkspacePatterns;
use crate::public_key::Algorithm;

/// Most issuers. Source: own choice; a variable of the platform ends at 5 KB.
const MAX_ISSUERS: usize = 32;

/// Least bytes of a shared secret. Source: RFC 7518 section 3.2: as many as the hash has.
const MIN_SECRET: usize = 32;

/// What the name of a variable begins with that holds a shared secret, so that no other secret can be
/// taken for one. Source: own choice.
const SECRET_PREFIX: &str = "AUTH_ISSUER_SECRET_";

/// The external issuers.
#[derive(Clone, Default)]
pub struct ExternalIssuers(Vec<ExternalIssuer>);

/// One of them.
#[derive(Clone)]
pub(super) struct ExternalIssuer {
    /// Its tokens' `iss`.
    pub name: String,
    /// What one of its tokens' `aud` has to be.
    pub audience: String,
    /// Which workspaces its tokens may open.
    pub workspaces: WorkspacePatterns,
    pub proof: Proof,
}

/// How an issuer proves that a token is its own.
#[derive(Clone)]
pub(super) enum Proof {
    /// A signature by one of the keys that it publishes at this address.
    Published { algorithm: Algorithm, url: Uri },
    /// HS256 with a secret that it shares with us.
    Shared(Box<Hs256Key>),
}

/// Why a list of issuers cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidIssuers {
    /// It is no such list.
    List,
    /// It names a variable that holds no secret of sufficient length.
    Secret,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    issuer: String,
    audience: String,
    algorithm: String,
    jwks_url: Option<String>,
    secret_variable: Option<String>,
    workspaces: Option<WorkspacePatterns>,
}

impl ExternalIssuers {
    /// Names of the variables in which a list (`AUTH_ISSUERS`) keeps its shared secrets. A list that
    /// cannot be read has none; [`ExternalIssuers::parse`] says so.
    pub(crate) fn secret_variables(list: &str) -> Vec<String> {
        let entries: Vec<Entry> = serde_json::from_str(list).unwrap_or_default();
        let names = entries.into_iter().filter_map(|entry| entry.secret_variable);
        names.filter(|name| is_secret_name(name)).collect()
    }

    /// Reads a JSON list such as
    /// `[{"issuer":"https://id.example","audience":"uploads","algorithm":"RS256","jwksUrl":"https://id.example/jwks.json"}]`,
    /// with the variables that hold shared secrets. `own` is the issuer that we are ourselves.
    pub(crate) fn parse(
        list: &str,
        vars: &BTreeMap<String, String>,
        own: &str,
    ) -> Result<Self, InvalidIssuers> {
        let entries: Vec<Entry> = serde_json::from_str(list).map_err(|_| InvalidIssuers::List)?;
        let mut names: BTreeSet<_> = entries.iter().map(|entry| entry.issuer.as_str()).collect();
        names.insert(own);
        if names.len() != entries.len() + 1 || entries.len() > MAX_ISSUERS {
            return Err(InvalidIssuers::List);
        }
        let issuers = entries.into_iter().map(|entry| entry.into_issuer(vars));
        issuers.collect::<Result<_, _>>().map(Self)
    }

    /// The issuer of this name, and its place in the list.
    pub(super) fn named(&self, name: &str) -> Option<(usize, &ExternalIssuer)> {
        self.0.iter().enumerate().find(|(_, issuer)| issuer.name == name)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Neither addresses nor secrets.
impl fmt::Debug for ExternalIssuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} external issuers", self.len())
    }
}

impl Entry {
    fn into_issuer(self, vars: &BTreeMap<String, String>) -> Result<ExternalIssuer, InvalidIssuers> {
        if self.issuer.is_empty() || self.audience.is_empty() {
            return Err(InvalidIssuers::List);
        }
        let proof = match (self.algorithm.as_str(), self.jwks_url, self.secret_variable) {
            ("HS256", None, Some(variable)) if is_secret_name(&variable) => {
                let secret = vars.get(&variable).and_then(|text| shared_secret(text));
                Proof::Shared(Box::new(Hs256Key::new(secret.ok_or(InvalidIssuers::Secret)?)))
            }
            (name, Some(url), None) => {
                let algorithm = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa]
                    .into_iter()
                    .find(|algorithm| algorithm.name() == name);
                Proof::Published {
                    algorithm: algorithm.ok_or(InvalidIssuers::List)?,
                    url: key_address(&url).ok_or(InvalidIssuers::List)?,
                }
            }
            _ => return Err(InvalidIssuers::List),
        };
        Ok(ExternalIssuer {
            name: self.issuer,
            audience: self.audience,
            workspaces: self.workspaces.unwrap_or_else(WorkspacePatterns::all),
            proof,
        })
    }
}

fn is_secret_name(name: &str) -> bool {
    name.strip_prefix(SECRET_PREFIX).is_some_and(|rest| {
        (1..=64).contains(&rest.len())
            && rest
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    })
}

/// The bytes of a secret: those of the text itself, or what stands in base64 after `base64:`.
fn shared_secret(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let secret = match text.strip_prefix("base64:") {
        Some(encoded) => STANDARD
            .decode(encoded)
            .or_else(|_| URL_SAFE_NO_PAD.decode(encoded))
            .ok()?,
        None => text.as_bytes().to_vec(),
    };
    (secret.len() >= MIN_SECRET).then_some(secret)
}

/// An address that keys may be fetched from: HTTPS, or this machine while developing.
fn key_address(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let authority = url.authority()?;
    let is_safe = match url.scheme_str()? {
        "https" => true,
        "http" => matches!(authority.host(), "127.0.0.1" | "[::1]" | "localhost"),
        _ => false,
    };
    let is_plain = !authority.as_str().contains('@') && !authority.host().is_empty() && !text.contains('#');
    (is_safe && is_plain).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const LIST: &str = r#"[
        {"issuer":"https://id.test","audience":"uploads","algorithm":"RS256","jwksUrl":"https://id.test/jwks","workspaces":["team-*"]},
        {"issuer":"backend","audience":"uploads","algorithm":"HS256","secretVariable":"AUTH_ISSUER_SECRET_BACKEND"}
    ]"#;

    fn parse(list: &str, secret: &str) -> Result<ExternalIssuers, InvalidIssuers> {
        let vars = BTreeMap::from([("AUTH_ISSUER_SECRET_BACKEND".to_owned(), secret.to_owned())]);
        ExternalIssuers::parse(list, &vars, "us")
    }

    #[test]
    fn a_list_names_issuers_and_where_their_keys_and_secrets_are() {
        let issuers = parse(LIST, &"s".repeat(32)).unwrap();
        let (index, issuer) = issuers.named("https://id.test").unwrap();
        assert_eq!((index, issuer.audience.as_str()), (0, "uploads"));
        assert!(issuer.workspaces.matches(&"team-1".parse().unwrap()));
        assert!(!issuer.workspaces.matches(&"other".parse().unwrap()));
        let (_, backend) = issuers.named("backend").unwrap();
        assert!(backend.workspaces.matches(&"other".parse().unwrap()));
        assert!(issuers.named("us").is_none());
        assert_eq!(format!("{issuers:?}"), "2 external issuers");
        assert_eq!(
            ExternalIssuers::secret_variables(LIST),
            ["AUTH_ISSUER_SECRET_BACKEND"]
        );
        assert_eq!(parse("[]", "").unwrap().len(), 0);
    }

    #[test]
    fn a_secret_is_as_long_as_the_hash_at_least() {
        assert!(parse(LIST, &format!("base64:{}", STANDARD.encode([255; 32]))).is_ok());
        assert!(parse(LIST, &format!("base64:{}", URL_SAFE_NO_PAD.encode([255; 32]))).is_ok());
        for short in [
            String::new(),
            "s".repeat(31),
            format!("base64:{}", STANDARD.encode([255; 31])),
            format!("base64:{}", "*".repeat(50)),
        ] {
            assert_eq!(parse(LIST, &short).err(), Some(InvalidIssuers::Secret), "{short}");
        }
        let nowhere = ExternalIssuers::parse(LIST, &BTreeMap::new(), "us");
        assert_eq!(nowhere.err(), Some(InvalidIssuers::Secret));
    }

    #[test]
    fn whatever_is_no_such_list_is_refused() {
        for (from, to) in [
            ("\"backend\"", "\"us\""),
            ("\"backend\"", "\"https://id.test\""),
            ("\"backend\"", "\"\""),
            ("\"uploads\"", "\"\""),
            ("RS256", "RS512"),
            ("RS256", "none"),
            ("RS256", "HS256"),
            ("HS256", "RS256"),
            ("https://id.test/jwks", "http://id.test/jwks"),
            ("https://id.test/jwks", "ftp://id.test/jwks"),
            ("https://id.test/jwks", "https://user:pass@id.test/jwks"),
            ("https://id.test/jwks", "/jwks"),
            ("https://id.test/jwks", "http://localhost.evil.test/jwks"),
            ("AUTH_ISSUER_SECRET_BACKEND", "S3_SECRET_ACCESS_KEY"),
            ("AUTH_ISSUER_SECRET_BACKEND", "AUTH_ISSUER_SECRET_"),
            ("workspaces", "workspace"),
            (r#"["team-*"]"#, "\"team-*\""),
            ("]", ""),
        ] {
            let bad = LIST.replace(from, to);
            assert_ne!(bad, LIST);
            assert_eq!(
                parse(&bad, &"s".repeat(32)).err(),
                Some(InvalidIssuers::List),
                "{from} -> {to}"
            );
        }
        for good in [
            "http://127.0.0.1:8/jwks",
            "http://[::1]:8/jwks",
            "http://localhost:8/",
        ] {
            assert!(
                parse(&LIST.replace("https://id.test/jwks", good), &"s".repeat(32)).is_ok(),
                "{good}"
            );
        }
    }
}
