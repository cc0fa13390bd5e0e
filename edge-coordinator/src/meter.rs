//! What a request has cost: for the log and for `Server-Timing`.

use std::cell::Cell;
use std::future::Future;

use serde::Serialize;
use syncsphere_coordinator_core::{Cause, Handled};
use worker::{console_error, console_log};

use crate::environment::now_ms;

/// Calls of one kind and the time that they took together. The platform's clock stands still while
/// a worker computes, so this is time that was waited.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    calls: Cell<u32>,
    milliseconds: Cell<i64>,
}

impl Meter {
    /// Counts and times one call.
    pub(crate) async fn measure<T>(&self, call: impl Future<Output = T>) -> T {
        self.calls.set(self.calls.get().saturating_add(1));
        let began = now_ms();
        let outcome = call.await;
        let took = now_ms().saturating_sub(began);
        self.milliseconds
            .set(self.milliseconds.get().saturating_add(took));
        outcome
    }
}

/// One request from its coming in to its reply.
#[derive(Debug)]
pub(crate) struct Journey {
    pub storage: Meter,
    pub ledger: Meter,
    request_id: String,
    method: http::Method,
    began_ms: i64,
}

impl Journey {
    pub(crate) fn begin(request_id: String) -> Self {
        Self {
            storage: Meter::default(),
            ledger: Meter::default(),
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
            self.storage.milliseconds.get(),
            self.storage.calls.get(),
            self.ledger.milliseconds.get(),
            self.ledger.calls.get(),
        );
        if let Ok(timing) = http::HeaderValue::from_str(&timing) {
            response.headers_mut().insert("server-timing", timing);
        }
    }

    /// The line holds ids, numbers and names of our own: no file's name, token, address or URL.
    pub(crate) fn log(&self, status: u16, told: &http::Extensions) {
        let handled = told.get::<Handled>();
        let cause = told.get::<Cause>().map(|cause| cause.0.as_str());
        let line = Line {
            request_id: &self.request_id,
            method: self.method.as_str(),
            route: handled.map_or("", |handled| handled.route),
            status,
            duration_ms: self.duration_ms(),
            workspace: handled.and_then(|handled| Some(handled.workspace.as_ref()?.as_str())),
            storage_calls: self.storage.calls.get(),
            ledger_calls: self.ledger.calls.get(),
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
struct Line<'a> {
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
