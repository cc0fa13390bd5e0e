//! The S3 API as far as uploads need it: where the bucket is, how requests are signed, what they
//! say and what the answers mean.

mod bucket;
mod client;
mod form;
mod presign;
mod query_signature;
mod replies;
mod sign;

pub use bucket::{Addressing, Bucket, Endpoint, InvalidEndpoint, Provider, PublicEndpoints};
pub(crate) use client::{PartToComplete, S3, S3Failure};
pub(crate) use presign::{Download, Length, PartUpload, SingleUpload};
pub(crate) use query_signature::SigningKeyCache;
pub(crate) use replies::{StoredObject, Unreadable, parse};
