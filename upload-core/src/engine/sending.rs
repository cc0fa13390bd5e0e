//! Which parts are sent, and when one makes room for another.

use std::time::Duration;

use syncsphere_protocol::PartNumber;

use super::Engine;
use crate::io::{Action, AttemptId, TaskId};
use crate::part::{Kind, Part};
use crate::queue::Class;
use crate::upload::{Attempt, Purpose, Upload};

/// How long a short file may wait for a request of a long one to end. Source: own choice; people take up to two seconds,
/// of which the coordinator and a preflight need some.
const LONGEST_WAIT_OF_SHORT: Duration = Duration::from_millis(1000);

impl Engine {
    /// Sends what is ready, as far as the window allows.
    pub(super) fn send(&mut self) {
        if !self.online || self.pacer.next_start(self.now).is_some() {
            return;
        }
        let limit = self.outage.cap(self.window.limit(), self.now);
        if self.in_flight() >= limit && limit > 0 {
            self.make_room();
        }
        let highest = self.highest_priority();
        if self.in_flight() < limit
            && let Some((task, upload)) = self.out_of_turn()
            && upload.may_send(self.now)
            && let Some(part) = self.first_with_room(upload)
            && self.may_hold(upload.parts.range(part).length)
        {
            self.start_sending(task, part);
        }
        // Of the most important, half of the requests are for whole small files first, half of the others for short ones; then all are for all.
        let mut left = limit;
        for class in [Class::Single, Class::Short] {
            let share = left.div_ceil(2);
            let free = limit.saturating_sub(self.in_flight());
            let most = share.saturating_sub(self.in_flight_of(class)).min(free);
            let is_first = |upload: &Upload| upload.class() == class && Some(upload.file.priority) == highest;
            self.send_up_to(most, is_first);
            left = left.saturating_sub(self.in_flight_of(class));
        }
        self.send_up_to(limit.saturating_sub(self.in_flight()), |_| true);
    }

    fn in_flight_of(&self, class: Class) -> usize {
        let attempts = self.attempts.values();
        let sends = attempts.filter(|attempt| attempt.purpose == Purpose::Send);
        sends.filter(|attempt| self.is_of(attempt, class)).count()
    }

    fn is_of(&self, attempt: &Attempt, class: Class) -> bool {
        let upload = self.uploads.get(&attempt.task);
        upload.is_some_and(|upload| upload.class() == class)
    }

    /// Where a short file is ready, long ones have all requests, and none of these ends soon, the one that loses least
    /// is taken back. It costs a long file part of one connection at the most, however many short ones come.
    fn make_room(&mut self) {
        let is_ready = |upload: &Upload| {
            upload.class() != Class::Long
                && Some(upload.file.priority) == self.highest_priority()
                && upload.may_send(self.now)
                && upload.parts.count(Kind::Ready) > 0
        };
        if !self.sending_uploads().any(is_ready) {
            return;
        }
        let mut loses_least: Option<(AttemptId, Attempt)> = None;
        for (id, attempt) in self.attempts.iter() {
            if attempt.purpose != Purpose::Send {
                continue;
            }
            if !self.is_of(attempt, Class::Long) || self.ends_within(attempt, LONGEST_WAIT_OF_SHORT) {
                return;
            }
            let loses_less = loses_least.is_none_or(|(_, other)| attempt.loaded < other.loaded);
            if loses_less && !attempt.handed_over && self.is_alone(attempt) {
                loses_least = Some((*id, *attempt));
            }
        }
        let Some((id, attempt)) = loses_least else {
            return;
        };
        self.end_attempt(id);
        self.push(Action::Cancel { attempt: id });
        if let Some(upload) = self.uploads.get_mut(&attempt.task) {
            upload.parts.set_back(attempt.part);
        }
    }

    /// Whether a request will be through by then, at the speed that it has had.
    fn ends_within(&self, attempt: &Attempt, span: Duration) -> bool {
        let left = attempt.length.saturating_sub(attempt.loaded) as f64;
        let age = self.now.since(attempt.started).as_secs_f64();
        left * age <= attempt.loaded as f64 * span.as_secs_f64()
    }

    /// Whether no other request carries the same part.
    pub(super) fn is_alone(&self, attempt: &Attempt) -> bool {
        let upload = self.uploads.get(&attempt.task);
        let part = upload.and_then(|upload| upload.parts.get(attempt.part));
        matches!(part, Some(Part::Sending { attempts, .. }) if attempts.len() == 1)
    }

    /// Sends what is ready, in the order of the files.
    fn send_up_to(&mut self, most: usize, of: impl Fn(&Upload) -> bool) {
        let mut sent = 0;
        let mut at = 0;
        while sent < most
            && self.pacer.next_start(self.now).is_none()
            && let Some((task, upload)) = self.uploads.active_at(at)
        {
            let part = (upload.parts.count(Kind::Ready) > 0 && of(upload) && upload.may_send(self.now))
                .then(|| self.first_with_room(upload))
                .flatten();
            match part {
                Some(part) if self.may_hold(upload.parts.range(part).length) => {
                    self.start_sending(task, part);
                    sent += 1;
                }
                _ => at += 1,
            }
        }
    }

    /// The first part that is ready and whose address can carry one more.
    fn first_with_room(&self, upload: &Upload) -> Option<PartNumber> {
        let has_room = |part: &Part| matches!(part, Part::Ready { lease, .. } if self.has_room(lease.origin));
        let mut ready = upload.parts.open().filter(|(_, part)| has_room(part));
        ready.next().map(|(number, _)| number)
    }

    /// Whether the shell may hold so many more bytes in flight.
    fn may_hold(&self, length: u64) -> bool {
        let Some(most) = self.config.max_in_flight_bytes else {
            return true;
        };
        let held = self
            .attempts
            .values()
            .filter(|attempt| attempt.purpose == Purpose::Send);
        let held: u64 = held.map(|attempt| attempt.length).sum();
        held == 0 || held.saturating_add(length) <= most
    }

    pub(super) fn start_sending(&mut self, task: TaskId, part: PartNumber) {
        let Some(upload) = self.uploads.get(&task) else {
            return;
        };
        let range = upload.parts.range(part);
        let (checksum, lease, mut attempts) = match upload.parts.get(part).cloned() {
            Some(Part::Ready { checksum, lease }) => (checksum, lease, Vec::new()),
            Some(Part::Sending {
                checksum,
                lease,
                attempts,
            }) => (checksum, lease, attempts),
            _ => return,
        };
        let id = self.attempt(Attempt {
            origin: lease.origin,
            is_form: lease.request.is_form(),
            ..Attempt::new(task, part, range.length, Purpose::Send, self.now)
        });
        let highest = self.highest_priority();
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        self.pacer.on_start(range.length, self.now);
        // Where all are of one priority it counts up and is of no effect.
        let goes_after = Some(upload.file.priority) < highest;
        self.turns = if goes_after {
            0
        } else {
            self.turns.saturating_add(1)
        };
        upload.parts.count_request(part);
        attempts.push(id);
        let request = lease.request.clone();
        upload.parts.set(
            part,
            Part::Sending {
                checksum,
                lease,
                attempts,
            },
        );
        self.push(Action::Send {
            attempt: id,
            task,
            range,
            request,
        });
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use crate::config::{Concurrency, Config};
    use crate::engine::harness::{Harness, PART};

    #[test]
    fn bytes_in_flight_are_bounded_but_one_part_always_goes() {
        for (most, requests) in [
            (None, 2),
            (Some(2 * PART), 2),
            (Some(2 * PART - 1), 1),
            (Some(1), 1),
        ] {
            let mut harness = Harness::with(Config {
                concurrency: Concurrency::Fixed(2),
                part_size: Some(PART),
                integrity: false,
                max_in_flight_bytes: most,
                ..Config::default()
            });
            harness.add(1, 4 * PART);
            assert_eq!(harness.sending.len(), requests, "at most {most:?} bytes");
        }
    }
}
