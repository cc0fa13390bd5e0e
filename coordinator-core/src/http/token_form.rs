//! How a client asks for a token: a form, and perhaps HTTP Basic. Source: RFC 6749.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use syncsphere_protocol::{Redacted, TokenError};

use crate::auth::{ClientHeader, TokenRequest, invalid_token_request};

/// Reads a token request. Source: RFC 6749 section 3.2: no field may come twice.
pub(crate) fn token_request(headers: &HeaderMap, form: &[u8]) -> Result<TokenRequest, TokenError> {
    let mut fields = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(form) {
        if fields.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(invalid_token_request("a form field comes twice"));
        }
    }
    let header = match headers.get(AUTHORIZATION) {
        None => ClientHeader::Absent,
        Some(header) => header
            .to_str()
            .ok()
            .and_then(basic_credentials)
            .map_or(ClientHeader::Other, |(id, secret)| {
                ClientHeader::Basic(id, secret)
            }),
    };
    Ok(TokenRequest::new(fields, header))
}

fn basic_credentials(header: &str) -> Option<(String, Redacted<String>)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((form_decoded(id), Redacted(form_decoded(secret))))
}

/// Source: RFC 6749 section 2.3.1, both are form encoded before they are joined.
fn form_decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced)
        .decode_utf8_lossy()
        .into_owned()
}
