//! Who may do what: signing keys, access tokens of our own and of outside issuers, the token endpoint and
//! upload tickets.

mod access_token;
mod bearer;
mod clients;
mod gate;
mod grant;
mod jwks;
mod key_ring;
mod keys;
mod outside;
mod principal;
mod reach;
mod s3_call;
mod sealed;
mod seen;
mod ticket;

pub(crate) use bearer::{bearer_of, cookie_of, subprotocol_token};
pub use clients::Clients;
pub(crate) use gate::{Gate, KnownKeys};
pub(crate) use grant::grant_token;
pub use jwks::{Algorithm, PublicKey};
pub use keys::SigningKeys;
pub use outside::OutsideIssuers;
pub(crate) use outside::WrongIssuers;
pub(crate) use principal::{Principal, Scope};
pub(crate) use s3_call::{Creation, S3Call, S3CallKind};
pub(crate) use ticket::Ticket;
