//! S3's error codes, and what each means to whoever asked. One table for the client and the coordinator.

/// What an error code of storage means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageCode {
    /// Storage is overloaded or out of order: the same request may succeed later.
    Busy,
    /// The request did not arrive whole: it may be sent again.
    CutShort,
    /// The bytes are not those that were announced: they may be sent again.
    Damaged,
    /// The parts to be assembled are not those that storage holds. Sending them again mends that.
    PartsDiffer,
    /// There is no such multipart upload, not any more.
    NoSuchUpload,
    /// There is no such object.
    NoSuchKey,
    /// The signature's time is over.
    Expired,
    /// Storage does not do this, for as long as nobody changes its set-up or ours.
    Permanent,
}

impl StorageCode {
    /// What a code means; `None` for one that is not in the table.
    ///
    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>, Cloudflare R2's at
    /// <https://developers.cloudflare.com/r2/api/error-codes/>, and what Garage 2.5, Ceph 16 and Swift 2.30 were seen to
    /// answer.
    pub fn of(code: &str) -> Option<Self> {
        Some(match code {
            "InternalError" | "ServiceUnavailable" | "SlowDown" | "TooManyRequests" => Self::Busy,
            "IncompleteBody" | "RequestTimeout" | "ClientDisconnect" => Self::CutShort,
            "BadDigest" | "InvalidDigest" | "XAmzContentChecksumMismatch" => Self::Damaged,
            "InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" => Self::PartsDiffer,
            "NoSuchUpload" => Self::NoSuchUpload,
            "NoSuchKey" => Self::NoSuchKey,
            // R2 says ExpiredRequest with 400; AWS says AccessDenied with 403 and tells in words.
            "ExpiredRequest" | "ExpiredToken" | "RequestTimeTooSkewed" => Self::Expired,
            // What a proxy can cause as well (`InvalidRequest`, `MethodNotAllowed`) is not among them.
            "AuthorizationHeaderMalformed"
            | "AuthorizationQueryParametersError"
            | "EntityTooLarge"
            | "IllegalLocationConstraintException"
            | "InvalidBucketName"
            | "InvalidRegionName"
            | "KeyTooLongError"
            | "MalformedXML"
            | "NoSuchBucket"
            | "NotImplemented"
            | "PermanentRedirect" => Self::Permanent,
            _ => return None,
        })
    }
}
