//! Examining a storage that never answered: what the shell is asked, and what ends for what it finds.

use syncsphere_protocol::{MIN_PART_SIZE, PartNumber};

use super::Engine;
use crate::diagnosis::Diagnosis;
use crate::error::{Reason, UploadError};
use crate::io::{Action, TaskId};
use crate::part::Part;
use crate::parts::Parts;
use crate::upload::{Phase, Upload};

impl Engine {
    /// What is known of requests that carry a form, or of those that do not.
    pub(super) fn diagnosis(&mut self, is_form: bool) -> &mut Diagnosis {
        let [plain, form] = &mut self.diagnoses;
        if is_form { form } else { plain }
    }

    /// Has storage examined by way of a part that it did not take, once it counts as down or the part `fails_alone`, unless
    /// it has taken one as large before or has just been examined.
    pub(super) fn examine(&mut self, task: TaskId, part: PartNumber, fails_alone: bool) {
        let Some(upload) = self.uploads.get(&task) else {
            return;
        };
        let Some(Part::BackingOff {
            lease: Some(lease), ..
        }) = upload.parts.get(part)
        else {
            return;
        };
        let length = upload.parts.range(part).length;
        let request = lease.request.clone();
        let now = self.now;
        let is_due = self.online
            && (fails_alone || self.outage.is_down())
            && !self.diagnoses.iter().any(Diagnosis::is_awaited);
        if is_due && self.diagnosis(request.is_form()).begins(length, now) {
            self.push(Action::Examine { request, length });
        }
    }

    /// Storage has been examined. Where it is certain that this page cannot get through, waiting
    /// helps nobody: whatever waits for storage ends, and what goes on later ends soon.
    pub(super) fn examined(&mut self, found: Option<Reason>) {
        let Some(kind) = self.diagnoses.iter().position(Diagnosis::is_awaited) else {
            return;
        };
        let is_form = kind == 1;
        let diagnosis = self.diagnosis(is_form);
        diagnosis.ends(found);
        let reason = diagnosis.verdict(u64::MAX);
        if found == Some(Reason::ClockSkewed) && reason.is_none() {
            // Perhaps they have only become old: the next look is at new ones.
            self.end_all_backoffs(false);
        }
        if reason.is_none() || !self.online {
            return;
        }
        let passes = match reason {
            Some(Reason::BodyTooLarge { passes }) => Some(passes),
            _ => None,
        };
        let ends_all = passes.is_none() && !self.diagnoses.iter().any(Diagnosis::was_answered);
        let is_hopeless = |upload: &Upload| {
            let is_stuck = |(number, part): (PartNumber, &Part)| {
                let length = upload.parts.range(number).length;
                matches!(part, Part::BackingOff { lease: Some(lease), .. }
                    if lease.request.is_form() == is_form && passes.is_none_or(|passes| length > passes))
            };
            !upload.paused
                && !matches!(upload.phase, Phase::Completing(..))
                && (ends_all || upload.parts.open().any(is_stuck))
        };
        let hopeless: Vec<TaskId> = self
            .uploads
            .iter()
            .filter(|(_, upload)| is_hopeless(upload))
            .map(|(task, _)| task)
            .collect();
        for task in hopeless {
            self.cannot_get_through(task, reason);
        }
    }

    /// Waiting helps this upload nothing. Where smaller parts do and less than half is stored, it is opened anew with such: an
    /// open upload cannot change its plan.
    pub(super) fn cannot_get_through(&mut self, task: TaskId, reason: Option<Reason>) {
        if let Some(Reason::BodyTooLarge { passes }) = reason {
            self.largest_body = Some(passes);
            let upload = self.uploads.get(&task);
            let is_early = |upload: &&Upload| {
                matches!(upload.phase, Phase::Transferring(_))
                    && upload.parts.stored_bytes() < upload.file.size / 2
            };
            if passes >= MIN_PART_SIZE
                && let Some(upload) = upload.filter(is_early)
                && let Ok(plan) = self.plan(upload.file.size)
            {
                let (upload_id, call) = (upload.upload_id().cloned(), upload.own_call());
                self.cancel_attempts(task);
                upload_id.into_iter().for_each(|upload_id| self.free(upload_id));
                call.into_iter().for_each(|call| self.calls.drop_own(call, task));
                if let Some(upload) = self.uploads.get_mut(&task) {
                    upload.parts = Parts::new(plan);
                    upload.phase = Phase::Opening;
                }
                return;
            }
        }
        self.fail(task, UploadError::storage_unreachable(reason));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::super::harness::{Harness, PART};
    use super::*;
    use crate::config::{Concurrency, Config};
    use crate::error::UploadErrorCode;
    use crate::io::{Input, Notice, TaskState, TransferFailure};

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);

    /// Storage answers nothing for so long, and examinations find this.
    fn silence(harness: &mut Harness, span: Duration, found: Option<Reason>) {
        let until = harness.now + span;
        while harness.now < until {
            let (failing, examinations) = (harness.sending.clone(), harness.examinations);
            for attempt in failing {
                let failure = TransferFailure::Network;
                harness.feed(Input::AttemptFailed { attempt, failure });
            }
            if harness.examinations > examinations {
                harness.feed(Input::Examined(found));
            }
            harness.pass(SECOND);
        }
    }

    fn ends(harness: &Harness) -> Vec<(u32, UploadErrorCode, Option<Reason>)> {
        let failed = harness.told.iter().filter_map(|(task, notice)| match notice {
            Notice::Failed(error) => Some((task.0, error.code, error.reason)),
            _ => None,
        });
        failed.collect()
    }

    fn last_state(harness: &Harness, task: u32) -> Option<TaskState> {
        let of_task = harness.told.iter().rev().filter(|(of, _)| of.0 == task);
        let mut states = of_task.filter_map(|(_, notice)| match notice {
            Notice::State(state) => Some(*state),
            _ => None,
        });
        states.next()
    }

    /// Storage takes everything again.
    fn recover(harness: &mut Harness, span: Duration) {
        let until = harness.now + span;
        while harness.now < until {
            for attempt in harness.sending.clone() {
                harness.feed(Input::Stored { attempt });
            }
            harness.pass(SECOND);
        }
    }

    #[test]
    fn what_cors_forbids_ends_within_seconds_and_what_comes_later_soon() {
        let unreachable = UploadErrorCode::StorageUnreachable;
        for reason in [Reason::CorsMissing, Reason::CspBlocked] {
            let mut harness = Harness::new();
            harness.add(1, 3 * PART);
            harness.add(2, PART);
            harness.add(3, PART);
            harness.feed(Input::Pause(TaskId(3)));
            silence(&mut harness, 10 * SECOND, Some(reason));
            assert_eq!(
                ends(&harness),
                [(1, unreachable, Some(reason)), (2, unreachable, Some(reason))]
            );
            assert_eq!(last_state(&harness, 3), Some(TaskState::Paused));

            harness.feed(Input::Resume(TaskId(3)));
            silence(&mut harness, 10 * SECOND, Some(reason));
            assert_eq!(ends(&harness).len(), 3);
            // Somebody sets the rules.
            harness.add(4, PART);
            recover(&mut harness, 10 * SECOND);
            assert_eq!(last_state(&harness, 4), Some(TaskState::Completing));
        }
    }

    #[test]
    fn one_finding_alone_ends_nothing() {
        let mut harness = Harness::new();
        harness.add(1, PART);
        silence(&mut harness, 3 * SECOND, Some(Reason::CorsMissing));
        assert_eq!(harness.examinations, 1);
        silence(&mut harness, 60 * SECOND, None);
        assert!(harness.examinations > 3);
        assert_eq!(ends(&harness), []);
        recover(&mut harness, 10 * SECOND);
        assert_eq!(last_state(&harness, 1), Some(TaskState::Completing));
    }

    #[test]
    fn a_storage_that_nobody_reaches_is_waited_for_as_long_as_the_timeout_says() {
        let mut harness = Harness::new();
        harness.add(1, PART);
        silence(&mut harness, HOUR - 10 * SECOND, Some(Reason::Unreachable));
        assert_eq!(last_state(&harness, 1), Some(TaskState::Offline));
        assert!(harness.examinations < 80, "{} examinations", harness.examinations);
        silence(&mut harness, 30 * SECOND, Some(Reason::Unreachable));
        let expected = (1, UploadErrorCode::StorageUnreachable, Some(Reason::Unreachable));
        assert_eq!(ends(&harness), [expected]);
    }

    #[test]
    fn without_a_network_hours_pass_and_nothing_is_examined() {
        let mut harness = Harness::new();
        harness.add(1, PART);
        harness.feed(Input::Network { online: false });
        silence(&mut harness, 10 * HOUR, Some(Reason::CorsMissing));
        assert_eq!(harness.examinations, 0);
        assert_eq!(ends(&harness), []);
        harness.feed(Input::Network { online: true });
        recover(&mut harness, 10 * SECOND);
        assert_eq!(last_state(&harness, 1), Some(TaskState::Completing));
    }

    #[test]
    fn storage_that_has_answered_is_not_examined() {
        let mut harness = Harness::new();
        harness.add(1, 2 * PART);
        let attempt = harness.sending[0];
        harness.feed(Input::Stored { attempt });
        silence(&mut harness, 60 * SECOND, Some(Reason::CorsMissing));
        assert_eq!(harness.examinations, 0);
        assert_eq!(last_state(&harness, 1), Some(TaskState::Offline));
    }

    /// Bodies above `limit` get no readable answer, others are stored; examinations find it.
    fn limited(harness: &mut Harness, span: Duration, limit: u64, passes: u64) {
        let until = harness.now + span;
        while harness.now < until {
            let examinations = harness.examinations;
            for attempt in harness.sending.clone() {
                let failure = TransferFailure::Network;
                let passes = harness.length_of(attempt) <= limit;
                harness.feed(match passes {
                    true => Input::Stored { attempt },
                    false => Input::AttemptFailed { attempt, failure },
                });
            }
            if harness.examinations > examinations {
                harness.feed(Input::Examined(Some(Reason::BodyTooLarge { passes })));
            }
            harness.pass(SECOND);
        }
    }

    #[test]
    fn a_limit_to_bodies_ends_what_is_larger_and_nothing_else() {
        let mut harness = Harness::new();
        harness.add(1, 3 * PART);
        for task in 2..60 {
            harness.add(task, 1000);
        }
        limited(&mut harness, 60 * SECOND, 100_000, 80_000);
        let reason = Some(Reason::BodyTooLarge { passes: 80_000 });
        assert_eq!(ends(&harness), [(1, UploadErrorCode::StorageUnreachable, reason)]);
        assert!((2..60).all(|task| last_state(&harness, task) == Some(TaskState::Completing)));

        harness.add(60, 2 * PART);
        limited(&mut harness, 30 * SECOND, 100_000, 80_000);
        assert_eq!(ends(&harness).len(), 2, "what comes later ends soon");
        harness.add(61, 2 * PART);
        recover(&mut harness, 10 * SECOND);
        assert_eq!(
            last_state(&harness, 61),
            Some(TaskState::Completing),
            "somebody lifts the limit"
        );
    }

    #[test]
    fn where_smaller_parts_pass_a_file_is_opened_anew_with_such() {
        let mut harness = Harness::with(Config {
            concurrency: Concurrency::Fixed(2),
            integrity: false,
            ..Config::default()
        });
        for task in 1..=3 {
            harness.add(task, 14 << 20);
        }
        limited(&mut harness, 30 * SECOND, 8 << 20, PART);
        assert_eq!(ends(&harness), []);
        for task in 1..=3 {
            assert_eq!(last_state(&harness, task), Some(TaskState::Completing));
        }
        assert!(
            !harness.unanswered.is_empty(),
            "what was opened for large parts is freed"
        );
        harness.offsets.clear();
        harness.add(4, 14 << 20);
        assert_eq!(
            harness.length_of(harness.sending[0]),
            PART,
            "a new file begins with such"
        );
    }

    #[test]
    fn urls_that_storage_does_not_take_are_renewed_once_and_then_the_clock_is_blamed() {
        let mut harness = Harness::new();
        harness.add(1, PART);
        let signed = harness.signed;
        let found = Some(Reason::ClockSkewed);
        while harness.examinations < 1 {
            silence(&mut harness, SECOND, found);
        }
        silence(&mut harness, SECOND / 2, found);
        assert!(harness.signed > signed, "there is a new URL");
        assert_eq!(ends(&harness), []);
        silence(&mut harness, 10 * SECOND, found);
        assert_eq!(ends(&harness), [(1, UploadErrorCode::StorageUnreachable, found)]);
    }
}
