//! Learns how long a healthy request may show no progress.

use std::time::Duration;

/// Patience before anything has been learnt, and the most there ever is.
///
/// Source: own choice. A system may take several megabytes of a part at once and report nothing
/// until they are out; at 100 KB/s that is half a minute.
const LONGEST: Duration = Duration::from_secs(60);

/// The least patience, however lively the network has been.
const SHORTEST: Duration = Duration::from_secs(5);

/// A silence this many times the longest seen lately counts as a stall.
const FACTOR: u32 = 4;

/// Patience with requests that show no progress, learnt from those that ended well.
#[derive(Debug, Default)]
pub(crate) struct StallWatch {
    /// The longest silence of healthy requests, fading.
    longest_silence: Option<Duration>,
}

impl StallWatch {
    /// A request that ended well had been silent this long at the most.
    pub(crate) fn learn(&mut self, silence: Duration) {
        let faded = self.longest_silence.unwrap_or_default().mul_f64(0.95);
        self.longest_silence = Some(silence.max(faded));
    }

    /// How long a request may be silent, in whole milliseconds, as clocks and timers count.
    pub(crate) fn patience(&self) -> Duration {
        let learnt = self.longest_silence.map(|silence| silence * FACTOR);
        let millis = learnt.unwrap_or(LONGEST).clamp(SHORTEST, LONGEST).as_millis();
        Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// A stall was found: be more patient for a while, in case the network has only become slower.
    pub(crate) fn relax(&mut self) {
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
    fn patience_is_learnt_within_bounds() {
        let mut watch = StallWatch::default();
        assert_eq!(watch.patience(), LONGEST);
        watch.learn(Duration::from_millis(50));
        assert_eq!(watch.patience(), SHORTEST);
        watch.learn(Duration::from_secs(4));
        assert_eq!(watch.patience(), Duration::from_secs(16));
        for _ in 0..200 {
            watch.learn(Duration::from_millis(50));
        }
        assert_eq!(watch.patience(), SHORTEST, "an old silence fades");
    }

    #[test]
    fn each_stall_found_doubles_the_patience() {
        let mut watch = StallWatch::default();
        watch.learn(Duration::from_secs(2));
        watch.relax();
        assert_eq!(watch.patience(), Duration::from_secs(16));
        for _ in 0..10 {
            watch.relax();
        }
        assert_eq!(watch.patience(), LONGEST);
    }
}
