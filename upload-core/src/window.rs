//! How many requests to storage may be in flight.

use std::time::Duration;

use crate::config::Concurrency;
use crate::io::Connections;
use crate::time::Moment;

/// Requests that a browser carries at a time to an HTTP/1.1 origin; the adaptive window starts
/// there.
///
/// Source: Chromium's `kMaxSocketsPerGroup`, Firefox's
/// `network.http.max-persistent-connections-per-server`; both 6.
pub(crate) const BROWSER_CONNECTIONS: usize = 6;

/// How often a seventh request is tried. Source: own choice; a busy network may keep the first from setting out.
const SEVENTH_TRIES: u8 = 3;

/// How many outcomes the adaptive window remembers.
const MEMORY: usize = 16;

/// Failures among the remembered outcomes that make the window shrink. A lone reset is bad luck;
/// this many are a pattern.
const FAILURES_TO_SHRINK: usize = 4;

/// Goodput must grow by this factor for a larger window to be kept.
const WORTHWHILE: f64 = 1.03;

/// Epochs to rest after a step that did not pay, before the next try.
const EPOCHS_BETWEEN_TRIES: u32 = 8;

/// Goodput over less than this is noise. Source: own choice.
const SHORTEST_EPOCH: Duration = Duration::from_millis(300);

/// The first steps above the browser's six connections. Source: own choice; half of six.
const WIDE_STEP: usize = 3;

/// Decides how many parts may be in flight, from what became of earlier ones: additive increase while it pays,
/// multiplicative decrease on congestion. Or always the same number, where the page says so.
///
/// It starts at the browser's six connections, since an HTTP/1.1 origin has no more and a fresh
/// upload should not idle; above that it climbs only while goodput does.
///
/// It is not `Debug`: that would pull the formatting of floating point numbers, which nothing else
/// needs, into every browser's copy of the engine (8 KB of it).
pub(crate) struct Window {
    /// Whether it ever changes.
    adapts: bool,
    /// The page's ceiling.
    wished: usize,
    connections: Connections,
    /// Further tries of a seventh request: none once it is known how requests reach storage.
    tries: u8,
    origins: usize,
    /// The ceiling as the connections allow it.
    max: usize,
    limit: usize,
    outcomes: Vec<Outcome>,
    /// When congestion was last noticed: what began before is of the same event.
    congested_at: Option<Moment>,
    epoch: Option<Epoch>,
    /// Goodput in bytes a second of the last whole epoch.
    last_goodput: Option<f64>,
    /// Whether the last epoch ran one step above the one before it.
    climbing: bool,
    epochs_until_step: u32,
    /// Wide steps until the first that does not pay, then single ones.
    step: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Stored,
    Congested,
}

/// A stretch of time over which goodput is measured.
#[derive(Debug)]
struct Epoch {
    since: Moment,
    bytes: u64,
    stored: usize,
}

impl Window {
    /// The one that the configuration asks for.
    pub(crate) fn new(concurrency: Concurrency) -> Self {
        let (wished, adapts) = match concurrency {
            Concurrency::Fixed(limit) => (limit, false),
            Concurrency::Adaptive { max } => (max, true),
        };
        let wished = usize::from(wished.max(1));
        let first = |most: usize| if adapts { wished.min(most) } else { wished };
        Self {
            adapts,
            wished,
            connections: Connections::default(),
            tries: if adapts { SEVENTH_TRIES } else { 0 },
            origins: 1,
            max: first(BROWSER_CONNECTIONS + 1),
            limit: first(BROWSER_CONNECTIONS),
            outcomes: Vec::new(),
            congested_at: None,
            epoch: None,
            last_goodput: None,
            climbing: false,
            epochs_until_step: 0,
            step: WIDE_STEP,
        }
    }

    fn ceiling(&self) -> usize {
        let connections = self.limit_for_each_origin().saturating_mul(self.origins);
        self.wished.min(connections)
    }

    fn remember(&mut self, outcome: Outcome) {
        if self.outcomes.len() == MEMORY {
            self.outcomes.remove(0);
        }
        self.outcomes.push(outcome);
    }

    fn recent_failures(&self) -> usize {
        self.outcomes
            .iter()
            .filter(|outcome| **outcome == Outcome::Congested)
            .count()
    }

    /// An epoch is over: keep the last step if it paid, and take the next one where that may pay.
    fn judge(&mut self, goodput: f64) {
        let paid = self.last_goodput.is_none_or(|last| goodput > last * WORTHWHILE);
        let step_back = self.climbing && !paid && self.limit > BROWSER_CONNECTIONS;
        let recovering = self.limit < BROWSER_CONNECTIONS.min(self.max);
        self.epochs_until_step = self.epochs_until_step.saturating_sub(1);
        self.climbing = false;
        if step_back {
            self.limit = self
                .limit
                .saturating_sub(self.step)
                .max(BROWSER_CONNECTIONS.min(self.max));
            self.step = 1;
            self.epochs_until_step = EPOCHS_BETWEEN_TRIES;
        } else if self.limit < self.max && (recovering || paid || self.epochs_until_step == 0) {
            self.limit = (self.limit + self.step).min(self.max);
            self.climbing = true;
        }
        self.last_goodput = Some(goodput);
    }

    /// The number of requests that may be in flight now, at least 1.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// How requests reach storage bounds the limit, unless the page has set a fixed one.
    pub(crate) fn set_connections(&mut self, connections: Connections) {
        if !self.adapts {
            return;
        }
        self.connections = connections;
        self.tries = 0;
        self.max = self.ceiling();
        self.limit = self.limit.min(self.max);
    }

    /// So does how many addresses storage has, over HTTP/1.1. What has not been tried is tried at once: an address more is
    /// there to be used.
    pub(crate) fn set_origins(&mut self, origins: usize) {
        if self.adapts && origins != self.origins {
            self.origins = origins;
            self.max = self.ceiling();
            self.limit = self.max;
        }
    }

    /// The number of requests that may be in flight to each of them.
    pub(crate) fn limit_for_each_origin(&self) -> usize {
        match self.connections {
            _ if !self.adapts => self.limit,
            _ if self.may_queue() => BROWSER_CONNECTIONS + 1,
            Connections::Http1 => BROWSER_CONNECTIONS,
            Connections::Http1Shared => BROWSER_CONNECTIONS - 1,
            Connections::Multiplexed => usize::MAX,
        }
    }

    /// Whether one request more than an HTTP/1.1 address has connections may be in flight: where it moves beside the others,
    /// they share a connection. Otherwise it waits inside the browser until one of them has ended.
    pub(crate) fn tries_seventh(&self) -> bool {
        self.may_queue() && self.limit > BROWSER_CONNECTIONS
    }

    /// Whether one that was tried may wait there still, though no further one would be.
    pub(crate) fn may_queue(&self) -> bool {
        self.tries > 0 && self.connections == Connections::Http1 && self.origins == 1
    }

    /// It did wait there.
    pub(crate) fn on_seventh_waited(&mut self) {
        self.tries = self.tries.saturating_sub(1);
        self.max = self.ceiling();
        self.limit = BROWSER_CONNECTIONS;
        self.climbing = false;
    }

    /// Storage took a part of `bytes`; `in_flight` requests, this one included, shared the network,
    /// and `limited` tells whether more would have been in flight if the window had allowed it.
    pub(crate) fn on_stored(&mut self, bytes: u64, in_flight: usize, limited: bool, now: Moment) {
        if !self.adapts {
            return;
        }
        self.remember(Outcome::Stored);
        let Some(epoch) = &mut self.epoch else {
            self.epoch = Some(Epoch {
                since: now,
                bytes: 0,
                stored: 0,
            });
            return;
        };
        epoch.bytes = epoch.bytes.saturating_add(bytes);
        epoch.stored += 1;
        // One round of the window makes an epoch. Where the application had no more to send, its
        // goodput says nothing of the network.
        let span = now.since(epoch.since);
        if epoch.stored < self.limit || span < SHORTEST_EPOCH {
            return;
        }
        let goodput = epoch.bytes as f64 / span.as_secs_f64();
        self.epoch = Some(Epoch {
            since: now,
            bytes: 0,
            stored: 0,
        });
        if limited && in_flight >= self.limit {
            self.judge(goodput);
        }
    }

    /// A request that began at `started` failed in a way that congestion can explain: reset, timeout, 429, 503. What one
    /// event does to all requests in flight counts once.
    pub(crate) fn on_congestion(&mut self, started: Moment, now: Moment) {
        if !self.adapts || self.congested_at.is_some_and(|at| started <= at) {
            return;
        }
        self.congested_at = Some(now);
        self.remember(Outcome::Congested);
        if self.recent_failures() >= FAILURES_TO_SHRINK {
            self.limit = (self.limit / 2).max(1);
            self.outcomes.clear();
            self.epoch = None;
            self.last_goodput = None;
            self.climbing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const PART: u64 = 8_000_000;

    fn adaptive(max: u16) -> Window {
        Window::new(Concurrency::Adaptive { max })
    }

    /// Feeds rounds of a network whose goodput is `rate(limit)` bytes a second.
    fn settle(window: &mut Window, rounds: usize, rate: impl Fn(usize) -> f64) {
        let mut now = Moment::default();
        for _ in 0..rounds {
            let limit = window.limit();
            let spacing = PART as f64 / rate(limit);
            for _ in 0..limit.max(2) {
                now += Duration::from_secs_f64(spacing);
                window.on_stored(PART, limit, true, now);
            }
        }
    }

    #[test]
    fn a_fixed_window_never_moves() {
        let mut window = Window::new(Concurrency::Fixed(3));
        congest(&mut window, 10, &mut Moment::default());
        assert_eq!(window.limit(), 3);
    }

    #[test]
    fn more_connections_are_kept_only_while_they_pay() {
        let mut paying = adaptive(16);
        paying.set_connections(Connections::Multiplexed);
        settle(&mut paying, 100, |limit| limit as f64 * 1e6);
        assert_eq!(paying.limit(), 16);

        let mut saturated = adaptive(16);
        saturated.set_connections(Connections::Multiplexed);
        settle(&mut saturated, 100, |_| 6e6);
        assert!(saturated.limit() <= 8, "{}", saturated.limit());
    }

    #[test]
    fn a_browser_has_six_connections_and_keeps_one_for_the_coordinator() {
        let mut window = adaptive(16);
        for tries in [7, 7, 7, 6] {
            settle(&mut window, 50, |limit| limit as f64 * 1e6);
            assert_eq!(window.limit(), tries);
            if window.tries_seventh() {
                window.on_seventh_waited();
                assert_eq!(window.limit(), 6);
            }
        }
        window.set_connections(Connections::Http1Shared);
        assert_eq!(window.limit(), 5);
        settle(&mut window, 50, |limit| limit as f64 * 1e6);
        assert_eq!(window.limit(), 5);
    }

    #[test]
    fn each_address_of_storage_brings_its_own_connections() {
        let mut window = adaptive(16);
        window.set_origins(2);
        assert_eq!((window.limit(), window.limit_for_each_origin()), (12, 6));
        window.set_connections(Connections::Http1Shared);
        assert_eq!((window.limit(), window.limit_for_each_origin()), (10, 5));
        window.set_origins(4);
        assert_eq!(window.limit(), 16, "never more than the page's ceiling");
    }

    /// So many requests fail, each for itself.
    fn congest(window: &mut Window, events: u32, now: &mut Moment) {
        for _ in 0..events {
            let started = *now + Duration::from_secs(1);
            *now += Duration::from_secs(2);
            window.on_congestion(started, *now);
        }
    }

    #[test]
    fn a_lone_failure_changes_nothing_and_a_burst_halves() {
        let mut window = adaptive(6);
        let mut now = Moment::default();
        congest(&mut window, 1, &mut now);
        assert_eq!(window.limit(), 6);
        congest(&mut window, FAILURES_TO_SHRINK as u32, &mut now);
        assert_eq!(window.limit(), 3);
        congest(&mut window, 100, &mut now);
        assert_eq!(window.limit(), 1);
        settle(&mut window, 20, |limit| limit as f64 * 1e6);
        assert_eq!(window.limit(), 6, "it recovers");
    }

    #[test]
    fn a_blip_that_cuts_every_request_is_one_event() {
        let mut window = adaptive(16);
        window.set_connections(Connections::Multiplexed);
        let began = Moment::from_millis(1000);
        for _ in 0..12 {
            window.on_congestion(began, Moment::from_millis(5000));
        }
        assert_eq!(window.limit(), 6);
    }
}
