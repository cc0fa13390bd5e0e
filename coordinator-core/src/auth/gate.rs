//! Lets a token's holder in, or not: finds whose token it is, and has it verified as that issuer signs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jwt_compact::AlgorithmExt;
use jwt_compact::alg::{Ed25519, Hs256};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use syncsphere_protocol::{ErrorCode, Problem};

use super::access_token::{TokenClaims, Unverified};
use super::jwks::{Algorithm, KeySet, PublicKey};
use super::key_ring::{KeyRing, Step};
use super::outside::{OutsideIssuer, Proof};
use super::principal::Principal;
use super::seen::SeenTokens;
use crate::config::AuthConfig;
use crate::ports::Entrance;
use crate::refusal::{Refusal, too_often, unauthenticated};

/// How long an issuer may take to answer. Source: own choice; a request waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// Largest key set, in bytes. Source: own choice; three RSA keys with certificates have some 10 KB.
const MAX_KEY_SET: usize = 64 * 1024;

/// How often a request looks whether another one has fetched the keys. Source: own choice.
const GLANCE: Duration = Duration::from_millis(50);

/// How often it looks at most: a little longer than somebody else may ask.
const MAX_GLANCES: u32 = 100;

/// Seconds after which a client may try again where keys cannot be had. Source: the pause between two askings.
const RETRY_AFTER: u32 = 10;

/// What earlier requests have found out.
#[derive(Debug)]
pub(crate) struct KnownKeys {
    /// The keys of outside issuers that have been fetched, one ring an issuer: as many as are configured.
    rings: Mutex<Vec<KeyRing>>,
    /// Tokens of our own that have been verified.
    seen: SeenTokens,
}

impl KnownKeys {
    /// None yet.
    pub(crate) fn none(auth: &AuthConfig) -> Self {
        let rings = std::iter::repeat_with(KeyRing::default).take(auth.outside.len());
        Self {
            rings: Mutex::new(rings.collect()),
            seen: SeenTokens::default(),
        }
    }

    fn with<T>(&self, index: usize, act: impl FnOnce(&mut KeyRing) -> T) -> Option<T> {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        rings.get_mut(index).map(act)
    }
}

/// What verifying a token takes.
pub(crate) struct Gate<'a, I> {
    pub auth: &'a AuthConfig,
    pub known: &'a KnownKeys,
    pub entrance: &'a I,
    pub now_ms: i64,
}

impl<I: Entrance> Gate<'_, I> {
    /// Who holds this token, unless they ask too often: its form, algorithm, signature, issuer, audience and
    /// times are checked.
    pub(crate) async fn admit(&self, token: &str) -> Result<Principal, Refusal> {
        let principal = self.holder(token).await?;
        // Not before: whoever makes tokens up would use up the share of whom they name.
        let admitted = self.entrance.admit(&digest_of(&principal)).await;
        admitted.map_err(too_often)?;
        Ok(principal)
    }

    async fn holder(&self, token: &str) -> Result<Principal, Refusal> {
        let token = Unverified::parse(token).ok_or_else(no_hold)?;
        let issuer = token.issuer().ok_or_else(no_hold)?;
        match self.auth.outside.named(&issuer) {
            Some((index, issuer)) => self.admit_outsider(&token, index, issuer).await,
            None => {
                let claims = own_claims(&token, self.auth, &self.known.seen).ok_or_else(no_hold)?;
                Principal::from_claims(claims, &self.auth.issuer, &self.auth.audience, self.now_ms)
            }
        }
    }

    async fn admit_outsider(
        &self,
        token: &Unverified<'_>,
        index: usize,
        issuer: &OutsideIssuer,
    ) -> Result<Principal, Refusal> {
        let is_authentic = match &issuer.proof {
            Proof::Shared(secret) => Hs256
                .validator::<Anything>(secret)
                .validate(token.parsed())
                .is_ok(),
            Proof::Published { algorithm, url } if token.algorithm() == algorithm.name() => {
                let key = self.key(index, *algorithm, url, token.key_id()).await?;
                token.signature().len() == key.signature_length()
                    && self
                        .entrance
                        .verify(&key, token.message(), token.signature())
                        .await
            }
            Proof::Published { .. } => false,
        };
        if !is_authentic {
            return Err(no_hold());
        }
        let incomplete = || unauthenticated("the access token lacks a claim, or has one of another type");
        let claims = token.claims().ok_or_else(incomplete)?;
        let principal = Principal::from_claims(claims, &issuer.name, &issuer.audience, self.now_ms)?;
        if !issuer.workspaces.covers(&principal.workspace) {
            let detail = "the issuer of the access token does not open this workspace";
            return Err(Refusal::new(ErrorCode::Forbidden, detail));
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
    ) -> Result<PublicKey, Refusal> {
        let mut glances = 0;
        let mut has_fetched = false;
        loop {
            // The clock is an argument; what this request has waited is known besides.
            let waited = GLANCE.saturating_mul(glances).as_millis();
            let now_ms = self
                .now_ms
                .saturating_add(i64::try_from(waited).unwrap_or(i64::MAX));
            match self.known.with(index, |ring| ring.step(id, now_ms)) {
                Some(Step::Use(key)) => return Ok(key),
                Some(Step::Unknown) | None => return Err(no_hold()),
                Some(Step::Fetch) if !has_fetched => {
                    has_fetched = true;
                    let fetched = self.entrance.fetch_keys(url, PATIENCE, MAX_KEY_SET).await;
                    let keys = fetched
                        .ok()
                        .and_then(|document| KeySet::parse(&document, algorithm));
                    self.known.with(index, |ring| ring.settle(keys, now_ms));
                }
                Some(Step::Wait) if glances < MAX_GLANCES => {
                    glances += 1;
                    self.entrance.pause(GLANCE).await;
                }
                Some(Step::Away | Step::Fetch | Step::Wait) => return Err(keys_away(index)),
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
    seen: &SeenTokens,
) -> Option<jwt_compact::Claims<TokenClaims>> {
    let key = match token.key_id() {
        Some(id) => auth.keys.named(id)?,
        None => auth.keys.first(),
    };
    let validator = Ed25519.validator::<TokenClaims>(&key.verifying);
    let is_ours = seen.verified(token.text(), || validator.validate(token.parsed()).is_ok());
    is_ours.then(|| token.claims()).flatten()
}

/// Names a subject of a workspace without telling who it is.
fn digest_of(principal: &Principal) -> String {
    let mut digest = Sha256::new_with_prefix(principal.workspace.as_str());
    digest.update("/");
    digest.update(principal.subject.as_bytes());
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn no_hold() -> Refusal {
    unauthenticated("the access token does not hold")
}

fn keys_away(index: usize) -> Refusal {
    let detail = "the keys of the access token's issuer cannot be had at the moment";
    let problem = Problem::new(ErrorCode::Internal, detail).retry_after(RETRY_AFTER);
    let cause = format!("issuer {} of AUTH_ISSUERS gives no usable key set", index + 1);
    Refusal::from(problem).with_status(503).because(cause)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
