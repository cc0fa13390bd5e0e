//! Who may do what: signing keys, access tokens of our own and of external issuers, the token endpoint and
//! upload tickets.

mod access_token;
mod auth_config;
mod authenticator;
mod clients;
mod external_issuers;
mod grant;
mod jwks;
mod jwks_cache;
mod keys;
mod limits;
mod presigned_call;
mod principal;
mod scope;
mod sealed;
mod ticket;
mod verified_token_cache;
mod workspace_patterns;

pub use auth_config::AuthConfig;
pub(crate) use authenticator::{Authenticator, VerificationCache, digest_of};
pub use clients::Clients;
pub use external_issuers::ExternalIssuers;
pub(crate) use external_issuers::InvalidIssuers;
pub(crate) use grant::{ClientHeader, TokenRequest, grant_token, invalid_token_request};
pub use keys::SigningKeys;
pub(crate) use presigned_call::{Creation, PresignedAction, PresignedCall};
pub(crate) use principal::Principal;
pub(crate) use scope::Scope;
pub(crate) use ticket::Ticket;
