//! Signature Version 4, by `aws-sigv4`, with the time passed in.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;

use super::Bucket;

/// A request could not be signed: it has a form that no request of ours should have.
#[derive(Debug, thiserror::Error)]
#[error("a storage request could not be signed: {0}")]
pub(crate) struct SigningFailure(String);

impl Bucket {
    /// `request` with its signature in the headers. The body is signed too.
    pub(super) fn sign(
        &self,
        mut request: http::Request<Vec<u8>>,
        now_ms: i64,
    ) -> Result<http::Request<Vec<u8>>, SigningFailure> {
        let mut settings = s3_settings();
        settings.signature_location = SignatureLocation::Headers;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let instructions = {
            let headers = readable(request.headers())?;
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

    /// `url` with a signature in its query that holds for `lifetime` from `now_ms`.
    ///
    /// Each of `headers` has to be sent exactly as it is given here. None of them moves into the
    /// query: AWS signs a checksum found there and then ignores it.
    /// Source: <https://github.com/aws/aws-sdk/issues/480>
    pub(super) fn presign(
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

    fn signature(
        &self,
        signable: SignableRequest<'_>,
        settings: SigningSettings,
        now_ms: i64,
    ) -> Result<aws_sigv4::http_request::SigningInstructions, SigningFailure> {
        let identity = Credentials::new(
            self.access_key_id.0.as_str(),
            self.secret_access_key.0.as_str(),
            None,
            None,
            "configuration",
        )
        .into();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(now)
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
