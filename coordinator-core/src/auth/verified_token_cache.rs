//! Tokens whose signature has been verified before: verifying costs a worker more than all else that a request for a
//! signed URL does, and an uploader sends the same token a hundred times.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Tokens that are remembered. Source: own choice; 64 KiB of digests.
const CAPACITY: usize = 1024;

/// Remembers that a signature was right, and nothing else: times, issuer and audience are looked at each time. Only for
/// keys of our own, which do not change while we live.
#[derive(Default)]
pub(super) struct VerifiedTokenCache(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    digests: BTreeSet<[u8; 32]>,
    /// The oldest first, which is forgotten first.
    order: VecDeque<[u8; 32]>,
}

impl VerifiedTokenCache {
    /// Whether this very token was verified; otherwise `verify` tells, and it is remembered if it was right.
    pub(super) fn verify_once(&self, token: &str, verify: impl FnOnce() -> bool) -> bool {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.digests.contains(&digest) {
            return true;
        }
        if !verify() {
            return false;
        }
        if cache.order.len() >= CAPACITY
            && let Some(oldest) = cache.order.pop_front()
        {
            cache.digests.remove(&oldest);
        }
        cache.order.push_back(digest);
        cache.digests.insert(digest);
        true
    }
}

impl fmt::Debug for VerifiedTokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifiedTokenCache(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_was_right_once_is_not_verified_again_and_what_was_wrong_is() {
        let cache = VerifiedTokenCache::default();
        assert!(!cache.verify_once("a", || false));
        assert!(cache.verify_once("a", || true));
        assert!(cache.verify_once("a", || panic!("verified again")));
        assert!(!cache.verify_once("b", || false));
    }

    #[test]
    fn the_oldest_is_forgotten_before_memory_grows() {
        let cache = VerifiedTokenCache::default();
        for number in 0..=CAPACITY {
            assert!(cache.verify_once(&number.to_string(), || true));
        }
        assert!(!cache.verify_once("0", || false));
        assert!(cache.verify_once("1", || panic!("verified again")));
        let held = cache.0.lock().unwrap();
        assert_eq!((held.digests.len(), held.order.len()), (CAPACITY, CAPACITY));
    }
}
