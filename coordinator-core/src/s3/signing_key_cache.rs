use std::fmt;
use std::sync::Mutex;

/// The key that a day's signatures are made with, once there was one to make.
#[derive(Default)]
pub(crate) struct SigningKeyCache(pub(super) Mutex<Option<(i64, Vec<u8>)>>);

/// A copy derives its own: it may get another secret or region.
impl Clone for SigningKeyCache {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for SigningKeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeyCache(…)")
    }
}
