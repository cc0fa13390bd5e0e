//! A page that is open: the real engine, and what its shell knows.

use std::collections::BTreeMap;

use syncsphere_upload_core::{CallId, Engine};

use crate::api::CallKind;
use crate::invariants::EngineInvariants;

/// A page that is open.
#[derive(Debug)]
pub struct Page {
    pub(crate) engine: Engine,
    pub(crate) invariants: EngineInvariants,
    pub(crate) calls: BTreeMap<CallId, CallKind>,
    /// What each file was when the page got it.
    pub(crate) given: BTreeMap<usize, (u64, i64)>,
    pub(crate) wake_at: Option<u64>,
}
