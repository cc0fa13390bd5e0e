use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use serde::Serialize;
use serde::de::DeserializeOwned;
use syncsphere_protocol::Redacted;

use super::keys::SigningKeys;
use crate::api_error::{ApiError, internal};

/// Longest text that is looked at, in bytes.
///
/// Source: own choice; tickets have about 800, and a storage upload id, a key, a subject and a media type of the
/// greatest length come to 4,000.
const MAX_LENGTH: usize = 8 * 1024;

/// Something that only this coordinator can have written, as text: `form.<key id>.<payload>.<HMAC-SHA256 of all
/// before>`. `form` names what it is, so that nothing can be taken for something else.
pub(super) fn seal(
    form: &'static str,
    content: &impl Serialize,
    keys: &SigningKeys,
) -> Result<Redacted<String>, ApiError> {
    let key = keys.first();
    let payload = serde_json::to_vec(content).map_err(|error| internal(error.to_string()))?;
    let message = format!("{form}.{}.{}", key.id, URL_SAFE_NO_PAD.encode(payload));
    let mac = key.ticket_mac(message.as_bytes()).finalize().into_bytes();
    Ok(Redacted(format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac))))
}

/// What a text of this form holds, if it is ours.
pub(super) fn open<T: DeserializeOwned>(form: &'static str, text: &str, keys: &SigningKeys) -> Option<T> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let (message, mac) = text.rsplit_once('.')?;
    let mut fields = message.split('.');
    let (named, key_id, payload) = (fields.next()?, fields.next()?, fields.next()?);
    if named != form || fields.next().is_some() {
        return None;
    }
    let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
    keys.named(key_id)?
        .ticket_mac(message.as_bytes())
        .verify_slice(&mac)
        .ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
