//! Checks presigned URLs with a signer that is not the coordinator's.

use std::collections::BTreeMap;

use rusty_s3::Method;
use url::Url;

/// What a presigned request shows.
#[derive(Debug)]
pub struct Presigned {
    /// The key of the object, decoded.
    pub key: String,
    /// The query without the signature's own parameters.
    pub query: BTreeMap<String, String>,
    /// The moment the URL dies, in milliseconds since 1970.
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
    /// Reads a presigned `PUT` and signs it anew: the signatures have to agree. `headers` are those
    /// that really came, `content-length` included.
    pub fn verify(&self, url: &str, headers: &BTreeMap<String, String>) -> Result<Presigned, String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
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
            expires_ms: end(time, expires),
        })
    }
}

/// When a presigned URL dies, in milliseconds since 1970.
pub fn expiry_ms(url: &str) -> Result<i64, String> {
    let url = Url::parse(url).map_err(|error| error.to_string())?;
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
