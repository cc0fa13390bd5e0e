//! External issuers, whose keys come by `fetch` and whose signatures WebCrypto verifies; and each subject's limit.

use std::time::Duration;

use syncsphere_coordinator_core::{Algorithm, IdentityProviders, IssuerFailure, PublicKey};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Crypto, CryptoKey};
use worker::js_sys::{self, Array, Object, Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::{Delay, Env};

use crate::{limits, outgoing};

/// What the platform does for whoever wants to be let in.
pub(crate) struct PlatformIdentityProviders<'a> {
    pub env: &'a Env,
}

impl IdentityProviders for PlatformIdentityProviders<'_> {
    async fn fetch_keys(
        &self,
        url: &http::Uri,
        timeout: Duration,
        reply_limit: usize,
    ) -> Result<Vec<u8>, IssuerFailure> {
        let request = http::Request::get(url)
            .header("accept", "application/json")
            .body(Vec::new())
            .map_err(|_| IssuerFailure)?;
        match outgoing::send(request, timeout, reply_limit).await {
            Ok(response) if response.status() == http::StatusCode::OK => Ok(response.into_body()),
            Ok(_) | Err(_) => Err(IssuerFailure),
        }
    }

    async fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        // WebCrypto throws where it cannot use a key, such as a point beside its curve.
        verified(key, message, signature).await.unwrap_or(false)
    }

    async fn pause(&self, span: Duration) {
        Delay::from(span).await;
    }

    async fn count_request(&self, subject: &str) -> Result<(), u32> {
        limits::count_subject(self.env, subject).await
    }
}

async fn verified(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<bool, JsValue> {
    let crypto: Crypto = Reflect::get(&js_sys::global(), &"crypto".into())?.unchecked_into();
    let subtle = crypto.subtle();
    let jwk: Vec<_> = key
        .jwk()
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let (import, verify) = algorithms(key.algorithm());
    let uses = Array::of1(&"verify".into());
    let imported = subtle.import_key_with_object("jwk", &object(&jwk)?, &object(import)?, false, &uses)?;
    let imported: CryptoKey = JsFuture::from(imported).await?.unchecked_into();
    let verified = subtle.verify_with_object_and_js_u8_array_and_js_u8_array(
        &object(verify)?,
        &imported,
        &Uint8Array::from(signature),
        &Uint8Array::from(message),
    )?;
    Ok(JsFuture::from(verified).await?.is_truthy())
}

type Members = &'static [(&'static str, &'static str)];

/// How WebCrypto calls an algorithm: to import a key, and to verify with it.
///
/// Source: <https://www.w3.org/TR/webcrypto-2/>, sections of RSASSA-PKCS1-v1_5, ECDSA and Ed25519.
fn algorithms(algorithm: Algorithm) -> (Members, Members) {
    const RSA: Members = &[("name", "RSASSA-PKCS1-v1_5"), ("hash", "SHA-256")];
    const ED25519: Members = &[("name", "Ed25519")];
    match algorithm {
        Algorithm::Rs256 => (RSA, RSA),
        Algorithm::Es256 => (
            &[("name", "ECDSA"), ("namedCurve", "P-256")],
            &[("name", "ECDSA"), ("hash", "SHA-256")],
        ),
        Algorithm::EdDsa => (ED25519, ED25519),
    }
}

fn object(members: &[(&str, &str)]) -> Result<Object, JsValue> {
    let object = Object::new();
    for (name, value) in members {
        Reflect::set(&object, &(*name).into(), &(*value).into())?;
    }
    Ok(object)
}
