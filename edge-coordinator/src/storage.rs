use std::time::Duration;

use syncsphere_coordinator_core::{Storage, StorageFailure};
use worker::Delay;

use crate::call_timings::CallTimings;
use crate::outgoing::{self, FetchFailure};

/// Object storage over the platform's `fetch`.
pub(crate) struct FetchStorage<'a> {
    timings: &'a CallTimings,
}

impl<'a> FetchStorage<'a> {
    pub(crate) fn new(timings: &'a CallTimings) -> Self {
        Self { timings }
    }
}

impl Storage for FetchStorage<'_> {
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
        timeout: Duration,
        reply_limit: usize,
    ) -> Result<http::Response<Vec<u8>>, StorageFailure> {
        let sent = outgoing::send(request, timeout, reply_limit);
        self.timings.measure(sent).await.map_err(|failure| match failure {
            FetchFailure::Unreachable => StorageFailure::Unreachable,
            FetchFailure::TimedOut => StorageFailure::TimedOut,
            FetchFailure::TooLarge => StorageFailure::ReplyTooLarge,
        })
    }

    async fn pause(&self, span: Duration) {
        Delay::from(span).await;
    }
}
