//! How files are cut into parts, and what becomes of parts when they are cut otherwise.

use syncsphere_protocol::{InvalidPlan, PartPlan, UploadGrant};

use super::Engine;
use crate::io::TaskId;
use crate::parts::Parts;
use crate::plan::plan;

impl Engine {
    /// How a file that begins now is cut into parts.
    pub(super) fn plan(&self, size: u64) -> Result<PartPlan, InvalidPlan> {
        let wished = self.config.part_size.into_iter().chain(self.largest_body).min();
        let connections = self.expected_connections();
        // Where bodies are bounded, parts are so small that every connection has one.
        let body = self.config.max_in_flight_bytes;
        let body = body.map(|most| most / u64::from(connections.max(1)));
        let most = self.pacer.largest_part().into_iter().chain(body).min();
        plan(size, connections, wished, self.connection_rate, most, self.tails)
    }

    /// Requests that will carry a new file's parts at a time, as far as can be told.
    fn expected_connections(&self) -> u16 {
        // A seventh request is tried only.
        let limit = self.window.limit() - usize::from(self.window.tries_seventh());
        u16::try_from(limit).unwrap_or(u16::MAX)
    }

    /// An upload of which nothing has been sent is cut otherwise. Parts that are the same in both plans keep what is known
    /// of them, and their attempts.
    pub(super) fn plan_anew(&mut self, task: TaskId, plan: PartPlan) {
        let Some(upload) = self.uploads.get(&task) else {
            return;
        };
        let before = upload.parts.plan();
        let is_same = |part| plan.range(part) == before.range(part);
        self.cancel_unless(task, &is_same);
        let Some(upload) = self.uploads.get_mut(&task) else {
            return;
        };
        let before = std::mem::replace(&mut upload.parts, Parts::new(plan));
        for (number, part) in before.open() {
            if is_same(number) {
                upload.parts.set(number, part.clone());
            }
        }
    }
}

/// The plan that the coordinator granted, where it is not the one asked for.
pub(super) fn granted_plan(size: u64, grant: &UploadGrant) -> Option<PartPlan> {
    let plan = PartPlan::of(size, grant.part_size, grant.tail).ok()?;
    (plan.part_count() == grant.part_count).then_some(plan)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use syncsphere_protocol::Crc64Nvme;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use crate::config::{Concurrency, Config};
    use crate::engine::harness::Harness;
    use crate::io::{Input, TaskId};

    const MB: u64 = 1_000_000;

    #[test]
    fn what_the_coordinator_plans_alike_is_read_and_signed_once() {
        let mut harness = Harness::with(Config::default());
        harness.takes_tails = false;
        harness.add(1, 245 * MB);
        harness.answer_hashing([0; 64]);
        let sent = harness.requests.len();
        assert!(sent > 0);
        let read = usize::try_from(harness.hashed).expect("few");
        let mut offsets: Vec<u64> = harness.offsets.iter().map(|(_, offset)| *offset).collect();
        offsets.sort_unstable();
        offsets.dedup();
        assert_eq!(offsets.len(), read, "none was read twice");
        assert_eq!(
            harness.offsets.len(),
            read + sent,
            "and none was cut while it was read"
        );
    }

    #[test]
    fn bounded_bodies_leave_no_connection_without_a_part() {
        const MOST: u64 = 36 * 1024 * 1024;
        for size in [40 * MB, 2_000 * MB, 20_000 * MB] {
            let mut harness = Harness::with(Config {
                concurrency: Concurrency::Fixed(6),
                integrity: false,
                max_in_flight_bytes: Some(MOST),
                ..Config::default()
            });
            harness.add(1, size);
            let part_size = harness.engine.parts(TaskId(1)).map(|parts| parts.part_size);
            assert!(part_size.is_some_and(|size| 6 * size <= MOST), "{part_size:?}");
            assert_eq!(harness.sending.len(), 6, "of {size} bytes");
        }
    }

    #[test]
    fn a_file_is_planned_when_it_begins() {
        let mut harness = Harness::with(Config {
            integrity: false,
            ..Config::default()
        });
        harness.add(1, 2_000 * MB);
        harness.add(2, 2_000 * MB);
        let planned = |harness: &Harness| harness.engine.parts(TaskId(2)).map(|parts| parts.part_size);
        let before = planned(&harness);
        // Some megabytes a part, each in 20 s.
        for _ in 0..200 {
            harness.pass(Duration::from_secs(20));
            let sending = harness.sending.clone();
            for attempt in sending {
                harness.feed(Input::Stored { attempt });
            }
        }
        let began = planned(&harness);
        assert!(began.is_some() && began < before, "{began:?} after {before:?}");
    }

    #[test]
    fn tiny_files_say_nothing_of_the_speed_of_large_ones() {
        let planned_after = |tiny: u32| {
            let mut harness = Harness::with(Config {
                integrity: false,
                ..Config::default()
            });
            for task in 2..2 + tiny {
                harness.add(task, 100);
            }
            while let Some(attempt) = harness.sending.first().copied() {
                harness.feed(Input::Stored { attempt });
            }
            harness.add(1, 2_000 * MB);
            let parts = harness.engine.parts(TaskId(1)).expect("it has begun");
            parts.part_size
        };
        assert_eq!(planned_after(20), planned_after(0));
    }

    #[test]
    fn large_parts_are_not_read_long_before_they_are_sent() {
        const GIB: u64 = 1024 * 1024 * 1024;
        let mut harness = Harness::with(Config {
            part_size: Some(5 * GIB),
            ..Config::default()
        });
        harness.add(1, 500 * GIB);
        // As many are read as there can be, and none of them is sent to its end.
        let mut read = 0;
        while let Some(attempt) = harness.hashing.pop() {
            read += 1;
            harness.feed(Input::Hashed {
                attempt,
                checksum: Crc64Nvme::from_u64(0).into(),
            });
            harness.pass(Duration::from_millis(100));
        }
        let ahead = read - harness.sending.len();
        assert!((1..=3).contains(&ahead), "{ahead} parts of 5 GiB ahead");
    }
}
