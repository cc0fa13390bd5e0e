use super::jwks::{KeySet, PublicKey};

/// How long fetched keys are taken without asking again, in milliseconds. Source: own choice; a key that an
/// issuer withdraws is gone after so long, and a new one is found by its name at once.
const FRESH_MS: i64 = 10 * 60 * 1000;

/// How long they serve while the issuer cannot be asked, in milliseconds. Source: own choice; an outage
/// of an issuer is no reason to lock out who has its token, a withdrawn key must die at last.
const STALE_MS: i64 = 24 * 60 * 60 * 1000;

/// Pause between two askings, in milliseconds, whatever names tokens make up. Source: own choice.
const PAUSE_MS: i64 = 10 * 1000;

/// After so long an asking that nobody has heard of again is given up, in milliseconds: the request that
/// asked is gone. Source: a second more than [`super::gate::PATIENCE`].
const LEASE_MS: i64 = 4 * 1000;

/// An outside issuer's keys as far as they are known, and when to ask for them.
#[derive(Debug, Default)]
pub(super) struct KeyRing {
    keys: KeySet,
    fetched_ms: Option<i64>,
    /// When the last asking ended, whatever came of it.
    asked_ms: Option<i64>,
    /// Since when somebody has been asking.
    asking_ms: Option<i64>,
}

/// What to do about a token of the issuer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Verify with this key.
    Use(PublicKey),
    /// The issuer has no such key.
    Unknown,
    /// Fetch the keys, then [`KeyRing::settle`]. Nobody else is told so meanwhile.
    Fetch,
    /// Look again in a moment: somebody fetches them.
    Wait,
    /// The keys cannot be had at the moment.
    Away,
}

impl KeyRing {
    /// What to do about a token that names this key.
    pub(super) fn step(&mut self, id: Option<&str>, now_ms: i64) -> Step {
        let is_within = |moment: Option<i64>, span_ms: i64| {
            moment.is_some_and(|moment| now_ms.saturating_sub(moment) < span_ms)
        };
        let is_fresh = is_within(self.fetched_ms, FRESH_MS);
        let is_usable = is_within(self.fetched_ms, STALE_MS);
        let is_asking = is_within(self.asking_ms, LEASE_MS);
        let is_pausing = is_within(self.asked_ms, PAUSE_MS);
        let key = self.keys.find(id).filter(|_| is_usable);
        match key {
            Some(key) if is_fresh || is_asking || is_pausing => Step::Use(key.clone()),
            None if is_asking => Step::Wait,
            None if is_pausing && is_usable => Step::Unknown,
            None if is_pausing => Step::Away,
            Some(_) | None => {
                self.asking_ms = Some(now_ms);
                Step::Fetch
            }
        }
    }

    /// Takes what came of a fetch: the issuer's keys, or `None`, which leaves the known ones as they are.
    pub(super) fn settle(&mut self, fetched: Option<KeySet>, now_ms: i64) {
        self.asking_ms = None;
        self.asked_ms = Some(now_ms);
        if let Some(keys) = fetched {
            self.keys = keys;
            self.fetched_ms = Some(now_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::jwks::Algorithm;
    use super::*;
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

    fn ring(ids: &[&str]) -> KeyRing {
        let mut ring = KeyRing::default();
        assert_eq!(ring.step(Some("a"), T), Step::Fetch);
        ring.settle(keys(ids), T);
        ring
    }

    fn uses(step: &Step) -> bool {
        matches!(step, Step::Use(_))
    }

    #[test]
    fn keys_are_fetched_once_and_then_used() {
        let mut ring = KeyRing::default();
        assert_eq!(ring.step(Some("a"), T), Step::Fetch);
        assert_eq!(ring.step(Some("a"), T), Step::Wait, "somebody is asking already");
        ring.settle(keys(&["a"]), T);
        for after in [0, 1, FRESH_MS - 1] {
            assert!(uses(&ring.step(Some("a"), T + after)));
        }
        assert_eq!(ring.step(Some("a"), T + FRESH_MS), Step::Fetch, "they are old");
        assert!(
            uses(&ring.step(Some("a"), T + FRESH_MS)),
            "old ones serve meanwhile"
        );
    }

    #[test]
    fn an_unknown_name_asks_again_but_not_too_often() {
        let mut ring = ring(&["a"]);
        assert_eq!(ring.step(Some("b"), T + PAUSE_MS - 1), Step::Unknown);
        let later = T + PAUSE_MS;
        assert_eq!(ring.step(Some("b"), later), Step::Fetch);
        ring.settle(keys(&["a", "b"]), later);
        assert!(uses(&ring.step(Some("b"), later)));
        let mut fetches = 0;
        for n in 0..1000 {
            if ring.step(Some(&format!("made up {n}")), later + n * 60) == Step::Fetch {
                fetches += 1;
                ring.settle(keys(&["a", "b"]), later + n * 60);
            }
        }
        assert_eq!(fetches, 1000 * 60 / PAUSE_MS - 1);
    }

    #[test]
    fn a_withdrawn_key_is_no_longer_used() {
        let mut ring = ring(&["a", "b"]);
        let later = T + FRESH_MS;
        assert_eq!(ring.step(Some("a"), later), Step::Fetch);
        ring.settle(keys(&["a"]), later);
        assert_eq!(ring.step(Some("b"), later), Step::Unknown);
    }

    #[test]
    fn known_keys_outlast_an_outage_for_a_day_and_no_longer() {
        let mut ring = ring(&["a"]);
        let mut now = T + FRESH_MS;
        while now < T + STALE_MS {
            assert_eq!(ring.step(Some("a"), now), Step::Fetch);
            ring.settle(None, now);
            assert!(uses(&ring.step(Some("a"), now)));
            assert_eq!(ring.step(Some("b"), now), Step::Unknown);
            now += 60_000;
        }
        assert_eq!(ring.step(Some("a"), now), Step::Fetch);
        ring.settle(None, now);
        assert_eq!(ring.step(Some("a"), now), Step::Away);
    }

    #[test]
    fn an_issuer_that_never_answered_is_asked_now_and_then() {
        let mut ring = KeyRing::default();
        assert_eq!(ring.step(None, T), Step::Fetch);
        ring.settle(None, T);
        assert_eq!(ring.step(None, T + PAUSE_MS - 1), Step::Away);
        assert_eq!(ring.step(None, T + PAUSE_MS), Step::Fetch);
        assert_eq!(ring.step(None, T + PAUSE_MS + LEASE_MS - 1), Step::Wait);
        assert_eq!(
            ring.step(None, T + PAUSE_MS + LEASE_MS),
            Step::Fetch,
            "whoever asked is gone"
        );
    }

    #[test]
    fn a_clock_that_is_behind_changes_nothing() {
        let mut ring = ring(&["a"]);
        assert!(uses(&ring.step(Some("a"), T - 5000)));
        assert_eq!(ring.step(Some("b"), T - 5000), Step::Unknown);
        assert_eq!(ring.step(Some("b"), i64::MIN), Step::Unknown);
    }
}
