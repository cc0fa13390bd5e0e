//! Rate limits, where the deployment has bindings for them.
//!
//! They are counted in each of the platform's locations by itself and not exactly: they keep floods
//! out and are no quota.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use worker::Env;

/// The bindings in `wrangler.toml`.
const BY_ADDRESS: &str = "LIMIT_BY_ADDRESS";
const BY_TOKEN: &str = "LIMIT_BY_TOKEN";
const GRANTS_BY_ADDRESS: &str = "LIMIT_GRANTS_BY_ADDRESS";

/// Seconds after which a client may ask again. Source: the bindings' `period` in `wrangler.toml`.
pub(crate) const PAUSE_SECONDS: u32 = 10;

/// Whether the request comes within the limits of its address and its token.
///
/// A limiter that fails lets the request through: it must not be what takes the service down.
pub(crate) async fn admit(env: &Env, request: &http::Request<Vec<u8>>) -> bool {
    if request.method() == http::Method::OPTIONS {
        return true;
    }
    let is_grant = request.uri().path() == "/v1/auth/token";
    if let Some(network) = network_of(request.headers()) {
        let binding = if is_grant { GRANTS_BY_ADDRESS } else { BY_ADDRESS };
        if !within(env, binding, network).await {
            return false;
        }
    }
    match token_of(request.headers()) {
        // Not by subject: whoever forges tokens would use up the limit of whom they name.
        Some(token) if !is_grant => within(env, BY_TOKEN, digest(token)).await,
        Some(_) | None => true,
    }
}

async fn within(env: &Env, binding: &str, key: String) -> bool {
    let Ok(limiter) = env.rate_limiter(binding) else {
        return true;
    };
    limiter.limit(key).await.map_or(true, |outcome| outcome.success)
}

/// The client's address; of IPv6 the network, since whoever has one address has all of that.
///
/// Source: a site gets at least a /64, RFC 6177.
fn network_of(headers: &http::HeaderMap) -> Option<String> {
    let address = headers.get("cf-connecting-ip")?.to_str().ok()?;
    Some(match address.trim().parse().ok()? {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => (address.to_bits() >> 64).to_string(),
    })
}

fn token_of(headers: &http::HeaderMap) -> Option<&[u8]> {
    let header = headers
        .get(http::header::AUTHORIZATION)
        .or_else(|| headers.get("sec-websocket-protocol"));
    header.map(http::HeaderValue::as_bytes)
}

fn digest(token: &[u8]) -> String {
    let digest = Sha256::digest(token);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
