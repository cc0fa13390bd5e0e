use super::jwks::KeySet;
use crate::public_key::PublicKey;

/// How long fetched keys are taken without asking again, in milliseconds. Source: own choice; a key that an
/// issuer withdraws is gone after so long, and a new one is found by its name at once.
const FRESH_MS: i64 = 10 * 60 * 1000;

/// How long they serve while the issuer cannot be asked, in milliseconds. Source: own choice; an outage
/// of an issuer is no reason to lock out who has its token, a withdrawn key must die at last.
const STALE_MS: i64 = 24 * 60 * 60 * 1000;

/// Pause between two askings, in milliseconds, whatever names tokens make up. Source: own choice.
const MIN_FETCH_INTERVAL_MS: i64 = 10 * 1000;

/// After so long an asking that nobody has heard of again is given up, in milliseconds: the request that
/// asked is gone. Source: a second more than [`super::authenticator::KEY_FETCH_TIMEOUT`].
const LEASE_MS: i64 = 4 * 1000;

/// An external issuer's keys as far as they are known, and when to ask for them.
#[derive(Debug, Default)]
pub(super) struct JwksCache {
    keys: KeySet,
    fetched_ms: Option<i64>,
    /// When the last asking ended, whatever came of it.
    fetch_ended_ms: Option<i64>,
    /// Since when somebody has been asking.
    fetch_began_ms: Option<i64>,
}

/// What to do about a token of the issuer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyLookup {
    /// Verify with this key.
    Found(PublicKey),
    /// The issuer has no such key.
    Unknown,
    /// Fetch the keys, then [`JwksCache::store`]. Nobody else is told so meanwhile.
    Fetch,
    /// Look again in a moment: somebody fetches them.
    Wait,
    /// The keys cannot be had at the moment.
    Unavailable,
}

impl JwksCache {
    /// What to do about a token that names this key.
    pub(super) fn look_up(&mut self, id: Option<&str>, now_ms: i64) -> KeyLookup {
        let is_within = |moment: Option<i64>, span_ms: i64| {
            moment.is_some_and(|moment| now_ms.saturating_sub(moment) < span_ms)
        };
        let is_fresh = is_within(self.fetched_ms, FRESH_MS);
        let is_usable = is_within(self.fetched_ms, STALE_MS);
        let is_fetching = is_within(self.fetch_began_ms, LEASE_MS);
        let is_pausing = is_within(self.fetch_ended_ms, MIN_FETCH_INTERVAL_MS);
        let key = self.keys.find(id).filter(|_| is_usable);
        match key {
            Some(key) if is_fresh || is_fetching || is_pausing => KeyLookup::Found(key.clone()),
            None if is_fetching => KeyLookup::Wait,
            None if is_pausing && is_usable => KeyLookup::Unknown,
            None if is_pausing => KeyLookup::Unavailable,
            Some(_) | None => {
                self.fetch_began_ms = Some(now_ms);
                KeyLookup::Fetch
            }
        }
    }

    /// Takes what came of a fetch: the issuer's keys, or `None`, which leaves the known ones as they are.
    pub(super) fn store(&mut self, fetched: Option<KeySet>, now_ms: i64) {
        self.fetch_began_ms = None;
        self.fetch_ended_ms = Some(now_ms);
        if let Some(keys) = fetched {
            self.keys = keys;
            self.fetched_ms = Some(now_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::public_key::Algorithm;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const T: i64 = 1_795_521_600_000;

    fn keys(ids: &[&str]) -> Option<KeySet> {
        let jwk = |id| {
            format!(
                r#"{{"kty":"OKP","kid":"{id}","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}"#
            )
        };
        let list: Vec<_> = ids.iter().map(jwk).collect();
        KeySet::parse(
            format!(r#"{{"keys":[{}]}}"#, list.join(",")).as_bytes(),
            Algorithm::EdDsa,
        )
    }

    fn cache(ids: &[&str]) -> JwksCache {
        let mut cache = JwksCache::default();
        assert_eq!(cache.look_up(Some("a"), T), KeyLookup::Fetch);
        cache.store(keys(ids), T);
        cache
    }

    fn uses(step: &KeyLookup) -> bool {
        matches!(step, KeyLookup::Found(_))
    }

    #[test]
    fn keys_are_fetched_once_and_then_used() {
        let mut cache = JwksCache::default();
        assert_eq!(cache.look_up(Some("a"), T), KeyLookup::Fetch);
        assert_eq!(
            cache.look_up(Some("a"), T),
            KeyLookup::Wait,
            "somebody is asking already"
        );
        cache.store(keys(&["a"]), T);
        for after in [0, 1, FRESH_MS - 1] {
            assert!(uses(&cache.look_up(Some("a"), T + after)));
        }
        assert_eq!(
            cache.look_up(Some("a"), T + FRESH_MS),
            KeyLookup::Fetch,
            "they are old"
        );
        assert!(
            uses(&cache.look_up(Some("a"), T + FRESH_MS)),
            "old ones serve meanwhile"
        );
    }

    #[test]
    fn an_unknown_name_asks_again_but_not_too_often() {
        let mut cache = cache(&["a"]);
        assert_eq!(
            cache.look_up(Some("b"), T + MIN_FETCH_INTERVAL_MS - 1),
            KeyLookup::Unknown
        );
        let later = T + MIN_FETCH_INTERVAL_MS;
        assert_eq!(cache.look_up(Some("b"), later), KeyLookup::Fetch);
        cache.store(keys(&["a", "b"]), later);
        assert!(uses(&cache.look_up(Some("b"), later)));
        let mut fetches = 0;
        for n in 0..1000 {
            if cache.look_up(Some(&format!("made up {n}")), later + n * 60) == KeyLookup::Fetch {
                fetches += 1;
                cache.store(keys(&["a", "b"]), later + n * 60);
            }
        }
        assert_eq!(fetches, 1000 * 60 / MIN_FETCH_INTERVAL_MS - 1);
    }

    #[test]
    fn a_withdrawn_key_is_no_longer_used() {
        let mut cache = cache(&["a", "b"]);
        let later = T + FRESH_MS;
        assert_eq!(cache.look_up(Some("a"), later), KeyLookup::Fetch);
        cache.store(keys(&["a"]), later);
        assert_eq!(cache.look_up(Some("b"), later), KeyLookup::Unknown);
    }

    #[test]
    fn known_keys_outlast_an_outage_for_a_day_and_no_longer() {
        let mut cache = cache(&["a"]);
        let mut now = T + FRESH_MS;
        while now < T + STALE_MS {
            assert_eq!(cache.look_up(Some("a"), now), KeyLookup::Fetch);
            cache.store(None, now);
            assert!(uses(&cache.look_up(Some("a"), now)));
            assert_eq!(cache.look_up(Some("b"), now), KeyLookup::Unknown);
            now += 60_000;
        }
        assert_eq!(cache.look_up(Some("a"), now), KeyLookup::Fetch);
        cache.store(None, now);
        assert_eq!(cache.look_up(Some("a"), now), KeyLookup::Unavailable);
    }

    #[test]
    fn an_issuer_that_never_answered_is_asked_now_and_then() {
        let mut cache = JwksCache::default();
        assert_eq!(cache.look_up(None, T), KeyLookup::Fetch);
        cache.store(None, T);
        assert_eq!(
            cache.look_up(None, T + MIN_FETCH_INTERVAL_MS - 1),
            KeyLookup::Unavailable
        );
        assert_eq!(cache.look_up(None, T + MIN_FETCH_INTERVAL_MS), KeyLookup::Fetch);
        assert_eq!(
            cache.look_up(None, T + MIN_FETCH_INTERVAL_MS + LEASE_MS - 1),
            KeyLookup::Wait
        );
        assert_eq!(
            cache.look_up(None, T + MIN_FETCH_INTERVAL_MS + LEASE_MS),
            KeyLookup::Fetch,
            "whoever asked is gone"
        );
    }

    #[test]
    fn a_clock_that_is_behind_changes_nothing() {
        let mut cache = cache(&["a"]);
        assert!(uses(&cache.look_up(Some("a"), T - 5000)));
        assert_eq!(cache.look_up(Some("b"), T - 5000), KeyLookup::Unknown);
        assert_eq!(cache.look_up(Some("b"), i64::MIN), KeyLookup::Unknown);
    }
}
