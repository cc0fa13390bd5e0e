//! What happens to a request from outside.

use syncsphere_coordinator_core::{Context, Coordinator, misconfigured, unreadable};
use worker::{Env, Request, Response, Result};

use crate::environment;
use crate::http_types::{PlatformBody, plain_request, platform_response};
use crate::identity_providers::PlatformIdentityProviders;
use crate::limits;
use crate::request_trace::RequestTrace;
use crate::storage::FetchStorage;
use crate::workspaces::{self, RemoteWorkspaces};

/// Answers a request. An `Err` becomes the platform's own error page, so it is for faults of the
/// platform alone.
pub(crate) async fn answer(request: Request, env: &Env, context: &worker::Context) -> Result<Response> {
    let cx = environment::context()?;
    let mut trace = RequestTrace::begin(cx.request_id.clone());
    let coordinator = match environment::coordinator(env) {
        Ok(coordinator) => coordinator,
        Err(error) => return ended(misconfigured(&error, trace.request_id()), &trace),
    };
    let Ok(plain) = plain_request(request) else {
        return ended(unreadable(trace.request_id()), &trace);
    };
    trace.set_method(plain.method());
    if let Err(error) = coordinator.config().check_address(plain.uri()) {
        return ended(misconfigured(&error, trace.request_id()), &trace);
    }
    if !limits::is_within_address_limit(env, &plain).await {
        return ended(
            coordinator.rate_limited(&plain, &cx, limits::PAUSE_SECONDS),
            &trace,
        );
    }
    if plain.uri().path() == "/v1/events" && plain.headers().contains_key("upgrade") {
        return listen(&coordinator, &plain, &cx, env, &trace).await;
    }
    let storage = FetchStorage::new(&trace.storage);
    let storage = coordinator.within_budget(&storage);
    let workspaces = RemoteWorkspaces::gathering(env, &trace.ledger, context);
    let response = coordinator
        .handle(
            plain,
            cx,
            &storage,
            &workspaces,
            &PlatformIdentityProviders { env },
        )
        .await;
    ended(response, &trace)
}

async fn listen(
    coordinator: &Coordinator,
    request: &http::Request<PlatformBody>,
    cx: &Context,
    env: &Env,
    trace: &RequestTrace,
) -> Result<Response> {
    match coordinator
        .authorize_listener(request, cx, &PlatformIdentityProviders { env })
        .await
    {
        Ok(listener) => {
            let response = trace.ledger.measure(workspaces::connect(env, &listener)).await?;
            if response.status_code() == 429 {
                return ended(
                    coordinator.rate_limited(request, cx, limits::PAUSE_SECONDS),
                    trace,
                );
            }
            let mut told = http::Extensions::new();
            told.insert(listener.log_fields());
            trace.log(response.status_code(), &told);
            Ok(response)
        }
        Err(refused) => ended(*refused, trace),
    }
}

/// The response for the platform; what only the log may know goes there.
fn ended(mut response: http::Response<Vec<u8>>, trace: &RequestTrace) -> Result<Response> {
    trace.end(&mut response);
    platform_response(response)
}
