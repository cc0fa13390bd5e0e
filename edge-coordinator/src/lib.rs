//! The coordinator on Cloudflare Workers: a thin shell around `syncsphere-coordinator-core`.
//!
//! The worker turns platform requests into plain ones and back, carries storage requests over
//! `fetch`, and gives each workspace a Durable Object. It decides nothing itself.

mod call_timings;
mod database;
mod deliveries;
mod entry;
mod environment;
mod event_deliveries;
mod event_destinations;
mod gathered_calls;
mod http_types;
mod identity_providers;
mod limits;
mod listeners;
mod metadata_database;
mod object_calls;
mod orphans;
mod outgoing;
mod request_trace;
mod sockets;
mod storage;
mod unreadable_rows;
#[allow(
    missing_docs,
    reason = "the methods that the macro makes for the platform have none"
)]
mod workspace_object;
mod workspaces;

use worker::{
    Context, Env, Request, Response, Result, ScheduleContext, ScheduledEvent, console_error, event,
};

pub use workspace_object::WorkspaceObject;

/// Answers every request that the platform does not answer from the static assets.
#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    entry::answer(request, &env, &context).await
}

/// By the clock (`triggers` in `wrangler.toml`): looks for multipart uploads that no ledger knows.
#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    if let Err(error) = orphans::begin(&env).await {
        console_error!("{}", environment::log_line("scheduled", 500, &error.to_string()));
    }
}
