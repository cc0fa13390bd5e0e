//! The ways out of the core. Every side effect goes through one of them.

use std::future::Future;
use std::time::Duration;

use syncsphere_protocol::WorkspaceId;

use crate::ledger::{Call, FileSpan, Reply};
use crate::public_key::PublicKey;

/// The body of a request, read once it is known who asks.
pub trait RequestBody {
    /// The whole body, or, of one that is longer than `limit` bytes, more than that many of them.
    fn read(self, limit: usize) -> impl Future<Output = Result<Vec<u8>, UnreadableBody>>;
}

/// The connection broke before the body had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request's body cannot be read")]
pub struct UnreadableBody;

/// A body that has been read.
impl RequestBody for Vec<u8> {
    async fn read(self, _limit: usize) -> Result<Vec<u8>, UnreadableBody> {
        Ok(self)
    }
}

/// Object storage, reached by requests that the core has built and signed.
pub trait Storage {
    /// Sends `request` and gives back the whole response.
    ///
    /// The body of the response is cut off above `reply_limit` bytes by failing with
    /// [`StorageFailure::ReplyTooLarge`]. An answer that takes longer than `timeout` is
    /// [`StorageFailure::TimedOut`]; the request may have taken effect all the same.
    /// Dropping the future gives the request up, with the same uncertainty.
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
        timeout: Duration,
        reply_limit: usize,
    ) -> impl Future<Output = Result<http::Response<Vec<u8>>, StorageFailure>>;

    /// Resolves after so long: the pause before a request is sent again. Where time is not to pass, it
    /// resolves at once.
    fn pause(&self, span: Duration) -> impl Future<Output = ()> {
        let _ = span;
        std::future::ready(())
    }
}

/// Why storage gave no answer. Whether it acted on the request is unknown in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StorageFailure {
    /// No connection, or one that broke.
    #[error("storage cannot be reached")]
    Unreachable,
    /// No answer in time.
    #[error("storage did not answer in time")]
    TimedOut,
    /// The answer was larger than any that the core expects.
    #[error("storage answered more than was expected")]
    ReplyTooLarge,
    /// It was not asked: this invocation has made all the requests that it may.
    #[error("the requests that one invocation may make are used up")]
    Spent,
}

/// The workspaces' ledgers, one for each workspace.
pub trait Workspaces {
    /// Carries out one command in one transaction of the workspace's ledger, by
    /// [`ledger::apply`](crate::ledger::apply).
    fn call(
        &self,
        workspace: &WorkspaceId,
        call: Call,
    ) -> impl Future<Output = Result<Reply, WorkspaceFailure>>;
}

/// The workspace's ledger gave no answer; whether the command was carried out is unknown. Every
/// command may be repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the workspace does not answer: {cause}")]
pub struct WorkspaceFailure {
    /// What happened, for the log; never shown to clients.
    pub cause: String,
}

/// What letting somebody in takes: external issuers of tokens, the platform's cryptography for what they sign, and
/// its limits.
pub trait IdentityProviders {
    /// Fetches the document at an address of the configuration. Fails above `reply_limit` bytes, where it
    /// takes longer than `timeout`, and on every status but 200; redirects are not followed.
    fn fetch_keys(
        &self,
        url: &http::Uri,
        timeout: Duration,
        reply_limit: usize,
    ) -> impl Future<Output = Result<Vec<u8>, IssuerFailure>>;

    /// Whether `signature` is one over `message` by this key. A key that the platform cannot use signs
    /// nothing.
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> impl Future<Output = bool>;

    /// Resolves after so long.
    fn pause(&self, span: Duration) -> impl Future<Output = ()>;

    /// Counts a request of this subject, named by a digest. The error is in how many seconds it may ask
    /// again, where it has asked too often.
    fn count_request(&self, subject: &str) -> impl Future<Output = Result<(), u32>>;
}

/// An issuer's keys could not be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the issuer gives no keys")]
pub struct IssuerFailure;

/// For a coordinator without external issuers and without limits.
#[derive(Debug, Clone, Copy)]
pub struct NoIdentityProviders;

impl IdentityProviders for NoIdentityProviders {
    async fn fetch_keys(&self, _: &http::Uri, _: Duration, _: usize) -> Result<Vec<u8>, IssuerFailure> {
        Err(IssuerFailure)
    }

    async fn verify(&self, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
        false
    }

    async fn pause(&self, _: Duration) {}

    async fn count_request(&self, _: &str) -> Result<(), u32> {
        Ok(())
    }
}

/// The metadata database: an outside copy of what workspaces hold, always a little behind.
pub trait MetadataDatabase {
    /// Writes what `rows` tells, all of it or nothing.
    ///
    /// `rows` is a JSON array of `{"file":…,"kind":…,"at":…}`, each a file's record and, where the row
    /// is a change, what happened and when. A file that is known in a later state (a larger `seq`) stays
    /// as it is, and a change that is known is left alone: the same rows may come again, and old ones
    /// after new ones. No text in it holds U+0000, which PostgreSQL cannot store.
    ///
    /// With a `span`, the rows' files are all that there are in it, but for those that it names as unreadable. Others that
    /// the database has there with a `seq` of at most [`FileSpan::as_of`] and knows to be uploading or available are deleted
    /// as of then.
    ///
    /// Dropping the future gives the attempt up; whether it took effect is unknown then.
    fn write(
        &self,
        workspace: &WorkspaceId,
        rows: String,
        span: Option<&FileSpan>,
    ) -> impl Future<Output = Result<(), DatabaseFailure>>;
}

/// The database has not taken what it was given, or nobody knows whether it has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the database failed: {cause}")]
pub struct DatabaseFailure {
    /// What happened, for the log and for operators: neither an address nor a credential nor anything of a file.
    pub cause: String,
    /// Whether it refused what it was given: other rows may fare better.
    pub is_about_rows: bool,
}

/// The way to webhooks.
pub trait WebhookSender {
    /// Sends a request and gives the answer's status, within ten seconds. Redirects are not followed, and of the answer's
    /// body nothing is kept.
    fn post(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> impl Future<Output = Result<http::StatusCode, WebhookFailure>>;
}

/// An endpoint gave no answer; whether it has taken the message is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookFailure {
    /// No connection, or one that broke.
    #[error("it cannot be reached")]
    Unreachable,
    /// No answer in time.
    #[error("it did not answer in time")]
    TimedOut,
    /// It was not asked: this invocation has made all the requests that it may.
    #[error("the requests that one invocation may make are used up")]
    Spent,
}

/// A queue of the platform.
pub trait EventQueue {
    /// Adds messages, each JSON, in their order: all or none of them.
    fn send(&self, messages: Vec<String>) -> impl Future<Output = Result<(), QueueFailure>>;
}

/// The queue has not taken messages, or nobody knows whether it has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the queue failed: {cause}")]
pub struct QueueFailure {
    /// What happened, for the log and for operators.
    pub cause: String,
}
