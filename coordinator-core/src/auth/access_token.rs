//! The form of an access token (JWT, RFC 7519), whoever has signed it.

use jwt_compact::{Claims, UntrustedToken};
use serde::{Deserialize, Serialize};
use syncsphere_protocol::WorkspaceId;

use super::limits::Limits;

/// Longest token that is looked at, in bytes. Source: own choice; ours have about 500, and a
/// platform's headers end at some 16 or 32 KiB.
const MAX_TOKEN_LENGTH: usize = 8 * 1024;

/// Longest name of a key that is looked for, in bytes. Source: own choice; they are short.
const MAX_KEY_ID_LENGTH: usize = 256;

/// What a token has to say.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenClaims {
    pub iss: String,
    pub aud: Audience,
    pub sub: String,
    pub workspace: WorkspaceId,
    pub scope: String,
    #[serde(flatten)]
    pub limits: Limits,
}

/// Source: RFC 7519 section 4.1.3: one name or several.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(super) fn names(&self, wanted: &str) -> bool {
        match self {
            Self::One(name) => name == wanted,
            Self::Several(names) => names.iter().any(|name| name == wanted),
        }
    }
}

/// The members of a header that matter besides those that the library reads: critical extensions, of
/// which none is known here. Source: RFC 7515 section 4.1.11.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Extensions {
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// A well-formed token of which nothing has been verified.
pub(super) struct Unverified<'a> {
    text: &'a str,
    parsed: UntrustedToken<'a, Extensions>,
}

impl<'a> Unverified<'a> {
    /// `None` where `text` is no token, too long a one, or needs an extension to be understood.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MAX_TOKEN_LENGTH {
            return None;
        }
        let parsed = UntrustedToken::<Extensions>::try_from(text).ok()?;
        let header = parsed.header();
        let is_plain = header.other_fields.crit.is_none()
            && header.key_id.as_deref().is_none_or(|id| {
                id.len() <= MAX_KEY_ID_LENGTH && id.chars().all(|character| !character.is_control())
            });
        is_plain.then_some(Self { text, parsed })
    }

    /// The token as it was sent.
    pub(super) fn text(&self) -> &str {
        self.text
    }

    /// Whose token it says it is.
    pub(super) fn issuer(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Issued {
            iss: String,
        }
        let claims = self.parsed.deserialize_claims_unchecked::<Issued>().ok()?;
        Some(claims.custom.iss)
    }

    pub(super) fn algorithm(&self) -> &str {
        self.parsed.algorithm()
    }

    /// The name of the key, if it gives one. The header's `jku`, `jwk`, `x5u` and `x5c` are not looked
    /// at: where keys come from is configured.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.parsed.header().key_id.as_deref()
    }

    /// What is signed. Source: RFC 7515 section 5.2.
    pub(super) fn message(&self) -> &'a [u8] {
        let message = self.text.rsplit_once('.').map(|(message, _)| message);
        message.unwrap_or_default().as_bytes()
    }

    pub(super) fn signature(&self) -> &[u8] {
        self.parsed.signature_bytes()
    }

    /// What it says, whoever says it: verify the signature first. `None` where a claim is missing, of a
    /// wrong type, or there twice.
    pub(super) fn claims(&self) -> Option<Claims<TokenClaims>> {
        self.parsed.deserialize_claims_unchecked().ok()
    }

    /// The token as the library verifies it.
    pub(super) fn parsed(&self) -> &UntrustedToken<'a, Extensions> {
        &self.parsed
    }
}
