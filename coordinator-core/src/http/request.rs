//! How requests are read: queries, bodies, ids in paths and the idempotency key.

use http::{HeaderMap, Uri};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use syncsphere_protocol::{FileId, FileStatus, Redacted, Timestamp, UploadId};

use crate::api_error::{ApiError, invalid, not_found};
use crate::auth::Principal;
use crate::context::MAX_SAFE_INTEGER;
use crate::ledger::{Idempotency, Listing};
use crate::operations::content::LinkOptions;
use crate::operations::files;
use crate::policy;

/// Entries on a page where the client names no number, and the most it may ask for.
/// Source: own choice; a thousand records of some 700 bytes are a good answer's size.
const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;

/// A request's query, with each name at most once.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(uri: &Uri) -> Result<Self, ApiError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(invalid("a query parameter comes twice"));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let number = text.parse().ok().filter(|number| *number <= MAX_SAFE_INTEGER);
        number
            .map(Some)
            .ok_or_else(|| invalid(format!("the query parameter {name} is no whole number")))
    }

    pub(crate) fn limit(&self) -> Result<u32, ApiError> {
        let Some(number) = self.number("limit")? else {
            return Ok(DEFAULT_PAGE);
        };
        u32::try_from(number)
            .ok()
            .filter(|limit| (1..=MAX_PAGE).contains(limit))
            .ok_or_else(|| invalid(format!("limit is a number from 1 to {MAX_PAGE}")))
    }

    pub(crate) fn link_options(&self) -> Result<LinkOptions, ApiError> {
        Ok(LinkOptions {
            inline: match self.text("disposition") {
                None | Some("attachment") => false,
                Some("inline") => true,
                Some(_) => return Err(invalid("disposition is attachment or inline")),
            },
            expires: self.number("expires")?,
        })
    }

    pub(crate) fn listing(&self) -> Result<Listing, ApiError> {
        let name_prefix = self.text("name").map(policy::name_prefix).transpose()?;
        let by_name = name_prefix.is_some();
        let after = self
            .text("cursor")
            .map(|cursor| files::position_of(cursor, by_name));
        Ok(Listing {
            statuses: self.statuses()?,
            path: self.text("path").map(policy::folder).transpose()?,
            name_prefix,
            created_from: self.time("createdFrom")?,
            created_before: self.time("createdBefore")?,
            after: after.transpose()?,
            limit: self.limit()?,
        })
    }

    /// The files whose uploads have not ended, newest first.
    pub(crate) fn open_uploads(&self) -> Result<Listing, ApiError> {
        let after = self
            .text("cursor")
            .map(|cursor| files::position_of(cursor, false));
        Ok(Listing {
            statuses: vec![FileStatus::Uploading],
            path: None,
            name_prefix: None,
            created_from: None,
            created_before: None,
            after: after.transpose()?,
            limit: self.limit()?,
        })
    }

    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let time = self.text(name).map(str::parse).transpose();
        time.map_err(|_| {
            invalid(format!(
                "the query parameter {name} is no time as RFC 3339 writes it"
            ))
        })
    }

    pub(crate) fn statuses(&self) -> Result<Vec<FileStatus>, ApiError> {
        const ALL: [FileStatus; 5] = [
            FileStatus::Uploading,
            FileStatus::Available,
            FileStatus::Aborted,
            FileStatus::Expired,
            FileStatus::Deleted,
        ];
        let Some(text) = self.text("status") else {
            return Ok(vec![FileStatus::Uploading, FileStatus::Available]);
        };
        text.split(',')
            .map(|name| {
                let found = ALL.into_iter().find(|status| status.as_str() == name);
                found.ok_or_else(|| invalid("status is uploading, available, aborted, expired or deleted"))
            })
            .collect()
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Parses a JSON body.
pub(crate) fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    /// Most characters of the parser's reason that are passed on. Source: own choice.
    const MAX_COMPLAINT: usize = 200;
    serde_json::from_slice(body).map_err(|error| {
        let reason: String = error.to_string().chars().take(MAX_COMPLAINT).collect();
        invalid(format!("the body is not as this endpoint expects it: {reason}"))
    })
}

pub(crate) fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(http::header::ACCEPT);
    accept
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.split(',').any(|kind| kind.trim() == "application/json"))
}

/// What makes a repeated request answer as the first, where the client asks for that.
pub(crate) fn idempotency(
    headers: &HeaderMap,
    principal: &Principal,
    body: &[u8],
) -> Result<Option<Idempotency>, ApiError> {
    let digest = Sha256::digest(body);
    Ok(idempotency_key(headers)?.map(|key| Idempotency {
        // Another subject's key of the same name is another key.
        key: Redacted(format!("{}\n{key}", principal.subject.0)),
        fingerprint: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    }))
}

/// Longest idempotency key, in bytes. Source: own choice, twice a UUID and to spare.
const MAX_IDEMPOTENCY_KEY: usize = 255;

/// The request's `Idempotency-Key`, if it has one that can be used.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default().trim();
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY || values.next().is_some() {
        return Err(invalid(format!(
            "an idempotency key is 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters"
        )));
    }
    Ok(Some(key.to_owned()))
}

pub(crate) fn upload_id(text: &str) -> Result<UploadId, ApiError> {
    text.parse()
        .map_err(|_| not_found("there is no such upload in this workspace"))
}

pub(crate) fn file_id(text: &str) -> Result<FileId, ApiError> {
    text.parse()
        .map_err(|_| not_found("there is no such file in this workspace"))
}
