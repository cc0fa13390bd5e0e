use std::time::Duration;

use syncsphere_upload_core::{Concurrency, Config, Json, Malformed, Object, RetryPolicy};

/// The page's options, checked there already; whatever is absent takes the engine's default.
pub(crate) struct Options {
    /// Absolute address of the coordinator without a slash at its end.
    pub endpoint: String,
    /// The engine's share.
    pub config: Config,
}

/// Most bytes of parts that are held in memory while they are sent: six of 6 MiB, one for each connection.
///
/// Source: measured, see `docs/browsers.md`: WebKit holds each of them more than twice.
const MAX_MEMORY_BODIES: u64 = 36 * 1024 * 1024;

impl Options {
    /// Reads them; refuses what the page should have refused.
    pub fn read(json: Json) -> Result<Self, Malformed> {
        let mut json = json.object()?;
        let default = Config::default();
        Ok(Self {
            endpoint: json.text("endpoint")?,
            config: Config {
                concurrency: match json.optional("concurrency", Json::whole)? {
                    Some(count) => Concurrency::Fixed(u16::try_from(count).map_err(|_| Malformed)?.max(1)),
                    None => default.concurrency,
                },
                part_size: json.optional("partSize", Json::whole)?,
                integrity: match json.optional("integrity", Json::text)?.as_deref() {
                    None | Some("crc64nvme") => true,
                    Some("none") => false,
                    Some(_) => return Err(Malformed),
                },
                retry: match json.optional("retry", Json::object)? {
                    Some(retry) => read_retry(retry, &default.retry)?,
                    None => default.retry,
                },
                // Until the worker has seen that files stay as they were.
                read_again: true,
                max_in_flight_bytes: match json.optional("bodies", Json::text)?.as_deref() {
                    Some("memory") => Some(MAX_MEMORY_BODIES),
                    _ => None,
                },
                max_rate: json.optional("maxRate", Json::whole)?,
            },
        })
    }
}

fn read_retry(mut json: Object, default: &RetryPolicy) -> Result<RetryPolicy, Malformed> {
    let mut millis = |name, otherwise| {
        let wish = json.optional(name, Json::whole)?;
        Ok(wish.map_or(otherwise, Duration::from_millis))
    };
    Ok(RetryPolicy {
        base_delay: millis("baseDelay", default.base_delay)?,
        max_delay: millis("maxDelay", default.max_delay)?,
        outage_timeout: millis("outagePatience", default.outage_timeout)?,
        max_attempts: match json.optional("maxAttempts", Json::whole)? {
            Some(count) => u32::try_from(count).map_err(|_| Malformed)?.max(1),
            None => default.max_attempts,
        },
    })
}
