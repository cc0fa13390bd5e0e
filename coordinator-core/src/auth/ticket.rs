use serde::{Deserialize, Serialize};
use syncsphere_protocol::{ErrorCode, FileId, PartPlan, Redacted, Tail, UploadId, UploadKind, WorkspaceId};

use super::keys::SigningKeys;
use super::principal::Principal;
use super::sealed;
use crate::api_error::{ApiError, internal, invalid};
use crate::model::{BucketName, DeferredLength};

/// Form of the tickets that are written now, and its version. Within a version fields are only added, and one that is not
/// known is left aside, so that coordinators of two releases read each other's tickets; whatever else changes gets another
/// version, which is written only once every coordinator reads it.
const FORM: &str = "t1";

/// Everything that signing further parts has to know, so that it asks no database.
///
/// Only this coordinator can make one, and it serves one subject in one workspace for one upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ticket {
    pub workspace: WorkspaceId,
    pub subject: Redacted<String>,
    pub upload_id: UploadId,
    pub file_id: FileId,
    pub key: Redacted<String>,
    /// The key's bucket, where that is not `S3_BUCKET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
    pub content_type: String,
    /// Absent for `single`.
    pub storage_upload_id: Option<Redacted<String>>,
    pub kind: UploadKind,
    pub size: u64,
    pub part_size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Tail>,
    /// Whether the client cuts the file as it likes.
    #[serde(rename = "freeLayout", default, skip_serializing_if = "std::ops::Not::not")]
    pub has_free_layout: bool,
    /// Where the client has not named the file's size.
    #[serde(rename = "openEnd", default, skip_serializing_if = "Option::is_none")]
    pub deferred_length: Option<DeferredLength>,
    /// Whether the key is not the file's own: finalizing copies the object from it.
    #[serde(rename = "staged", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_staged: bool,
    /// Whether the client can send a form.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forms: bool,
    /// Milliseconds since 1970.
    pub expires_ms: i64,
}

impl Ticket {
    /// The ticket as text.
    pub(crate) fn seal(&self, keys: &SigningKeys) -> Result<Redacted<String>, ApiError> {
        sealed::seal(FORM, self, keys)
    }

    /// Reads a ticket and checks that it is ours and meant for this principal and upload.
    pub(crate) fn open(
        text: &str,
        upload_id: &UploadId,
        principal: &Principal,
        keys: &SigningKeys,
    ) -> Result<Self, ApiError> {
        let ticket = Self::held_by(principal, text, keys)?;
        if ticket.upload_id != *upload_id {
            return Err(invalid("the ticket is another upload's"));
        }
        if DeferredLength::is_of_other_calls(ticket.deferred_length) {
            let detail = "the upload's size is not known: only the client that began it can go on with it";
            return Err(ApiError::new(ErrorCode::Conflict, detail));
        }
        Ok(ticket)
    }

    /// Reads the ticket of an upload that Companion's or S3's calls have begun, which the ticket itself names, and checks that
    /// it is ours and meant for this principal.
    pub(crate) fn open_deferred_length(
        text: &str,
        principal: &Principal,
        keys: &SigningKeys,
    ) -> Result<Self, ApiError> {
        let ticket = Self::held_by(principal, text, keys)?;
        if !DeferredLength::is_of_other_calls(ticket.deferred_length) {
            return Err(invalid("the upload has not been begun by these endpoints"));
        }
        Ok(ticket)
    }

    fn held_by(principal: &Principal, text: &str, keys: &SigningKeys) -> Result<Self, ApiError> {
        let ticket: Self =
            sealed::open(FORM, text, keys).ok_or_else(|| invalid("the ticket does not hold"))?;
        if ticket.workspace != principal.workspace {
            return Err(crate::api_error::not_found(
                "there is no such upload in this workspace",
            ));
        }
        if ticket.subject != principal.subject {
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                "the ticket is someone else's; ask for the upload's state to get one of your own",
            ));
        }
        Ok(ticket)
    }

    /// Fails once the upload's time is over.
    pub(crate) fn require_alive(&self, now_ms: i64) -> Result<(), ApiError> {
        if now_ms < self.expires_ms {
            Ok(())
        } else {
            Err(ApiError::new(ErrorCode::UploadGone, "the upload's time is over"))
        }
    }

    /// Whether the client tells the file's size when it completes the upload.
    pub(crate) fn is_streamed(&self) -> bool {
        self.deferred_length
            .is_some_and(|deferred_length| deferred_length.is_streamed)
    }

    /// How the file is cut; of one whose size is told at the end, how the largest is that there may be; of one that the
    /// client cuts, into the most parts that there may be.
    pub(crate) fn plan(&self) -> Result<PartPlan, ApiError> {
        let plan = match self.deferred_length.filter(|_| self.is_streamed()) {
            Some(deferred_length) => PartPlan::of_largest(deferred_length.max_size, self.part_size),
            None if self.has_free_layout => PartPlan::of_largest(self.size, self.part_size),
            None => PartPlan::of(self.size, self.part_size, self.tail),
        };
        plan.map_err(|error| internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn keys(seed: u8) -> SigningKeys {
        SigningKeys::parse(&STANDARD.encode([seed; 32])).unwrap()
    }

    fn ticket() -> Ticket {
        Ticket {
            workspace: "demo".parse().unwrap(),
            subject: "ann".into(),
            upload_id: "u1".parse().unwrap(),
            file_id: "f1".parse().unwrap(),
            key: "demo/f1/a".into(),
            bucket: None,
            content_type: "text/plain".to_owned(),
            storage_upload_id: Some("s+/=".into()),
            kind: UploadKind::Multipart,
            size: 1,
            part_size: 5 * 1024 * 1024,
            tail: None,
            has_free_layout: false,
            deferred_length: None,
            is_staged: false,
            forms: false,
            expires_ms: 2_000,
        }
    }

    fn holder(workspace: &str, subject: &str) -> Principal {
        Principal {
            subject: subject.into(),
            workspace: workspace.parse().unwrap(),
            scopes: Default::default(),
            limits: Default::default(),
            expires_ms: 0,
        }
    }

    fn open(text: &str, upload: &str, principal: Principal) -> Result<Ticket, ErrorCode> {
        let upload = upload.parse().unwrap();
        Ticket::open(text, &upload, &principal, &keys(1)).map_err(|error| error.code())
    }

    #[test]
    fn a_ticket_serves_its_holder_and_nobody_else() {
        let text = ticket().seal(&keys(1)).unwrap().0;
        assert_eq!(open(&text, "u1", holder("demo", "ann")), Ok(ticket()));
        assert_eq!(
            open(&text, "u1", holder("demo", "bob")),
            Err(ErrorCode::Forbidden)
        );
        assert_eq!(
            open(&text, "u1", holder("other", "ann")),
            Err(ErrorCode::NotFound)
        );
        assert_eq!(
            open(&text, "u2", holder("demo", "ann")),
            Err(ErrorCode::InvalidRequest)
        );
        assert!(ticket().require_alive(1_999).is_ok());
        assert_eq!(
            ticket().require_alive(2_000).unwrap_err().code(),
            ErrorCode::UploadGone
        );
    }

    #[test]
    fn a_ticket_of_a_later_release_serves_as_well() {
        #[derive(Serialize)]
        struct Later {
            #[serde(flatten)]
            known: Ticket,
            unheard_of: &'static str,
        }
        let later = Later {
            known: ticket(),
            unheard_of: "x",
        };
        let text = sealed::seal(FORM, &later, &keys(1)).unwrap().0;
        assert_eq!(open(&text, "u1", holder("demo", "ann")), Ok(ticket()));
    }

    #[test]
    fn tickets_of_the_released_version_serve() {
        let released = include_str!("../../tests/released/tickets-0.1.0.txt");
        let tail = Some(Tail {
            after: 1,
            part_size: 5 * 1024 * 1024,
        });
        let with_tail = Ticket {
            size: 30 * 1024 * 1024,
            part_size: 8 * 1024 * 1024,
            tail,
            ..ticket()
        };
        let of_unknown_size = Ticket {
            size: 0,
            deferred_length: Some(DeferredLength {
                max_size: 7,
                max_bytes: Some(9),
                is_streamed: false,
            }),
            ..ticket()
        };
        let ann = holder("demo", "ann");
        let read: Vec<Ticket> = released
            .lines()
            .map(|text| Ticket::held_by(&ann, text, &keys(1)).unwrap())
            .collect();
        assert_eq!(read, [ticket(), with_tail, of_unknown_size]);
    }

    #[test]
    fn a_rotated_key_still_opens_and_an_unknown_one_does_not() {
        let old = ticket().seal(&keys(2)).unwrap().0;
        let holder = holder("demo", "ann");
        let both = SigningKeys::parse(&format!(
            "{},{}",
            STANDARD.encode([1; 32]),
            STANDARD.encode([2; 32])
        ))
        .unwrap();
        assert!(Ticket::open(&old, &"u1".parse().unwrap(), &holder, &both).is_ok());
        assert_eq!(open(&old, "u1", holder), Err(ErrorCode::InvalidRequest));
    }

    proptest! {
        #[test]
        fn a_changed_ticket_opens_nothing(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
            let text = ticket().seal(&keys(1)).unwrap().0;
            let at = at.index(text.len());
            let mut changed = text.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != text);
            prop_assert_eq!(open(&changed, "u1", holder("demo", "ann")), Err(ErrorCode::InvalidRequest));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            prop_assert!(open(&text, "u1", holder("demo", "ann")).is_err());
        }
    }
}
