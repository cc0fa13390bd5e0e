//! What happens to a request from outside.

use syncsphere_coordinator_core::{Context, Coordinator, MAX_BODY_BYTES, misconfigured, unreadable};
use worker::{Env, Request, Response, Result};

use crate::entrance::PlatformEntrance;
use crate::environment;
use crate::http_types::{plain_request, platform_response};
use crate::limits;
use crate::meter::Journey;
use crate::storage::FetchStorage;
use crate::workspaces::{self, RemoteWorkspaces};

/// Answers a request. An `Err` becomes the platform's own error page, so it is for faults of the
/// platform alone.
pub(crate) async fn answer(mut request: Request, env: &Env) -> Result<Response> {
    let cx = environment::context()?;
    let mut journey = Journey::begin(cx.request_id.clone());
    let coordinator = match environment::coordinator(env) {
        Ok(coordinator) => coordinator,
        Err(error) => return ended(misconfigured(&error, journey.request_id()), &journey),
    };
    let Ok(plain) = plain_request(&mut request, MAX_BODY_BYTES).await else {
        return ended(unreadable(journey.request_id()), &journey);
    };
    journey.set_method(plain.method());
    if let Err(error) = coordinator.config().check_address(plain.uri()) {
        return ended(misconfigured(&error, journey.request_id()), &journey);
    }
    if !limits::admit(env, &plain).await {
        return ended(
            coordinator.turn_away(&plain, &cx, limits::PAUSE_SECONDS),
            &journey,
        );
    }
    if plain.uri().path() == "/v1/events" && plain.headers().contains_key("upgrade") {
        return listen(&coordinator, &plain, &cx, env, &journey).await;
    }
    let storage = FetchStorage::new(&journey.storage);
    let storage = coordinator.within_budget(&storage);
    let workspaces = RemoteWorkspaces::new(env, &journey.ledger);
    let response = coordinator
        .handle(plain, cx, &storage, &workspaces, &PlatformEntrance { env })
        .await;
    ended(response, &journey)
}

async fn listen(
    coordinator: &Coordinator,
    request: &http::Request<Vec<u8>>,
    cx: &Context,
    env: &Env,
    journey: &Journey,
) -> Result<Response> {
    match coordinator
        .admit_listener(request, cx, &PlatformEntrance { env })
        .await
    {
        Ok(listener) => {
            let response = journey
                .ledger
                .measure(workspaces::connect(env, &listener))
                .await?;
            let mut told = http::Extensions::new();
            told.insert(listener.handled());
            journey.log(response.status_code(), &told);
            Ok(response)
        }
        Err(refused) => ended(*refused, journey),
    }
}

/// The response for the platform; what only the log may know goes there.
fn ended(mut response: http::Response<Vec<u8>>, journey: &Journey) -> Result<Response> {
    journey.end(&mut response);
    platform_response(response)
}
