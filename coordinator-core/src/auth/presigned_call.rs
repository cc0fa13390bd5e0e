use serde::{Deserialize, Serialize};
use syncsphere_protocol::{FileId, Redacted, UploadId, WorkspaceId};

use super::keys::SigningKeys;
use super::limits::Limits;
use super::principal::Principal;
use super::scope::Scope;
use super::sealed;
use super::ticket::Ticket;
use crate::api_error::ApiError;

/// Form of the permissions that are written now; another form gets another name.
const FORM: &str = "c1";

/// How long a permission lives, in milliseconds. Source: own choice; clients use it at once and repeat it for some
/// seconds.
const LIFE_MS: i64 = 15 * 60 * 1000;

/// Permission for one call that a client makes of the coordinator as if it were S3. Whoever has it may make the call, so
/// it stands in a URL; only this coordinator can write one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PresignedCall {
    pub what: PresignedAction,
    /// Milliseconds since 1970.
    expires_ms: i64,
}

/// What may be done.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
pub(crate) enum PresignedAction {
    Create(Box<Creation>),
    List(Box<Ticket>),
    Complete(Box<Ticket>),
    Abort(Box<Ticket>),
}

/// The upload that may be begun, with everything but the media type, which comes with the call. Its ids are here, so
/// that a call that is repeated begins nothing else.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Creation {
    pub workspace: WorkspaceId,
    pub subject: Redacted<String>,
    pub limits: Limits,
    pub upload_id: UploadId,
    pub file_id: FileId,
    pub name: Redacted<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_name: Option<Redacted<String>>,
    pub path: Redacted<String>,
    /// When it was asked for, in milliseconds since 1970: the object's key may tell the day.
    #[serde(default)]
    pub begun_ms: Option<i64>,
}

impl PresignedCall {
    pub(crate) fn new(what: PresignedAction, now_ms: i64) -> Self {
        Self {
            what,
            expires_ms: now_ms.saturating_add(LIFE_MS),
        }
    }

    /// The permission as text.
    pub(crate) fn seal(&self, keys: &SigningKeys) -> Result<Redacted<String>, ApiError> {
        sealed::seal(FORM, self, keys)
    }

    /// What a text permits, if it is ours and alive.
    pub(crate) fn open(text: &str, keys: &SigningKeys, now_ms: i64) -> Option<PresignedAction> {
        let call: Self = sealed::open(FORM, text, keys)?;
        (now_ms < call.expires_ms).then_some(call.what)
    }
}

impl Creation {
    /// On whose behalf the upload is begun.
    pub(crate) fn principal(&self) -> Principal {
        Principal {
            subject: self.subject.clone(),
            workspace: self.workspace.clone(),
            scopes: [Scope::Upload].into(),
            limits: self.limits.clone(),
            expires_ms: 0,
        }
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

    fn keys() -> SigningKeys {
        SigningKeys::parse(&STANDARD.encode([3; 32])).unwrap()
    }

    fn creation() -> PresignedAction {
        PresignedAction::Create(Box::new(Creation {
            workspace: "demo".parse().unwrap(),
            subject: "ann".into(),
            limits: Limits::default(),
            upload_id: "u1".parse().unwrap(),
            file_id: "f1".parse().unwrap(),
            name: "a".into(),
            original_name: None,
            path: "".into(),
            begun_ms: Some(0),
        }))
    }

    #[test]
    fn a_permission_dies() {
        let text = PresignedCall::new(creation(), 1_000).seal(&keys()).unwrap();
        assert!(PresignedCall::open(&text, &keys(), 1_000 + LIFE_MS - 1).is_some());
        assert!(PresignedCall::open(&text, &keys(), 1_000 + LIFE_MS).is_none());
    }

    #[test]
    fn a_ticket_is_no_permission() {
        let text = PresignedCall::new(creation(), 0).seal(&keys()).unwrap();
        let as_ticket = text.replacen(FORM, "t1", 1);
        assert!(PresignedCall::open(&as_ticket, &keys(), 0).is_none());
        assert!(sealed::open::<PresignedCall>("t1", &as_ticket, &keys()).is_none());
    }

    proptest! {
        #[test]
        fn a_changed_permission_permits_nothing(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
            let text = PresignedCall::new(creation(), 0).seal(&keys()).unwrap().0;
            let at = at.index(text.len());
            let mut changed = text.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != text);
            prop_assert!(PresignedCall::open(&changed, &keys(), 0).is_none());
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            prop_assert!(PresignedCall::open(&text, &keys(), 0).is_none());
        }
    }
}
