//! Who is asking, and what they may do.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use jwt_compact::alg::Ed25519;
use jwt_compact::{AlgorithmExt, Claims, Header};
use syncsphere_protocol::{ErrorCode, Redacted, WorkspaceId};

use super::access_token::{Audience, TokenClaims};
use super::auth_config::AuthConfig;
use super::limits::Limits;
use super::scope::Scope;
use crate::api_error::{ApiError, internal, unauthenticated};

/// How far a clock may be off, in seconds. Source: the contract, `docs/api.md`.
const LEEWAY_SECONDS: i64 = 60;

/// Longest subject, in bytes. Source: own choice.
pub(super) const MAX_SUBJECT_LENGTH: usize = 255;

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

impl Principal {
    /// Takes what a token says, once its signature has been verified: checks issuer, audience, times and
    /// subject. Only those of `issuer` for `audience` are taken.
    pub(super) fn from_claims(
        claims: Claims<TokenClaims>,
        issuer: &str,
        audience: &str,
        now_ms: i64,
    ) -> Result<Self, ApiError> {
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
        if claims.iss != issuer || !claims.aud.names(audience) {
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
    pub(crate) fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.scopes.contains(&scope) {
            Ok(())
        } else {
            Err(ApiError::new(
                ErrorCode::Forbidden,
                format!("the access token lacks the scope {}", scope.as_str()),
            ))
        }
    }

    /// A signed token for this principal.
    pub(crate) fn into_token(self, auth: &AuthConfig, now_ms: i64) -> Result<Redacted<String>, ApiError> {
        let moment = |ms: i64| DateTime::<Utc>::from_timestamp(ms.div_euclid(1000), 0);
        let scope: Vec<_> = self.scopes.iter().map(|scope| scope.as_str()).collect();
        let mut claims = Claims::new(TokenClaims {
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
