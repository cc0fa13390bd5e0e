use std::time::Duration;

/// How an engine behaves. Every field has the documented default of the page's API.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Most requests to storage at a time, over all files.
    pub concurrency: Concurrency,
    /// Part size in bytes for every file; `None` lets the engine plan.
    pub part_size: Option<u64>,
    /// Whether each part's CRC64NVME is computed and signed into its URL.
    pub integrity: bool,
    /// When to try again and when to give up.
    pub retry: RetryPolicy,
    /// Whether files may change without the shell hearing of it, see [`crate::Input::ReadAgain`].
    pub read_again: bool,
    /// Most bytes in flight, over all files, though one part always goes: the shell holds each part in memory while it is
    /// sent. `None` where it does not.
    pub max_in_flight_bytes: Option<u64>,
    /// Most bytes a second, over all files, see [`crate::Input::MaxRate`]; `None` for as many as the network carries.
    pub max_rate: Option<u64>,
}

/// How many requests to storage may be in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// Always this many.
    Fixed(u16),
    /// As many as the network rewards, up to this many.
    Adaptive {
        /// The ceiling; over HTTP/1.1 it is no more than the browser's six connections, and a seventh request as long as nobody
        /// knows that it is HTTP/1.1.
        max: u16,
    },
}

/// When to try again and when to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts for one part or call, the first included, before a failure that is its own fault
    /// (not an outage) ends the upload.
    pub max_attempts: u32,
    /// Longest wait before the second attempt; it doubles with each further one.
    pub base_delay: Duration,
    /// Longest wait between two attempts.
    pub max_delay: Duration,
    /// How long an outage of coordinator or storage may last, while the browser believes itself
    /// online, before the upload fails.
    pub outage_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            concurrency: Concurrency::Adaptive { max: 12 },
            part_size: None,
            integrity: true,
            retry: RetryPolicy::default(),
            read_again: false,
            max_in_flight_bytes: None,
            max_rate: None,
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 8,
            base_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(20),
            outage_timeout: Duration::from_secs(3600),
        }
    }
}
