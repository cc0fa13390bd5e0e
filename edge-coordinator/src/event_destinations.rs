//! The ways to webhooks, by `fetch`, and to the queue, by its binding.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use syncsphere_coordinator_core::{Budgeted, EventQueue, QueueFailure, WebhookFailure, WebhookSender};
use wasm_bindgen_futures::JsFuture;
use worker::js_sys::{Array, Function, JSON, Object, Promise, Reflect};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::{Delay, Env};

use crate::outgoing::{self, FetchFailure};

/// The queue's binding in `wrangler.toml`.
const BINDING: &str = "EVENTS";

/// Patience with an endpoint, and with the queue. Source: own choice; Standard Webhooks recommends 15 to 30 s, and a
/// receiver that needs long does its work after its answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Webhooks by `fetch`, counted among the requests that one invocation may make.
pub(crate) struct FetchWebhooks<'a, S>(pub &'a Budgeted<'a, S>);

impl<S> WebhookSender for FetchWebhooks<'_, S> {
    async fn post(&self, request: http::Request<Vec<u8>>) -> Result<http::StatusCode, WebhookFailure> {
        if !self.0.spend() {
            return Err(WebhookFailure::Spent);
        }
        let answered = outgoing::status(request, TIMEOUT).await;
        answered.map_err(|failure| match failure {
            FetchFailure::TimedOut => WebhookFailure::TimedOut,
            FetchFailure::Unreachable | FetchFailure::TooLarge => WebhookFailure::Unreachable,
        })
    }
}

/// A producer of Cloudflare Queues.
pub(crate) struct BoundQueue(JsValue);

impl BoundQueue {
    /// The queue, if the deployment has one.
    pub(crate) fn of(env: &Env) -> Option<Self> {
        let queue = Reflect::get(env.as_ref(), &BINDING.into()).ok()?;
        queue.is_object().then_some(Self(queue))
    }

    async fn attempt(&self, messages: &[String]) -> Result<(), JsValue> {
        let batch = Array::new();
        for message in messages {
            let entry = Object::new();
            Reflect::set(&entry, &"body".into(), &JSON::parse(message)?)?;
            Reflect::set(&entry, &"contentType".into(), &"json".into())?;
            batch.push(&entry);
        }
        let send: Function = Reflect::get(&self.0, &"sendBatch".into())?.dyn_into()?;
        let sent: Promise = send.call1(&self.0, &batch)?.dyn_into()?;
        JsFuture::from(sent).await.map(drop)
    }
}

impl EventQueue for BoundQueue {
    async fn send(&self, messages: Vec<String>) -> Result<(), QueueFailure> {
        let failure = |cause: &str| QueueFailure {
            cause: cause.to_owned(),
        };
        match select(pin!(self.attempt(&messages)), pin!(Delay::from(TIMEOUT))).await {
            Either::Left((Ok(()), _)) => Ok(()),
            // Its own words may quote a message.
            Either::Left((Err(_), _)) => Err(failure("it takes no messages")),
            Either::Right(((), _)) => Err(failure("it did not answer in time")),
        }
    }
}
