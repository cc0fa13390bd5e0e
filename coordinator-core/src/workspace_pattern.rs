use syncsphere_protocol::WorkspaceId;

/// Whether a workspace is one of those that a pattern stands for: its name, or all that begin so where it ends in `*`.
pub(crate) fn matches(pattern: &str, workspace: &WorkspaceId) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => workspace.as_str().starts_with(prefix),
        None => workspace.as_str() == pattern,
    }
}
