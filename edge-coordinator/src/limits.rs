//! Rate limits, where the deployment has bindings for them.
//!
//! They are counted in each of the platform's locations by itself and not exactly: they keep floods
//! out and are no quota.

use std::net::IpAddr;

use worker::Env;

/// The bindings in `wrangler.toml`.
const BY_ADDRESS: &str = "LIMIT_BY_ADDRESS";
const BY_SUBJECT: &str = "LIMIT_BY_SUBJECT";
const GRANTS_BY_ADDRESS: &str = "LIMIT_GRANTS_BY_ADDRESS";

/// Seconds after which a client may ask again. Source: the bindings' `period` in `wrangler.toml`.
pub(crate) const PAUSE_SECONDS: u32 = 10;

/// Whether the request comes within the limit of its address.
///
/// A limiter that fails lets the request through: it must not be what takes the service down.
pub(crate) async fn is_within_address_limit<B>(env: &Env, request: &http::Request<B>) -> bool {
    if request.method() == http::Method::OPTIONS {
        return true;
    }
    let binding = match request.uri().path() {
        "/v1/auth/token" => GRANTS_BY_ADDRESS,
        _ => BY_ADDRESS,
    };
    match network_of(request.headers()) {
        Some(network) => within(env, binding, network).await,
        None => true,
    }
}

/// Counts a request of a subject, who is known by now; the error is in how many seconds it may ask again.
pub(crate) async fn count_subject(env: &Env, subject: &str) -> Result<(), u32> {
    match within(env, BY_SUBJECT, subject.to_owned()).await {
        true => Ok(()),
        false => Err(PAUSE_SECONDS),
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
