use std::time::Duration;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::Signer;
use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::auth::limits::Limits;
use crate::auth::{Clients, ExternalIssuers, Scope, SigningKeys};
use crate::ports::NoIdentityProviders;

pub(super) const NOW: i64 = 1_795_521_600_000;

pub(super) fn auth(seed: u8) -> AuthConfig {
    AuthConfig {
        keys: SigningKeys::parse(&STANDARD.encode([seed; 32])).unwrap(),
        issuer: "us".to_owned(),
        audience: "them".to_owned(),
        token_ttl: Duration::from_secs(60),
        guests: true,
        clients: Clients::default(),
        external_issuers: ExternalIssuers::default(),
    }
}

pub(super) fn principal() -> Principal {
    Principal {
        subject: "ann".into(),
        workspace: "demo".parse().unwrap(),
        scopes: Scope::ALL.into(),
        limits: Limits {
            max_file_size: Some(5),
            max_bytes: Some(9),
            content_types: Some(vec!["image/*".to_owned()]),
        },
        expires_ms: NOW + 60_000,
    }
}

fn from_token(token: &str, auth: &AuthConfig, now_ms: i64) -> Result<Principal, ApiError> {
    let authenticator = Authenticator {
        auth,
        known: &VerificationCache::none(auth),
        identity_providers: &NoIdentityProviders,
        now_ms,
    };
    authenticator.authenticate(token).now_or_never().unwrap()
}

#[test]
fn a_token_that_was_let_in_before_is_still_looked_at() {
    let auth = auth(1);
    let token = principal().into_token(&auth, NOW).unwrap().0;
    let known = VerificationCache::none(&auth);
    let admit = |auth: &AuthConfig, token: &str, now_ms| {
        let identity_providers = &NoIdentityProviders;
        let authenticator = Authenticator {
            auth,
            known: &known,
            identity_providers,
            now_ms,
        };
        authenticator.authenticate(token).now_or_never().unwrap()
    };
    for _ in 0..2 {
        assert_eq!(admit(&auth, &token, NOW).unwrap(), principal());
    }
    let expired = admit(&auth, &token, NOW + 120_000);
    assert_eq!(code(expired), ErrorCode::Unauthenticated);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (first, rest) = signature.split_at(1);
    let forged = format!("{signed}.{}{rest}", if first == "A" { "B" } else { "A" });
    assert_eq!(code(admit(&auth, &forged, NOW)), ErrorCode::Unauthenticated);
}

pub(super) fn code(result: Result<Principal, ApiError>) -> ErrorCode {
    result.unwrap_err().code()
}

/// A token with this header and these claims, honestly signed.
pub(super) fn forged(header: &str, claims: &str) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let signature = auth(1).keys.first().signing.sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

#[test]
fn a_token_says_what_it_was_issued_for() {
    let token = principal().into_token(&auth(1), NOW).unwrap();
    assert_eq!(from_token(&token, &auth(1), NOW).unwrap(), principal());
}

#[test]
fn times_are_checked_with_a_minute_of_leeway() {
    let token = principal().into_token(&auth(1), NOW).unwrap();
    let at = |ms| from_token(&token, &auth(1), NOW + ms);
    assert!(at(119_000).is_ok());
    assert_eq!(code(at(120_000)), ErrorCode::Unauthenticated);
    assert!(at(-60_000).is_ok());
    assert_eq!(code(at(-61_000)), ErrorCode::Unauthenticated);
}

#[test]
fn another_key_issuer_or_audience_opens_nothing() {
    let token = principal().into_token(&auth(1), NOW).unwrap();
    let other_issuer = AuthConfig {
        issuer: "x".to_owned(),
        ..auth(1)
    };
    let other_audience = AuthConfig {
        audience: "x".to_owned(),
        ..auth(1)
    };
    for auth in [auth(2), other_issuer, other_audience] {
        assert_eq!(code(from_token(&token, &auth, NOW)), ErrorCode::Unauthenticated);
    }
}

#[test]
fn hostile_headers_and_claims_open_nothing() {
    let header = r#"{"alg":"EdDSA"}"#;
    let claims = r#"{"iss":"us","aud":["x","them"],"sub":"a","workspace":"demo","scope":"files:read","exp":1795521660}"#;
    let good = from_token(&forged(header, claims), &auth(1), NOW).unwrap();
    assert_eq!(good.scopes, [Scope::Read].into());
    assert_eq!(
        good.require(Scope::Write).unwrap_err().code(),
        ErrorCode::Forbidden
    );
    for bad_header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"EdDSA","kid":"../../key"}"#,
        r#"{"alg":"EdDSA","crit":["exp"]}"#,
        r#"{"alg":"EdDSA","alg":"none"}"#,
        r#"{"alg":"EdDSA","kid":"a","kid":"b"}"#,
        r#"{"alg":"EdDSA","kid":7}"#,
        r#"{"alg":["EdDSA"]}"#,
        r#"{"alg":"eddsa"}"#,
        r#"[]"#,
        r#"{}"#,
    ] {
        let token = forged(bad_header, claims);
        assert!(from_token(&token, &auth(1), NOW).is_err(), "{bad_header}");
    }
    for (from, to) in [
        (r#","exp":1795521660"#, ""),
        (r#""sub":"a","#, r#""sub":"","#),
        (r#""sub":"a","#, r#""sub":"a","sub":"b","#),
        (r#""workspace":"demo""#, r#""workspace":"../x""#),
        (r#""workspace":"demo""#, r#""workspace":"demo","workspace":"b""#),
        (r#""exp":1795521660"#, r#""exp":"soon""#),
        (r#""exp":1795521660"#, r#""exp":1795521660,"exp":1995521660"#),
        (r#""exp":1795521660"#, r#""exp":1795521660,"nbf":1,"nbf":2"#),
        (
            r#""exp":1795521660"#,
            r#""exp":1795521660,"maxBytes":1,"maxBytes":2"#,
        ),
        (r#""exp":1795521660"#, r#""exp":1795521660,"maxBytes":-1"#),
        (r#""exp":1795521660"#, r#""exp":1e400"#),
        (r#""exp":1795521660"#, r#""exp":99999999999999999999"#),
        (r#""aud":["x","them"]"#, r#""aud":["x","them"],"aud":"x""#),
        (r#""aud":["x","them"]"#, r#""aud":{"them":1}"#),
        (r#""iss":"us""#, r#""iss":"us","iss":"us""#),
        (r#""scope":"files:read""#, r#""scope":["files:read"]"#),
    ] {
        let token = forged(header, &claims.replace(from, to));
        assert!(from_token(&token, &auth(1), NOW).is_err(), "{from} -> {to}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(token in "[a-zA-Z0-9_.=-]{0,200}") {
        prop_assert!(from_token(&token, &auth(1), NOW).is_err());
    }

    #[test]
    fn a_changed_token_opens_nothing(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_-]") {
        let token = principal().into_token(&auth(1), NOW).unwrap().0;
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        prop_assume!(changed != token);
        prop_assert!(from_token(&changed, &auth(1), NOW).is_err());
    }
}
