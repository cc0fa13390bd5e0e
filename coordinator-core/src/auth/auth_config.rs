use std::time::Duration;

use super::clients::Clients;
use super::external_issuers::ExternalIssuers;
use super::keys::SigningKeys;

/// How tokens are issued and checked.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// The first key signs, all of them verify.
    pub keys: SigningKeys,
    /// The tokens' `iss`.
    pub issuer: String,
    /// The tokens' `aud`.
    pub audience: String,
    /// Life of an issued token.
    pub token_ttl: Duration,
    /// Whether anybody may have a token.
    pub guests: bool,
    /// Backends that may have tokens for their users.
    pub clients: Clients,
    /// Others whose tokens are taken.
    pub external_issuers: ExternalIssuers,
}
