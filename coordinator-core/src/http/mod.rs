//! Everything that knows HTTP: which request is for which operation, how requests are read, and how replies are written.

mod companion;
mod companion_access;
mod credentials;
pub(crate) mod dispatch;
mod handlers;
pub(crate) mod reply;
mod request;
pub(crate) mod routes;
mod s3_calls;
mod s3_xml;
mod token_form;

pub(crate) use credentials::subprotocol_token;
pub(crate) use request::Query;
