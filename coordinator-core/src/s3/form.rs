//! Forms (POST policies): a whole object in one request that needs no preflight of its own.
//!
//! A browser asks before each PUT to another origin whether it may, and remembers the answer by URL,
//! of which every object has its own. All forms go to the bucket's URL: they ask once.

use std::time::Duration;

use aws_sigv4::sign::v4::calculate_signature;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use syncsphere_protocol::Checksum;

use super::bucket::Bucket;
use super::presign::{CHECKSUM, Length, Presigned, SingleUpload};
use super::sign::{ALGORITHM, SigningFailure, utc_time};

impl Bucket {
    /// A form for a whole object: storage takes exactly this key, length, media type and checksum. The
    /// key must not hold `${filename}`, which stands for something else in a form; keys have no `$`.
    ///
    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>
    pub(super) fn sign_form(
        &self,
        upload: &SingleUpload<'_>,
        lifetime: Duration,
        now_ms: i64,
    ) -> Result<Presigned, SigningFailure> {
        let credential_scope = self.credential_scope(now_ms)?;
        let expires =
            utc_time(now_ms.saturating_add(i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX)))?;
        let mut fields = vec![
            ("key", upload.key.to_owned()),
            ("Content-Type", upload.content_type.to_owned()),
            ("x-amz-algorithm", ALGORITHM.to_owned()),
            ("x-amz-credential", credential_scope.credential),
            ("x-amz-date", credential_scope.amz_date),
        ];
        fields.extend(self.object_headers.for_form());
        fields.extend(
            self.session_token
                .as_ref()
                .map(|token| ("x-amz-security-token", token.0.clone())),
        );
        match upload.checksum {
            None => {}
            Some(Checksum::Crc64Nvme(crc)) => {
                fields.push(("x-amz-checksum-algorithm", "CRC64NVME".to_owned()));
                fields.push((CHECKSUM, crc.to_string()));
            }
            // Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>, `Content-MD5`
            Some(Checksum::Md5(md5)) => fields.push(("Content-MD5", md5.to_string())),
        }
        let (least, most) = match upload.length {
            Length::Exactly(length) => (length, length),
            Length::UpTo(most) => (0, most),
        };
        let mut conditions = vec![
            json!({ "bucket": self.name }),
            json!(["content-length-range", least, most]),
        ];
        conditions.extend(
            fields
                .iter()
                .map(|(name, value)| json!(["eq", format!("${name}"), value])),
        );
        let policy = json!({
            "expiration": expires.format("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
            "conditions": conditions,
        });
        let policy = BASE64_STANDARD.encode(policy.to_string());
        fields.push(("x-amz-signature", self.sign_policy(&policy, now_ms)));
        fields.push(("policy", policy));
        Ok(Presigned {
            method: "POST",
            url: self.public_url("", upload.endpoint_index),
            headers: Vec::new(),
            fields,
        })
    }

    /// What is signed is the encoded policy alone.
    ///
    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-UsingHTTPPOST.html>
    fn sign_policy(&self, policy: &str, now_ms: i64) -> String {
        calculate_signature(self.signing_key(now_ms), policy.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::s3::object_headers::ObjectHeaders;
    use crate::s3::sign::tests::example_bucket;
    use syncsphere_protocol::Redacted;

    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html>
    #[test]
    fn the_published_policy_has_its_published_signature() {
        let lines = [
            r#"{ "expiration": "2015-12-30T12:00:00.000Z","#,
            r#"  "conditions": ["#,
            r#"    {"bucket": "sigv4examplebucket"},"#,
            r#"    ["starts-with", "$key", "user/user1/"],"#,
            r#"    {"acl": "public-read"},"#,
            r#"    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},"#,
            r#"    ["starts-with", "$Content-Type", "image/"],"#,
            r#"    {"x-amz-meta-uuid": "14365123651274"},"#,
            r#"    {"x-amz-server-side-encryption": "AES256"},"#,
            r#"    ["starts-with", "$x-amz-meta-tag", ""],"#,
            "",
            r#"    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},"#,
            r#"    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},"#,
            r#"    {"x-amz-date": "20151229T000000Z" }"#,
            "  ]",
            "}",
        ];
        let policy = BASE64_STANDARD.encode(lines.join("\r\n"));
        assert_eq!(
            example_bucket().sign_policy(&policy, 1_451_347_200_000),
            "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"
        );
    }

    #[test]
    fn a_form_permits_one_key_of_one_length_and_content() {
        let upload = SingleUpload {
            is_staged: true,
            key: "acme/0190",
            length: Length::Exactly(7),
            checksum: "AAAAAAAAAAE=".parse().map(Checksum::Crc64Nvme).ok(),
            takes_form: true,
            content_type: "text/plain",
            endpoint_index: 0,
        };
        let headers = r#"{"x-amz-acl":"private","cache-control":"no-store"}"#;
        let bucket = Bucket {
            session_token: Some(Redacted("token".to_owned())),
            object_headers: ObjectHeaders::parse(headers).unwrap(),
            ..example_bucket()
        };
        let form = bucket
            .sign_form(&upload, Duration::from_secs(60), 1_369_353_600_000)
            .unwrap();
        assert_eq!(form.url, "https://examplebucket.s3.amazonaws.com/");
        let fields: BTreeMap<_, _> = form.fields.into_iter().collect();
        let policy = BASE64_STANDARD.decode(&fields["policy"]).unwrap();
        let policy: serde_json::Value = serde_json::from_slice(&policy).unwrap();
        assert_eq!(policy["expiration"], "2013-05-24T00:01:00.000Z");
        let conditions = policy["conditions"].as_array().unwrap();
        for expected in [
            json!({ "bucket": "examplebucket" }),
            json!(["content-length-range", 7, 7]),
            json!(["eq", "$key", "acme/0190"]),
            json!(["eq", "$Content-Type", "text/plain"]),
            json!(["eq", "$x-amz-checksum-crc64nvme", "AAAAAAAAAAE="]),
            json!(["eq", "$x-amz-security-token", "token"]),
            json!(["eq", "$acl", "private"]),
            json!(["eq", "$Cache-Control", "no-store"]),
        ] {
            assert!(conditions.contains(&expected), "{expected}");
        }
        // S3 refuses fields that no condition allows.
        let signed = fields
            .keys()
            .filter(|name| !["policy", "x-amz-signature"].contains(name));
        assert_eq!(signed.count(), conditions.len() - 2);
    }
}
