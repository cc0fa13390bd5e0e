//! Who may do what: signing keys, access tokens of our own and of outside issuers, the token endpoint and
//! upload tickets.

mod access_token;
mod authenticator;
mod bearer;
mod clients;
mod external_issuers;
mod grant;
mod jwks;
mod jwks_cache;
mod keys;
mod presigned_call;
mod principal;
mod sealed;
mod ticket;
mod verified_token_cache;
mod workspace_patterns;

pub(crate) use authenticator::{Authenticator, VerificationCache};
pub(crate) use bearer::{bearer_token, cookie_value, subprotocol_token};
pub use clients::Clients;
pub use external_issuers::ExternalIssuers;
pub(crate) use external_issuers::InvalidIssuers;
pub(crate) use grant::grant_token;
pub use jwks::{Algorithm, PublicKey};
pub use keys::SigningKeys;
pub(crate) use presigned_call::{Creation, PresignedAction, PresignedCall};
pub(crate) use principal::{Principal, Scope};
pub(crate) use ticket::Ticket;
