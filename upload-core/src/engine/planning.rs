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
        let (rate, most) = (self.connection_rate, self.pacer.largest_part());
        plan(size, self.expected_connections(), wished, rate, most, self.tails)
    }

    /// Requests that will carry a new file's parts at a time, as far as can be told.
    fn expected_connections(&self) -> u16 {
        u16::try_from(self.window.limit()).unwrap_or(u16::MAX)
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
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use crate::config::Config;
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
}
