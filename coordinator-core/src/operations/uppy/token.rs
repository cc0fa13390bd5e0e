use syncsphere_protocol::{CompanionToken, CompanionTokenRequest, Redacted, Timestamp};

use crate::api_error::{ApiError, invalid};
use crate::auth::{Principal, Scope};
use crate::operations::operation_context::OperationContext;

/// Life of a token that stands in addresses, in seconds, and the longest. Source: own choice; addresses end up in logs and
/// histories, but Uppy 6 keeps the address it began with, for as long as an upload takes.
const DEFAULT_LIFE: u64 = 3_600;
const LONGEST_LIFE: u64 = 86_400;

/// A token that may stand in an address: it uploads as whoever asks, within the same limits, and does nothing else. It
/// never outlives the token that it is asked for with.
pub(crate) fn token<S, W>(
    op: &OperationContext<'_, S, W>,
    principal: &Principal,
    request: &CompanionTokenRequest,
) -> Result<CompanionToken, ApiError> {
    let wished = request.expires_in.unwrap_or(DEFAULT_LIFE);
    if wished == 0 || wished > LONGEST_LIFE {
        return Err(invalid(format!("expiresIn is 1 to {LONGEST_LIFE} seconds")));
    }
    let now_ms = op.cx.now_ms;
    let life_ms = i64::try_from(wished.saturating_mul(1_000)).unwrap_or(i64::MAX);
    // Whole seconds, as tokens name them.
    let expires_ms = now_ms
        .saturating_add(life_ms)
        .min(principal.expires_ms)
        .div_euclid(1_000)
        * 1_000;
    let narrowed = Principal {
        scopes: [Scope::Upload].into(),
        expires_ms,
        ..principal.clone()
    };
    let token = narrowed.into_token(&op.config.auth, now_ms)?;
    Ok(CompanionToken {
        path: Redacted(format!("/v1/companion/{}", token.0)),
        token,
        expires_at: Timestamp::from_unix_millis(expires_ms),
        expires_in: u64::try_from(expires_ms.saturating_sub(now_ms).div_euclid(1_000)).unwrap_or(0),
    })
}
