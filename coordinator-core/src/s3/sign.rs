//! Signature Version 4 in headers, by `aws-sigv4`, with the time passed in.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use chrono::{DateTime, Utc};

use super::bucket::Bucket;

/// A request could not be signed: it has a form that no request of ours should have.
#[derive(Debug, thiserror::Error)]
#[error("a storage request could not be signed: {0}")]
pub(crate) struct SigningFailure(pub(super) String);

impl Bucket {
    /// `request` with its signature in the headers. The body is signed too; of the headers, those of
    /// [`is_signed`]: the others go along, and whoever stands between may change them.
    pub(super) fn sign(
        &self,
        mut request: http::Request<Vec<u8>>,
        now_ms: i64,
    ) -> Result<http::Request<Vec<u8>>, SigningFailure> {
        let mut settings = s3_settings();
        settings.signature_location = SignatureLocation::Headers;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let instructions = {
            let mut headers = readable(request.headers())?;
            headers.retain(|(name, _)| is_signed(name));
            let signable = SignableRequest::new(
                request.method().as_str(),
                request.uri().to_string(),
                headers.into_iter(),
                SignableBody::Bytes(request.body()),
            )
            .map_err(SigningFailure::from)?;
            self.signature(signable, settings, now_ms)?
        };
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }

    fn signature(
        &self,
        signable: SignableRequest<'_>,
        settings: SigningSettings,
        now_ms: i64,
    ) -> Result<aws_sigv4::http_request::SigningInstructions, SigningFailure> {
        let identity = Credentials::new(
            self.access_key_id.0.as_str(),
            self.secret_access_key.0.as_str(),
            self.session_token.as_ref().map(|token| token.0.clone()),
            None,
            "configuration",
        )
        .into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(system_time(now_ms))
            .settings(settings)
            .build()
            .map_err(|error| SigningFailure(error.to_string()))?;
        let (instructions, _signature) = sign(signable, &params.into())
            .map_err(SigningFailure::from)?
            .into_parts();
        Ok(instructions)
    }
}

impl From<aws_sigv4::http_request::SigningError> for SigningFailure {
    fn from(error: aws_sigv4::http_request::SigningError) -> Self {
        Self(error.to_string())
    }
}

/// Whether a header is part of a signature. `host` always is.
///
/// Everything else belongs to whoever stands between: Cloudflare overwrites `accept-encoding` of what a
/// worker sends, and a signature over it is refused.
/// Source: <https://github.com/backblaze-b2-samples/cloudflare-b2/pull/4>; that storage asks for no more:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>
pub(super) fn is_signed(name: &str) -> bool {
    matches!(
        name,
        "content-type" | "content-length" | "content-md5" | "if-none-match"
    ) || name.starts_with("x-amz-")
}

/// S3 encodes a path once and keeps it as it is, unlike every other AWS service.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>
fn s3_settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings
}

fn readable(headers: &http::HeaderMap) -> Result<Vec<(&str, &str)>, SigningFailure> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = value
                .to_str()
                .map_err(|_| SigningFailure("a header is not ASCII".to_owned()))?;
            Ok((name.as_str(), value))
        })
        .collect()
}

/// The service that signatures are for.
pub(super) const SERVICE: &str = "s3";

/// What signatures are called.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// When something is signed, and with whose key for what, as signatures write it.
pub(super) struct CredentialScope {
    /// `20130524T000000Z`
    pub amz_date: String,
    /// Day, region and service.
    pub scope: String,
    /// The access key's id and the scope.
    pub credential: String,
}

impl Bucket {
    pub(super) fn credential_scope(&self, now_ms: i64) -> Result<CredentialScope, SigningFailure> {
        let now = utc_time(now_ms)?;
        let scope = format!("{}/{}/{SERVICE}/aws4_request", now.format("%Y%m%d"), self.region);
        Ok(CredentialScope {
            amz_date: now.format("%Y%m%dT%H%M%SZ").to_string(),
            credential: format!("{}/{scope}", self.access_key_id.0),
            scope,
        })
    }
}

pub(super) fn system_time(ms: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// A moment of the calendar.
pub(super) fn utc_time(ms: i64) -> Result<DateTime<Utc>, SigningFailure> {
    DateTime::from_timestamp_millis(ms).ok_or_else(|| SigningFailure("a time beyond the calendar".to_owned()))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use jiff02::Timestamp;
    use proptest::prelude::*;
    use rusty_s3::Method;
    use syncsphere_protocol::Redacted;

    use super::*;
    use crate::s3::bucket::query_string;
    use crate::s3::{Addressing, Provider};

    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>, the
    /// example: the only presigned S3 request that AWS publishes.
    pub(in crate::s3) fn example_bucket() -> Bucket {
        Bucket {
            name: "examplebucket".parse().unwrap(),
            endpoint: "https://s3.amazonaws.com".parse().unwrap(),
            public_endpoints: "https://s3.amazonaws.com".parse().unwrap(),
            addressing: Addressing::Virtual,
            provider: Provider::Aws,
            takes_forms: false,
            conditional_writes: false,
            checksum: syncsphere_protocol::Integrity::Crc64Nvme,
            proof: Default::default(),
            region: "us-east-1".to_owned(),
            access_key_id: Redacted("AKIAIOSFODNN7EXAMPLE".to_owned()),
            signing_key_cache: Default::default(),
            session_token: None,
            object_headers: Default::default(),
            secret_access_key: Redacted("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
        }
    }

    impl Bucket {
        /// The same URL as `aws-sigv4` makes it.
        fn presign_by_library(
            &self,
            method: &str,
            url: &str,
            headers: &[(&str, &str)],
            lifetime: Duration,
            now_ms: i64,
        ) -> Result<String, SigningFailure> {
            let mut settings = s3_settings();
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(lifetime);
            let signable = SignableRequest::new(
                method,
                url,
                headers.iter().copied(),
                SignableBody::UnsignedPayload,
            )
            .map_err(SigningFailure::from)?;
            let instructions = self.signature(signable, settings, now_ms)?;
            let mut request = http::Request::builder()
                .uri(url)
                .body(())
                .map_err(|error| SigningFailure(error.to_string()))?;
            instructions.apply_to_request_http1x(&mut request);
            Ok(request.uri().to_string())
        }
    }

    /// 2013-05-24T00:00:00Z
    const EXAMPLE_TIME_MS: i64 = 1_369_353_600_000;

    #[test]
    fn the_published_presigned_request_has_its_published_signature() {
        let bucket = example_bucket();
        let url = bucket.public_url("test.txt", 0);
        assert_eq!(url, "https://examplebucket.s3.amazonaws.com/test.txt");
        let signed = bucket
            .presign("GET", &url, &[], Duration::from_secs(86_400), EXAMPLE_TIME_MS)
            .unwrap();
        assert_eq!(
            signed,
            "https://examplebucket.s3.amazonaws.com/test.txt\
             ?X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }

    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>, the
    /// examples "GET Bucket Lifecycle" and "Get Bucket (List Objects)".
    #[test]
    fn the_published_requests_with_signed_headers_have_their_published_signatures() {
        let examples = [
            (
                "?lifecycle=",
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "?max-keys=2&prefix=J",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ];
        for (query, signature) in examples {
            let bucket = example_bucket();
            let request = http::Request::get(bucket.bucket_url() + query)
                .body(Vec::new())
                .unwrap();
            let signed = bucket.sign(request, EXAMPLE_TIME_MS).unwrap();
            let authorization = signed.headers()["authorization"].to_str().unwrap();
            assert!(
                authorization.ends_with(&format!("Signature={signature}")),
                "{authorization}"
            );
        }
    }

    #[test]
    fn a_session_token_is_signed_into_headers_and_queries() {
        let bucket = Bucket {
            session_token: Some(Redacted("a+token/=".to_owned())),
            ..example_bucket()
        };
        let request = http::Request::get(bucket.bucket_url()).body(Vec::new()).unwrap();
        let signed = bucket.sign(request, EXAMPLE_TIME_MS).unwrap();
        assert_eq!(signed.headers()["x-amz-security-token"], "a+token/=");
        let authorization = signed.headers()["authorization"].to_str().unwrap();
        assert!(authorization.contains(";x-amz-security-token"), "{authorization}");
        let url = bucket.public_url("k", 0);
        let url = bucket
            .presign("PUT", &url, &[], Duration::from_secs(60), EXAMPLE_TIME_MS)
            .unwrap();
        assert!(url.contains("&X-Amz-Security-Token=a%2Btoken%2F%3D&"), "{url}");
    }

    #[test]
    fn a_checksum_and_the_length_are_signed_as_headers_and_stay_out_of_the_query() {
        let bucket = example_bucket();
        let headers = [
            ("content-length", "5"),
            ("x-amz-checksum-crc64nvme", "L/E4WYn8v98="),
        ];
        let url = bucket.public_url("k", 0) + "?partNumber=1&uploadId=u";
        let signed = bucket
            .presign("PUT", &url, &headers, Duration::from_secs(60), EXAMPLE_TIME_MS)
            .unwrap();
        assert!(signed.contains("X-Amz-SignedHeaders=content-length%3Bhost%3Bx-amz-checksum-crc64nvme&"));
        assert!(!signed.contains("L%2FE4") && !signed.contains("x-amz-checksum-crc64nvme="));
    }

    /// The query of a URL, in no order.
    fn parameters(url: &str) -> BTreeMap<String, String> {
        let (_, query) = url.split_once('?').unwrap();
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    #[test]
    fn the_key_is_that_of_the_day_region_and_secret() {
        let bucket = example_bucket();
        let url = bucket.public_url("k", 0);
        let lifetime = Duration::from_secs(60);
        for now_ms in [
            EXAMPLE_TIME_MS,
            EXAMPLE_TIME_MS + 86_400_000,
            EXAMPLE_TIME_MS + 86_399_999,
            0,
        ] {
            let ours = bucket.presign("PUT", &url, &[], lifetime, now_ms).unwrap();
            let theirs = bucket
                .presign_by_library("PUT", &url, &[], lifetime, now_ms)
                .unwrap();
            assert_eq!(parameters(&ours), parameters(&theirs), "{now_ms}");
        }
        let mut other = bucket.clone();
        other.region = "eu-central-1".to_owned();
        let ours = other
            .presign("PUT", &url, &[], lifetime, EXAMPLE_TIME_MS)
            .unwrap();
        let theirs = other
            .presign_by_library("PUT", &url, &[], lifetime, EXAMPLE_TIME_MS)
            .unwrap();
        assert_eq!(parameters(&ours), parameters(&theirs));
    }

    proptest! {
        /// Every request is signed as an independent implementation signs it.
        #[test]
        fn signatures_agree_with_an_independent_signer(
            key in "[a-zA-Z0-9_.-]{1,20}(/[ -~\u{e9}\u{6620}\u{1f3ac}]{1,20}){0,3}",
            query in prop::collection::btree_map("[a-zA-Z][a-zA-Z0-9._~-]{0,12}", "[ -~\u{e9}\u{6620}]{0,20}", 0..4),
            headers in prop::collection::btree_map("x-amz-meta-[a-z]{1,8}", "[!-~]{1,20}( [!-~]{1,9})?", 0..4),
            method in prop::sample::select(vec![Method::Get, Method::Put, Method::Delete]),
            addressing in prop::sample::select(vec![Addressing::Path, Addressing::Virtual]),
            session_token in prop::option::of("[!-~]{1,40}"),
            lifetime in 1u64..=604_800,
            now_s in 0i64..=4_000_000_000,
        ) {
            // URLs fold such segments away, which is why no key of ours has one.
            prop_assume!(key.split('/').all(|segment| segment != "." && segment != ".."));
            let bucket = Bucket {
                addressing,
                session_token: session_token.clone().map(Redacted),
                ..example_bucket()
            };
            let pairs: Vec<_> = query.iter().map(|(name, value)| (name.as_str(), Some(value.as_str()))).collect();
            let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let url = bucket.public_url(&key, 0);
            let lifetime_s = Duration::from_secs(lifetime);
            let ours = bucket
                .presign(method.to_str(), &(url.clone() + &query_string(&pairs)), &headers, lifetime_s, now_s * 1000)
                .unwrap();

            let theirs = rusty_s3::signing::sign(
                &Timestamp::from_second(now_s).unwrap(),
                method,
                url.parse().unwrap(),
                &bucket.access_key_id,
                &bucket.secret_access_key,
                session_token.as_deref(),
                &bucket.region,
                lifetime,
                query.iter().map(|(name, value)| (name.as_str(), value.as_str())),
                headers.iter().copied(),
            );
            let by_library = bucket
                .presign_by_library(method.to_str(), &(url.clone() + &query_string(&pairs)), &headers, lifetime_s, now_s * 1000)
                .unwrap();
            prop_assert_eq!(parameters(&ours), parameters(&by_library));
            prop_assert_eq!(parameters(&ours), parameters(theirs.as_str()));
            prop_assert_eq!(ours.split_once('?').unwrap().0, theirs.as_str().split_once('?').unwrap().0);
        }
    }
}
