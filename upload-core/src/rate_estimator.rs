use crate::io::Progress;
use crate::time::Moment;

/// Time over which the shown rate is smoothed, in seconds.
///
/// Source: own choice; long enough to bridge the gap between two parts, short enough to follow a
/// person walking out of the house.
const RATE_SECONDS: f64 = 4.0;

/// Time over which the rate that forecasts rest on is smoothed, in seconds.
///
/// Source: own choice; a forecast that jumps is believed less than one that lags.
const FORECAST_SECONDS: f64 = 20.0;

/// Shortest time between two samples in seconds: below it, the jitter of timers dominates.
const SAMPLE_SECONDS: f64 = 0.25;

/// Estimates how fast a file travels, and how long the rest will take.
#[derive(Debug)]
pub(crate) struct RateEstimator {
    /// Highest byte count shown so far: what is shown never falls, even where a failed attempt
    /// takes bytes back.
    shown: u64,
    rate: Ewma,
    forecast_rate: Ewma,
    last: Option<(Moment, u64)>,
}

impl RateEstimator {
    pub(crate) fn new() -> Self {
        Self {
            shown: 0,
            rate: Ewma::over(RATE_SECONDS),
            forecast_rate: Ewma::over(FORECAST_SECONDS),
            last: None,
        }
    }

    /// Takes the count of bytes that are stored or on their way.
    pub(crate) fn update(&mut self, loaded: u64, now: Moment) {
        self.shown = self.shown.max(loaded);
        let Some((since, before)) = self.last else {
            self.last = Some((now, loaded));
            return;
        };
        let seconds = now.since(since).as_secs_f64();
        if seconds < SAMPLE_SECONDS {
            return;
        }
        let bytes = loaded.saturating_sub(before) as f64;
        self.rate.sample(bytes, seconds);
        self.forecast_rate.sample(bytes, seconds);
        self.last = Some((now, loaded));
    }

    /// Forgets the speed, for example over a pause, whose length says nothing of it.
    pub(crate) fn interrupt(&mut self) {
        *self = Self {
            shown: self.shown,
            ..Self::new()
        };
    }

    /// Bytes to show.
    pub(crate) fn shown(&self) -> u64 {
        self.shown
    }

    /// What to show for a file of `total` bytes.
    pub(crate) fn progress(&self, total: u64) -> Progress {
        let left = total.saturating_sub(self.shown) as f64;
        let forecast_rate = self.forecast_rate.value();
        Progress {
            loaded: self.shown,
            total,
            rate: self.rate.value(),
            eta_seconds: (forecast_rate > 1.0).then(|| left / forecast_rate),
        }
    }
}

/// An exponentially weighted moving average of bytes a second, never biased by how short the past is.
#[derive(Debug)]
struct Ewma {
    /// Time in seconds after which a sample's weight has fallen to 1/e.
    over: f64,
    weighted: f64,
    weight: f64,
}

impl Ewma {
    fn over(seconds: f64) -> Self {
        Self {
            over: seconds,
            weighted: 0.0,
            weight: 0.0,
        }
    }

    fn sample(&mut self, bytes: f64, seconds: f64) {
        let kept = decay(seconds / self.over);
        self.weighted = self.weighted * kept + bytes / seconds * (1.0 - kept);
        self.weight = self.weight * kept + 1.0 - kept;
    }

    fn value(&self) -> f64 {
        if self.weight > 0.0 {
            self.weighted / self.weight
        } else {
            0.0
        }
    }
}

/// e to the power of minus this many time constants, a ten-thousandth too much at the most. What the standard library
/// computes it by is 0.4 KB more for each page to download.
fn decay(time_constants: f64) -> f64 {
    /// By how often the result is squared. Source: own choice; more add nothing that a speed would show.
    const SQUARINGS: u32 = 10;
    /// Of what lies longer ago nothing is left. Source: e to the power of -64 is less than a 64-bit number resolves near 1.
    const LONGEST: f64 = 64.0;

    let step = time_constants.min(LONGEST) / f64::from(1 << SQUARINGS);
    let mut left = 1.0 - step + step * step / 2.0;
    for _ in 0..SQUARINGS {
        left *= left;
    }
    left
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn what_is_shown_never_falls() {
        let mut estimator = RateEstimator::new();
        estimator.update(100, Moment::default());
        estimator.update(40, Moment::from_millis(1000));
        assert_eq!(estimator.progress(200).loaded, 100);
    }

    #[test]
    fn a_steady_speed_is_told_as_it_is() {
        let mut estimator = RateEstimator::new();
        let mut now = Moment::default();
        for step in 0..100_u64 {
            estimator.update(step * 1_000_000, now);
            now += Duration::from_millis(500);
        }
        let progress = estimator.progress(200_000_000);
        assert!((progress.rate - 2e6).abs() < 1e4, "{}", progress.rate);
        let left = progress.eta_seconds.expect("there is a speed");
        assert!((left - 50.5).abs() < 1.0, "{left}");
    }

    #[test]
    fn old_samples_fade_exponentially() {
        for time_constants in [0.0, 1e-6, 0.03, 0.5, 1.0, 3.0, 20.0, 64.0, 1e9, f64::INFINITY] {
            let exact = (-time_constants).exp();
            let error = decay(time_constants) - exact;
            assert!(error.abs() < 1e-4, "{time_constants}: {error}");
        }
    }

    #[test]
    fn without_a_speed_there_is_no_forecast() {
        assert_eq!(RateEstimator::new().progress(10).eta_seconds, None);
    }
}
