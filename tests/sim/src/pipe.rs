//! The way to storage: bytes flow at a rate that the requests in flight share.

use std::collections::BTreeMap;

/// Uploads in flight, as a fluid. Times are in milliseconds, rates in bytes a millisecond.
#[derive(Debug)]
pub struct Pipe {
    rate_each: f64,
    rate_total: f64,
    flows: BTreeMap<u64, Flow>,
    at: u64,
}

#[derive(Debug)]
struct Flow {
    length: f64,
    sent: f64,
    /// A frozen flow shows no progress ever again.
    frozen: bool,
    /// Share of the fair rate that this flow gets; a straggler gets less than all.
    share: f64,
}

impl Pipe {
    /// A way that carries `rate_each` on one connection and `rate_total` on all together.
    pub fn new(rate_each: f64, rate_total: f64) -> Self {
        Self {
            rate_each,
            rate_total,
            flows: BTreeMap::new(),
            at: 0,
        }
    }

    /// Starts a flow of `length` bytes.
    pub fn start(&mut self, id: u64, length: u64, share: f64, now: u64) {
        self.advance(now);
        self.flows.insert(
            id,
            Flow {
                length: length as f64,
                sent: 0.0,
                frozen: false,
                share,
            },
        );
    }

    /// Stops a flow where it is, for ever.
    pub fn freeze(&mut self, id: u64, now: u64) {
        self.advance(now);
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.frozen = true;
        }
    }

    /// Takes a flow out; tells whether it was there.
    pub fn remove(&mut self, id: u64, now: u64) -> bool {
        self.advance(now);
        self.flows.remove(&id).is_some()
    }

    /// Bytes that each flow has sent so far.
    pub fn sent(&mut self, now: u64) -> Vec<(u64, u64)> {
        self.advance(now);
        self.flows
            .iter()
            .map(|(id, flow)| (*id, flow.sent as u64))
            .collect()
    }

    /// The flow that ends next, and when.
    pub fn next_end(&self) -> Option<(u64, u64)> {
        let ends = self
            .flows
            .iter()
            .filter(|(_, flow)| !flow.frozen)
            .map(|(id, flow)| {
                let left = (flow.length - flow.sent).max(0.0);
                (self.at + (left / self.rate(flow)).ceil() as u64, *id)
            });
        ends.min()
    }

    fn advance(&mut self, now: u64) {
        let elapsed = now.saturating_sub(self.at) as f64;
        let moved: Vec<(u64, f64)> = self
            .flows
            .iter()
            .filter(|(_, flow)| !flow.frozen)
            .map(|(id, flow)| (*id, self.rate(flow) * elapsed))
            .collect();
        for (id, bytes) in moved {
            if let Some(flow) = self.flows.get_mut(&id) {
                flow.sent = (flow.sent + bytes).min(flow.length);
            }
        }
        self.at = self.at.max(now);
    }

    fn rate(&self, flow: &Flow) -> f64 {
        let sharing = self.flows.values().filter(|flow| !flow.frozen).count().max(1);
        (self.rate_total / sharing as f64).min(self.rate_each) * flow.share
    }
}
