//! Finds stalled requests: learns how long a healthy request may show no progress.

use std::time::Duration;

use crate::time::seconds;

/// Timeout before anything has been learnt, and the most there ever is.
///
/// Source: own choice. A system may take several megabytes of a part at once and report nothing
/// until they are out; at 100 KB/s that is half a minute.
const LONGEST: Duration = Duration::from_secs(60);

/// The shortest timeout, however lively the network has been.
const SHORTEST: Duration = Duration::from_secs(5);

/// A silence this many times the longest seen lately counts as a stall.
const FACTOR: u32 = 4;

/// Bytes that the system may take of a request and hold back: only what is beyond them has travelled for certain.
///
/// Source: own choice, after Linux's `net.ipv4.tcp_wmem`, whose largest buffer is 4 MiB, half of it payload.
pub(crate) const BUFFERED: u64 = 2 * 1024 * 1024;

/// How long something on the way may look at a part that it has taken whole, before it passes it on.
///
/// Source: own choice; answers have been seen to come after 75 s where a virus scanner reads bodies.
const LONGEST_INSPECTION: Duration = Duration::from_secs(120);

/// Slowest line on which a request that shows nothing is still believed to travel, in bytes a second, before the speed is
/// known; afterwards a quarter of that speed.
///
/// Source: own choice; below it, the smallest part there is takes two minutes.
const SLOWEST: f64 = 48.0 * 1024.0;

/// Requests in a row that were cut without having shown any progress, after which this page counts as one that hears of
/// none: so it is where a service worker answers for it.
///
/// Source: own choice; the connections of a browser may all hang after one event.
const SILENT_CUTS: u32 = 12;

/// Learns, from requests that ended well, how long others may show no progress.
#[derive(Debug, Default)]
pub(crate) struct StallDetector {
    /// The longest silence of healthy requests, fading.
    longest_silence: Option<Duration>,
    /// Whether this page hears how far its requests are.
    hears_progress: bool,
    /// Requests cut in a row that had shown none.
    silent_cuts: u32,
}

impl StallDetector {
    /// A request that ended well had been silent this long at the most.
    pub(crate) fn observe(&mut self, silence: Duration) {
        let faded = self.longest_silence.unwrap_or_default().as_secs_f64() * 0.95;
        self.longest_silence = Some(silence.max(seconds(faded)));
    }

    /// A request showed that a part of its bytes is on its way.
    pub(crate) fn on_progress(&mut self) {
        self.hears_progress = true;
        self.silent_cuts = 0;
    }

    /// Whether this page hears how far its requests are.
    pub(crate) fn hears_progress(&self) -> bool {
        self.hears_progress
    }

    /// A request was cut, that had `moved` before or had not.
    pub(crate) fn on_cut(&mut self, moved: bool) {
        self.silent_cuts = match moved {
            true => 0,
            false => self.silent_cuts.saturating_add(1),
        };
        if self.silent_cuts >= SILENT_CUTS {
            self.hears_progress = false;
        }
    }

    /// How long a request in the middle of its bytes may be silent, in whole milliseconds, as clocks and timers count.
    pub(crate) fn timeout(&self) -> Duration {
        let learnt = self.longest_silence.map(|silence| silence * FACTOR);
        whole_millis(learnt.unwrap_or(LONGEST).clamp(SHORTEST, LONGEST))
    }

    /// How long a request for `length` bytes may be silent from the start. Where the page hears of no progress, that
    /// proves nothing: it may take as long as its bytes on a slow line. `rate`: what one connection has lately carried, in
    /// bytes a second.
    pub(crate) fn first_timeout(&self, length: u64, rate: Option<f64>) -> Duration {
        match self.hears_progress {
            true => self.timeout(),
            false => self.answer_timeout(length, rate),
        }
    }

    /// How long a request may wait for its answer once all of its `length` bytes were taken. Whoever took them (the
    /// system, a proxy, a virus scanner) may still have to pass them on.
    pub(crate) fn answer_timeout(&self, length: u64, rate: Option<f64>) -> Duration {
        let base = match length {
            0..=BUFFERED => LONGEST,
            _ => LONGEST_INSPECTION,
        };
        let slowest = rate.map_or(SLOWEST, |rate| (rate / 4.0).max(1024.0));
        whole_millis(base + seconds(length as f64 / slowest))
    }

    /// A stall was found: wait longer for a while, in case the network has only become slower.
    pub(crate) fn back_off(&mut self) {
        self.longest_silence = self
            .longest_silence
            .map(|silence| (silence * 2).max(SHORTEST / FACTOR));
    }
}

fn whole_millis(timeout: Duration) -> Duration {
    Duration::from_millis(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX))
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
    fn silence_from_the_start_proves_nothing_until_progress_was_heard_of() {
        let mut watch = StallDetector::default();
        watch.observe(Duration::from_millis(50));
        let part = 12 * 1024 * 1024;
        // At 150 KB/s.
        assert!(watch.first_timeout(part, None) > Duration::from_secs(84));
        watch.on_progress();
        assert_eq!(watch.first_timeout(part, None), SHORTEST);
        for _ in 0..SILENT_CUTS {
            watch.on_cut(false);
        }
        assert!(
            watch.first_timeout(part, None) > Duration::from_secs(84),
            "a service worker has come"
        );
    }

    #[test]
    fn an_answer_may_take_minutes_after_the_last_byte() {
        let mut watch = StallDetector::default();
        watch.observe(Duration::from_millis(50));
        assert!(watch.answer_timeout(12 * 1024 * 1024, Some(5e6)) > Duration::from_secs(120));
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
