//! Keeps all requests together to a speed that the page sets.

use std::time::Duration;

use crate::time::{Moment, seconds};

/// How much of the time in which nothing could be sent is made up for, in seconds.
///
/// Source: own choice; a timer or a connection that comes late costs nothing so far, and of 5 s it is 5 %.
const CATCH_UP: f64 = 0.25;

/// How long a part takes at the limit, at the most, in seconds, where parts may be so small.
///
/// Source: own choice; requests cannot be slowed down, only begun later: of 5 s, a part is then 5 %.
const SECONDS_A_PART: f64 = 0.25;

/// Says when the next request may begin, so that what was begun never exceeds the limit by more than that request.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    /// Bytes a second; `None` for no limit.
    rate: Option<f64>,
    /// Bytes begun beyond the limit, at a moment; below zero, bytes to be made up for.
    owed: f64,
    at: Moment,
}

impl Pacer {
    pub(crate) fn new(rate: Option<u64>) -> Self {
        let mut pacer = Self::default();
        pacer.set_rate(rate, Moment::default());
        pacer
    }

    /// Changes the limit, in bytes a second. What was begun beyond the old one is paid for at the new one.
    pub(crate) fn set_rate(&mut self, rate: Option<u64>, now: Moment) {
        self.owed = self.owed_by(now);
        self.at = now;
        self.rate = rate.map(|rate| rate.max(1) as f64);
    }

    /// When a request may begin, where that is still to come.
    pub(crate) fn next_start(&self, now: Moment) -> Option<Moment> {
        let (rate, owed) = (self.rate?, self.owed_by(now));
        let wait = seconds(owed / rate);
        (owed > 0.0).then(|| now + wait + Duration::from_millis(1))
    }

    /// A request of so many bytes begins.
    pub(crate) fn on_start(&mut self, bytes: u64, now: Moment) {
        self.owed = self.owed_by(now) + bytes as f64;
        self.at = now;
    }

    /// So many bytes of a request were never sent.
    pub(crate) fn on_unsent(&mut self, bytes: u64) {
        self.owed -= bytes as f64;
    }

    /// Largest part in bytes that keeps the speed even; storage may want larger ones.
    pub(crate) fn largest_part(&self) -> Option<u64> {
        self.rate.map(|rate| (rate * SECONDS_A_PART) as u64)
    }

    fn owed_by(&self, now: Moment) -> f64 {
        let Some(rate) = self.rate else { return 0.0 };
        let paid = rate * now.since(self.at).as_secs_f64();
        (self.owed - paid).max(-rate * CATCH_UP)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let mut pacer = Pacer::new(None);
        pacer.on_start(u64::MAX, at(1000));
        assert_eq!(pacer.next_start(at(1000)), None);
    }

    #[test]
    fn the_next_request_waits_until_the_last_is_paid_for() {
        let mut pacer = Pacer::new(Some(1000));
        pacer.on_start(2000, at(10_000));
        assert_eq!(
            pacer.next_start(at(10_000)),
            Some(at(11_751)),
            "250 ms are made up for"
        );
        assert_eq!(pacer.next_start(at(11_750)), None);
        pacer.on_start(2000, at(11_800));
        assert_eq!(
            pacer.next_start(at(11_800)),
            Some(at(13_751)),
            "50 ms late, as soon as ever"
        );
        pacer.on_unsent(1500);
        assert_eq!(pacer.next_start(at(11_800)), Some(at(12_251)));
    }

    #[test]
    fn a_new_limit_holds_at_once() {
        let mut pacer = Pacer::new(Some(1000));
        pacer.on_start(10_250, at(10_000));
        assert_eq!(pacer.next_start(at(10_000)), Some(at(20_001)));
        pacer.set_rate(Some(10_000), at(10_000));
        assert_eq!(pacer.next_start(at(10_000)), Some(at(11_001)));
        pacer.set_rate(None, at(10_000));
        assert_eq!(pacer.next_start(at(10_000)), None);
        pacer.set_rate(Some(0), at(10_000));
        pacer.on_start(u64::MAX, at(10_000));
        assert!(pacer.next_start(at(10_000)).is_some());
    }
}
