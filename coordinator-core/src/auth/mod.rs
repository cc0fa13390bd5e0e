//! Who may do what: signing keys, access tokens, the token endpoint and upload tickets.

mod bearer;
mod clients;
mod grant;
mod keys;
mod ticket;

pub(crate) use bearer::{Principal, Scope, bearer_of, subprotocol_token};
pub use clients::Clients;
pub(crate) use grant::grant_token;
pub use keys::SigningKeys;
pub(crate) use ticket::Ticket;
