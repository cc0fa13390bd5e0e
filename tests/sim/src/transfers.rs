//! The way of a part from page to storage and of the answer back.

use std::collections::BTreeSet;

use syncsphere_upload_core::{AttemptId, Concurrency, Connections, Input, PartRequest, TransferFailure};

use crate::api::addresses;
use crate::object_content::Content;
use crate::simulation::{Event, PROGRESS_EVERY, Sending, Simulation};
use crate::storage::Put;

/// What a browser opens to one HTTP/1.1 address.
///
/// Source: Chromium's `kMaxSocketsPerGroup`, Firefox's `network.http.max-persistent-connections-per-server`; both 6.
const CONNECTIONS: usize = 6;

impl Simulation {
    /// A part sets out, or waits inside the browser for a connection to its address.
    pub(crate) fn start_sending(&mut self, attempt: AttemptId, mut sending: Sending) {
        let address = host(&sending);
        let (busy, waiting) = self.requests_to(&address);
        let is_shared = self.scenario.connections == Connections::Multiplexed;
        sending.waits = !is_shared && busy >= CONNECTIONS;
        if sending.waits {
            self.count("request queued");
            let adapts = matches!(self.scenario.config.concurrency, Concurrency::Adaptive { .. });
            assert!(
                !adapts || waiting == 0,
                "{waiting} requests to {address} wait already"
            );
        }
        let waits = sending.waits;
        self.sending.insert(attempt, sending);
        if !waits {
            self.set_out(attempt);
        }
    }

    /// How many requests to an address have a connection, and how many wait for one.
    fn requests_to(&self, address: &str) -> (usize, usize) {
        let there = self.sending.values().filter(|sending| host(sending) == address);
        let (waiting, busy): (Vec<_>, Vec<_>) = there.partition(|sending| sending.waits);
        (busy.len(), waiting.len())
    }

    /// A request has a connection: its preflight travels first.
    fn set_out(&mut self, attempt: AttemptId) {
        let Some(sending) = self.sending.get_mut(&attempt) else {
            return;
        };
        sending.waits = false;
        let is_dead = self.scenario.one_is_dead
            && self
                .sending
                .get(&attempt)
                .is_some_and(|sending| self.is_last_of_several(sending));
        if is_dead {
            self.count("address dead");
        }
        if self.network_gone > 0 || is_dead {
            self.later(50, Event::Reset(self.generation, attempt));
            return;
        }
        let preflight = self.scenario.link.round_trip;
        self.later(preflight, Event::FlowStarts(self.generation, attempt));
        if self.chance(self.scenario.link.resets) {
            self.count("part reset");
            let when = preflight + self.random.u64(0..5000);
            self.later(when, Event::Reset(self.generation, attempt));
        }
    }

    /// A connection to this address is free again: what has waited longest gets it.
    fn connection_is_free(&mut self, address: &str) {
        let next = self
            .sending
            .iter()
            .find(|(_, sending)| sending.waits && host(sending) == address);
        if let Some(attempt) = next.map(|(attempt, _)| *attempt) {
            self.set_out(attempt);
        }
    }

    fn is_last_of_several(&self, sending: &Sending) -> bool {
        let addresses = addresses(self.scenario.addresses);
        let last = addresses.last().filter(|_| addresses.len() > 1);
        last.is_some_and(|last| sending.request.url.starts_with(last.as_str()))
    }

    pub(crate) fn flow_starts(&mut self, attempt: AttemptId) {
        let began_ms = self.wall_ms() + self.half_trip() as i64;
        let Some(sending) = self.sending.get_mut(&attempt) else {
            return;
        };
        self.flow_count += 1;
        sending.began_ms = began_ms;
        sending.flow = self.flow_count;
        let (flow, length) = (sending.flow, sending.range.length);
        let share = if self.chance(self.scenario.faults.part_slow) {
            0.1
        } else {
            1.0
        };
        self.pipe.start(flow, length, share, self.now);
        if self.chance(self.scenario.faults.part_stalled) {
            self.count("part stalled");
            self.pipe.freeze(flow, self.now);
        }
        if self.flows.is_empty() {
            self.later(PROGRESS_EVERY, Event::Progress);
        }
        self.flows.insert(flow, attempt);
        self.expect_end();
    }

    pub(crate) fn expect_end(&mut self) {
        if let Some((at, flow)) = self.pipe.next_end() {
            self.at(at.max(self.now), Event::FlowEnds(flow));
        }
    }

    pub(crate) fn flow_ends(&mut self, flow: u64) {
        self.pipe.sent(self.now);
        // The forecast may be old: others have joined or left since.
        if self
            .pipe
            .next_end()
            .is_none_or(|(at, next)| at > self.now || next != flow)
        {
            self.expect_end();
            return;
        }
        if let Some(attempt) = self.flows.remove(&flow) {
            self.pipe.remove(flow, self.now);
            let length = self
                .sending
                .get(&attempt)
                .map_or(0, |sending| sending.range.length);
            self.feed(Input::Sent {
                attempt,
                loaded: length,
            });
            self.later(self.half_trip(), Event::PutArrives(self.generation, attempt));
        }
        self.expect_end();
    }

    pub(crate) fn progress(&mut self) {
        for (flow, sent) in self.pipe.sent(self.now) {
            if let Some(attempt) = self.flows.get(&flow).copied() {
                self.feed(Input::Sent {
                    attempt,
                    loaded: sent,
                });
            }
        }
        if !self.flows.is_empty() {
            self.later(PROGRESS_EVERY, Event::Progress);
        }
    }

    /// A request ends without an answer, or is cancelled.
    pub(crate) fn end_sending(&mut self, attempt: AttemptId) -> Option<Sending> {
        let sending = self.sending.remove(&attempt)?;
        if self.flows.remove(&sending.flow).is_some() {
            self.pipe.remove(sending.flow, self.now);
            self.expect_end();
        }
        if !sending.waits {
            self.connection_is_free(&host(&sending));
        }
        Some(sending)
    }

    pub(crate) fn fail_sending(&mut self, attempt: AttemptId, failure: TransferFailure) {
        if self.end_sending(attempt).is_some() {
            self.feed(Input::AttemptFailed { attempt, failure });
        }
    }

    pub(crate) fn put_arrives(&mut self, page: u32, attempt: AttemptId) {
        let Some(sending) = self.sending.get(&attempt).filter(|_| page == self.generation) else {
            return;
        };
        // A browser notices while it reads that a file has changed since the page got it.
        let on_disk = self.disk.get(sending.file).map(|file| file.seed);
        if on_disk != Some(sending.seed) {
            self.count("edit noticed while sending");
            self.fail_sending(attempt, TransferFailure::FileChanged);
            return;
        }
        let on_disk = self.disk.get(sending.file);
        let content = on_disk.map(|file| file.content(sending.seed, sending.range));
        let (request, began_ms) = (sending.request.clone(), sending.began_ms);
        let answer = self.part_arrives(&request, &content.unwrap_or_default(), began_ms);
        self.later(self.half_trip() + 2, Event::PutAnswered(page, attempt, answer));
    }

    /// A part arrives at storage. Gives the answer; `None` where that is lost.
    pub(crate) fn part_arrives(
        &mut self,
        request: &PartRequest,
        content: &Content,
        began_ms: i64,
    ) -> Option<(u16, String)> {
        let faults = self.scenario.faults;
        if self.storage_down > 0 || self.chance(faults.part_refused) {
            self.count("part refused");
            let body = "<Error><Code>SlowDown</Code></Error>";
            return self.random.bool().then(|| (503, body.into()));
        }
        let mut crc = content.checksum();
        if self.chance(faults.part_damaged) {
            self.count("part damaged");
            crc = syncsphere_protocol::Crc64Nvme::from_u64(crc.to_u64() ^ 1);
        }
        self.outcome.bytes_arrived += content.size();
        let put = Put {
            request,
            content,
            crc,
            began_ms,
        };
        let answer = self.storage.put(&put);
        if answer.1.contains("SignatureDoesNotMatch") {
            panic!(
                "a part was sent with a signature that does not hold: {}",
                answer.1
            );
        }
        if self.chance(faults.part_reply_lost) {
            self.count("part reply lost");
            return None;
        }
        Some(answer)
    }

    pub(crate) fn put_answered(&mut self, attempt: AttemptId, answer: Option<(u16, String)>) {
        if self.end_sending(attempt).is_none() {
            return;
        }
        let input = match answer {
            Some((200, _)) => Input::Stored { attempt },
            Some((status, body)) => {
                if body.contains("xpired") {
                    self.count("URL expired");
                }
                let failure = TransferFailure::Refused {
                    status,
                    body,
                    retry_after: None,
                };
                Input::AttemptFailed { attempt, failure }
            }
            None => Input::AttemptFailed {
                attempt,
                failure: TransferFailure::Network,
            },
        };
        self.feed(input);
    }

    /// A page's end leaves none of its requests behind.
    pub(crate) fn forget_page(&mut self) {
        let attempts: BTreeSet<AttemptId> = self.sending.keys().copied().collect();
        for attempt in attempts {
            self.end_sending(attempt);
        }
    }
}

/// Scheme, host and port of where a request goes.
fn host(sending: &Sending) -> String {
    let parts: Vec<_> = sending.request.url.splitn(4, '/').take(3).collect();
    parts.join("/")
}
