//! CORS as browsers judge it.
//!
//! Source: <https://fetch.spec.whatwg.org/#cors-preflight-fetch>, for requests without credentials.

use http::HeaderMap;

/// What a page of `origin` would hear of a preflight's reply: why the request may not be sent.
pub fn problem(
    status: http::StatusCode,
    reply: &HeaderMap,
    origin: &str,
    method: &str,
    headers: &[&str],
) -> Option<String> {
    if !status.is_success() {
        return Some(format!(
            "the preflight is answered with status {}",
            status.as_u16()
        ));
    }
    if !readable(reply, origin) {
        return Some(format!("pages of {origin} are not allowed"));
    }
    let methods = list(reply, "access-control-allow-methods");
    if !methods.iter().any(|allowed| allowed == "*" || allowed == method) {
        return Some(format!("the method {method} is not allowed"));
    }
    let allowed = list(reply, "access-control-allow-headers");
    let missing: Vec<_> = headers
        .iter()
        .copied()
        .filter(|header| !covers(&allowed, header))
        .collect();
    (!missing.is_empty()).then(|| match missing.as_slice() {
        [one] => format!("the header {one} is not allowed"),
        several => format!("the headers {} are not allowed", several.join(", ")),
    })
}

/// Whether a page of `origin` may read a reply.
pub fn readable(reply: &HeaderMap, origin: &str) -> bool {
    let mut values = reply.get_all("access-control-allow-origin").iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    value == "*" || value == origin
}

/// Whether a page may read this header of a reply.
pub fn exposes(reply: &HeaderMap, header: &str) -> bool {
    covers(&list(reply, "access-control-expose-headers"), header)
}

/// `*` stands for every header but `Authorization`.
fn covers(list: &[String], header: &str) -> bool {
    list.iter()
        .any(|name| name.eq_ignore_ascii_case(header) || name == "*" && header != "authorization")
}

fn list(reply: &HeaderMap, name: &str) -> Vec<String> {
    reply
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|item| item.trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    use super::{exposes, problem};

    fn reply(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    const ORIGIN: (&str, &str) = ("access-control-allow-origin", "https://a.example");
    const METHODS: (&str, &str) = ("access-control-allow-methods", "GET, PUT");
    const HEADERS: (&str, &str) = (
        "access-control-allow-headers",
        "Content-Type,X-Amz-Checksum-Crc64nvme",
    );

    fn judged(reply: &HeaderMap, origin: &str) -> Option<String> {
        let headers = ["content-type", "x-amz-checksum-crc64nvme"];
        problem(StatusCode::OK, reply, origin, "PUT", &headers)
    }

    #[test]
    fn a_preflight_has_to_allow_origin_method_and_every_header() {
        let whole = reply(&[ORIGIN, METHODS, HEADERS]);
        assert_eq!(judged(&whole, "https://a.example"), None);
        assert!(judged(&whole, "https://b.example").unwrap().contains("pages of"));
        assert!(
            judged(&reply(&[ORIGIN, HEADERS]), "https://a.example")
                .unwrap()
                .contains("method PUT")
        );
        assert!(
            judged(&reply(&[ORIGIN, METHODS]), "https://a.example")
                .unwrap()
                .contains("x-amz-checksum-crc64nvme")
        );
        let twice = reply(&[ORIGIN, ORIGIN, METHODS, HEADERS]);
        assert!(judged(&twice, "https://a.example").is_some());
    }

    #[test]
    fn a_star_covers_all_but_authorization() {
        let star = reply(&[
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "*"),
            ("access-control-allow-headers", "*"),
        ]);
        assert_eq!(judged(&star, "https://a.example"), None);
        let objection = problem(
            StatusCode::OK,
            &star,
            "https://a.example",
            "PUT",
            &["authorization"],
        );
        assert!(objection.unwrap().contains("authorization"));
    }

    #[test]
    fn exposed_headers_are_compared_without_case() {
        let answer = reply(&[("access-control-expose-headers", "etag, x-amz-request-id")]);
        assert!(exposes(&answer, "ETag"));
        assert!(!exposes(&answer, "x-amz-checksum-crc64nvme"));
    }
}
