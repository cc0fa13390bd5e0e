use serde::Deserialize;
use syncsphere_protocol::WorkspaceId;

use crate::workspace_pattern;

/// Which workspaces somebody may open: a list of names, where one that ends in `*` stands for all that
/// begin so.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct WorkspacePatterns(Vec<String>);

impl WorkspacePatterns {
    pub(super) fn all() -> Self {
        Self(vec!["*".to_owned()])
    }

    pub(super) fn matches(&self, workspace: &WorkspaceId) -> bool {
        self.0
            .iter()
            .any(|allowed| workspace_pattern::matches(allowed, workspace))
    }
}
