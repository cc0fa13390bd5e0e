//! Workspaces that are known to have begun an upload.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use syncsphere_protocol::WorkspaceId;

/// Most that are remembered. Source: own choice; some 100 KB at most, and one that is forgotten costs one write more.
const MOST: usize = 1_000;

/// The workspaces, as far as this coordinator has seen. One for each coordinator.
#[derive(Debug, Default)]
pub(crate) struct WorkspacesInUse(Mutex<BTreeSet<WorkspaceId>>);

impl WorkspacesInUse {
    pub(super) fn has(&self, workspace: &WorkspaceId) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(workspace)
    }

    pub(super) fn note(&self, workspace: &WorkspaceId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(workspace) {
            return;
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(workspace.clone());
    }

    pub(super) fn forget(&self, workspace: &WorkspaceId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(workspace);
    }
}
