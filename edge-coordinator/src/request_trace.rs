//! A request from its arrival to its reply: its line of the log, and `Server-Timing`.

use serde::Serialize;
use syncsphere_coordinator_core::{Cause, LogFields};
use worker::{console_error, console_log};

use crate::call_timings::CallTimings;
use crate::environment::now_ms;

/// One request from its coming in to its reply.
#[derive(Debug)]
pub(crate) struct RequestTrace {
    pub storage: CallTimings,
    pub ledger: CallTimings,
    request_id: String,
    method: http::Method,
    began_ms: i64,
}

impl RequestTrace {
    pub(crate) fn begin(request_id: String) -> Self {
        Self {
            storage: CallTimings::default(),
            ledger: CallTimings::default(),
            request_id,
            method: http::Method::GET,
            began_ms: now_ms(),
        }
    }

    pub(crate) fn request_id(&self) -> &str {
        &self.request_id
    }

    pub(crate) fn set_method(&mut self, method: &http::Method) {
        self.method = method.clone();
    }

    /// Writes the request's one line of the log, and tells the client how long it took.
    pub(crate) fn end(&self, response: &mut http::Response<Vec<u8>>) {
        self.log(response.status().as_u16(), response.extensions());
        let timing = format!(
            "total;dur={}, storage;dur={};desc=\"{} calls\", ledger;dur={};desc=\"{} calls\"",
            self.duration_ms(),
            self.storage.milliseconds(),
            self.storage.calls(),
            self.ledger.milliseconds(),
            self.ledger.calls(),
        );
        if let Ok(timing) = http::HeaderValue::from_str(&timing) {
            response.headers_mut().insert("server-timing", timing);
        }
    }

    /// The line holds ids, numbers and names of our own: no file's name, token, address or URL.
    pub(crate) fn log(&self, status: u16, told: &http::Extensions) {
        let log_fields = told.get::<LogFields>();
        let cause = told.get::<Cause>().map(|cause| cause.0.as_str());
        let line = LogLine {
            request_id: &self.request_id,
            method: self.method.as_str(),
            route: log_fields.map_or("", |log_fields| log_fields.route),
            status,
            duration_ms: self.duration_ms(),
            workspace: log_fields.and_then(|log_fields| Some(log_fields.workspace.as_ref()?.as_str())),
            storage_calls: self.storage.calls(),
            ledger_calls: self.ledger.calls(),
            cause,
        };
        let line = serde_json::to_string(&line).unwrap_or_default();
        match cause {
            Some(_) => console_error!("{line}"),
            None => console_log!("{line}"),
        }
    }

    fn duration_ms(&self) -> i64 {
        now_ms().saturating_sub(self.began_ms)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogLine<'a> {
    request_id: &'a str,
    method: &'a str,
    route: &'a str,
    status: u16,
    duration_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<&'a str>,
    storage_calls: u32,
    ledger_calls: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
}
