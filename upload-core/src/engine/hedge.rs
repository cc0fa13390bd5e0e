//! Overtaking: when nothing is left to begin, a request that is late is sent a second time.

use std::time::Duration;

use super::Engine;
use crate::part::Part;
use crate::time::Moment;
use crate::upload::{Attempt, Phase, Purpose};

/// Share of all bytes sent that may be sent twice to overtake slow requests, in percent.
const HEDGE_PERCENT: u64 = 2;

/// A request is late enough to be hedged, within that share, once it will take this many times as
/// long as a new one.
const HEDGE_FACTOR: f64 = 2.0;

/// A request this late is no matter of chance on a healthy network: it is hedged whatever the share.
const ALWAYS_HEDGE_FACTOR: f64 = 4.0;

/// A request is never judged before it has been under way for this long.
const HEDGE_GRACE: Duration = Duration::from_secs(2);

impl Engine {
    /// Sends the latest request of the tail a second time where a new one should end sooner.
    pub(super) fn hedge(&mut self) {
        while let Some((lateness, attempt)) = self.latest_straggler()
            && self.online
            && !self.outage.is_down()
            && self.window.limit() > self.in_flight()
            && self.pacer.next_start(self.now).is_none()
        {
            let Attempt {
                task, part, length, ..
            } = attempt;
            let Some(upload) = self.uploads.get(&task) else {
                return;
            };

            let within_share = self.hedged_bytes + length <= self.sent_bytes / 100 * HEDGE_PERCENT;
            let usable = matches!(upload.parts.get(part), Some(Part::Sending { lease, .. }) if lease.is_usable(self.now) && self.has_room(lease.origin));
            if !usable || !(within_share || lateness >= ALWAYS_HEDGE_FACTOR) {
                return;
            }
            self.hedged_bytes += length;
            self.hedges = self.hedges.saturating_add(1);
            self.start_sending(task, part);
        }
    }

    /// The request, alone for its part, that a new one would overtake by the widest margin, and how
    /// many times as long as a new one it will still take; only where no part is left to begin with.
    fn latest_straggler(&self) -> Option<(f64, Attempt)> {
        let rate = self.connection_rate?;
        let tail = self.queue.is_empty()
            && self
                .active_uploads()
                .filter(|upload| !upload.paused)
                .all(|upload| {
                    matches!(upload.phase, Phase::Transferring(_) | Phase::Completing(..))
                        && upload.parts.next_waiting().is_none()
                        && upload.parts.ahead() == 0
                });
        if !tail {
            return None;
        }
        let mut latest: Option<(f64, Attempt)> = None;
        for attempt in self.attempts.values() {
            let age = self.now.since(attempt.started);
            if attempt.purpose != Purpose::Send || age < HEDGE_GRACE || !self.is_alone(attempt) {
                continue;
            }
            let length = attempt.length as f64;
            let speed = attempt.loaded as f64 / age.as_secs_f64();
            let left = if speed > 1.0 {
                (length - attempt.loaded as f64) / speed
            } else {
                f64::INFINITY
            };
            let silent = self.now.since(attempt.last_progress_at).as_secs_f64();
            let fresh = length / rate.max(1.0);
            let lateness = left.max(silent) / fresh.max(0.001);
            if lateness >= latest.map_or(HEDGE_FACTOR, |(latest, _)| latest) {
                latest = Some((lateness, *attempt));
            }
        }
        latest
    }

    /// While slots are free and requests are in flight, lateness is looked at each second.
    pub(super) fn next_hedge_check(&self) -> Option<Moment> {
        let in_flight = self.in_flight();
        let may_hedge = in_flight > 0 && in_flight < self.window.limit() && self.queue.is_empty();
        may_hedge.then(|| self.now + Duration::from_secs(1))
    }
}
