//! Calls of different requests to one workspace, sent together.
//!
//! A request may not do another's input and output: what wakes it has to be a promise of its own. So each call waits for a
//! promise, and whoever sends the batch settles those of all.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::select;
use syncsphere_coordinator_core::ledger::{Call, Gathering, Joined, Reply, weight};
use syncsphere_protocol::WorkspaceId;
use wasm_bindgen_futures::JsFuture;
use worker::js_sys::{Function, Promise};
use worker::wasm_bindgen::JsValue;
use worker::{Context, Delay, Env, Error, Result};

use crate::environment::now_ms;
use crate::object_calls::{Answer, CALLS_URL, ask_object, call_object};

/// For how long calls gather while another is under way. Source: issue 15, "a few milliseconds"; a call that is alone in
/// an object takes two.
const GATHERING: Duration = Duration::from_millis(3);

/// For how long a call waits for whoever sends it with others. Source: own choice; as long as storage has for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

thread_local! {
    /// The isolate's.
    static CALLS: RefCell<Gathering<Waiting>> = RefCell::default();
}

/// A call, and who waits for it.
struct Waiting {
    /// The call as it travels.
    text: String,
    outcome: Rc<Cell<Option<Outcome>>>,
    /// Settles the promise of whoever waits.
    wake: Function,
}

/// What came of a call that went with others.
enum Outcome {
    Answered(Answer),
    /// The batch as a whole failed.
    Lost,
}

/// Has a workspace's object carry out a call, together with those of other requests if one is under way.
pub(crate) async fn call(env: &Env, context: &Context, workspace: &WorkspaceId, call: Call) -> Result<Reply> {
    let Some(weight) = weight(&call.command) else {
        return call_object(env, workspace, call).await;
    };
    let outcome = Rc::new(Cell::new(None));
    let mut wake = None;
    let woken = Promise::new(&mut |resolve, _| wake = Some(resolve));
    let waiting = Waiting {
        text: serde_json::to_string(&call)?,
        outcome: Rc::clone(&outcome),
        wake: wake.ok_or_else(|| Error::RustError("a promise that nobody can settle".to_owned()))?,
    };
    let bytes = waiting.text.len();
    match CALLS.with_borrow_mut(|calls| calls.join(workspace, weight, bytes, waiting, now_ms())) {
        Joined::Alone(_) => {
            let reply = call_object(env, workspace, call).await;
            CALLS.with_borrow_mut(|calls| calls.end(workspace));
            return reply;
        }
        // Others wait for it, so it goes on though this request's client may leave.
        Joined::First(batch) => context.wait_until(send(env.clone(), workspace.clone(), batch)),
        Joined::Further => {}
    }
    select(pin!(JsFuture::from(woken)), pin!(Delay::from(PATIENCE))).await;
    match outcome.take() {
        Some(Outcome::Answered(Answer::Reply(reply))) => Ok(*reply),
        Some(Outcome::Answered(Answer::Failed(cause))) => Err(Error::RustError(cause)),
        // Every call may be repeated; alone it fails for its own reasons only.
        Some(Outcome::Lost) => call_object(env, workspace, call).await,
        None => Err(Error::RustError("nobody has sent the call".to_owned())),
    }
}

/// Sends a batch once it has gathered, and tells all who wait for it.
async fn send(env: Env, workspace: WorkspaceId, batch: u64) {
    Delay::from(GATHERING).await;
    let calls = CALLS.with_borrow_mut(|calls| calls.take(&workspace, batch, now_ms()));
    let answers = ask_together(&env, &workspace, &calls).await;
    CALLS.with_borrow_mut(|calls| calls.end(&workspace));
    let mut answers = answers.unwrap_or_default().into_iter();
    for call in calls {
        let outcome = answers.next().map_or(Outcome::Lost, Outcome::Answered);
        call.outcome.set(Some(outcome));
        let _ = call.wake.call0(&JsValue::UNDEFINED);
    }
}

async fn ask_together(env: &Env, workspace: &WorkspaceId, calls: &[Waiting]) -> Result<Vec<Answer>> {
    let texts: Vec<&str> = calls.iter().map(|call| call.text.as_str()).collect();
    // As `Envelopes`, of calls that are JSON already.
    let body = format!(
        r#"{{"workspace":{},"calls":[{}]}}"#,
        serde_json::to_string(workspace)?,
        texts.join(",")
    );
    ask_object(env, workspace, CALLS_URL, body).await
}
