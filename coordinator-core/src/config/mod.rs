//! The coordinator's configuration, parsed once from named text values.

mod buckets;
mod hosts;
mod origins;
mod retention;
mod storage;
mod upload_life;
mod variables;
mod webhooks;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use syncsphere_protocol::{MAX_OBJECT_SIZE, WorkspaceId};

use crate::auth::{AuthConfig, Clients, ExternalIssuers, InvalidIssuers, SigningKeys};
use crate::ledger::{Destination, Retention};
use crate::model::BucketName;
use crate::policy::{self, KeyTemplate};
use crate::s3::Bucket;

use hosts::is_this_machine;
use variables::Vars;

pub use buckets::BucketPatterns;
pub use origins::AllowedOrigins;
pub use retention::VersionsKept;
pub use variables::ConfigError;
pub(crate) use webhooks::QUEUE;
pub use webhooks::Webhook;

/// Every variable that [`Config::from_vars`] knows; shells read these and [`Config::further_variables`].
pub const VARIABLES: &[&str] = &[
    "S3_ENDPOINT",
    "S3_PUBLIC_ENDPOINT",
    "S3_REGION",
    "S3_BUCKET",
    "S3_BUCKETS",
    "S3_ADDRESSING",
    "S3_ACCESS_KEY_ID",
    "S3_SECRET_ACCESS_KEY",
    "S3_PROVIDER",
    "S3_FORMS",
    "S3_CONDITIONAL_WRITES",
    "S3_CHECKSUM",
    "S3_SESSION_TOKEN",
    "S3_PREFIX",
    "S3_KEY_TEMPLATE",
    "S3_OBJECT_HEADERS",
    "DOWNLOAD_TTL_SECONDS",
    "SUBREQUEST_LIMIT",
    "URL_TTL_SECONDS",
    "UPLOAD_TTL_SECONDS",
    "UPLOAD_MAX_LIFETIME_SECONDS",
    "FINALIZE_AFTER_SECONDS",
    "CHANGES_TTL_SECONDS",
    "VERSIONS_KEEP",
    "VERSIONS_MAX_AGE_DAYS",
    ORPHAN_UPLOADS.0,
    ORPHAN_UPLOADS.1,
    ORPHAN_AGE_SECONDS.0,
    ORPHAN_AGE_SECONDS.1,
    "MAX_FILE_SIZE",
    "ALLOWED_ORIGINS",
    "COMPANION_COOKIE",
    "AUTH_SIGNING_KEY",
    "AUTH_ISSUER",
    "AUTH_AUDIENCE",
    "AUTH_TOKEN_TTL_SECONDS",
    "AUTH_GUEST",
    "AUTH_CLIENTS",
    ISSUERS,
    "WEBHOOKS",
    "WEBHOOK_LOOPBACK",
];

/// Variables that have had another name before: the name and the former one, which counts where the name is not set.
const ORPHAN_UPLOADS: (&str, &str) = ("ORPHAN_UPLOADS", "STRAY_UPLOADS");
const ORPHAN_AGE_SECONDS: (&str, &str) = ("ORPHAN_AGE_SECONDS", "STRAY_AGE_SECONDS");

/// The list of external issuers.
const ISSUERS: &str = "AUTH_ISSUERS";

/// Longest life of a presigned URL, in seconds (7 days).
///
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
const MAX_URL_TTL_SECONDS: u64 = 604_800;

/// Default life of a presigned URL, in seconds.
///
/// Source: own choice. Long enough for a part over a slow line to be started, short enough that a
/// leaked URL soon dies; clients renew URLs as they go.
const DEFAULT_URL_TTL_SECONDS: u64 = 3_600;

/// Default of the longest life of a download link, in seconds.
///
/// Source: own choice. A film is watched for hours, by many requests to one link; who asks for so long a life says so.
const DEFAULT_DOWNLOAD_TTL_SECONDS: u64 = 4 * 3_600;

/// Default time that changes are kept, in seconds (30 days), and the longest (10 years).
///
/// Source: own choice. A page that was closed for longer reads the list of files anew, which is no more work
/// than so many changes.
const DEFAULT_CHANGES_TTL_SECONDS: u64 = 30 * 86_400;
const MAX_CHANGES_TTL_SECONDS: u64 = 3_660 * 86_400;

/// Default age at which a multipart upload that no ledger knows is given up, in seconds (a day), and the
/// greatest (a year). Source: issue 5; what begins an upload is done within minutes.
const DEFAULT_ORPHAN_AGE_SECONDS: u64 = 86_400;
const MAX_ORPHAN_AGE_SECONDS: u64 = 366 * 86_400;

/// Default number of requests that one invocation of the worker may make, the least, and the most that Cloudflare
/// lets anybody set.
///
/// Source: 50 on the free plan and 10,000 on paid ones, of which a tenth is enough for every batch there is:
/// <https://developers.cloudflare.com/workers/platform/limits/#subrequests>; the least is own choice, a completion
/// of 10,000 parts and to spare.
const DEFAULT_SUBREQUESTS: u64 = 1_000;
const MIN_SUBREQUESTS: u64 = 30;
const MAX_SUBREQUESTS: u64 = 10_000_000;

/// Of those, what is kept for others than storage: keys of external issuers, the metadata database. Source: own choice.
const SUBREQUESTS_FOR_OTHERS: u32 = 4;

/// Default and longest life of an access token, in seconds. Source: own choice.
const DEFAULT_TOKEN_TTL_SECONDS: u64 = 3_600;
const MAX_TOKEN_TTL_SECONDS: u64 = 30 * 86_400;

/// Everything an operator decides. Names of the variables: [`VARIABLES`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the bytes go.
    pub bucket: Bucket,
    /// Which workspaces' files go to other buckets.
    pub bucket_patterns: BucketPatterns,
    /// Where in the bucket each file lies.
    pub key_template: KeyTemplate,
    /// How many requests one invocation of the worker may make.
    pub subrequest_limit: u32,
    /// Life of a presigned URL.
    pub url_ttl: Duration,
    /// Longest life of a download link that a client may ask for.
    pub download_ttl: Duration,
    /// Life of an open upload: from its beginning, and of one in parts from when its newest part arrived.
    pub upload_ttl: Duration,
    /// How long an upload in parts lives at most while they arrive; no less than `upload_ttl`.
    pub upload_max_lifetime: Duration,
    /// How long after its last byte an upload is finalized without its page.
    pub finalize_after: Duration,
    /// How long changes are kept.
    pub changes_ttl: Duration,
    /// Which versions of a file are kept.
    pub versions_kept: VersionsKept,
    /// What is done with multipart uploads that no ledger knows.
    pub orphan_uploads: OrphanUploads,
    /// How old such an upload has to be.
    pub orphan_age: Duration,
    /// Largest file that is taken, in bytes.
    pub max_file_size: u64,
    /// Origins, besides its own, whose pages may call the API.
    pub allowed_origins: AllowedOrigins,
    /// Where changes are sent to by HTTP.
    pub webhooks: Vec<Webhook>,
    /// The cookie that may hold an access token for the endpoints that answer as Companion does.
    pub companion_cookie: Option<String>,
    /// How tokens are issued and checked.
    pub auth: AuthConfig,
}

/// What is done with multipart uploads that no ledger knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrphanUploads {
    /// They are aborted, and that is reported.
    Abort,
    /// They are reported.
    Report,
    /// Nobody looks for them.
    Off,
}

impl Config {
    /// Names of the variables that hold the shared secrets of external issuers, as `vars` tell: shells read
    /// these too before they call [`Config::from_vars`].
    pub fn further_variables(vars: &BTreeMap<String, String>) -> Vec<String> {
        ExternalIssuers::secret_variables(Vars(vars).optional(ISSUERS).unwrap_or("[]"))
    }

    /// Where changes are sent to one by one: every webhook, and the queue where one is bound.
    pub fn destinations(&self, has_queue: bool) -> Vec<Destination> {
        let webhooks = self.webhooks.iter().map(Webhook::destination);
        webhooks.chain(has_queue.then(webhooks::queue)).collect()
    }

    /// Parses the variables; an absent one and an empty one are the same.
    pub fn from_vars(vars: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let all = vars;
        let vars = Vars(vars);
        let issuer = vars.optional("AUTH_ISSUER").unwrap_or("syncsphere");
        let bucket = storage::bucket(&vars)?;
        let (upload_ttl, upload_max_lifetime) = upload_life::from_vars(&vars)?;
        Ok(Self {
            bucket_patterns: BucketPatterns::from_vars(&vars, &bucket)?,
            bucket,
            key_template: storage::key_template(&vars)?,
            subrequest_limit: vars
                .number(
                    "SUBREQUEST_LIMIT",
                    "has to be a whole number from 30 to 10000000",
                    MIN_SUBREQUESTS..=MAX_SUBREQUESTS,
                    DEFAULT_SUBREQUESTS,
                )
                .map(|limit| u32::try_from(limit).unwrap_or(u32::MAX))?,
            url_ttl: vars.seconds(
                "URL_TTL_SECONDS",
                "has to be a whole number from 1 to 604800",
                1..=MAX_URL_TTL_SECONDS,
                DEFAULT_URL_TTL_SECONDS,
            )?,
            download_ttl: vars.seconds(
                "DOWNLOAD_TTL_SECONDS",
                "has to be a whole number from 1 to 604800",
                1..=MAX_URL_TTL_SECONDS,
                DEFAULT_DOWNLOAD_TTL_SECONDS,
            )?,
            upload_ttl,
            upload_max_lifetime,
            finalize_after: upload_life::finalize_after(&vars)?,
            changes_ttl: vars.seconds(
                "CHANGES_TTL_SECONDS",
                "has to be a whole number from 1 to 316224000",
                1..=MAX_CHANGES_TTL_SECONDS,
                DEFAULT_CHANGES_TTL_SECONDS,
            )?,
            versions_kept: VersionsKept::from_vars(&vars)?,
            orphan_uploads: vars.choice(
                vars.current(ORPHAN_UPLOADS),
                "has to be abort, report or off",
                &[
                    ("abort", OrphanUploads::Abort),
                    ("report", OrphanUploads::Report),
                    ("off", OrphanUploads::Off),
                ],
            )?,
            orphan_age: vars.seconds(
                vars.current(ORPHAN_AGE_SECONDS),
                "has to be a whole number from 1 to 31622400",
                1..=MAX_ORPHAN_AGE_SECONDS,
                DEFAULT_ORPHAN_AGE_SECONDS,
            )?,
            max_file_size: vars.number(
                "MAX_FILE_SIZE",
                "has to be a number of bytes, at most 53687091200000",
                0..=MAX_OBJECT_SIZE,
                MAX_OBJECT_SIZE,
            )?,
            webhooks: webhooks::from_vars(&vars)?,
            allowed_origins: AllowedOrigins::parse(vars.optional("ALLOWED_ORIGINS").unwrap_or_default())?,
            companion_cookie: vars.optional("COMPANION_COOKIE").map(cookie_name).transpose()?,
            auth: AuthConfig {
                keys: SigningKeys::parse(vars.required("AUTH_SIGNING_KEY")?).ok_or_else(|| ConfigError {
                    variable: "AUTH_SIGNING_KEY",
                    reason: "has to be an Ed25519 key as PKCS#8 PEM or as base64 of its 32 byte seed, \
                        or several of them with commas between"
                        .into(),
                })?,
                issuer: issuer.to_owned(),
                audience: vars.optional("AUTH_AUDIENCE").unwrap_or("syncsphere").to_owned(),
                token_ttl: vars.seconds(
                    "AUTH_TOKEN_TTL_SECONDS",
                    "has to be a whole number from 1 to 2592000",
                    1..=MAX_TOKEN_TTL_SECONDS,
                    DEFAULT_TOKEN_TTL_SECONDS,
                )?,
                guests: vars.choice(
                    "AUTH_GUEST",
                    "has to be on or off",
                    &[("off", false), ("on", true)],
                )?,
                clients: Clients::parse(vars.optional("AUTH_CLIENTS").unwrap_or("[]")).ok_or_else(|| {
                    ConfigError {
                        variable: "AUTH_CLIENTS",
                        reason: "has to be a JSON list of clients as docs/coordinator.md describes it".into(),
                    }
                })?,
                external_issuers: ExternalIssuers::parse(vars.optional(ISSUERS).unwrap_or("[]"), all, issuer)
                    .map_err(|wrong| ConfigError {
                        variable: ISSUERS,
                        reason: match wrong {
                            InvalidIssuers::List => {
                                "has to be a JSON list of issuers as docs/coordinator.md describes it"
                            }
                            InvalidIssuers::Secret => {
                                "names a secret that is missing or has less than 32 bytes"
                            }
                        }
                        .into(),
                    })?,
            },
        })
    }

    /// Fails where the public development key is in use and the worker is reached at anything but this machine:
    /// whoever has read the repository could make tokens for it.
    pub fn check_address(&self, uri: &http::Uri) -> Result<(), ConfigError> {
        let is_here = uri.host().is_none_or(is_this_machine);
        match self.auth.keys.has_development_key() && !is_here {
            true => Err(ConfigError {
                variable: "AUTH_SIGNING_KEY",
                reason: "is the public key of development, which is taken at localhost alone: \
                    set a secret one, as docs/guides/cloudflare-r2.md says"
                    .into(),
            }),
            false => Ok(()),
        }
    }

    /// The bucket that a workspace's new files go to, as ledger and tickets write it down: `None` is `S3_BUCKET`.
    pub(crate) fn bucket_of(&self, workspace: &WorkspaceId) -> Option<BucketName> {
        let name = &self.bucket_patterns.of(workspace)?.name;
        (*name != self.bucket.name).then(|| name.clone())
    }

    /// A bucket that was written down, which may be one that no pattern names any more.
    pub(crate) fn recorded_bucket(&self, recorded: Option<&BucketName>) -> Cow<'_, Bucket> {
        let Some(name) = recorded else {
            return Cow::Borrowed(&self.bucket);
        };
        match self.bucket_patterns.named(name) {
            Some(bucket) => Cow::Borrowed(bucket),
            None => Cow::Owned(self.bucket.beside(name.clone())),
        }
    }

    /// Every configured bucket besides `S3_BUCKET`, once.
    pub(crate) fn further_buckets(&self) -> Vec<&Bucket> {
        let mut buckets = self.bucket_patterns.buckets();
        buckets.retain(|bucket| bucket.name != self.bucket.name);
        buckets
    }

    /// How many requests one invocation of the worker may make of storage.
    pub fn storage_requests(&self) -> u32 {
        self.subrequest_limit.saturating_sub(SUBREQUESTS_FOR_OTHERS)
    }

    /// Life of a presigned URL in milliseconds.
    pub(crate) fn url_ttl_ms(&self) -> i64 {
        milliseconds(self.url_ttl)
    }

    /// How long after its last byte an upload is finalized without its page, in milliseconds.
    pub(crate) fn finalize_after_ms(&self) -> i64 {
        milliseconds(self.finalize_after)
    }

    /// How long changes are kept, in milliseconds.
    pub(crate) fn changes_ttl_ms(&self) -> i64 {
        milliseconds(self.changes_ttl)
    }

    /// Which versions of a file the ledger keeps; `None` where it is all.
    pub(crate) fn retention(&self) -> Option<Retention> {
        let VersionsKept { count, max_age_ms } = self.versions_kept;
        (count.is_some() || max_age_ms.is_some()).then(|| Retention {
            keep: count,
            max_age_ms,
            url_life_ms: self.url_ttl_ms(),
        })
    }

    /// How old an upload that no ledger knows has to be, in milliseconds.
    pub(crate) fn orphan_age_ms(&self) -> i64 {
        milliseconds(self.orphan_age)
    }

    /// Life of an open upload in milliseconds.
    pub(crate) fn upload_ttl_ms(&self) -> i64 {
        milliseconds(self.upload_ttl)
    }

    /// How long an upload in parts lives at most, in milliseconds.
    pub(crate) fn upload_max_lifetime_ms(&self) -> i64 {
        milliseconds(self.upload_max_lifetime)
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Source: RFC 6265 section 4.1.1.
fn cookie_name(name: &str) -> Result<String, ConfigError> {
    match policy::is_token(name) {
        true => Ok(name.to_owned()),
        false => Err(ConfigError {
            variable: "COMPANION_COOKIE",
            reason: "is no cookie's name".into(),
        }),
    }
}

#[cfg(test)]
mod tests;
