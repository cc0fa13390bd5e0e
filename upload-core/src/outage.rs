//! Notices when storage, or the way to it, is down, and keeps everybody from rushing it.

use std::time::Duration;

use crate::config::RetryPolicy;
use crate::time::Moment;

/// Rounds of failures without a success between them after which storage counts as down. One round
/// is what a single event, such as a lost connection, does to all parts in flight.
const ROUNDS_TO_BRAKE: u32 = 2;

/// The shared brake: once storage counts as down, one part at a time probes it.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    rounds: u32,
    /// Failures of attempts that began before this belong to a round that has been counted.
    round_began: Moment,
    since: Option<Moment>,
    probe_at: Moment,
    /// Whether storage has ever answered this page in a way that a page can read.
    answered: bool,
}

impl Outage {
    /// An attempt that began at `started` failed; gives how long its part should rest.
    pub(crate) fn on_failure(
        &mut self,
        started: Moment,
        server_asks: Option<Duration>,
        policy: &RetryPolicy,
        random: &mut fastrand::Rng,
        now: Moment,
    ) -> Duration {
        self.since.get_or_insert(now);
        if self.rounds == 0 || started >= self.round_began {
            self.rounds = self.rounds.saturating_add(1);
            self.round_began = now;
        }
        let rest = policy.delay(self.rounds, server_asks, random);
        if self.is_braking() {
            self.probe_at = self.probe_at.max(now + rest);
        }
        rest
    }

    /// Storage answered, if only with an error of its own.
    pub(crate) fn on_answer(&mut self) {
        self.answered = true;
    }

    /// Storage took a part.
    pub(crate) fn on_success(&mut self) {
        *self = Self {
            answered: true,
            ..Self::default()
        };
    }

    /// The network is back: forget what its absence did.
    pub(crate) fn reset(&mut self) {
        *self = Self {
            answered: self.answered,
            ..Self::default()
        };
    }

    /// Whether storage counts as down.
    pub(crate) fn is_braking(&self) -> bool {
        self.rounds >= ROUNDS_TO_BRAKE
    }

    /// How many requests may be in flight of the `limit` that the window allows.
    pub(crate) fn cap(&self, limit: usize, now: Moment) -> usize {
        match self.is_braking() {
            true if now < self.probe_at => 0,
            true => limit.min(1),
            false => limit,
        }
    }

    /// When the next probe may go.
    pub(crate) fn next_probe(&self, now: Moment) -> Option<Moment> {
        (self.is_braking() && self.probe_at > now).then_some(self.probe_at)
    }

    /// So much of the time since the last failure was slept through.
    pub(crate) fn forgive(&mut self, slept: Duration) {
        if let Some(since) = &mut self.since {
            *since += slept;
        }
    }

    /// How long storage has been failing.
    pub(crate) fn duration(&self, now: Moment) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// Whether no readable answer has ever come and a fair number of rounds were tried: rather a
    /// wrong set-up (CORS, address) than an outage.
    pub(crate) fn looks_misconfigured(&self, now: Moment) -> bool {
        !self.answered && self.rounds >= MISCONFIGURED_ROUNDS && self.duration(now) >= MISCONFIGURED_TIME
    }
}

/// Rounds without any readable answer, and the time they must span, after which a set-up that never
/// worked counts as wrong. Source: own choice; a router restarts faster than this.
const MISCONFIGURED_ROUNDS: u32 = 6;
const MISCONFIGURED_TIME: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn fail(outage: &mut Outage, started: u64, now: u64) -> Duration {
        let mut random = fastrand::Rng::with_seed(now);
        let at = Moment::from_millis;
        outage.on_failure(at(started), None, &RetryPolicy::default(), &mut random, at(now))
    }

    #[test]
    fn one_event_that_cuts_all_connections_is_one_round() {
        let mut outage = Outage::default();
        for _ in 0..6 {
            fail(&mut outage, 0, 1000);
        }
        assert!(!outage.is_braking());
        assert_eq!(outage.cap(6, Moment::from_millis(1000)), 6);
    }

    #[test]
    fn two_rounds_brake_and_a_success_releases() {
        let mut outage = Outage::default();
        fail(&mut outage, 0, 1000);
        let rest = fail(&mut outage, 2000, 3000);
        let now = Moment::from_millis(3000);
        assert_eq!(outage.cap(6, now), 0);
        assert_eq!(outage.next_probe(now), Some(now + rest));
        assert_eq!(outage.cap(6, now + rest), 1, "one probe at a time");
        outage.on_success();
        assert_eq!(outage.cap(6, now), 6);
    }

    #[test]
    fn only_a_storage_that_never_answered_looks_misconfigured() {
        let mut never = Outage::default();
        let mut once = Outage::default();
        once.on_success();
        for round in 1..20 {
            fail(&mut never, round * 10_000, round * 10_000);
            fail(&mut once, round * 10_000, round * 10_000);
        }
        let now = Moment::from_millis(200_000);
        assert!(never.looks_misconfigured(now));
        assert!(!once.looks_misconfigured(now));
    }
}
