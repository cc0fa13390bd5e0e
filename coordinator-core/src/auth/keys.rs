use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The coordinator's own Ed25519 keys. The first signs, all of them verify: a key is rotated by
/// putting a new one in front and dropping the old one once its tokens and tickets have died.
#[derive(Clone)]
pub struct SigningKeys {
    first: SigningKeyPair,
    others: Vec<SigningKeyPair>,
}

/// Source: `AUTH_SIGNING_KEY` in `wrangler.toml`.
const DEVELOPMENT_SEED: &[u8; 32] = b"syncsphere development key 00001";

/// One key, its name and what is derived from it.
#[derive(Clone)]
pub(super) struct SigningKeyPair {
    /// Thumbprint of the public key. Source: RFC 7638.
    pub id: String,
    pub signing: SigningKey,
    pub verifying: VerifyingKey,
    /// Authenticates tickets. Another purpose gets another key, so it is derived.
    ticket: Hmac<Sha256>,
}

impl SigningKeys {
    /// Reads one or more keys with commas between, each a PKCS#8 PEM or the base64 of a 32 byte
    /// seed. `None` if any of them is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let mut keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
        let first = SigningKeyPair::parse(keys.next()?)?;
        let others = keys.map(SigningKeyPair::parse).collect::<Option<_>>()?;
        Some(Self { first, others })
    }

    /// Whether the key that `wrangler.toml` has for development is among them. It is public.
    pub(crate) fn has_development_key(&self) -> bool {
        self.all().any(|key| key.signing.as_bytes() == DEVELOPMENT_SEED)
    }

    /// The public keys as a JSON Web Key Set. Source: RFC 8037.
    pub fn jwks(&self) -> serde_json::Value {
        let keys: Vec<_> = self
            .all()
            .map(|key| {
                serde_json::json!({
                    "kty": "OKP", "crv": "Ed25519", "x": x_of(&key.verifying),
                    "kid": key.id, "alg": "EdDSA", "use": "sig",
                })
            })
            .collect();
        serde_json::json!({ "keys": keys })
    }

    pub(super) fn first(&self) -> &SigningKeyPair {
        &self.first
    }

    pub(super) fn named(&self, id: &str) -> Option<&SigningKeyPair> {
        self.all().find(|key| key.id == id)
    }

    fn all(&self) -> impl Iterator<Item = &SigningKeyPair> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().map(|key| &key.id)).finish()
    }
}

impl SigningKeyPair {
    fn parse(text: &str) -> Option<Self> {
        let signing = if text.contains("-----BEGIN") {
            // One-line configuration files write line breaks as \n.
            SigningKey::from_pkcs8_pem(&text.replace("\\n", "\n")).ok()?
        } else {
            let seed = STANDARD.decode(text).ok()?;
            SigningKey::from_bytes(&seed.try_into().ok()?)
        };
        let verifying = signing.verifying_key();
        let mut derive = Hmac::<Sha256>::new_from_slice(signing.as_bytes()).ok()?;
        derive.update(b"syncsphere ticket key 1");
        let ticket = Hmac::<Sha256>::new_from_slice(&derive.finalize().into_bytes()).ok()?;
        Some(Self {
            id: thumbprint(&verifying),
            signing,
            verifying,
            ticket,
        })
    }

    /// A message authentication code over `message`, to be finished or verified.
    pub(super) fn ticket_mac(&self, message: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.ticket.clone();
        mac.update(message);
        mac
    }
}

fn x_of(key: &VerifyingKey) -> String {
    URL_SAFE_NO_PAD.encode(key.as_bytes())
}

/// Source: RFC 7638 section 3, with the members of RFC 8037 section 2 in lexicographic order.
fn thumbprint(key: &VerifyingKey) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, x_of(key));
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Source: RFC 8037 appendix A.1 (the key) and A.3 (its thumbprint).
    #[test]
    fn the_published_key_has_its_published_thumbprint() {
        let seed = URL_SAFE_NO_PAD
            .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
            .unwrap();
        let keys = SigningKeys::parse(&STANDARD.encode(seed)).unwrap();
        assert_eq!(keys.first().id, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(
            keys.jwks()["keys"][0]["x"],
            "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
        );
    }

    /// Source: RFC 8410 section 10.3, the example private key.
    #[test]
    fn a_pem_key_may_be_written_on_one_line() {
        let pem = "-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\\n-----END PRIVATE KEY-----\\n";
        assert!(SigningKeys::parse(pem).is_some());
    }

    #[test]
    fn whatever_is_no_key_is_refused() {
        let seed = STANDARD.encode([7; 32]);
        for bad in ["", ",", "AAAA", "not base64", &format!("{seed},AAAA")] {
            assert!(SigningKeys::parse(bad).is_none(), "{bad}");
        }
        assert!(SigningKeys::parse(&format!("{seed}, {}", STANDARD.encode([8; 32]))).is_some());
    }
}
