//! Examining a storage that never answered: what the shell is asked, and what ends for what it finds.

use syncsphere_protocol::PartNumber;

use super::Engine;
use super::schedule::count;
use crate::diagnosis::Diagnosis;
use crate::error::{Reason, UploadError};
use crate::io::{Action, TaskId};
use crate::parts::Part;
use crate::upload::{Phase, Upload};

impl Engine {
    /// What is known of requests that carry a form, or of those that do not.
    pub(super) fn diagnosis(&mut self, is_form: bool) -> &mut Diagnosis {
        let [plain, form] = &mut self.diagnoses;
        if is_form { form } else { plain }
    }

    /// Has storage examined by way of a part that it did not take, once it counts as down, unless it
    /// has answered such a request before or has just been examined.
    pub(super) fn examine(&mut self, task: TaskId, part: PartNumber) {
        let part = self.uploads.get(&task).and_then(|upload| upload.parts.get(part));
        let Some(Part::Resting {
            lease: Some(lease), ..
        }) = part
        else {
            return;
        };
        let request = lease.request.clone();
        let now = self.now;
        let is_due =
            self.online && self.outage.is_braking() && !self.diagnoses.iter().any(Diagnosis::is_awaited);
        if is_due && self.diagnosis(request.is_form()).begins(now) {
            self.push(Action::Examine { request });
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
        let reason = diagnosis.verdict();
        if reason.is_none() || !self.online {
            return;
        }
        let never_answered = !self.diagnoses.iter().any(Diagnosis::was_answered);
        let is_hopeless = |upload: &Upload| {
            let is_stuck = |part: &Part| {
                matches!(part, Part::Resting { lease: Some(lease), .. }
                    if lease.request.is_form() == is_form)
            };
            !upload.paused
                && !matches!(upload.phase, Phase::Completing(..))
                && (never_answered || count(upload, is_stuck) > 0)
        };
        let hopeless: Vec<TaskId> = self
            .uploads
            .iter()
            .filter(|(_, upload)| is_hopeless(upload))
            .map(|(task, _)| *task)
            .collect();
        for task in hopeless {
            self.fail(task, UploadError::storage_unreachable(reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::super::rig::{PART, Rig};
    use super::*;
    use crate::error::UploadErrorCode;
    use crate::io::{Input, Notice, TaskState, TransferFailure};

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);

    /// Storage answers nothing for so long, and examinations find this.
    fn silence(rig: &mut Rig, span: Duration, found: Option<Reason>) {
        let until = rig.now + span;
        while rig.now < until {
            let (failing, examinations) = (rig.sending.clone(), rig.examinations);
            for attempt in failing {
                let failure = TransferFailure::Network;
                rig.feed(Input::AttemptFailed { attempt, failure });
            }
            if rig.examinations > examinations {
                rig.feed(Input::Examined(found));
            }
            rig.pass(SECOND);
        }
    }

    fn ends(rig: &Rig) -> Vec<(u32, UploadErrorCode, Option<Reason>)> {
        let failed = rig.told.iter().filter_map(|(task, notice)| match notice {
            Notice::Failed(error) => Some((task.0, error.code, error.reason)),
            _ => None,
        });
        failed.collect()
    }

    fn last_state(rig: &Rig, task: u32) -> Option<TaskState> {
        let of_task = rig.told.iter().rev().filter(|(of, _)| of.0 == task);
        let mut states = of_task.filter_map(|(_, notice)| match notice {
            Notice::State(state) => Some(*state),
            _ => None,
        });
        states.next()
    }

    /// Storage takes everything again.
    fn recover(rig: &mut Rig, span: Duration) {
        let until = rig.now + span;
        while rig.now < until {
            for attempt in rig.sending.clone() {
                rig.feed(Input::Stored { attempt });
            }
            rig.pass(SECOND);
        }
    }

    #[test]
    fn what_cors_forbids_ends_within_seconds_and_what_comes_later_soon() {
        let unreachable = UploadErrorCode::StorageUnreachable;
        for reason in [Reason::CorsMissing, Reason::CspBlocked] {
            let mut rig = Rig::new();
            rig.add(1, 3 * PART);
            rig.add(2, PART);
            rig.add(3, PART);
            rig.feed(Input::Pause(TaskId(3)));
            silence(&mut rig, 10 * SECOND, Some(reason));
            assert_eq!(
                ends(&rig),
                [(1, unreachable, Some(reason)), (2, unreachable, Some(reason))]
            );
            assert_eq!(last_state(&rig, 3), Some(TaskState::Paused));

            rig.feed(Input::Resume(TaskId(3)));
            silence(&mut rig, 10 * SECOND, Some(reason));
            assert_eq!(ends(&rig).len(), 3);
            // Somebody sets the rules.
            rig.add(4, PART);
            recover(&mut rig, 10 * SECOND);
            assert_eq!(last_state(&rig, 4), Some(TaskState::Completing));
        }
    }

    #[test]
    fn one_finding_alone_ends_nothing() {
        let mut rig = Rig::new();
        rig.add(1, PART);
        silence(&mut rig, 3 * SECOND, Some(Reason::CorsMissing));
        assert_eq!(rig.examinations, 1);
        silence(&mut rig, 60 * SECOND, None);
        assert!(rig.examinations > 3);
        assert_eq!(ends(&rig), []);
        recover(&mut rig, 10 * SECOND);
        assert_eq!(last_state(&rig, 1), Some(TaskState::Completing));
    }

    #[test]
    fn a_storage_that_nobody_reaches_is_waited_for_as_long_as_patience_says() {
        let mut rig = Rig::new();
        rig.add(1, PART);
        silence(&mut rig, HOUR - 10 * SECOND, Some(Reason::Unreachable));
        assert_eq!(last_state(&rig, 1), Some(TaskState::Offline));
        assert!(rig.examinations < 80, "{} examinations", rig.examinations);
        silence(&mut rig, 30 * SECOND, Some(Reason::Unreachable));
        let expected = (1, UploadErrorCode::StorageUnreachable, Some(Reason::Unreachable));
        assert_eq!(ends(&rig), [expected]);
    }

    #[test]
    fn without_a_network_hours_pass_and_nothing_is_examined() {
        let mut rig = Rig::new();
        rig.add(1, PART);
        rig.feed(Input::Network { online: false });
        silence(&mut rig, 10 * HOUR, Some(Reason::CorsMissing));
        assert_eq!(rig.examinations, 0);
        assert_eq!(ends(&rig), []);
        rig.feed(Input::Network { online: true });
        recover(&mut rig, 10 * SECOND);
        assert_eq!(last_state(&rig, 1), Some(TaskState::Completing));
    }

    #[test]
    fn storage_that_has_answered_is_not_examined() {
        let mut rig = Rig::new();
        rig.add(1, 2 * PART);
        let attempt = rig.sending[0];
        rig.feed(Input::Stored { attempt });
        silence(&mut rig, 60 * SECOND, Some(Reason::CorsMissing));
        assert_eq!(rig.examinations, 0);
        assert_eq!(last_state(&rig, 1), Some(TaskState::Offline));
    }
}
