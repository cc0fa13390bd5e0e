//! The way of a call to the coordinator, and the coordinator's own to storage and ledger.

use syncsphere_coordinator_core::ledger;
use syncsphere_coordinator_core::{Context, StorageFailure, WorkspaceFailure};
use syncsphere_upload_core::{CallId, Input, Reply};

use crate::api;
use crate::caller::{Answer, Caller};
use crate::edge::{Oneshot, Outgoing, PortCall};
use crate::simulation::{CALL_TIMEOUT, Event, Simulation};
use crate::storage_copies::{Copying, is_part_copy};

impl Simulation {
    /// A call sets out for the coordinator.
    pub(crate) fn send_call(&mut self, call: Caller, request: http::Request<Vec<u8>>) {
        self.outcome.calls += 1;
        self.request_count += 1;
        self.requests.insert(self.request_count, request);
        let page = self.generation;
        if self.network_gone > 0 || self.coordinator_down > 0 {
            self.requests.remove(&self.request_count);
            self.later(50, Event::CallAnswered(page, call, None));
        } else if self.chance(self.scenario.faults.call_lost) {
            self.count("call lost");
            self.requests.remove(&self.request_count);
            self.later(CALL_TIMEOUT, Event::CallTimesOut(page, call));
        } else {
            self.later(
                self.half_trip(),
                Event::CallArrives(page, call, self.request_count),
            );
        }
    }

    pub(crate) fn call_arrives(&mut self, page: u32, call: Caller, number: u64) {
        let Some(request) = self.requests.remove(&number) else {
            return;
        };
        let context = Context {
            now_ms: self.wall_ms(),
            random: std::array::from_fn(|_| self.random.u8(..)),
            request_id: format!("r{number}"),
        };
        self.routes.insert(number, (page, call));
        self.edge.start(number, request, context);
        self.poll_request(number);
    }

    /// Lets a coordinator request go on, and sends on its way what it asks of its ports.
    pub(crate) fn poll_request(&mut self, task: u64) {
        let (response, outgoing) = self.edge.poll(task);
        for outgoing in outgoing {
            if self.chance(self.scenario.faults.edge_crash / 4.0) && self.edge.crash(task) {
                self.count("coordinator crashed");
                // What it had asked for may still be done; nobody hears of it.
                self.port(outgoing, true);
                self.answer_call(task, None);
                return;
            }
            let faults = self.scenario.faults;
            let reply_lost =
                matches!(outgoing.ask, PortCall::Storage { .. }) && self.chance(faults.storage_reply_lost);
            self.later(3, Event::Port(Box::new(outgoing), reply_lost));
        }
        if let Some(response) = response {
            let status = response.status().as_u16();
            assert!(
                status != 500,
                "the coordinator failed: {}",
                String::from_utf8_lossy(response.body())
            );
            self.answer_call(task, Some((status, response.into_body())));
        }
    }

    pub(crate) fn answer_call(&mut self, task: u64, answer: Answer) {
        let Some((page, call)) = self.routes.remove(&task) else {
            return;
        };
        if self.network_gone > 0 || self.chance(self.scenario.faults.call_reply_lost) {
            self.count("call reply lost");
            self.later(CALL_TIMEOUT, Event::CallTimesOut(page, call));
        } else {
            self.later(self.half_trip(), Event::CallAnswered(page, call, answer));
        }
    }

    /// The coordinator's request reaches storage or ledger, which act on it.
    pub(crate) fn port(&mut self, outgoing: Outgoing, reply_lost: bool) {
        let Outgoing { task, ask } = outgoing;
        match ask {
            PortCall::Ledger {
                workspace,
                call,
                slot,
            } => {
                let store = self.ledgers.entry(workspace.clone()).or_default();
                let Ok(applied) = ledger::apply(store, call);
                crate::invariants::feed_is_sound(store);
                self.ledger_changed(task, workspace, &applied);
                self.answer_port::<Result<_, WorkspaceFailure>>(task, slot, Ok(applied.reply));
            }
            PortCall::Storage { request, slot } => {
                let faults = self.scenario.faults;
                let is_completion = request.method() == "POST" && !request.body().is_empty();
                let answer = if self.storage_down > 0 {
                    Ok(api::storage_error(503, "ServiceUnavailable"))
                } else if self.chance(faults.storage_failed) {
                    Err(StorageFailure::Unreachable)
                } else if is_completion && self.chance(faults.storage_late_error) {
                    self.count("200 with an error inside");
                    Ok(api::storage_error(200, "InternalError"))
                } else if is_part_copy(&request) {
                    Ok(self.copy_part(&request))
                } else {
                    Ok(self.storage.handle(&request))
                };
                let answer = if reply_lost {
                    self.count("storage reply lost");
                    Err(StorageFailure::TimedOut)
                } else {
                    answer
                };
                self.answer_port(task, slot, answer);
            }
        }
    }

    fn copy_part(&mut self, request: &http::Request<Vec<u8>>) -> http::Response<Vec<u8>> {
        let faults = self.scenario.faults;
        if self.chance(faults.copy_refused) {
            self.count("copy refused");
            // Under either status storage may say so.
            let status = if self.random.bool() { 503 } else { 200 };
            return api::storage_error(status, "SlowDown");
        }
        let copying = if self.chance(faults.copy_wrong) {
            self.count("another range copied");
            Copying::OtherRange
        } else if self.chance(faults.copy_unstated) {
            self.count("copied without a checksum");
            Copying::WithoutChecksum
        } else {
            Copying::Right
        };
        self.storage.copy_part(request, copying)
    }

    pub(crate) fn answer_port<T: 'static>(&mut self, task: u64, slot: Oneshot<T>, answer: T) {
        self.later(
            3,
            Event::PortAnswered(task, Box::new(move || slot.answer(answer))),
        );
    }

    pub(crate) fn call_answered(&mut self, call: Caller, answer: Answer) {
        match call {
            Caller::Engine(call) => self.engine_answered(call, answer),
            Caller::Editor(ask) => self.editor_answered(ask, answer),
        }
    }

    fn engine_answered(&mut self, call: CallId, answer: Answer) {
        let Some(kind) = self.page.as_mut().and_then(|page| page.calls.remove(&call)) else {
            return;
        };
        let result = api::reply(kind, answer);
        if let Ok(Reply::CompletedBatch(reply)) = &result {
            let refused = reply
                .uploads
                .iter()
                .filter(|result| result.error.is_some())
                .count();
            let what = if refused == 0 {
                "batch completed"
            } else {
                "batch completed in part"
            };
            self.count(what);
        }
        self.feed(Input::Replied { call, result });
    }
}
