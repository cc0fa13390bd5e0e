//! Lets a token's holder in, or not: finds whose token it is, and has it verified as that issuer signs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jwt_compact::AlgorithmExt;
use jwt_compact::alg::{Ed25519, Hs256};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use syncsphere_protocol::{ErrorCode, Problem};

use super::access_token::{TokenClaims, Unverified};
use super::auth_config::AuthConfig;
use super::external_issuers::{ExternalIssuer, Proof};
use super::jwks::KeySet;
use super::jwks_cache::{JwksCache, KeyLookup};
use super::principal::Principal;
use super::verified_token_cache::VerifiedTokenCache;
use crate::api_error::{ApiError, rate_limited, unauthenticated};
use crate::ports::IdentityProviders;
use crate::public_key::{Algorithm, PublicKey};

/// How long an issuer may take to answer. Source: own choice; a request waits for it.
pub(super) const KEY_FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// Largest key set, in bytes. Source: own choice; three RSA keys with certificates have some 10 KB.
const MAX_KEY_SET: usize = 64 * 1024;

/// How often a request looks whether another one has fetched the keys. Source: own choice.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How often it looks at most: a little longer than somebody else may ask.
const MAX_POLLS: u32 = 100;

/// Seconds after which a client may try again where keys cannot be had. Source: the pause between two askings.
const RETRY_AFTER: u32 = 10;

/// What earlier requests have found out.
#[derive(Debug)]
pub(crate) struct VerificationCache {
    /// The keys of external issuers that have been fetched, one cache an issuer: as many as are configured.
    jwks: Mutex<Vec<JwksCache>>,
    /// Tokens of our own that have been verified.
    verified_tokens: VerifiedTokenCache,
}

impl VerificationCache {
    /// None yet.
    pub(crate) fn none(auth: &AuthConfig) -> Self {
        let jwks = std::iter::repeat_with(JwksCache::default).take(auth.external_issuers.len());
        Self {
            jwks: Mutex::new(jwks.collect()),
            verified_tokens: VerifiedTokenCache::default(),
        }
    }

    fn with<T>(&self, index: usize, act: impl FnOnce(&mut JwksCache) -> T) -> Option<T> {
        let mut jwks = self.jwks.lock().unwrap_or_else(PoisonError::into_inner);
        jwks.get_mut(index).map(act)
    }
}

/// What verifying a token takes.
pub(crate) struct Authenticator<'a, I> {
    pub auth: &'a AuthConfig,
    pub known: &'a VerificationCache,
    pub identity_providers: &'a I,
    pub now_ms: i64,
}

impl<I: IdentityProviders> Authenticator<'_, I> {
    /// Who holds this token, unless they ask too often: its form, algorithm, signature, issuer, audience and
    /// times are checked.
    pub(crate) async fn authenticate(&self, token: &str) -> Result<Principal, ApiError> {
        let principal = self.holder(token).await?;
        // Not before: whoever makes tokens up would use up the share of whom they name.
        let admitted = self
            .identity_providers
            .count_request(&digest_of(&principal))
            .await;
        admitted.map_err(rate_limited)?;
        Ok(principal)
    }

    async fn holder(&self, token: &str) -> Result<Principal, ApiError> {
        let token = Unverified::parse(token).ok_or_else(invalid_token)?;
        let issuer = token.issuer().ok_or_else(invalid_token)?;
        match self.auth.external_issuers.named(&issuer) {
            Some((index, issuer)) => self.verify_external(&token, index, issuer).await,
            None => {
                let claims =
                    own_claims(&token, self.auth, &self.known.verified_tokens).ok_or_else(invalid_token)?;
                Principal::from_claims(claims, &self.auth.issuer, &self.auth.audience, self.now_ms)
            }
        }
    }

    async fn verify_external(
        &self,
        token: &Unverified<'_>,
        index: usize,
        issuer: &ExternalIssuer,
    ) -> Result<Principal, ApiError> {
        let is_authentic = match &issuer.proof {
            Proof::Shared(secret) => Hs256
                .validator::<Anything>(secret)
                .validate(token.parsed())
                .is_ok(),
            Proof::Published { algorithm, url } if token.algorithm() == algorithm.name() => {
                let key = self.key(index, *algorithm, url, token.key_id()).await?;
                token.signature().len() == key.signature_length()
                    && self
                        .identity_providers
                        .verify(&key, token.message(), token.signature())
                        .await
            }
            Proof::Published { .. } => false,
        };
        if !is_authentic {
            return Err(invalid_token());
        }
        let incomplete = || unauthenticated("the access token lacks a claim, or has one of another type");
        let claims = token.claims().ok_or_else(incomplete)?;
        let principal = Principal::from_claims(claims, &issuer.name, &issuer.audience, self.now_ms)?;
        if !issuer.workspaces.matches(&principal.workspace) {
            let detail = "the issuer of the access token does not open this workspace";
            return Err(ApiError::new(ErrorCode::Forbidden, detail));
        }
        Ok(principal)
    }

    /// The issuer's key of this name, fetched where that is due. Of all requests one fetches; the others
    /// use what is known, or wait for it.
    async fn key(
        &self,
        index: usize,
        algorithm: Algorithm,
        url: &http::Uri,
        id: Option<&str>,
    ) -> Result<PublicKey, ApiError> {
        let mut polls = 0;
        let mut has_fetched = false;
        loop {
            // The clock is an argument; what this request has waited is known besides.
            let waited = POLL_INTERVAL.saturating_mul(polls).as_millis();
            let now_ms = self
                .now_ms
                .saturating_add(i64::try_from(waited).unwrap_or(i64::MAX));
            match self.known.with(index, |cache| cache.look_up(id, now_ms)) {
                Some(KeyLookup::Found(key)) => return Ok(key),
                Some(KeyLookup::Unknown) | None => return Err(invalid_token()),
                Some(KeyLookup::Fetch) if !has_fetched => {
                    has_fetched = true;
                    let fetched = self
                        .identity_providers
                        .fetch_keys(url, KEY_FETCH_TIMEOUT, MAX_KEY_SET)
                        .await;
                    let keys = fetched
                        .ok()
                        .and_then(|document| KeySet::parse(&document, algorithm));
                    self.known.with(index, |cache| cache.store(keys, now_ms));
                }
                Some(KeyLookup::Wait) if polls < MAX_POLLS => {
                    polls += 1;
                    self.identity_providers.pause(POLL_INTERVAL).await;
                }
                Some(KeyLookup::Unavailable | KeyLookup::Fetch | KeyLookup::Wait) => {
                    return Err(keys_unavailable(index));
                }
            }
        }
    }
}

/// Claims that are read once their signature is verified.
#[derive(Deserialize)]
struct Anything {}

/// What a token says that one of our own keys has signed.
fn own_claims(
    token: &Unverified<'_>,
    auth: &AuthConfig,
    verified_tokens: &VerifiedTokenCache,
) -> Option<jwt_compact::Claims<TokenClaims>> {
    let key = match token.key_id() {
        Some(id) => auth.keys.named(id)?,
        None => auth.keys.first(),
    };
    let validator = Ed25519.validator::<TokenClaims>(&key.verifying);
    let is_ours = verified_tokens.verify_once(token.text(), || validator.validate(token.parsed()).is_ok());
    is_ours.then(|| token.claims()).flatten()
}

/// Names a subject of a workspace without telling who it is.
pub(crate) fn digest_of(principal: &Principal) -> String {
    let mut digest = Sha256::new_with_prefix(principal.workspace.as_str());
    digest.update("/");
    digest.update(principal.subject.as_bytes());
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn invalid_token() -> ApiError {
    unauthenticated("the access token does not hold")
}

fn keys_unavailable(index: usize) -> ApiError {
    let detail = "the keys of the access token's issuer cannot be had at the moment";
    let problem = Problem::new(ErrorCode::Internal, detail).retry_after(RETRY_AFTER);
    let cause = format!("issuer {} of AUTH_ISSUERS gives no usable key set", index + 1);
    ApiError::from(problem).with_status(503).because(cause)
}

#[cfg(test)]
#[path = "authenticator_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "authenticator_external_tests.rs"]
mod external_tests;
