use std::time::Duration;

use serde::Deserialize;
use syncsphere_upload_core::{Concurrency, Config, RetryPolicy};

/// The page's options, checked there already; whatever is absent takes the engine's default.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Options {
    /// Absolute address of the coordinator without a slash at its end.
    pub endpoint: String,
    concurrency: Option<u16>,
    part_size: Option<u64>,
    #[serde(default)]
    integrity: Integrity,
    #[serde(default)]
    retry: Retry,
}

#[derive(Default, Deserialize)]
enum Integrity {
    #[default]
    #[serde(rename = "crc64nvme")]
    Crc64Nvme,
    #[serde(rename = "none")]
    None,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Retry {
    max_attempts: Option<u32>,
    base_delay: Option<u64>,
    max_delay: Option<u64>,
    outage_patience: Option<u64>,
}

impl Options {
    pub fn config(&self) -> Config {
        let default = RetryPolicy::default();
        let millis = |wish: Option<u64>, otherwise| wish.map_or(otherwise, Duration::from_millis);
        Config {
            concurrency: match self.concurrency {
                Some(count) => Concurrency::Fixed(count.max(1)),
                None => Config::default().concurrency,
            },
            part_size: self.part_size,
            integrity: matches!(self.integrity, Integrity::Crc64Nvme),
            retry: RetryPolicy {
                max_attempts: self.retry.max_attempts.unwrap_or(default.max_attempts).max(1),
                base_delay: millis(self.retry.base_delay, default.base_delay),
                max_delay: millis(self.retry.max_delay, default.max_delay),
                outage_patience: millis(self.retry.outage_patience, default.outage_patience),
            },
        }
    }
}
