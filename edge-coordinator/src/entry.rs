//! What happens to a request from outside.

use syncsphere_coordinator_core::{Context, Coordinator, MAX_BODY_BYTES, misconfigured, unreadable};
use worker::{Env, Request, Response, Result, console_error};

use crate::environment;
use crate::http_types::{plain_request, platform_response};
use crate::storage::FetchStorage;
use crate::workspaces::{self, RemoteWorkspaces};

/// Answers a request. An `Err` becomes the platform's own error page, so it is for faults of the
/// platform alone.
pub(crate) async fn answer(mut request: Request, env: &Env) -> Result<Response> {
    let cx = environment::context()?;
    let request_id = cx.request_id.clone();
    let coordinator = match environment::coordinator(env) {
        Ok(coordinator) => coordinator,
        Err(error) => return logged(misconfigured(&error, &request_id), &request_id),
    };
    let Ok(plain) = plain_request(&mut request, MAX_BODY_BYTES).await else {
        return logged(unreadable(&request_id), &request_id);
    };
    if plain.uri().path() == "/v1/events" && plain.headers().contains_key("upgrade") {
        return listen(&coordinator, &plain, &cx, env).await;
    }
    let workspaces = RemoteWorkspaces::new(env);
    let response = coordinator.handle(plain, cx, &FetchStorage, &workspaces).await;
    logged(response, &request_id)
}

async fn listen(
    coordinator: &Coordinator,
    request: &http::Request<Vec<u8>>,
    cx: &Context,
    env: &Env,
) -> Result<Response> {
    match coordinator.admit_listener(request, cx) {
        Ok(listener) => workspaces::connect(env, &listener).await,
        Err(refused) => logged(*refused, &cx.request_id),
    }
}

/// The response for the platform; what only the log may know goes there.
fn logged(response: http::Response<Vec<u8>>, request_id: &str) -> Result<Response> {
    if let Some(cause) = response.extensions().get::<syncsphere_coordinator_core::Cause>() {
        console_error!(
            "{}",
            environment::log_line(request_id, response.status().as_u16(), &cause.0)
        );
    }
    platform_response(response)
}
