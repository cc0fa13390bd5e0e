//! Uploads by clients of other making: Uppy, which speaks to a Companion server or has single S3 requests signed.
//!
//! Both tell neither a file's size nor, of a whole file, that it has been sent. What they call an upload's id is its ticket:
//! nothing but the ticket says which object a request is about, whatever key the client names beside it.

pub(crate) mod calls;
pub(crate) mod companion;
mod naming;
pub(crate) mod sign;
pub(crate) mod token;
mod xml;

use syncsphere_protocol::{PartNumber, PartToSign, SignedPart};

use super::OperationContext;
use super::sign_parts;
use crate::api_error::{ApiError, internal};
use crate::auth::Ticket;

/// A URL for a part, or for the whole of a file that goes as one request: its part 1.
fn signed<S, W>(
    op: &OperationContext<'_, S, W>,
    ticket: &Ticket,
    number: PartNumber,
) -> Result<SignedPart, ApiError> {
    let part = PartToSign {
        part_number: number,
        crc64nvme: None,
    };
    let mut urls = sign_parts::sign(op, ticket, &[part])?;
    urls.pop().ok_or_else(|| internal("no URL for a part"))
}

fn whole_file() -> Result<PartNumber, ApiError> {
    PartNumber::from_index(0).map_err(|error| internal(error.to_string()))
}
