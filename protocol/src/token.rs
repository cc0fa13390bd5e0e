use serde::{Deserialize, Serialize};

use crate::ids::WorkspaceId;
use crate::redacted::Redacted;

/// Successful reply of the token endpoint.
///
/// Source: RFC 6749 section 5.1 (hence snake_case), plus the workspace the token is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenReply {
    /// The JWT.
    pub access_token: Redacted<String>,
    /// Always `Bearer`.
    pub token_type: String,
    /// Lifetime in seconds.
    pub expires_in: u64,
    /// Space separated scopes that were granted.
    pub scope: String,
    /// The workspace that the token opens.
    pub workspace: WorkspaceId,
}

/// Failed reply of the token endpoint.
///
/// Source: RFC 6749 section 5.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenError {
    /// `invalid_request`, `invalid_client`, `invalid_grant`, `unauthorized_client`,
    /// `unsupported_grant_type` or `invalid_scope`.
    pub error: String,
    /// What was wrong, for a person.
    pub error_description: String,
}
