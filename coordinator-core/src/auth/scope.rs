/// Something that a token can allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Read files and their changes.
    Read,
    /// Upload and remove files.
    Write,
    /// Look after the workspace itself.
    Admin,
    /// Upload files by the endpoints that answer as Companion does, and nothing else: what a token in an address may
    /// be good for.
    Upload,
}

impl Scope {
    pub(crate) const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Admin, Self::Upload];

    /// What a guest may have.
    pub(crate) const GUEST: [Self; 2] = [Self::Read, Self::Write];

    /// The scope of this name, if there is one.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "files:read",
            Self::Write => "files:write",
            Self::Admin => "workspace:admin",
            Self::Upload => "files:upload",
        }
    }
}
