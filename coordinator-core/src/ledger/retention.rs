use serde::{Deserialize, Serialize};

/// Which versions of a file are kept. The newest always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// How many, the newest included; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u64>,
    /// How long after a newer one has taken its place, in milliseconds; absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_ms: Option<i64>,
    /// How long a signed URL lives, in milliseconds: until then bytes may come after those that are removed.
    pub url_life_ms: i64,
}
