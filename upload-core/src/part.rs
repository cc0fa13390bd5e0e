//! One part and where it stands.

use std::time::Duration;

use syncsphere_protocol::{Checksum, SignedPart};

use crate::io::{AttemptId, PartRequest};
use crate::origins::{Origin, Origins};
use crate::time::Moment;

/// Permission to send one part until a moment.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    pub request: PartRequest,
    /// Where the request goes.
    pub origin: Origin,
    lifetime: Duration,
    usable_until: Moment,
}

impl Lease {
    /// Share of its life after which a lease is not used for a new request any more: the request
    /// needs time to reach storage.
    const UNUSED_SHARE: u32 = 10;

    /// A lease of less than this is a fault of the set-up (`URL_TTL_SECONDS`).
    ///
    /// Source: own choice; a part that is ready waits for a connection for about as long.
    const SHORT: Duration = Duration::from_secs(10);

    /// Longest such margin.
    const LARGEST_MARGIN: Duration = Duration::from_secs(30);

    /// `asked_at` is when the URL was asked for: counting from there can only err on the safe side.
    pub(crate) fn new(signed: SignedPart, asked_at: Moment, origins: &mut Origins) -> Self {
        let lifetime = Duration::from_secs(signed.expires_in);
        let margin = (lifetime / Self::UNUSED_SHARE).min(Self::LARGEST_MARGIN);
        let request = PartRequest {
            method: signed.method,
            url: signed.url,
            headers: signed.headers,
            fields: signed.fields,
        };
        Self {
            origin: origins.of(&request),
            request,
            lifetime,
            usable_until: asked_at + lifetime.saturating_sub(margin),
        }
    }

    pub(crate) fn is_usable(&self, now: Moment) -> bool {
        now < self.usable_until
    }

    /// Whether it was given for so short a time that waiting for a turn may use it up.
    pub(crate) fn is_short(&self) -> bool {
        self.lifetime < Self::SHORT
    }
}

/// Where a part stands. `checksum` is that of its bytes, `None` where integrity is off.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// Not looked at yet.
    Waiting,
    /// Its checksum is being computed.
    Hashing,
    /// Its checksum is known; it needs a URL.
    Hashed { checksum: Option<Checksum> },
    /// A URL has been asked for.
    Signing { checksum: Option<Checksum> },
    /// It can be sent.
    Ready {
        checksum: Option<Checksum>,
        lease: Lease,
    },
    /// It failed and is left alone for a while.
    BackingOff {
        checksum: Option<Checksum>,
        lease: Option<Lease>,
        until: Moment,
    },
    /// It is on its way, once or, hedged, twice.
    Sending {
        checksum: Option<Checksum>,
        lease: Lease,
        attempts: Vec<AttemptId>,
    },
    /// Storage has it.
    Stored {
        checksum: Option<Checksum>,
        verification: Verification,
    },
}

/// What [`crate::parts::Parts`] counts of its parts; those that wait are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Hashing,
    Hashed,
    Signing,
    Ready,
    BackingOff,
    Sending,
    /// Stored, and to be read again.
    Due,
}

impl Kind {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::Due as usize + 1;
}

/// How a stored part's bytes are known to be the file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verification {
    /// This page read them and sent them, or nobody asked for verification.
    Verified,
    /// An earlier page stored them: the file must be read again to know that it has not changed.
    Due,
    /// That is being done.
    Running,
}

impl Part {
    /// What it counts as, if it is counted.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Hashing => Some(Kind::Hashing),
            Self::Hashed { .. } => Some(Kind::Hashed),
            Self::Signing { .. } => Some(Kind::Signing),
            Self::Ready { .. } => Some(Kind::Ready),
            Self::BackingOff { .. } => Some(Kind::BackingOff),
            Self::Sending { .. } => Some(Kind::Sending),
            Self::Stored {
                verification: Verification::Due,
                ..
            } => Some(Kind::Due),
            Self::Waiting | Self::Stored { .. } => None,
        }
    }

    pub(crate) fn checksum(&self) -> Option<Checksum> {
        match self {
            Self::Waiting | Self::Hashing => None,
            Self::Hashed { checksum }
            | Self::Signing { checksum }
            | Self::Ready { checksum, .. }
            | Self::BackingOff { checksum, .. }
            | Self::Sending { checksum, .. }
            | Self::Stored { checksum, .. } => *checksum,
        }
    }
}

#[cfg(test)]
mod tests {
    use syncsphere_protocol::PartNumber;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_lease_is_not_used_close_to_its_end() {
        let signed = SignedPart {
            part_number: PartNumber::try_from(1).expect("a part number"),
            method: "PUT".to_owned(),
            url: "https://s3.example/secret".into(),
            headers: syncsphere_protocol::StringMap::default(),
            fields: syncsphere_protocol::StringMap::default(),
            expires_at: syncsphere_protocol::Timestamp::from_unix_millis(0),
            expires_in: 100,
        };
        let lease = Lease::new(signed, Moment::from_millis(1000), &mut Origins::default());
        assert!(lease.is_usable(Moment::from_millis(90_999)));
        assert!(!lease.is_usable(Moment::from_millis(91_000)));
        assert!(!format!("{lease:?}").contains("secret"));
    }
}
