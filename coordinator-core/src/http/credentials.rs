//! Where a request carries its access token.

use crate::api_error::{ApiError, invalid, unauthenticated};

/// The token of an `Authorization: Bearer` header. Source: RFC 6750 section 2.1.
pub(crate) fn bearer_token(headers: &http::HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let (value, more) = (values.next(), values.next());
    let token = value
        .filter(|_| more.is_none())
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    token.ok_or_else(|| unauthenticated("the request has no bearer token"))
}

/// The token in the cookie of this name, if there is exactly one. Source: RFC 6265 section 4.2.
pub(crate) fn cookie_value<'a>(headers: &'a http::HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers
        .get_all(http::header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(named, _)| *named == name)
        .map(|(_, value)| value.trim_matches('"'));
    // Two of one name: somebody has planted one for another path or domain.
    values.next().filter(|_| values.next().is_none())
}

/// The token that a browser offers as WebSocket subprotocol `bearer.<JWT>`, beside the protocol
/// itself: browsers can set no other header there, and a query string would end up in logs.
pub(crate) fn subprotocol_token<'a>(
    headers: &'a http::HeaderMap,
    protocol: &str,
) -> Result<&'a str, ApiError> {
    let offered: Vec<&str> = headers
        .get_all("sec-websocket-protocol")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    if !offered.contains(&protocol) {
        return Err(invalid(format!(
            "the WebSocket has to offer the subprotocol {protocol}"
        )));
    }
    offered
        .iter()
        .find_map(|offer| offer.strip_prefix("bearer."))
        .ok_or_else(|| unauthenticated("the WebSocket offers no bearer.<JWT> subprotocol"))
}
