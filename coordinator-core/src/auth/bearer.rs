//! Access tokens: JWTs that the coordinator issued itself.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use jwt_compact::alg::Ed25519;
use jwt_compact::{AlgorithmExt, Claims, Header, UntrustedToken};
use serde::{Deserialize, Serialize};
use syncsphere_protocol::{ErrorCode, Redacted, WorkspaceId};

use crate::config::AuthConfig;
use crate::refusal::{Refusal, internal};

/// How far a clock may be off, in seconds. Source: the contract, `docs/api.md`.
const LEEWAY_SECONDS: i64 = 60;

/// Longest token that is looked at, in bytes. Source: own choice; ours have about 500, and a
/// platform's headers end at some 16 or 32 KiB.
const MAX_TOKEN_LENGTH: usize = 8 * 1024;

/// Longest subject, in bytes. Source: own choice.
pub(super) const MAX_SUBJECT_LENGTH: usize = 255;

/// Something that a token can allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Read files and their changes.
    Read,
    /// Upload and remove files.
    Write,
}

impl Scope {
    pub(crate) const ALL: [Self; 2] = [Self::Read, Self::Write];

    /// The scope of this name, if there is one.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "files:read",
            Self::Write => "files:write",
        }
    }
}

/// Who is asking, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    pub subject: Redacted<String>,
    pub workspace: WorkspaceId,
    pub scopes: BTreeSet<Scope>,
    /// What they may upload.
    pub limits: Limits,
    /// When the token dies, in milliseconds since 1970.
    pub expires_ms: i64,
}

/// What a token lets its subject upload. Nothing is limited by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Limits {
    /// Largest file, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_file_size: Option<u64>,
    /// What the subject's files in the workspace may come to, in bytes, uploads under way included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// Media types that are taken, such as `image/png` and `video/*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_types: Option<Vec<String>>,
}

impl Principal {
    /// Checks a token: its form, algorithm, signature, issuer, audience and times.
    pub(crate) fn from_token(token: &str, auth: &AuthConfig, now_ms: i64) -> Result<Self, Refusal> {
        let claims =
            verified(token, auth).ok_or_else(|| unauthenticated("the access token does not hold"))?;
        let now = now_ms.div_euclid(1000);
        let seconds = |moment: Option<DateTime<Utc>>| moment.map(|moment| moment.timestamp());
        let Some(expires) = seconds(claims.expiration) else {
            return Err(unauthenticated("the access token never expires"));
        };
        if now >= expires.saturating_add(LEEWAY_SECONDS) {
            return Err(unauthenticated("the access token has expired"));
        }
        if seconds(claims.not_before)
            .is_some_and(|not_before| now < not_before.saturating_sub(LEEWAY_SECONDS))
        {
            return Err(unauthenticated("the access token is not valid yet"));
        }
        let claims = claims.custom;
        if claims.iss != auth.issuer || !claims.aud.names(&auth.audience) {
            return Err(unauthenticated("the access token is for another service"));
        }
        if claims.sub.is_empty() || claims.sub.len() > MAX_SUBJECT_LENGTH {
            return Err(unauthenticated("the access token names no subject"));
        }
        let scopes = claims.scope.split(' ');
        Ok(Self {
            subject: Redacted(claims.sub),
            workspace: claims.workspace,
            scopes: Scope::ALL
                .into_iter()
                .filter(|scope| scopes.clone().any(|named| named == scope.as_str()))
                .collect(),
            limits: claims.limits,
            expires_ms: expires.saturating_mul(1000),
        })
    }

    /// Fails where the token does not allow `scope`.
    pub(crate) fn require(&self, scope: Scope) -> Result<(), Refusal> {
        if self.scopes.contains(&scope) {
            Ok(())
        } else {
            Err(Refusal::new(
                ErrorCode::Forbidden,
                format!("the access token lacks the scope {}", scope.as_str()),
            ))
        }
    }

    /// A signed token for this principal.
    pub(crate) fn into_token(self, auth: &AuthConfig, now_ms: i64) -> Result<Redacted<String>, Refusal> {
        let moment = |ms: i64| DateTime::<Utc>::from_timestamp(ms.div_euclid(1000), 0);
        let scope: Vec<_> = self.scopes.iter().map(|scope| scope.as_str()).collect();
        let mut claims = Claims::new(OwnClaims {
            iss: auth.issuer.clone(),
            aud: Audience::One(auth.audience.clone()),
            sub: self.subject.0,
            workspace: self.workspace,
            scope: scope.join(" "),
            limits: self.limits,
        });
        claims.issued_at = moment(now_ms);
        claims.not_before = moment(now_ms);
        claims.expiration = moment(self.expires_ms);
        let key = auth.keys.first();
        let header = Header::empty()
            .with_key_id(key.id.as_str())
            .with_token_type("JWT");
        Ed25519
            .token(&header, &claims, &key.signing)
            .map(Redacted)
            .map_err(|error| internal(error.to_string()))
    }
}

/// The token of an `Authorization: Bearer` header. Source: RFC 6750 section 2.1.
pub(crate) fn bearer_of(headers: &http::HeaderMap) -> Result<&str, Refusal> {
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

/// The token that a browser offers as WebSocket subprotocol `bearer.<JWT>`, beside the protocol
/// itself: browsers can set no other header there, and a query string would end up in logs.
pub(crate) fn subprotocol_token<'a>(
    headers: &'a http::HeaderMap,
    protocol: &str,
) -> Result<&'a str, Refusal> {
    let offered: Vec<&str> = headers
        .get_all("sec-websocket-protocol")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    if !offered.contains(&protocol) {
        return Err(crate::refusal::invalid(format!(
            "the WebSocket has to offer the subprotocol {protocol}"
        )));
    }
    offered
        .iter()
        .find_map(|offer| offer.strip_prefix("bearer."))
        .ok_or_else(|| unauthenticated("the WebSocket offers no bearer.<JWT> subprotocol"))
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnClaims {
    iss: String,
    aud: Audience,
    sub: String,
    workspace: WorkspaceId,
    scope: String,
    #[serde(flatten)]
    limits: Limits,
}

/// Source: RFC 7519 section 4.1.3: one name or several.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn names(&self, wanted: &str) -> bool {
        match self {
            Self::One(name) => name == wanted,
            Self::Several(names) => names.iter().any(|name| name == wanted),
        }
    }
}

/// The header's critical extensions, of which none is known here. Source: RFC 7515 section 4.1.11.
#[derive(Debug, Clone, Deserialize)]
struct Extensions {
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// The claims of a token that one of the keys has signed, whatever they say.
fn verified(token: &str, auth: &AuthConfig) -> Option<Claims<OwnClaims>> {
    if token.len() > MAX_TOKEN_LENGTH {
        return None;
    }
    let untrusted = UntrustedToken::<Extensions>::try_from(token).ok()?;
    if untrusted.header().other_fields.crit.is_some() {
        return None;
    }
    let key = match &untrusted.header().key_id {
        Some(id) => auth.keys.named(id)?,
        None => auth.keys.first(),
    };
    let (_, claims) = Ed25519
        .validator::<OwnClaims>(&key.verifying)
        .validate(&untrusted)
        .ok()?
        .into_parts();
    Some(claims)
}

fn unauthenticated(detail: &str) -> Refusal {
    Refusal::new(ErrorCode::Unauthenticated, detail)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;
    use crate::auth::{Clients, SigningKeys};

    const NOW: i64 = 1_795_521_600_000;

    fn auth(seed: u8) -> AuthConfig {
        AuthConfig {
            keys: SigningKeys::parse(&STANDARD.encode([seed; 32])).unwrap(),
            issuer: "us".to_owned(),
            audience: "them".to_owned(),
            token_ttl: Duration::from_secs(60),
            guests: true,
            clients: Clients::default(),
        }
    }

    fn principal() -> Principal {
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

    fn code(result: Result<Principal, Refusal>) -> ErrorCode {
        result.unwrap_err().code()
    }

    /// A token with this header and these claims, honestly signed.
    fn forged(header: &str, claims: &str) -> String {
        use ed25519_dalek::Signer;
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
        assert_eq!(Principal::from_token(&token, &auth(1), NOW).unwrap(), principal());
    }

    #[test]
    fn times_are_checked_with_a_minute_of_leeway() {
        let token = principal().into_token(&auth(1), NOW).unwrap();
        let at = |ms| Principal::from_token(&token, &auth(1), NOW + ms);
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
            assert_eq!(
                code(Principal::from_token(&token, &auth, NOW)),
                ErrorCode::Unauthenticated
            );
        }
    }

    #[test]
    fn hostile_headers_and_claims_open_nothing() {
        let header = r#"{"alg":"EdDSA"}"#;
        let claims = r#"{"iss":"us","aud":["x","them"],"sub":"a","workspace":"demo","scope":"files:read","exp":1795521660}"#;
        let good = Principal::from_token(&forged(header, claims), &auth(1), NOW).unwrap();
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
            r#"{}"#,
        ] {
            let token = forged(bad_header, claims);
            assert!(
                Principal::from_token(&token, &auth(1), NOW).is_err(),
                "{bad_header}"
            );
        }
        for (from, to) in [
            (r#","exp":1795521660"#, ""),
            (r#""sub":"a","#, r#""sub":"","#),
            (r#""sub":"a","#, r#""sub":"a","sub":"b","#),
            (r#""workspace":"demo""#, r#""workspace":"../x""#),
            (r#""workspace":"demo""#, r#""workspace":"demo","workspace":"b""#),
            (r#""exp":1795521660"#, r#""exp":"soon""#),
            (r#""exp":1795521660"#, r#""exp":1795521660,"exp":1995521660"#),
        ] {
            let token = forged(header, &claims.replace(from, to));
            assert!(
                Principal::from_token(&token, &auth(1), NOW).is_err(),
                "{from} -> {to}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(token in "[a-zA-Z0-9_.=-]{0,200}") {
            prop_assert!(Principal::from_token(&token, &auth(1), NOW).is_err());
        }

        #[test]
        fn a_changed_token_opens_nothing(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_-]") {
            let token = principal().into_token(&auth(1), NOW).unwrap().0;
            let at = at.index(token.len());
            let mut changed = token.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != token);
            prop_assert!(Principal::from_token(&changed, &auth(1), NOW).is_err());
        }
    }
}
