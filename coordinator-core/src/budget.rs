//! How many requests one invocation of a worker makes of storage: a platform counts them, and ends what makes more.

use std::cell::Cell;
use std::time::Duration;

use crate::ports::{Storage, StorageFailure};

/// Storage that is asked so often and no more. What goes beyond fails as [`StorageFailure::Spent`], which clients and
/// jobs take up again in an invocation of their own.
pub struct Budgeted<'a, S> {
    storage: &'a S,
    left: Cell<u32>,
}

impl<'a, S> Budgeted<'a, S> {
    pub(crate) fn new(storage: &'a S, requests: u32) -> Self {
        let left = Cell::new(requests);
        Self { storage, left }
    }
}

impl<S> Budgeted<'_, S> {
    /// Counts one more request of this invocation, to whomever; `false` where it may make none any more.
    pub fn spend(&self) -> bool {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.unwrap_or(0));
        left.is_some()
    }
}

impl<S: Storage> Storage for Budgeted<'_, S> {
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
        timeout: Duration,
        reply_limit: usize,
    ) -> Result<http::Response<Vec<u8>>, StorageFailure> {
        if !self.spend() {
            return Err(StorageFailure::Spent);
        }
        self.storage.send(request, timeout, reply_limit).await
    }

    async fn pause(&self, span: Duration) {
        self.storage.pause(span).await;
    }
}
