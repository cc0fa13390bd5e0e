//! Signature Version 4 in a URL's query: what a presigned URL is.
//!
//! Thousands of URLs a second are what the coordinator is asked for most, so the text that is signed is put together here
//! from parts that are encoded already, and the key of the day is derived once. The cryptography is `aws-sigv4`'s, which
//! also signs all other requests; the tests hold every URL to what that and another signer make.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use std::fmt::Write as _;
use std::sync::PoisonError;
use std::time::Duration;

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use sha2::{Digest, Sha256};

use super::bucket::Bucket;
use super::bucket::uri_encode;
use super::sign::{ALGORITHM, CredentialScope, SERVICE, SigningFailure, system_time};

const MS_OF_A_DAY: i64 = 86_400_000;

impl Bucket {
    /// The key for what is signed at this time.
    pub(super) fn signing_key(&self, now_ms: i64) -> Vec<u8> {
        let day = now_ms.div_euclid(MS_OF_A_DAY);
        let mut held = self
            .signing_key_cache
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((held_day, key)) = held.as_ref()
            && *held_day == day
        {
            return key.clone();
        }
        let derived = generate_signing_key(
            &self.secret_access_key,
            system_time(now_ms),
            &self.region,
            SERVICE,
        );
        let key = derived.as_ref().to_vec();
        *held = Some((day, key.clone()));
        key
    }

    /// `url` with a signature in its query that holds for `lifetime` from `now_ms`. The URL's path and query are encoded
    /// as S3 wants them.
    ///
    /// Each of `headers` has to be sent exactly as it is given here; names are in lower case. None of them moves into the
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
        let (resource, query) = url.split_once('?').unwrap_or((url, ""));
        let (host, path) = host_and_path(resource)?;
        let CredentialScope {
            amz_date,
            scope,
            credential,
        } = self.credential_scope(now_ms)?;

        let mut signed_headers: Vec<(&str, String)> = vec![("host", host.to_owned())];
        signed_headers.extend(headers.iter().map(|(name, value)| (*name, trimmed(value))));
        signed_headers.sort_unstable();
        let names: Vec<_> = signed_headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");

        let mut pairs: Vec<String> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(str::to_owned)
            .collect();
        pairs.extend([
            format!("X-Amz-Algorithm={ALGORITHM}"),
            format!("X-Amz-Credential={}", uri_encode(&credential)),
            format!("X-Amz-Date={amz_date}"),
            format!("X-Amz-Expires={}", lifetime.as_secs()),
            format!("X-Amz-SignedHeaders={}", uri_encode(&names)),
        ]);
        pairs.extend(
            self.session_token
                .as_ref()
                .map(|token| format!("X-Amz-Security-Token={}", uri_encode(token))),
        );
        // By name and then by value, which differs from the order of the pairs where one name begins with another's.
        pairs.sort_unstable_by(|one, other| name_and_value(one).cmp(&name_and_value(other)));
        let query = pairs.join("&");

        let mut canonical = format!("{method}\n{path}\n{query}\n");
        for (name, value) in &signed_headers {
            canonical.extend([name, ":", value, "\n"]);
        }
        canonical.extend(["\n", &names, "\nUNSIGNED-PAYLOAD"]);
        let mut to_sign = format!("{ALGORITHM}\n{amz_date}\n{scope}\n");
        for byte in Sha256::digest(canonical.as_bytes()) {
            // Writing to a String cannot fail.
            let _ = write!(to_sign, "{byte:02x}");
        }
        let signature = calculate_signature(self.signing_key(now_ms), to_sign.as_bytes());
        Ok(format!("{resource}?{query}&X-Amz-Signature={signature}"))
    }
}

fn name_and_value(pair: &str) -> (&str, &str) {
    pair.split_once('=').unwrap_or((pair, ""))
}

fn host_and_path(resource: &str) -> Result<(&str, &str), SigningFailure> {
    let (_, rest) = resource
        .split_once("://")
        .ok_or_else(|| SigningFailure("a URL without a scheme".to_owned()))?;
    match rest.find('/') {
        Some(start) => Ok(rest.split_at(start)),
        None => Ok((rest, "/")),
    }
}

/// Spaces at the ends are nothing, several in a row are one.
fn trimmed(value: &str) -> String {
    if !value.contains("  ") {
        return value.trim_matches(' ').to_owned();
    }
    let words: Vec<_> = value.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ")
}
