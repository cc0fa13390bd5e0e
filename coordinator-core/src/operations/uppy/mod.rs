//! Uploads by clients of other making: Uppy, which speaks to a Companion server or has single S3 requests signed.
//!
//! Both tell neither a file's size nor, of a whole file, that it has been sent. What they call an upload's id is its ticket:
//! nothing but the ticket says which object a request is about, whatever key the client names beside it.

pub(crate) mod naming;
pub(crate) mod parts;
pub(crate) mod sign;
pub(crate) mod token;
