//! The two ways in which the same thing is built; docs/architecture.md says what uses which.

/// How a product is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quickly, for the demo and the tests.
    Thin,
    /// As it ships: small and fast. Serves wherever a thin one would, and is taken there if it is built already.
    Release,
}

impl Profile {
    /// Also the name of the folder that holds what is built so.
    pub fn name(self) -> &'static str {
        self.either("thin", "release")
    }

    /// One of two values.
    pub fn either<T>(self, thin: T, release: T) -> T {
        match self {
            Self::Thin => thin,
            Self::Release => release,
        }
    }
}
