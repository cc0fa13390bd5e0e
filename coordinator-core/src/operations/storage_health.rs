//! Whether storage answered when it was asked last.

use std::sync::{Mutex, PoisonError};

use crate::api_error::ApiError;

/// How long an answer of storage holds, in milliseconds, so that whoever asks for the health asks no more of storage than
/// one does. Source: own choice; monitors ask every few seconds.
const HOLDS_MS: i64 = 5_000;

/// What storage answered last, and when. One for each coordinator.
#[derive(Debug, Default)]
pub(crate) struct StorageHealth(Mutex<Option<(i64, Result<(), ApiError>)>>);

impl StorageHealth {
    pub(super) fn known(&self, now_ms: i64) -> Option<Result<(), ApiError>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |asked_ms: i64| (0..HOLDS_MS).contains(&now_ms.saturating_sub(asked_ms));
        known
            .as_ref()
            .filter(|(asked_ms, _)| holds(*asked_ms))
            .map(|(_, answer)| answer.clone())
    }

    pub(super) fn remember(&self, now_ms: i64, answer: &Result<(), ApiError>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((now_ms, answer.clone()));
    }
}
