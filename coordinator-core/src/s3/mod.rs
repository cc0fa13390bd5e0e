//! The S3 API as far as uploads need it: where the bucket is, how requests are signed, what they
//! say and what the answers mean.

mod bucket;
mod client;
mod copy;
mod delete;
mod failure;
mod form;
mod listings;
mod object_headers;
mod presign;
mod query_signature;
mod replies;
mod sign;
mod signing_key_cache;

pub use bucket::{Addressing, Bucket, Endpoint, InvalidEndpoint, Provider, PublicEndpoints};
pub(crate) use client::{NAMESPACE, PartToComplete, S3};
pub(crate) use copy::PartCopy;
pub(crate) use failure::{OTHER_REGION, S3Failure};
pub use object_headers::ObjectHeaders;
pub(crate) use presign::{Download, Length, PartUpload, SingleUpload};
pub(crate) use replies::{Completed, StoredObject, Unreadable, parse};
pub(crate) use signing_key_cache::SigningKeyCache;
