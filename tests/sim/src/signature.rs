//! Checks presigned URLs with a signer that is not the coordinator's.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rusty_s3::Method;
use serde_json::Value;
use sha2::Sha256;
use syncsphere_upload_core::PartRequest;
use url::Url;

/// The header, or form field, that carries a checksum.
const CHECKSUM: &str = "x-amz-checksum-crc64nvme";

/// What a presigned request shows.
#[derive(Debug)]
pub struct Presigned {
    /// The key of the object, decoded.
    pub key: String,
    /// The query without the signature's own parameters.
    pub query: BTreeMap<String, String>,
    /// The checksum that the bytes must have.
    pub crc64nvme: Option<String>,
    /// The moment the permission ends, in milliseconds since 1970.
    pub expires_ms: i64,
}

/// The credentials that the bucket knows.
pub struct Verifier {
    /// Access key id.
    pub access_key: String,
    /// Secret access key.
    pub secret_key: String,
    /// Region that signatures are scoped to.
    pub region: String,
}

impl Verifier {
    /// Reads a request with a body, or a file, of `length` bytes and signs it anew: the signatures
    /// have to agree.
    pub fn verify(&self, request: &PartRequest, length: u64) -> Result<Presigned, String> {
        match request.method.as_str() {
            "PUT" => self.verify_put(request, length),
            "POST" => self.verify_form(request, length),
            other => Err(format!("method {other}")),
        }
    }

    fn verify_put(&self, request: &PartRequest, length: u64) -> Result<Presigned, String> {
        let mut headers: BTreeMap<_, _> = request.headers.clone().into_iter().collect();
        headers.insert("content-length".to_owned(), length.to_string());
        let url = Url::parse(&request.url).map_err(|error| error.to_string())?;
        let all: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let of_signature = |name: &str| name.starts_with("X-Amz-");
        let value = |name: &str| all.get(name).cloned().ok_or(format!("{name} is missing"));
        let (time, expires) = times(&all)?;
        let signed_headers = value("X-Amz-SignedHeaders")?;

        let mut signed = Vec::new();
        for name in signed_headers.split(';').filter(|name| *name != "host") {
            let sent = headers
                .get(name)
                .ok_or(format!("the signed header {name} was not sent"))?;
            signed.push((name, sent.as_str()));
        }
        for name in headers.keys().filter(|name| name.starts_with("x-amz-")) {
            if !signed_headers.split(';').any(|signed| signed == name) {
                return Err(format!("the header {name} is not signed"));
            }
        }

        let query: BTreeMap<String, String> = all
            .iter()
            .filter(|(name, _)| !of_signature(name))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        let mut bare = url.clone();
        bare.set_query(None);
        let own = rusty_s3::signing::sign(
            &time,
            Method::Put,
            bare,
            &self.access_key,
            &self.secret_key,
            None,
            &self.region,
            expires,
            query.iter().map(|(name, value)| (name.as_str(), value.as_str())),
            signed.into_iter(),
        );
        let own: BTreeMap<String, String> = own.query_pairs().into_owned().collect();
        if own.get("X-Amz-Signature") != all.get("X-Amz-Signature") {
            return Err("the signature does not match".to_owned());
        }
        Ok(Presigned {
            key: key_of(url.path()).ok_or("no key")?,
            query,
            crc64nvme: headers.remove(CHECKSUM),
            expires_ms: end(time, expires),
        })
    }

    /// Holds the form against its policy, condition by condition, and the policy against its signature.
    fn verify_form(&self, request: &PartRequest, length: u64) -> Result<Presigned, String> {
        let field = |name: &str| {
            let found = request
                .fields
                .iter()
                .find(|(field, _)| field.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.0.as_str())
        };
        let required = |name: &str| field(name).ok_or(format!("no field {name}"));
        let (policy, credential) = (required("policy")?, required("x-amz-credential")?);
        let (id, scope) = credential.split_once('/').ok_or("the credential has no scope")?;
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for step in scope.split('/') {
            key = hmac_sha256(&key, step);
        }
        let signature: String = hmac_sha256(&key, policy)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if id != self.access_key || required("x-amz-signature")? != signature {
            return Err("the signature does not match".to_owned());
        }
        let policy = BASE64_STANDARD
            .decode(policy)
            .map_err(|error| error.to_string())?;
        let policy: Value = serde_json::from_slice(&policy).map_err(|error| error.to_string())?;
        let mut allowed = vec!["policy".to_owned(), "x-amz-signature".to_owned()];
        for condition in policy
            .get("conditions")
            .and_then(Value::as_array)
            .ok_or("no conditions")?
        {
            let holds = match condition.as_array().map(Vec::as_slice) {
                None => condition.get("bucket").and_then(Value::as_str) == Some("uploads"),
                Some([kind, least, most]) if kind == "content-length-range" => {
                    least.as_u64() <= Some(length) && Some(length) <= most.as_u64()
                }
                Some([kind, name, value]) if kind == "eq" => {
                    let name = name
                        .as_str()
                        .and_then(|name| name.strip_prefix('$'))
                        .ok_or("a condition without a field")?;
                    allowed.push(name.to_ascii_lowercase());
                    field(name) == value.as_str()
                }
                Some(_) => false,
            };
            if !holds {
                return Err(format!("Policy Condition failed: {condition}"));
            }
        }
        if let Some(extra) = request
            .fields
            .iter()
            .map(|(name, _)| name)
            .find(|name| !allowed.contains(&name.to_ascii_lowercase()))
        {
            return Err(format!("Extra input fields: {extra}"));
        }
        Ok(Presigned {
            key: required("key")?.to_owned(),
            query: BTreeMap::new(),
            crc64nvme: field(CHECKSUM).map(ToOwned::to_owned),
            expires_ms: expiry_ms(request)?,
        })
    }
}

fn hmac_sha256(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// When a presigned request ends to be permitted, in milliseconds since 1970.
pub fn expiry_ms(request: &PartRequest) -> Result<i64, String> {
    if let Some(policy) = request.fields.get("policy") {
        let policy = BASE64_STANDARD
            .decode(&policy.0)
            .map_err(|error| error.to_string())?;
        let policy: Value = serde_json::from_slice(&policy).map_err(|error| error.to_string())?;
        let expires: jiff::Timestamp = policy
            .get("expiration")
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok())
            .ok_or("no expiration")?;
        return Ok(expires.as_millisecond());
    }
    let url = Url::parse(&request.url).map_err(|error| error.to_string())?;
    let (time, expires) = times(&url.query_pairs().into_owned().collect())?;
    Ok(end(time, expires))
}

fn end(time: jiff::Timestamp, expires: u64) -> i64 {
    time.as_millisecond() + i64::try_from(expires).unwrap_or(0) * 1000
}

/// When a URL was signed, and for how many seconds.
fn times(query: &BTreeMap<String, String>) -> Result<(jiff::Timestamp, u64), String> {
    let value = |name: &str| query.get(name).ok_or(format!("{name} is missing"));
    let expires = value("X-Amz-Expires")?.parse().map_err(|_| "X-Amz-Expires")?;
    let date = value("X-Amz-Date")?;
    let time = jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", date)
        .and_then(|parsed| parsed.to_datetime())
        .and_then(|moment| jiff::tz::Offset::UTC.to_timestamp(moment))
        .map_err(|error| error.to_string())?;
    Ok((time, expires))
}

/// The key in a path-style path, `/bucket/key`.
pub fn key_of(path: &str) -> Option<String> {
    let (_, key) = path.strip_prefix('/')?.split_once('/')?;
    let key = percent_encoding::percent_decode_str(key)
        .decode_utf8()
        .ok()?
        .into_owned();
    (!key.is_empty()).then_some(key)
}
