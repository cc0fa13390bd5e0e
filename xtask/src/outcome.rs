//! The result of a test suite.

/// What a suite found.
#[derive(Default)]
pub struct Outcome {
    /// Tests that passed.
    pub passed: u64,
    /// Names of tests that failed, and of what did not even run.
    pub failed: Vec<String>,
    /// Names of tests that were left out, for want of what they need.
    pub not_run: Vec<String>,
}
