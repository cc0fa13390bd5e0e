//! The coordinator's API as a client with a token speaks it.

use anyhow::{Result, anyhow};
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use syncsphere_protocol::{
    CompleteRequest, CompletedPart, ContentLink, FileId, FileRecord, InitiateReply, InitiateRequest,
    InitiateResult, NewFile, PartToSign, Problem, SignPartsReply, SignPartsRequest, SignedPart, UploadGrant,
    UploadId,
};

use super::browser::{Answer, Browser};

/// A coordinator, and the token to speak to it with.
pub struct Coordinator<'a> {
    pub browser: &'a Browser,
    endpoint: &'a str,
    authorization: String,
}

/// Why it did not do what it was asked.
pub enum CallError {
    /// It said why.
    Problem(Box<Problem>),
    /// It said nothing that makes sense.
    NoAnswer(anyhow::Error),
}

impl CallError {
    /// For people. A problem's detail is written for the client and holds no secret.
    pub fn message(&self) -> String {
        match self {
            Self::Problem(problem) => format!(
                "{}: {} (request {})",
                problem.code.as_str(),
                problem.detail,
                problem.request_id
            ),
            Self::NoAnswer(error) => error.to_string(),
        }
    }

    /// The problem's code, where there is one.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Problem(problem) => Some(problem.code.as_str()),
            Self::NoAnswer(_) => None,
        }
    }
}

impl<'a> Coordinator<'a> {
    /// Speaks for whom the token was given to.
    pub fn new(browser: &'a Browser, endpoint: &'a str, token: String) -> Self {
        Self {
            browser,
            endpoint,
            authorization: format!("Bearer {token}"),
        }
    }

    /// Whether the token may read.
    pub fn list_files(&self) -> Result<(), CallError> {
        self.ask::<serde_json::Value>(&Method::GET, "/v1/files?limit=1", None)
            .map(drop)
    }

    /// Opens uploads: one result for each file.
    pub fn initiate(&self, files: Vec<NewFile>) -> Result<Vec<InitiateResult>, CallError> {
        let reply: InitiateReply = self.post("/v1/uploads", &InitiateRequest { files })?;
        Ok(reply.uploads)
    }

    /// URLs for these parts.
    pub fn sign(&self, grant: &UploadGrant, parts: Vec<PartToSign>) -> Result<Vec<SignedPart>, CallError> {
        let ticket = grant.ticket.clone();
        let path = format!("/v1/uploads/{}/parts", grant.upload_id);
        let reply: SignPartsReply = self.post(
            &path,
            &SignPartsRequest {
                ticket,
                parts,
                crc64nvme: None,
            },
        )?;
        Ok(reply.urls)
    }

    /// Finalizes, and states the parts' checksums.
    pub fn complete(&self, grant: &UploadGrant, parts: Vec<CompletedPart>) -> Result<FileRecord, CallError> {
        let request = CompleteRequest {
            ticket: grant.ticket.clone(),
            size: (),
            crc64nvme: None,
            parts: Some(parts),
        };
        self.post(&format!("/v1/uploads/{}/complete", grant.upload_id), &request)
    }

    /// Where to download a file.
    pub fn content(&self, file: &FileId) -> Result<ContentLink, CallError> {
        self.ask(&Method::GET, &format!("/v1/files/{file}/content"), None)
    }

    /// Gives an upload up.
    pub fn abort(&self, upload: &UploadId) -> Result<(), CallError> {
        self.ask::<serde_json::Value>(&Method::DELETE, &format!("/v1/uploads/{upload}"), None)
            .map(drop)
    }

    /// Removes a file.
    pub fn delete(&self, file: &FileId) -> Result<FileRecord, CallError> {
        self.ask(&Method::DELETE, &format!("/v1/files/{file}"), None)
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CallError> {
        let body = serde_json::to_vec(body).map_err(|error| CallError::NoAnswer(error.into()))?;
        self.ask(&Method::POST, path, Some(body))
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, CallError> {
        let headers = [
            ("authorization", self.authorization.as_str()),
            ("accept", "application/json"),
            ("content-type", "application/json"),
        ];
        let url = format!("{}{path}", self.endpoint);
        let answer = self
            .browser
            .send(method, &url, &headers, body)
            .map_err(CallError::NoAnswer)?;
        if answer.status.is_success() {
            return answer.json().map_err(CallError::NoAnswer);
        }
        Err(error_of(&answer))
    }
}

/// What a reply of failure says.
pub fn error_of(answer: &Answer) -> CallError {
    match answer.json::<Problem>() {
        Ok(problem) => CallError::Problem(Box::new(problem)),
        Err(_) => CallError::NoAnswer(anyhow!("status {}", answer.status.as_u16())),
    }
}
