//! The keys that an external issuer publishes. Source: RFC 7517, RFC 7518 section 6, RFC 8037.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::public_key::{Algorithm, PublicKey};

/// Bits of an RSA key. Source: RFC 7518 section 3.3 asks for 2048; more than 8192 costs a worker more
/// than it may spend.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Longest exponent of an RSA key, in bytes. Source: own choice; nearly all are 65537, three bytes.
const MAX_EXPONENT_LENGTH: usize = 4;

/// Most keys of an issuer that are kept. Source: own choice; issuers have two or three.
const MAX_KEYS: usize = 64;

/// Bytes of a coordinate on P-256, and of an Ed25519 key. Source: RFC 7518 section 6.2, RFC 8037.
const COORDINATE: usize = 32;

/// Bytes of an ES256 and of an EdDSA signature. Source: RFC 7518 section 3.4, RFC 8032.
const CURVE_SIGNATURE: usize = 64;

/// The usable keys of an issuer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeySet(Vec<(Option<String>, PublicKey)>);

impl KeySet {
    /// Reads a JSON Web Key Set for one algorithm. Keys of other kinds, for other purposes or of bad sizes
    /// are left out, as RFC 7517 section 5 wants it; `None` where it is no key set at all.
    pub(super) fn parse(document: &[u8], algorithm: Algorithm) -> Option<Self> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let Document { keys } = serde_json::from_slice(document).ok()?;
        let usable = keys.into_iter().filter_map(|key| {
            let jwk: Jwk = serde_json::from_value(key).ok()?;
            Some((jwk.kid.clone(), jwk.into_key(algorithm)?))
        });
        Some(Self(usable.take(MAX_KEYS).collect()))
    }

    /// The key of this name; without a name the only key there is.
    pub(super) fn find(&self, id: Option<&str>) -> Option<&PublicKey> {
        let (_, key) = match (id, self.0.as_slice()) {
            (Some(id), keys) => keys.iter().find(|(known, _)| known.as_deref() == Some(id))?,
            (None, [only]) => only,
            (None, _) => return None,
        };
        Some(key)
    }
}

/// The members that are looked at. Source: RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The private part: a key that is published with it is nobody's any more.
    d: Option<serde_json::Value>,
}

impl Jwk {
    fn into_key(self, algorithm: Algorithm) -> Option<PublicKey> {
        let is_meant = self.alg.as_deref().is_none_or(|alg| alg == algorithm.name())
            && self.r#use.as_deref().is_none_or(|purpose| purpose == "sig")
            && self
                .key_ops
                .as_ref()
                .is_none_or(|operations| operations.iter().any(|operation| operation == "verify"))
            && self.d.is_none();
        if !is_meant {
            return None;
        }
        let (signature_length, members) = match (algorithm, self.kty.as_str(), self.crv.as_deref()) {
            (Algorithm::Rs256, "RSA", None) => {
                let (n, e) = (self.n?, self.e?);
                let length = modulus_length(&n)?;
                is_exponent(&e).then_some(())?;
                (length, vec![("kty", self.kty), ("n", n), ("e", e)])
            }
            (Algorithm::Es256, "EC", Some("P-256")) => {
                let (x, y) = (coordinate(self.x?)?, coordinate(self.y?)?);
                let members = vec![("kty", self.kty), ("crv", self.crv?), ("x", x), ("y", y)];
                (CURVE_SIGNATURE, members)
            }
            (Algorithm::EdDsa, "OKP", Some("Ed25519")) => {
                let members = vec![("kty", self.kty), ("crv", self.crv?), ("x", coordinate(self.x?)?)];
                (CURVE_SIGNATURE, members)
            }
            _ => return None,
        };
        Some(PublicKey::new(algorithm, signature_length, members))
    }
}

/// Bytes of an RSA key and of its signatures, where the modulus may be used.
fn modulus_length(n: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(n).ok()?;
    // Source: RFC 7518 section 6.3.1.1: no leading zeros.
    let leading = bytes.first().filter(|first| **first != 0)?.leading_zeros();
    let bits = (bytes.len() * 8).checked_sub(usize::try_from(leading).ok()?)?;
    RSA_BITS.contains(&bits).then_some(bytes.len())
}

/// Whether it is an odd number above 1 of usual size.
fn is_exponent(e: &str) -> bool {
    URL_SAFE_NO_PAD.decode(e).is_ok_and(|bytes| {
        let is_odd = bytes.last().is_some_and(|last| last % 2 == 1);
        let is_minimal = bytes.first().is_some_and(|first| *first != 0);
        is_odd && is_minimal && bytes != [1] && bytes.len() <= MAX_EXPONENT_LENGTH
    })
}

fn coordinate(text: String) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(&text).ok()?;
    (bytes.len() == COORDINATE).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// The published keys. Source: RFC 7515 appendices A.2 and A.3, RFC 8037 appendix A.2.
    const RSA: &str = r#"{"kty":"RSA","kid":"r","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#;
    const EC: &str = r#"{"kty":"EC","kid":"e","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    const OKP: &str =
        r#"{"kty":"OKP","kid":"o","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn set(keys: &[&str], algorithm: Algorithm) -> KeySet {
        let document = format!(r#"{{"keys":[{}],"more":1}}"#, keys.join(","));
        KeySet::parse(document.as_bytes(), algorithm).unwrap()
    }

    #[test]
    fn each_algorithm_takes_its_own_keys_out_of_a_set_of_all_kinds() {
        for (algorithm, id, length) in [
            (Algorithm::Rs256, "r", 256),
            (Algorithm::Es256, "e", 64),
            (Algorithm::EdDsa, "o", 64),
        ] {
            let keys = set(&[RSA, EC, OKP, r#"{"kty":"new"}"#, "7", "{}"], algorithm);
            assert_eq!(keys.0.len(), 1);
            let key = keys.find(Some(id)).unwrap();
            assert_eq!((key.algorithm(), key.signature_length()), (algorithm, length));
            assert_eq!(keys.find(None), Some(key), "the only key needs no name");
            assert_eq!(keys.find(Some("x")), None);
            let kinds: Vec<_> = key.jwk().iter().map(|(name, _)| *name).collect();
            assert!(!kinds.contains(&"kid"));
        }
    }

    #[test]
    fn of_two_keys_neither_is_taken_without_its_name() {
        let keys = set(&[OKP, &OKP.replace("\"o\"", "\"p\"")], Algorithm::EdDsa);
        assert!(keys.find(Some("p")).is_some());
        assert_eq!(keys.find(None), None);
    }

    #[test]
    fn keys_of_bad_sizes_or_for_other_purposes_are_left_out() {
        let short = RSA.replace("ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e", "oQ");
        assert!(short.len() < 300);
        for bad in [
            short,
            RSA.replace("\"ofgW", "\"AAgW"),
            RSA.replace("\"ofgW", "\"ffgW"),
            RSA.replace("AQAB", "AQ"),
            RSA.replace("AQAB", "AQAA"),
            RSA.replace("AQAB", "AQABAQAB"),
            RSA.replace("AQAB", "*"),
            RSA.replace("\"e\":", "\"alg\":\"RS512\",\"e\":"),
            RSA.replace("\"e\":", "\"use\":\"enc\",\"e\":"),
            RSA.replace("\"e\":", "\"key_ops\":[\"encrypt\"],\"e\":"),
            RSA.replace("\"e\":", "\"d\":\"AQAB\",\"e\":"),
            RSA.replace("\"e\":", "\"f\":"),
            RSA.replace("\"e\":\"AQAB\"", "\"e\":65537"),
        ] {
            assert_eq!(set(&[&bad], Algorithm::Rs256), KeySet::default(), "{bad}");
        }
        let marked = RSA.replace(
            "\"kid\":\"r\"",
            "\"use\":\"sig\",\"alg\":\"RS256\",\"key_ops\":[\"verify\"]",
        );
        assert!(set(&[&marked], Algorithm::Rs256).find(None).is_some());
        for bad in [
            EC.replace("P-256", "P-384"),
            EC.replace("\"f83O", "\"f8"),
            EC.replace("\"y\"", "\"z\""),
        ] {
            assert_eq!(set(&[&bad], Algorithm::Es256), KeySet::default(), "{bad}");
        }
        for bad in [OKP.replace("Ed25519", "X25519"), OKP.replace("\"11qY", "\"11")] {
            assert_eq!(set(&[&bad], Algorithm::EdDsa), KeySet::default(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_key_set_is_none() {
        for bad in ["", "{}", "[]", r#"{"keys":{}}"#, "<html>", r#"{"keys":[]"#] {
            assert_eq!(KeySet::parse(bad.as_bytes(), Algorithm::Rs256), None, "{bad}");
        }
        let many = vec![OKP; 500];
        assert_eq!(set(&many, Algorithm::EdDsa).0.len(), MAX_KEYS);
    }
}
