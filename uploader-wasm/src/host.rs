//! What the WASM module calls outside itself. The other side is TypeScript: `npm/src/worker/conductor.ts`.

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
  /** Asks why storage does not answer a request in a way that can be read; answered by `examined`. */
  examine(method: string, url: string, length: number): void;
  save(task: number, uploadId: string, checkpoint: string): void;
  forget(task: number): void;
  state(task: number, state: string): void;
  progress(task: number, loaded: number, total: number, rate: number, etaSeconds: number | undefined): void;
  /** Answers `showActivity`. */
  activity(window: number, inFlight: number, waiting: number, retries: number, hedges: number): void;
  /** Answers `showParts`. `states` is a view of the module's memory, good until the call returns. */
  parts(task: number, partSize: number, states: Uint8Array): void;
  /** The last word on a task: the file record, as JSON. */
  available(task: number, record: string): void;
  /** The last word on a task. */
  failed(task: number, code: string, reason: string | undefined, retryable: boolean, resumable: boolean, message: string, requestId: string, status: number | undefined): void;
}

/** The conductor's end of its line to one lane. No method may throw. */
export interface LaneLink {
  /** By MD5 where `md5`, else by CRC64NVME. */
  hash(attempt: bigint, file: Blob, offset: number, length: number, md5: boolean): void;
  /** `headers` are names and values in turn. */
  send(attempt: bigint, file: Blob, offset: number, length: number, method: string, url: string, headers: string[], fields: string[]): void;
  cancel(attempt: bigint): void;
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
    pub(crate) fn examine(this: &ConductorHost, method: &str, url: &str, length: f64);

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
    pub(crate) fn activity(
        this: &ConductorHost,
        window: u32,
        in_flight: u32,
        waiting: u32,
        retries: u32,
        hedges: u32,
    );

    #[wasm_bindgen(method)]
    pub(crate) fn parts(this: &ConductorHost, task: u32, part_size: f64, states: &[u8]);

    #[wasm_bindgen(method)]
    pub(crate) fn available(this: &ConductorHost, task: u32, record: &str);

    #[wasm_bindgen(method)]
    pub(crate) fn failed(
        this: &ConductorHost,
        task: u32,
        code: &str,
        reason: Option<&str>,
        retryable: bool,
        resumable: bool,
        message: &str,
        request_id: &str,
        status: Option<u16>,
    );

    /// The conductor's end of its line to one lane.
    #[wasm_bindgen(typescript_type = "LaneLink")]
    pub type LaneLink;

    #[wasm_bindgen(method)]
    pub(crate) fn hash(this: &LaneLink, attempt: u64, file: &Blob, offset: f64, length: f64, md5: bool);

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

    #[wasm_bindgen(thread_local_v2, js_name = performance)]
    static PERFORMANCE: Performance;
}

/// This worker's clock.
pub(crate) fn performance() -> Performance {
    PERFORMANCE.with(Performance::clone)
}
