//! What an HTTP status says of a request, whoever answered: the one table for storage and coordinator.

/// What may help a request that was answered with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusClass {
    /// The server is busy or out of order: time.
    Busy,
    /// The permission that came with it is not taken: a new one.
    Denied,
    /// Anything else: perhaps nothing. What answers in a server's place for a moment (a proxy's error page, a load
    /// balancer that restarts) says this too, so it is tried again, and counted.
    Refused,
}

/// Classifies an error's status.
///
/// Source: RFC 9110 section 15; 408 and 425 are errors of the moment, though they begin with a 4.
pub(crate) fn status_class(status: u16) -> StatusClass {
    match status {
        408 | 425 | 429 | 500..=599 => StatusClass::Busy,
        401 | 403 => StatusClass::Denied,
        _ => StatusClass::Refused,
    }
}
