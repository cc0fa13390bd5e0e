use std::convert::Infallible;

/// What can go wrong in a store.
pub trait StoreFailure {
    /// Whether one row cannot be read, and all others may fare better. Nothing has been written then.
    fn is_unreadable_row(&self) -> bool;
}

impl StoreFailure for Infallible {
    fn is_unreadable_row(&self) -> bool {
        match *self {}
    }
}
