use crate::io::Progress;
use crate::time::Moment;

/// Time over which the rate is smoothed, in seconds.
///
/// Source: own choice; long enough to bridge the gap between two parts, short enough to follow a
/// person walking out of the house.
const SMOOTHING_SECONDS: f64 = 4.0;

/// Shortest time between two samples in seconds: below it, the jitter of timers dominates.
const SAMPLE_SECONDS: f64 = 0.25;

/// Measures how fast a file travels.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Highest byte count shown so far: what is shown never falls, even where a failed attempt
    /// takes bytes back.
    shown: u64,
    rate: Option<f64>,
    last: Option<(Moment, u64)>,
}

impl Meter {
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
        let sample = loaded.saturating_sub(before) as f64 / seconds;
        let weight = 1.0 - (-seconds / SMOOTHING_SECONDS).exp();
        self.rate = Some(match self.rate {
            Some(rate) => rate + weight * (sample - rate),
            None => sample,
        });
        self.last = Some((now, loaded));
    }

    /// Forgets the speed, for example over a pause, whose length says nothing of it.
    pub(crate) fn interrupt(&mut self) {
        self.rate = None;
        self.last = None;
    }

    /// What to show for a file of `total` bytes.
    pub(crate) fn progress(&self, total: u64) -> Progress {
        let rate = self.rate.unwrap_or(0.0);
        let left = total.saturating_sub(self.shown) as f64;
        Progress {
            loaded: self.shown,
            total,
            rate,
            eta_seconds: (rate > 1.0).then(|| left / rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_shown_never_falls() {
        let mut meter = Meter::default();
        meter.update(100, Moment::default());
        meter.update(40, Moment::from_millis(1000));
        assert_eq!(meter.progress(200).loaded, 100);
    }

    #[test]
    fn a_steady_speed_is_told_as_it_is() {
        let mut meter = Meter::default();
        let mut now = Moment::default();
        for step in 0..100_u64 {
            meter.update(step * 1_000_000, now);
            now += Duration::from_millis(500);
        }
        let progress = meter.progress(200_000_000);
        assert!((progress.rate - 2e6).abs() < 1e4, "{progress:?}");
        let left = progress.eta_seconds.expect("there is a speed");
        assert!((left - 50.5).abs() < 1.0, "{left}");
    }

    #[test]
    fn without_a_speed_there_is_no_forecast() {
        assert_eq!(Meter::default().progress(10).eta_seconds, None);
    }
}
