use crate::config::Config;
use crate::io::{Action, Input};
use crate::time::Moment;

/// Why the engine wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerReason {
    /// A part's wait before its next attempt ends.
    RetryPart,
    /// A call's wait before its next attempt ends.
    RetryCall,
    /// An attempt that shows no progress will count as stalled.
    Stalled,
    /// Progress that has been held back is due.
    Progress,
}

/// The engine for all uploads of a page.
#[derive(Debug)]
pub struct Engine {
    config: Config,
}

impl Engine {
    /// An engine without uploads. `seed` feeds the jitter of its waits and its idempotency keys.
    pub fn new(config: Config, _seed: u64) -> Self {
        Self { config }
    }

    /// Takes one thing that happened. Then drain [`Engine::poll_action`].
    pub fn handle_input(&mut self, _input: Input, _now: Moment) {}

    /// The next thing to do, in order.
    pub fn poll_action(&mut self) -> Option<Action> {
        None
    }

    /// When to feed [`Input::Timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Moment, TimerReason)> {
        None
    }
}
