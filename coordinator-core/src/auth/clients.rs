//! Backends that may mint tokens for their users.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use syncsphere_protocol::{Redacted, WorkspaceId};

use super::scope::Scope;
use super::workspace_patterns::WorkspacePatterns;

/// Rounds of PBKDF2 that a hash may ask for.
///
/// Source: own choice. A secret that a machine made up needs no stretching at all; 1,000 rounds are
/// RFC 8018's least, and 100,000 cost a worker some 150 ms.
const ROUNDS: std::ops::RangeInclusive<u32> = 1_000..=100_000;

/// Shortest salt, in bytes. Source: RFC 8018 section 4.1.
const MIN_SALT: usize = 8;

/// Bytes of a hash. Source: SHA-256, what PBKDF2 makes in one go.
const HASH: usize = 32;

/// Most clients. Source: own choice; a variable of the platform ends at 5 KB.
const MAX_CLIENTS: usize = 100;

/// The clients of the token endpoint. Their secrets are not known here, only hashes of them.
#[derive(Clone, Default)]
pub struct Clients(Vec<Client>);

/// A backend.
#[derive(Clone)]
pub(super) struct Client {
    id: String,
    secret: SecretHash,
    /// What its tokens may allow.
    pub scopes: BTreeSet<Scope>,
    workspaces: WorkspacePatterns,
}

impl Clients {
    /// Reads a JSON list such as
    /// `[{"id":"backend","secretHash":"$pbkdf2-sha256$i=2000$SALT$HASH","scopes":["files:read"],"workspaces":["team-*"]}]`.
    /// `None` where it is no such list. A workspace that ends in `*` stands for all that begin so.
    pub fn parse(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Entry {
            id: String,
            secret_hash: Redacted<String>,
            scopes: Vec<String>,
            workspaces: WorkspacePatterns,
        }
        let entries: Vec<Entry> = serde_json::from_str(text).ok()?;
        let ids: BTreeSet<_> = entries.iter().map(|entry| entry.id.clone()).collect();
        if ids.len() < entries.len() || entries.len() > MAX_CLIENTS || ids.contains("") {
            return None;
        }
        let clients = entries.into_iter().map(|entry| {
            Some(Client {
                secret: SecretHash::parse(&entry.secret_hash)?,
                scopes: entry
                    .scopes
                    .iter()
                    .map(|name| Scope::named(name))
                    .collect::<Option<_>>()?,
                id: entry.id,
                workspaces: entry.workspaces,
            })
        });
        clients.collect::<Option<_>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The client of this id, if the secret is its own. Takes as long for an id that nobody has.
    pub(super) fn authenticate(&self, id: &str, secret: &str) -> Option<&Client> {
        let known = self.0.iter().find(|client| client.id == id);
        let is_right = known.or(self.0.first())?.secret.is_of(secret);
        known.filter(|_| is_right)
    }
}

impl Client {
    /// Whether its tokens may open this workspace.
    pub(super) fn may_open(&self, workspace: &WorkspaceId) -> bool {
        self.workspaces.matches(workspace)
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|client| &client.id))
            .finish()
    }
}

/// A salted hash of a secret.
#[derive(Clone)]
struct SecretHash {
    rounds: u32,
    salt: Vec<u8>,
    hash: [u8; HASH],
}

impl SecretHash {
    /// Source: the PHC string format,
    /// <https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md>
    fn parse(text: &str) -> Option<Self> {
        // Tools differ in whether they pad.
        const BASE64: GeneralPurpose = GeneralPurpose::new(
            &alphabet::STANDARD,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let mut fields = text.strip_prefix("$pbkdf2-sha256$i=")?.split('$');
        let (rounds, salt, hash) = (fields.next()?, fields.next()?, fields.next()?);
        let rounds = rounds.parse().ok().filter(|rounds| ROUNDS.contains(rounds))?;
        let salt = BASE64.decode(salt).ok().filter(|salt| salt.len() >= MIN_SALT)?;
        let hash = BASE64.decode(hash).ok()?.try_into().ok()?;
        let is_all = fields.next().is_none();
        is_all.then_some(Self { rounds, salt, hash })
    }

    fn is_of(&self, secret: &str) -> bool {
        let mut hash = [0; HASH];
        pbkdf2::pbkdf2_hmac::<Sha256>(secret.as_bytes(), &self.salt, self.rounds, &mut hash);
        hash.ct_eq(&self.hash).into()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Of the secret `passwd` with the salt `saltsalt`, by Python's `hashlib.pbkdf2_hmac`.
    pub(crate) const HASH_OF_PASSWD: &str =
        "$pbkdf2-sha256$i=10000$c2FsdHNhbHQ$X1gny5glAJnEPZRwO3EFZU1ZaJgbKyqpfDgz0/bdzOU";

    pub(crate) fn list(workspaces: &str) -> String {
        format!(
            r#"[{{"id":"backend","secretHash":"{HASH_OF_PASSWD}","scopes":["files:read","files:write"],"workspaces":{workspaces}}},
                {{"id":"reader","secretHash":"{HASH_OF_PASSWD}","scopes":["files:read"],"workspaces":["*"]}}]"#
        )
    }

    #[test]
    fn a_client_is_known_by_its_secret_and_opens_its_workspaces() {
        let clients = Clients::parse(&list(r#"["one","team-*"]"#)).unwrap();
        assert!(clients.authenticate("backend", "passwd ").is_none());
        assert!(clients.authenticate("nobody", "passwd").is_none());
        let client = clients.authenticate("backend", "passwd").unwrap();
        let opens = |workspace: &str| client.may_open(&workspace.parse().unwrap());
        assert!(opens("one") && opens("team-") && opens("team-7"));
        assert!(!opens("two") && !opens("on") && !opens("one1") && !opens("team"));
        assert_eq!(format!("{clients:?}"), r#"["backend", "reader"]"#);
    }

    #[test]
    fn whatever_is_no_list_of_clients_is_refused() {
        let good = list(r#"["one"]"#);
        assert!(Clients::parse(&good).is_some());
        assert!(Clients::parse("[]").unwrap().is_empty());
        for (from, to) in [
            ("i=10000", "i=999"),
            ("i=10000", "i=100001"),
            ("$pbkdf2-sha256", "$argon2id"),
            ("c2FsdHNhbHQ", "c2FsdA"),
            (r#""reader""#, r#""backend""#),
            (r#""reader""#, r#""""#),
            ("files:write", "files:everything"),
            ("secretHash", "secret"),
            (r#"["*"]"#, "[1]"),
        ] {
            let bad = good.replace(from, to);
            assert!(bad != good && Clients::parse(&bad).is_none(), "{from} -> {to}");
        }
    }
}
