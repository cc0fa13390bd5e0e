//! How long to wait before the next try.

use std::time::Duration;

use crate::config::RetryPolicy;
use crate::time::{Moment, seconds};

impl RetryPolicy {
    /// How long to wait after the `failures`th failure in a row, 1 for the first: exponential with
    /// full jitter, never shorter than what the server asked for.
    ///
    /// Source: "full jitter" of
    /// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
    pub(crate) fn delay(
        &self,
        failures: u32,
        server_asks: Option<Duration>,
        random: &mut fastrand::Rng,
    ) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let ceiling = self.base_delay.saturating_mul(1 << doublings).min(self.max_delay);
        // At least a tenth of the ceiling: a wait of zero would be no wait.
        let jittered = seconds(ceiling.as_secs_f64() * (0.1 + 0.9 * random.f64()));
        match server_asks {
            // Jitter on top, so that clients told the same number do not return together.
            Some(asked) => asked.min(LONGEST_SERVER_WISH) + jittered.min(self.base_delay),
            None => jittered,
        }
    }
}

/// Longest `Retry-After` that is obeyed; a server that asks for more gets asked again by then.
///
/// Source: own choice; a maintenance window announced in minutes is still worth a look each five.
const LONGEST_SERVER_WISH: Duration = Duration::from_secs(300);

/// Failures of one thing, and until when it is left alone.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Retries {
    failures: u32,
    until: Option<Moment>,
}

impl Retries {
    /// It failed: it is left alone for as long as the policy says. Gives how often it has failed.
    pub(crate) fn count(
        &mut self,
        policy: &RetryPolicy,
        server_asks: Option<Duration>,
        random: &mut fastrand::Rng,
        now: Moment,
    ) -> u32 {
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + policy.delay(self.failures, server_asks, random));
        self.failures
    }

    /// It worked, or things have changed: the count begins anew.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Whether it has not worked since it failed last.
    pub(crate) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// It need not be left alone any longer, though its failures count.
    pub(crate) fn end_rest(&mut self) {
        self.until = None;
    }

    /// Until when it is left alone, where that is still to come.
    pub(crate) fn rests_until(&self, now: Moment) -> Option<Moment> {
        self.until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn waits_grow_but_stay_within_the_ceiling() {
        let policy = RetryPolicy::default();
        let mut random = fastrand::Rng::with_seed(1);
        for failures in 1..100 {
            let wait = policy.delay(failures, None, &mut random);
            assert!(wait <= policy.max_delay);
            assert!(wait > Duration::ZERO);
        }
        assert!(policy.delay(1, None, &mut random) <= policy.base_delay);
    }

    #[test]
    fn the_server_is_obeyed_within_reason() {
        let policy = RetryPolicy::default();
        let mut random = fastrand::Rng::with_seed(2);
        let asked = Duration::from_secs(7);
        assert!(policy.delay(1, Some(asked), &mut random) >= asked);
        let unreasonable = Duration::from_secs(86_400);
        assert!(policy.delay(1, Some(unreasonable), &mut random) < Duration::from_secs(302));
    }
}
