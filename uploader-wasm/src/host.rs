//! What the WASM module calls outside itself. The other side is TypeScript: `npm/src/worker.ts`.

use wasm_bindgen::prelude::*;
use web_sys::{Blob, Performance};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &'static str = r#"
/** What a conductor asks of its worker. No method may throw. */
export interface ConductorHost {
  /**
   * Asks the coordinator, with the page's token; answered by `replied`, or by `unanswered` with `network`, `timed_out`
   * or `no_token`. What `isSlow` may take minutes.
   */
  ask(call: bigint, method: string, path: string, body: string | undefined, idempotencyKey: string | undefined, isSlow: boolean): void;
  /** To call `awake` after so many ms, or not at all; only the last wish counts. */
  wake(after: number | undefined): void;
  save(task: number, uploadId: string, checkpoint: string): void;
  forget(task: number): void;
  state(task: number, state: string): void;
  progress(task: number, loaded: number, total: number, rate: number, etaSeconds: number | undefined): void;
  /** The last word on a task: the file record, as JSON. */
  available(task: number, record: string): void;
  /** The last word on a task. */
  failed(task: number, code: string, retryable: boolean, message: string, requestId: string, status: number | undefined): void;
}

/** The conductor's end of its line to one lane. No method may throw. */
export interface LaneLink {
  hash(attempt: bigint, file: Blob, offset: number, length: number): void;
  /** `headers` are names and values in turn. */
  send(attempt: bigint, file: Blob, offset: number, length: number, method: string, url: string, headers: string[], fields: string[]): void;
  cancel(attempt: bigint): void;
}

/** What a lane reports. No method may throw. */
export interface LaneHost {
  hashed(attempt: bigint, crc64nvme: bigint): void;
  sent(attempt: bigint, loaded: number): void;
  /** `protocol` is the one that carried the part, as ALPN names it, where the browser tells. */
  stored(attempt: bigint, protocol: string | undefined): void;
  /** `failure` is `network`, `refused`, `file_changed` or `file_unreadable`. */
  attemptFailed(attempt: bigint, failure: string, status: number, body: string, retryAfter: number | undefined): void;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// The conductor's worker.
    #[wasm_bindgen(typescript_type = "ConductorHost")]
    pub type ConductorHost;

    #[wasm_bindgen(method)]
    pub(crate) fn ask(
        this: &ConductorHost,
        call: u64,
        method: &str,
        path: &str,
        body: Option<String>,
        idempotency_key: Option<String>,
        is_slow: bool,
    );

    #[wasm_bindgen(method)]
    pub(crate) fn wake(this: &ConductorHost, after: Option<u32>);

    #[wasm_bindgen(method)]
    pub(crate) fn save(this: &ConductorHost, task: u32, upload_id: &str, checkpoint: &str);

    #[wasm_bindgen(method)]
    pub(crate) fn forget(this: &ConductorHost, task: u32);

    #[wasm_bindgen(method)]
    pub(crate) fn state(this: &ConductorHost, task: u32, state: &str);

    #[wasm_bindgen(method)]
    pub(crate) fn progress(
        this: &ConductorHost,
        task: u32,
        loaded: f64,
        total: f64,
        rate: f64,
        eta_seconds: Option<f64>,
    );

    #[wasm_bindgen(method)]
    pub(crate) fn available(this: &ConductorHost, task: u32, record: &str);

    #[wasm_bindgen(method)]
    pub(crate) fn failed(
        this: &ConductorHost,
        task: u32,
        code: &str,
        retryable: bool,
        message: &str,
        request_id: &str,
        status: Option<u16>,
    );

    /// The conductor's end of its line to one lane.
    #[wasm_bindgen(typescript_type = "LaneLink")]
    pub type LaneLink;

    #[wasm_bindgen(method)]
    pub(crate) fn hash(this: &LaneLink, attempt: u64, file: &Blob, offset: f64, length: f64);

    #[wasm_bindgen(method)]
    pub(crate) fn send(
        this: &LaneLink,
        attempt: u64,
        file: &Blob,
        offset: f64,
        length: f64,
        method: &str,
        url: &str,
        headers: Vec<String>,
        fields: Vec<String>,
    );

    #[wasm_bindgen(method)]
    pub(crate) fn cancel(this: &LaneLink, attempt: u64);

    /// The lane's worker.
    #[wasm_bindgen(typescript_type = "LaneHost")]
    pub type LaneHost;

    #[wasm_bindgen(method)]
    pub(crate) fn hashed(this: &LaneHost, attempt: u64, crc64nvme: u64);

    #[wasm_bindgen(method)]
    pub(crate) fn sent(this: &LaneHost, attempt: u64, loaded: f64);

    #[wasm_bindgen(method)]
    pub(crate) fn stored(this: &LaneHost, attempt: u64, protocol: Option<String>);

    #[wasm_bindgen(method, js_name = attemptFailed)]
    pub(crate) fn attempt_failed(
        this: &LaneHost,
        attempt: u64,
        failure: &str,
        status: u16,
        body: &str,
        retry_after: Option<u32>,
    );

    #[wasm_bindgen(thread_local_v2, js_name = performance)]
    static PERFORMANCE: Performance;
}

/// This worker's clock and its record of requests.
pub(crate) fn performance() -> Performance {
    PERFORMANCE.with(Performance::clone)
}
