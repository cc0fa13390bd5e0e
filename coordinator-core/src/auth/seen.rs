//! Tokens whose signature has been verified before: verifying costs a worker more than all else that a request for a
//! signed URL does, and an uploader sends the same token a hundred times.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Tokens that are remembered. Source: own choice; 64 KiB of digests.
const MOST: usize = 1024;

/// Remembers that a signature was right, and nothing else: times, issuer and audience are looked at each time. Only for
/// keys of our own, which do not change while we live.
#[derive(Default)]
pub(super) struct SeenTokens(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    digests: BTreeSet<[u8; 32]>,
    /// The oldest first, which is forgotten first.
    order: VecDeque<[u8; 32]>,
}

impl SeenTokens {
    /// Whether this very token was verified; otherwise `verify` tells, and it is remembered if it was right.
    pub(super) fn verified(&self, token: &str, verify: impl FnOnce() -> bool) -> bool {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.digests.contains(&digest) {
            return true;
        }
        if !verify() {
            return false;
        }
        if seen.order.len() >= MOST
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.digests.remove(&oldest);
        }
        seen.order.push_back(digest);
        seen.digests.insert(digest);
        true
    }
}

impl fmt::Debug for SeenTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeenTokens(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_was_right_once_is_not_verified_again_and_what_was_wrong_is() {
        let seen = SeenTokens::default();
        assert!(!seen.verified("a", || false));
        assert!(seen.verified("a", || true));
        assert!(seen.verified("a", || panic!("verified again")));
        assert!(!seen.verified("b", || false));
    }

    #[test]
    fn the_oldest_is_forgotten_before_memory_grows() {
        let seen = SeenTokens::default();
        for number in 0..=MOST {
            assert!(seen.verified(&number.to_string(), || true));
        }
        assert!(!seen.verified("0", || false));
        assert!(seen.verified("1", || panic!("verified again")));
        let held = seen.0.lock().unwrap();
        assert_eq!((held.digests.len(), held.order.len()), (MOST, MOST));
    }
}
