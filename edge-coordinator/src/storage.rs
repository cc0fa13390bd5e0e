use std::time::Duration;

use syncsphere_coordinator_core::{Storage, StorageFailure};
use worker::Delay;

use crate::meter::Meter;
use crate::outgoing::{self, Unanswered};

/// Object storage over the platform's `fetch`.
pub(crate) struct FetchStorage<'a> {
    meter: &'a Meter,
}

impl<'a> FetchStorage<'a> {
    pub(crate) fn new(meter: &'a Meter) -> Self {
        Self { meter }
    }
}

impl Storage for FetchStorage<'_> {
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
        patience: Duration,
        reply_limit: usize,
    ) -> Result<http::Response<Vec<u8>>, StorageFailure> {
        let sent = outgoing::send(request, patience, reply_limit);
        self.meter.measure(sent).await.map_err(|failure| match failure {
            Unanswered::Unreachable => StorageFailure::Unreachable,
            Unanswered::TimedOut => StorageFailure::TimedOut,
            Unanswered::TooLarge => StorageFailure::ReplyTooLarge,
        })
    }

    async fn pause(&self, span: Duration) {
        Delay::from(span).await;
    }
}
