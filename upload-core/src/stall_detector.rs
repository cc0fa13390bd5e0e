//! Finds stalled requests: learns how long a healthy request may show no progress.

use std::time::Duration;

/// The timeout before anything has been observed, and the longest there ever is.
///
/// Source: own choice. A system may take several megabytes of a part at once and report nothing
/// until they are out; at 100 KB/s that is half a minute.
const LONGEST: Duration = Duration::from_secs(60);

/// The shortest timeout, however lively the network has been.
const SHORTEST: Duration = Duration::from_secs(5);

/// A silence this many times the longest seen lately counts as a stall.
const FACTOR: u32 = 4;

/// The timeout of requests that show no progress, adapted to those that ended well.
#[derive(Debug, Default)]
pub(crate) struct StallDetector {
    /// The longest silence of healthy requests, fading.
    longest_silence: Option<Duration>,
}

impl StallDetector {
    /// A request that ended well had been silent this long at the most.
    pub(crate) fn observe(&mut self, silence: Duration) {
        let faded = self.longest_silence.unwrap_or_default().mul_f64(0.95);
        self.longest_silence = Some(silence.max(faded));
    }

    /// How long a request may be silent, in whole milliseconds, as clocks and timers count.
    pub(crate) fn timeout(&self) -> Duration {
        let learnt = self.longest_silence.map(|silence| silence * FACTOR);
        let millis = learnt.unwrap_or(LONGEST).clamp(SHORTEST, LONGEST).as_millis();
        Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// A stall was found: double the timeout for a while, in case the network has only become slower.
    pub(crate) fn back_off(&mut self) {
        self.longest_silence = self
            .longest_silence
            .map(|silence| (silence * 2).max(SHORTEST / FACTOR));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_timeout_is_learnt_within_bounds() {
        let mut detector = StallDetector::default();
        assert_eq!(detector.timeout(), LONGEST);
        detector.observe(Duration::from_millis(50));
        assert_eq!(detector.timeout(), SHORTEST);
        detector.observe(Duration::from_secs(4));
        assert_eq!(detector.timeout(), Duration::from_secs(16));
        for _ in 0..200 {
            detector.observe(Duration::from_millis(50));
        }
        assert_eq!(detector.timeout(), SHORTEST, "an old silence fades");
    }

    #[test]
    fn each_stall_found_doubles_the_timeout() {
        let mut detector = StallDetector::default();
        detector.observe(Duration::from_secs(2));
        detector.back_off();
        assert_eq!(detector.timeout(), Duration::from_secs(16));
        for _ in 0..10 {
            detector.back_off();
        }
        assert_eq!(detector.timeout(), LONGEST);
    }
}
