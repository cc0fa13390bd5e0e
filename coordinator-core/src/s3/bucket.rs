use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use syncsphere_protocol::{Integrity, Redacted};

use super::object_headers::ObjectHeaders;
use super::signing_key_cache::SigningKeyCache;
use crate::model::BucketName;

/// Everything but the unreserved characters.
///
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>,
/// `UriEncode`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// As [`RESERVED`], but a slash separates path segments.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// A bucket, how to reach it and what opens it.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Its name.
    pub name: BucketName,
    /// Where the coordinator reaches it.
    pub endpoint: Endpoint,
    /// Where browsers reach it. Further addresses bring further connections: a browser opens six to each.
    pub public_endpoints: PublicEndpoints,
    /// Whether the bucket stands in the path or in the host name.
    pub addressing: Addressing,
    /// Whose storage it is.
    pub provider: Provider,
    /// Whether whole objects go as forms (POST policies), which spares browsers their preflights.
    pub takes_forms: bool,
    /// Whether storage honours `If-None-Match: *` with a `PUT`, and the bucket's CORS rules let pages send it.
    pub conditional_writes: bool,
    /// By what storage proves that it holds what was sent.
    pub checksum: Integrity,
    pub(crate) proof: Proof,
    /// The region that signatures name.
    pub region: String,
    /// The access key's id.
    pub access_key_id: Redacted<String>,
    /// The access key's secret.
    pub secret_access_key: Redacted<String>,
    /// What temporary credentials have besides.
    pub session_token: Option<Redacted<String>>,
    /// What objects are stored with.
    pub object_headers: ObjectHeaders,
    pub(crate) signing_key_cache: SigningKeyCache,
}

/// Whether storage has been seen to refuse bytes that are not what their checksum tells.
#[derive(Debug, Default)]
pub(crate) struct Proof(Arc<AtomicBool>);

impl Proof {
    pub(crate) fn is_given(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn give(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// What is seen of one bucket holds for the other as well.
    fn shared(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A copy may be another storage's.
impl Clone for Proof {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Where a bucket's name stands in URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// `https://endpoint/bucket/key`
    Path,
    /// `https://bucket.endpoint/key`
    Virtual,
}

/// Whose storage it is: providers differ in what they refuse and what they report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// AWS S3.
    Aws,
    /// Cloudflare R2.
    R2,
    /// Anything else that speaks S3.
    Generic,
}

/// Scheme, host, port and path of an S3 API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    scheme: &'static str,
    /// As the `Host` header names it: without a default port.
    authority: String,
    /// What stands before the bucket, such as `/storage/v1/s3`; empty for nothing.
    path: String,
}

/// One or more addresses of the same storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicEndpoints {
    first: Endpoint,
    others: Vec<Endpoint>,
}

/// Most addresses of one storage. Source: own choice; two of them fill what a page may have under way.
const MAX_PUBLIC_ENDPOINTS: usize = 4;

/// Why a text is no endpoint, or no list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidEndpoint;

impl InvalidEndpoint {
    /// What to tell whoever wrote it.
    pub fn reason(self) -> &'static str {
        "has to be http:// or https:// with a host, and after it at most a path of letters, digits, dots, dashes and underscores"
    }
}

impl PublicEndpoints {
    /// The address whose turn it is; they take turns.
    fn get(&self, endpoint_index: usize) -> &Endpoint {
        let all = self.others.len() + 1;
        match (endpoint_index % all).checked_sub(1) {
            Some(index) => self.others.get(index).unwrap_or(&self.first),
            None => &self.first,
        }
    }
}

impl From<Endpoint> for PublicEndpoints {
    fn from(first: Endpoint) -> Self {
        Self {
            first,
            others: Vec::new(),
        }
    }
}

/// One to four addresses, separated by commas.
impl FromStr for PublicEndpoints {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let mut endpoints = text.split(',').map(|endpoint| endpoint.trim().parse());
        let first = endpoints.next().ok_or(InvalidEndpoint)??;
        let others: Vec<Endpoint> = endpoints.collect::<Result<_, _>>()?;
        if others.len() >= MAX_PUBLIC_ENDPOINTS {
            return Err(InvalidEndpoint);
        }
        Ok(Self { first, others })
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let uri: Uri = text.parse().map_err(|_| InvalidEndpoint)?;
        let (scheme, default_port) = match uri.scheme_str() {
            Some("https") => ("https", 443),
            Some("http") => ("http", 80),
            _ => return Err(InvalidEndpoint),
        };
        let authority = uri.authority().ok_or(InvalidEndpoint)?;
        let path = uri.path().trim_end_matches('/');
        let has_good_end = is_plain_path(path) && uri.query().is_none() && !text.contains('#');
        if !has_good_end || authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(InvalidEndpoint);
        }
        let host = authority.host().to_ascii_lowercase();
        // HTTP clients leave a default port out of the Host header, which is signed.
        let authority = match authority.port_u16() {
            Some(port) if port != default_port => format!("{host}:{port}"),
            _ => host,
        };
        let path = path.to_owned();
        Ok(Self {
            scheme,
            authority,
            path,
        })
    }
}

impl Bucket {
    /// Another bucket of the same storage, opened by the same key.
    pub(crate) fn beside(&self, name: BucketName) -> Self {
        Self {
            name,
            proof: self.proof.shared(),
            ..self.clone()
        }
    }

    /// The URL of the bucket itself, without a query.
    pub(super) fn bucket_url(&self) -> String {
        self.url(&self.endpoint, "")
    }

    /// Its URLs at the browsers' addresses that are not the coordinator's own, without a query.
    pub(super) fn other_public_urls(&self) -> Vec<String> {
        let PublicEndpoints { first, others } = &self.public_endpoints;
        let all = std::iter::once(first).chain(others);
        let further = all.filter(|endpoint| **endpoint != self.endpoint);
        further.map(|endpoint| self.url(endpoint, "")).collect()
    }

    /// The URL of an object as the coordinator reaches it.
    pub(super) fn object_url(&self, key: &str) -> String {
        self.url(&self.endpoint, key)
    }

    /// An object as a request to copy it names it.
    pub(super) fn copy_source(&self, key: &str) -> String {
        format!("{}/{}", self.name, utf8_percent_encode(key, RESERVED_IN_PATH))
    }

    /// The URL of an object as browsers reach it, at the address whose turn it is.
    pub(crate) fn public_url(&self, key: &str, endpoint_index: usize) -> String {
        self.url(self.public_endpoints.get(endpoint_index), key)
    }

    fn url(&self, endpoint: &Endpoint, key: &str) -> String {
        let Endpoint {
            scheme,
            authority,
            path,
        } = endpoint;
        let bucket = &self.name;
        let key = utf8_percent_encode(key, RESERVED_IN_PATH);
        match self.addressing {
            Addressing::Path => format!("{scheme}://{authority}{path}/{bucket}/{key}"),
            Addressing::Virtual => format!("{scheme}://{bucket}.{authority}{path}/{key}"),
        }
    }
}

/// Whether a path is nothing, or segments that neither clients nor signatures write in another way.
fn is_plain_path(path: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let is_segment =
        |segment: &str| !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(is_plain);
    path.is_empty()
        || path
            .strip_prefix('/')
            .is_some_and(|path| path.split('/').all(is_segment))
}

/// A name or value as it stands in a query.
pub(super) fn uri_encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A query string; a value of `None` stands for a name alone.
pub(super) fn query_string(pairs: &[(&str, Option<&str>)]) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        query.push(if query.is_empty() { '?' } else { '&' });
        query.extend(utf8_percent_encode(name, RESERVED));
        query.push('=');
        query.extend(utf8_percent_encode(value.unwrap_or_default(), RESERVED));
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::sign::tests::example_bucket;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn an_endpoint_is_a_scheme_and_a_host_and_nothing_else() {
        for good in [
            "https://s3.example",
            "http://127.0.0.1:9000/",
            "https://[::1]:9000",
            "https://project.supabase.co/storage/v1/s3",
            "https://project.supabase.co/storage/v1/s3/",
        ] {
            assert!(good.parse::<Endpoint>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "s3.example",
            "ftp://s3.example",
            "https://",
            "https://s3.example/a//b",
            "https://s3.example/../b",
            "https://s3.example/a%2Fb",
            "https://s3.example/?a",
            "https://user:pass@s3.example",
            "https://s3.example/#x",
        ] {
            assert_eq!(bad.parse::<Endpoint>(), Err(InvalidEndpoint), "{bad}");
        }
    }

    #[test]
    fn addresses_of_the_same_storage_take_turns() {
        let two: PublicEndpoints = "https://one.example, https://two.example".parse().unwrap();
        let one: Endpoint = "https://one.example".parse().unwrap();
        let other: Endpoint = "https://two.example".parse().unwrap();
        assert_eq!(
            [0, 1, 2, usize::MAX].map(|index| two.get(index)),
            [&one, &other, &one, &other]
        );
        assert_eq!(PublicEndpoints::from(one.clone()).get(7), &one);
        for bad in [
            "",
            "https://one.example,",
            "https://a,https://b,https://c,https://d,https://e",
        ] {
            assert_eq!(bad.parse::<PublicEndpoints>(), Err(InvalidEndpoint), "{bad}");
        }
    }

    #[test]
    fn a_path_of_the_endpoint_stands_before_the_bucket() {
        let endpoint: Endpoint = "https://project.supabase.co/storage/v1/s3/".parse().unwrap();
        let mut bucket = Bucket {
            addressing: Addressing::Path,
            public_endpoints: endpoint.clone().into(),
            endpoint,
            ..example_bucket()
        };
        assert_eq!(
            bucket.public_url("a b", 0),
            "https://project.supabase.co/storage/v1/s3/examplebucket/a%20b"
        );
        assert_eq!(
            bucket.bucket_url(),
            "https://project.supabase.co/storage/v1/s3/examplebucket/"
        );
        bucket.addressing = Addressing::Virtual;
        assert_eq!(
            bucket.object_url("k"),
            "https://examplebucket.project.supabase.co/storage/v1/s3/k"
        );
    }

    #[test]
    fn a_default_port_is_left_out_as_http_clients_do() {
        let with_port: Endpoint = "https://S3.example:443".parse().unwrap();
        assert_eq!(with_port, "https://s3.example".parse().unwrap());
        let other: Endpoint = "http://s3.example:443".parse().unwrap();
        assert_eq!(other.authority, "s3.example:443");
    }
}
