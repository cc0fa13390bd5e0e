use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use futures_util::FutureExt;
use http::Uri;
use proptest::prelude::*;

use super::tests::{NOW, auth, code, forged, principal};
use super::*;
use crate::auth::{ExternalIssuers, Scope};
use crate::ports::IssuerFailure;

/// An issuer that signs with Ed25519 and publishes what the test puts there; for the rest of the
/// algorithms see `tests/worker/issuers.test.mjs`.
struct Issuer {
    published: RefCell<Option<String>>,
    fetches: Cell<u32>,
    pauses: Cell<u32>,
}

impl Issuer {
    fn publishing(keys: &[(&str, u8)]) -> Self {
        let issuer = Self {
            published: RefCell::new(None),
            fetches: Cell::new(0),
            pauses: Cell::new(0),
        };
        issuer.publish(keys);
        issuer
    }

    fn publish(&self, keys: &[(&str, u8)]) {
        let jwk = |(id, seed): &(&str, u8)| {
            let x = URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&[*seed; 32]).verifying_key());
            format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{id}","x":"{x}"}}"#)
        };
        let keys: Vec<_> = keys.iter().map(jwk).collect();
        *self.published.borrow_mut() = Some(format!(r#"{{"keys":[{}]}}"#, keys.join(",")));
    }
}

impl IdentityProviders for Issuer {
    async fn fetch_keys(&self, url: &Uri, _: Duration, limit: usize) -> Result<Vec<u8>, IssuerFailure> {
        assert_eq!(
            (url.to_string().as_str(), limit),
            ("https://id.test/jwks", MAX_KEY_SET)
        );
        self.fetches.set(self.fetches.get() + 1);
        let published = self.published.borrow().clone();
        published.map(String::into_bytes).ok_or(IssuerFailure)
    }

    async fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        let (_, x) = key.jwk().iter().find(|(name, _)| *name == "x").unwrap();
        let x = URL_SAFE_NO_PAD.decode(x).unwrap().try_into().unwrap();
        let key = ed25519_dalek::VerifyingKey::from_bytes(&x).unwrap();
        key.verify_strict(message, &signature.try_into().unwrap()).is_ok()
    }

    async fn pause(&self, _: Duration) {
        self.pauses.set(self.pauses.get() + 1);
    }

    async fn count_request(&self, _: &str) -> Result<(), u32> {
        Ok(())
    }
}

const SECRET: &str = "a secret of no less than 32 bytes";

fn auth_with_outsiders() -> AuthConfig {
    let list = r#"[
            {"issuer":"https://id.test","audience":"them","algorithm":"EdDSA","jwksUrl":"https://id.test/jwks","workspaces":["demo"]},
            {"issuer":"backend","audience":"them","algorithm":"HS256","secretVariable":"AUTH_ISSUER_SECRET_B"}
        ]"#;
    let vars = BTreeMap::from([("AUTH_ISSUER_SECRET_B".to_owned(), SECRET.to_owned())]);
    AuthConfig {
        external_issuers: ExternalIssuers::parse(list, &vars, "us").unwrap(),
        ..auth(1)
    }
}

const OUTSIDE: &str = r#"{"iss":"https://id.test","aud":"them","sub":"a","workspace":"demo","scope":"files:read","exp":1795521660}"#;
const SHARED: &str =
    r#"{"iss":"backend","aud":"them","sub":"a","workspace":"demo","scope":"files:read","exp":1795521660}"#;

fn signed_by(seed: u8, header: &str, claims: &str) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let signature = SigningKey::from_bytes(&[seed; 32]).sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn shared(secret: &[u8], header: &str, claims: &str) -> String {
    use hmac::{KeyInit, Mac};
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
    mac.update(message.as_bytes());
    format!(
        "{message}.{}",
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    )
}

/// A authenticator that many tokens come to.
struct Fixture {
    auth: AuthConfig,
    known: VerificationCache,
    issuer: Issuer,
}

impl Fixture {
    fn new(keys: &[(&str, u8)]) -> Self {
        let auth = auth_with_outsiders();
        Self {
            known: VerificationCache::none(&auth),
            auth,
            issuer: Issuer::publishing(keys),
        }
    }

    fn admit_at(&self, token: &str, now_ms: i64) -> Result<Principal, ApiError> {
        let authenticator = Authenticator {
            auth: &self.auth,
            known: &self.known,
            identity_providers: &self.issuer,
            now_ms,
        };
        authenticator.authenticate(token).now_or_never().unwrap()
    }

    fn admit(&self, token: &str) -> Result<Principal, ApiError> {
        self.admit_at(token, NOW)
    }
}

#[test]
fn tokens_of_outside_issuers_are_taken_as_each_of_them_signs() {
    let fixture = Fixture::new(&[("k", 7), ("l", 8)]);
    for token in [
        signed_by(7, r#"{"alg":"EdDSA","kid":"k"}"#, OUTSIDE),
        signed_by(
            8,
            r#"{"alg":"EdDSA","kid":"l","jku":"https://evil.test/","x5u":"https://evil.test/"}"#,
            OUTSIDE,
        ),
        shared(SECRET.as_bytes(), r#"{"alg":"HS256"}"#, SHARED),
    ] {
        let principal = fixture.admit(&token).unwrap();
        assert_eq!(principal.subject, "a".into());
        assert_eq!(principal.scopes, [Scope::Read].into());
    }
    assert_eq!(fixture.issuer.fetches.get(), 1);
    let own = principal().into_token(&fixture.auth, NOW).unwrap();
    assert_eq!(fixture.admit(&own).unwrap(), principal());
}

#[test]
fn an_issuer_vouches_by_its_own_means_for_its_own_workspaces_only() {
    let fixture = Fixture::new(&[("k", 7)]);
    let header = r#"{"alg":"EdDSA","kid":"k"}"#;
    let published = fixture.issuer.published.borrow().clone().unwrap();
    for token in [
        // Another's key, also under the right name, and the key that came with the token.
        signed_by(1, header, OUTSIDE),
        signed_by(1, r#"{"alg":"EdDSA"}"#, OUTSIDE),
        signed_by(9, &format!(r#"{{"alg":"EdDSA","jwk":{published}}}"#), OUTSIDE),
        // Other algorithms than the issuer's, with whatever is public as the secret.
        shared(SECRET.as_bytes(), r#"{"alg":"HS256"}"#, OUTSIDE),
        shared(published.as_bytes(), r#"{"alg":"HS256","kid":"k"}"#, OUTSIDE),
        shared(b"", r#"{"alg":"none"}"#, OUTSIDE),
        shared(SECRET.as_bytes(), r#"{"alg":"HS512"}"#, SHARED),
        shared(SECRET.as_bytes(), r#"{"alg":"none"}"#, SHARED),
        signed_by(7, header, SHARED),
        shared(b"", r#"{"alg":"HS256"}"#, SHARED),
        // An issuer's name does not open another's fixture.
        signed_by(7, header, &OUTSIDE.replace("https://id.test", "us")),
        signed_by(7, header, &OUTSIDE.replace("https://id.test", "https://id.test/")),
        forged(r#"{"alg":"EdDSA"}"#, OUTSIDE),
        // Names of keys that are none.
        signed_by(7, r#"{"alg":"EdDSA","kid":"../../k"}"#, OUTSIDE),
        signed_by(7, r#"{"alg":"EdDSA","kid":"k' or '1'='1"}"#, OUTSIDE),
        signed_by(7, r#"{"alg":"EdDSA","kid":"https://evil.test/jwks"}"#, OUTSIDE),
        signed_by(7, r#"{"alg":"EdDSA","kid":"k\u0000"}"#, OUTSIDE),
        signed_by(
            7,
            &format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, "k".repeat(300)),
            OUTSIDE,
        ),
    ] {
        assert_eq!(code(fixture.admit(&token)), ErrorCode::Unauthenticated, "{token}");
    }
    let elsewhere = OUTSIDE.replace(r#""workspace":"demo""#, r#""workspace":"other""#);
    assert_eq!(
        code(fixture.admit(&signed_by(7, header, &elsewhere))),
        ErrorCode::Forbidden
    );
    for (from, to) in [
        (r#""them""#, r#""us""#),
        (r#","exp":1795521660"#, ""),
        (r#""exp":1795521660"#, r#""exp":1795521540"#),
        (r#""exp":1795521660"#, r#""exp":1795521660,"nbf":1795521661"#),
        (r#""sub":"a","#, ""),
        (r#""sub":"a","#, r#""sub":7,"#),
        (r#""workspace":"demo","#, ""),
        (r#","scope":"files:read""#, ""),
        (r#""aud":"them""#, r#""aud":"them","aud":"them""#),
    ] {
        let token = signed_by(7, header, &OUTSIDE.replace(from, to));
        assert_eq!(
            code(fixture.admit(&token)),
            ErrorCode::Unauthenticated,
            "{from} -> {to}"
        );
        let token = shared(SECRET.as_bytes(), r#"{"alg":"HS256"}"#, &SHARED.replace(from, to));
        assert_eq!(
            code(fixture.admit(&token)),
            ErrorCode::Unauthenticated,
            "{from} -> {to}"
        );
    }
}

/// Source: RFC 8037 appendices A.4 and A.5; its payload is a text, so that it is no access token.
#[test]
fn the_published_eddsa_signature_is_verified() {
    let text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let document =
        br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let keys = KeySet::parse(document, Algorithm::EdDsa).unwrap();
    let (token, key) = (Unverified::parse(text).unwrap(), keys.find(None).unwrap());
    let issuer = Issuer::publishing(&[]);
    let verify = |message: &[u8]| {
        let verified = issuer.verify(key, message, token.signature());
        verified.now_or_never().unwrap()
    };
    assert!(verify(token.message()));
    assert!(!verify(b"another"));
}

#[test]
fn a_new_key_is_found_by_its_name_and_made_up_names_ask_for_nothing() {
    let fixture = Fixture::new(&[("k", 7)]);
    let old = signed_by(7, r#"{"alg":"EdDSA","kid":"k"}"#, OUTSIDE);
    let new = signed_by(8, r#"{"alg":"EdDSA","kid":"l"}"#, OUTSIDE);
    assert!(fixture.admit(&old).is_ok());
    assert!(fixture.admit(&new).is_err());
    fixture.issuer.publish(&[("k", 7), ("l", 8)]);
    assert!(fixture.admit_at(&new, NOW + 10_000).is_ok());
    for n in 0..100 {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{n}"}}"#);
        assert!(
            fixture
                .admit_at(&signed_by(8, &header, OUTSIDE), NOW + 10_000)
                .is_err()
        );
    }
    assert_eq!(fixture.issuer.fetches.get(), 2);
}

#[test]
fn while_the_issuer_is_away_known_keys_serve_and_others_are_asked_to_wait() {
    let fixture = Fixture::new(&[]);
    *fixture.issuer.published.borrow_mut() = Some("<html>".to_owned());
    let token = signed_by(7, r#"{"alg":"EdDSA","kid":"k"}"#, OUTSIDE);
    let (problem, cause) = fixture.admit(&token).unwrap_err().into_parts();
    assert_eq!((problem.status, problem.retry_after), (503, Some(RETRY_AFTER)));
    assert!(!cause.unwrap().contains("id.test"));
    fixture.issuer.publish(&[("k", 7)]);
    assert!(fixture.admit_at(&token, NOW + 10_000).is_ok());
    *fixture.issuer.published.borrow_mut() = None;
    let later = NOW + 3_600_000;
    let token = signed_by(
        7,
        r#"{"alg":"EdDSA","kid":"k"}"#,
        &OUTSIDE.replace("1795521660", "1795621660"),
    );
    assert!(fixture.admit_at(&token, later).is_ok());
    assert_eq!(fixture.issuer.fetches.get(), 3);
}

#[test]
fn whoever_waits_for_another_request_gives_up_in_the_end() {
    let fixture = Fixture::new(&[("k", 7)]);
    let token = signed_by(7, r#"{"alg":"EdDSA","kid":"k"}"#, OUTSIDE);
    assert_eq!(
        fixture.known.with(0, |ring| ring.look_up(Some("k"), NOW)),
        Some(KeyLookup::Fetch)
    );
    assert!(
        fixture.admit(&token).is_ok(),
        "the other one was never heard of again"
    );
    assert_eq!(
        (fixture.issuer.fetches.get(), fixture.issuer.pauses.get()),
        (1, 80)
    );
}

proptest! {
    #[test]
    fn no_token_makes_an_outside_issuers_gate_panic(header in ".{0,80}", claims in ".{0,80}", signature in "[A-Za-z0-9_-]{0,100}") {
        let fixture = Fixture::new(&[("k", 7)]);
        let token = format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        prop_assert!(fixture.admit(&token).is_err());
    }

    #[test]
    fn a_changed_outside_token_opens_nothing(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_-]") {
        let fixture = Fixture::new(&[("k", 7)]);
        for token in [
            signed_by(7, r#"{"alg":"EdDSA","kid":"k"}"#, OUTSIDE),
            shared(SECRET.as_bytes(), r#"{"alg":"HS256"}"#, SHARED),
        ] {
            let at = at.index(token.len());
            let mut changed = token.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != token);
            prop_assert!(fixture.admit(&changed).is_err());
        }
    }
}
