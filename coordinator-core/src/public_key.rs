//! The keys that verify what external issuers have signed.

use serde::Deserialize;

/// How external issuers sign with a key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// Its name in a token's header. Source: RFC 7518 section 3.1, RFC 8037 section 3.1.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// A public key for one algorithm, of a form and size that may be used. Whether an EC point lies on its
/// curve is for whoever verifies with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    signature_length: usize,
    members: Vec<(&'static str, String)>,
}

impl PublicKey {
    /// A key whose parts have been checked.
    pub(crate) fn new(
        algorithm: Algorithm,
        signature_length: usize,
        members: Vec<(&'static str, String)>,
    ) -> Self {
        Self {
            algorithm,
            signature_length,
            members,
        }
    }

    /// What it verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The members of the JSON Web Key that make the key up, and no others.
    pub fn jwk(&self) -> &[(&'static str, String)] {
        &self.members
    }

    /// Length of every signature that it verifies, in bytes.
    pub(crate) fn signature_length(&self) -> usize {
        self.signature_length
    }
}
