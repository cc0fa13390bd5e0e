//! Notices when storage, or the way to it, is down, and keeps everybody from rushing it.

use std::time::Duration;

use crate::config::RetryPolicy;
use crate::time::Moment;

/// Rounds of failures without a success between them after which storage counts as down. One round
/// is what a single event, such as a lost connection, does to all parts in flight.
const ROUNDS_TO_BE_DOWN: u32 = 2;

/// The state of storage, shared by all uploads, as a circuit breaker keeps it: once storage counts as down, one part at a time probes it.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    rounds: u32,
    /// Failures of attempts that began before this belong to a round that has been counted.
    round_began: Moment,
    since: Option<Moment>,
    /// Whether storage answered any of the failures, if only with an error.
    is_answered: bool,
    probe_at: Moment,
}

impl Outage {
    /// An attempt that began at `started` failed, with an answer or without one; gives how long its part should rest.
    pub(crate) fn on_failure(
        &mut self,
        started: Moment,
        is_answered: bool,
        server_asks: Option<Duration>,
        policy: &RetryPolicy,
        random: &mut fastrand::Rng,
        now: Moment,
    ) -> Duration {
        self.since.get_or_insert(now);
        self.is_answered |= is_answered;
        if self.rounds == 0 || started >= self.round_began {
            self.rounds = self.rounds.saturating_add(1);
            self.round_began = now;
        }
        let delay = policy.delay(self.rounds, server_asks, random);
        if self.is_down() {
            self.probe_at = self.probe_at.max(now + delay);
        }
        delay
    }

    /// Storage took a part, or the network is back: forget what failed before.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Bytes of an attempt that began at `started` travel: a way that was silent is open again. That storage takes them is
    /// another question, where it has answered with errors.
    pub(crate) fn on_movement(&mut self, started: Moment) {
        if !self.is_answered && started >= self.round_began {
            self.reset();
        }
    }

    /// Whether storage counts as down.
    pub(crate) fn is_down(&self) -> bool {
        self.rounds >= ROUNDS_TO_BE_DOWN
    }

    /// How many requests may be in flight of the `limit` that the window allows.
    pub(crate) fn cap(&self, limit: usize, now: Moment) -> usize {
        match self.is_down() {
            true if now < self.probe_at => 0,
            true => limit.min(1),
            false => limit,
        }
    }

    /// When the next probe may go.
    pub(crate) fn next_probe(&self, now: Moment) -> Option<Moment> {
        (self.is_down() && self.probe_at > now).then_some(self.probe_at)
    }

    /// So much of the time since the last failure was slept through.
    pub(crate) fn discount(&mut self, slept: Duration) {
        if let Some(since) = &mut self.since {
            *since += slept;
        }
    }

    /// How long storage has been failing.
    pub(crate) fn duration(&self, now: Moment) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn fail(outage: &mut Outage, started: u64, now: u64) -> Duration {
        let mut random = fastrand::Rng::with_seed(now);
        let at = Moment::from_millis;
        outage.on_failure(
            at(started),
            false,
            None,
            &RetryPolicy::default(),
            &mut random,
            at(now),
        )
    }

    #[test]
    fn one_event_that_cuts_all_connections_is_one_round() {
        let mut outage = Outage::default();
        for _ in 0..6 {
            fail(&mut outage, 0, 1000);
        }
        assert!(!outage.is_down());
        assert_eq!(outage.cap(6, Moment::from_millis(1000)), 6);
    }

    #[test]
    fn bytes_that_travel_end_a_silence_and_no_refusal() {
        let at = Moment::from_millis;
        let mut outage = Outage::default();
        fail(&mut outage, 0, 1000);
        outage.on_movement(at(500));
        assert_eq!(
            outage.duration(at(61_000)),
            Duration::from_secs(60),
            "it began before"
        );
        outage.on_movement(at(2000));
        assert_eq!(outage.duration(at(61_000)), Duration::ZERO);

        let mut random = fastrand::Rng::with_seed(1);
        outage.on_failure(at(0), true, None, &RetryPolicy::default(), &mut random, at(1000));
        outage.on_movement(at(2000));
        assert_eq!(outage.duration(at(61_000)), Duration::from_secs(60));
    }

    #[test]
    fn two_rounds_count_as_down_and_a_success_ends_it() {
        let mut outage = Outage::default();
        fail(&mut outage, 0, 1000);
        let delay = fail(&mut outage, 2000, 3000);
        let now = Moment::from_millis(3000);
        assert_eq!(outage.cap(6, now), 0);
        assert_eq!(outage.next_probe(now), Some(now + delay));
        assert_eq!(outage.cap(6, now + delay), 1, "one probe at a time");
        outage.reset();
        assert_eq!(outage.cap(6, now), 6);
    }
}
