//! Which lane does what.

use syncsphere_protocol::{Integrity, PartRange};
use syncsphere_upload_core::{AttemptId, PartRequest};
use web_sys::Blob;

use crate::host::LaneLink;

/// Gives each attempt to the lane that has least to do, and knows which lane has it.
pub(crate) struct Dispatcher {
    lanes: Vec<Lane>,
    /// As many as the engine has in flight, so few that a search is quick and a map would only be
    /// more code to load.
    attempts: Vec<Assignment>,
}

struct Lane {
    link: LaneLink,
    hashing: usize,
    sending: usize,
}

#[derive(Clone, Copy)]
struct Assignment {
    attempt: AttemptId,
    lane: usize,
    work: Work,
}

/// Hashing keeps a lane's processor busy, sending hardly does, so they are counted apart.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    Hashing,
    Sending,
}

impl Dispatcher {
    /// Over these lanes, all of them idle.
    pub fn new(links: Vec<LaneLink>) -> Self {
        let lanes = links.into_iter().map(|link| Lane {
            link,
            hashing: 0,
            sending: 0,
        });
        Self {
            lanes: lanes.collect(),
            attempts: Vec::new(),
        }
    }

    /// Gives a part to the lane that hashes least.
    pub fn hash(&mut self, attempt: AttemptId, file: &Blob, range: PartRange, by: Integrity) {
        if let Some(link) = self.assign(attempt, Work::Hashing) {
            let (offset, length) = (range.offset as f64, range.length as f64);
            link.hash(attempt.0, file, offset, length, by == Integrity::Md5);
        }
    }

    /// Gives a part to the lane that sends least.
    pub fn send(&mut self, attempt: AttemptId, file: &Blob, range: PartRange, request: PartRequest) {
        let headers = request
            .headers
            .into_iter()
            .flat_map(|(name, value)| [name, value]);
        let headers = headers.collect();
        let fields = request
            .fields
            .into_iter()
            .flat_map(|(name, value)| [name, value.0]);
        let fields = fields.collect();
        if let Some(link) = self.assign(attempt, Work::Sending) {
            let (offset, length) = (range.offset as f64, range.length as f64);
            link.send(
                attempt.0,
                file,
                offset,
                length,
                &request.method,
                &request.url,
                headers,
                fields,
            );
        }
    }

    /// Has the lane that works on an attempt stop.
    pub fn cancel(&mut self, attempt: AttemptId) {
        if let Some(lane) = self.release(attempt) {
            lane.link.cancel(attempt.0);
        }
    }

    /// The attempt has been answered.
    pub fn ended(&mut self, attempt: AttemptId) {
        self.release(attempt);
    }

    fn assign(&mut self, attempt: AttemptId, work: Work) -> Option<&LaneLink> {
        let by_load = |(_, lane): &(usize, &mut Lane)| match work {
            Work::Hashing => (lane.hashing, lane.sending),
            Work::Sending => (lane.sending, lane.hashing),
        };
        let (index, lane) = self.lanes.iter_mut().enumerate().min_by_key(by_load)?;
        *lane.count(work) += 1;
        self.attempts.push(Assignment {
            attempt,
            lane: index,
            work,
        });
        Some(&lane.link)
    }

    fn release(&mut self, attempt: AttemptId) -> Option<&Lane> {
        let index = self.attempts.iter().position(|known| known.attempt == attempt)?;
        let assignment = self.attempts.swap_remove(index);
        let lane = self.lanes.get_mut(assignment.lane)?;
        let count = lane.count(assignment.work);
        *count = count.saturating_sub(1);
        Some(lane)
    }
}

impl Lane {
    fn count(&mut self, work: Work) -> &mut usize {
        match work {
            Work::Hashing => &mut self.hashing,
            Work::Sending => &mut self.sending,
        }
    }
}
