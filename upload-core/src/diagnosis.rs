//! Why storage gives no answer that can be read: what examinations found, and when they are believed.

use std::time::Duration;

use crate::error::Reason;
use crate::time::Moment;

/// The wait before the second examination; it doubles with each further one.
///
/// Source: own choice; long enough for what answers in storage's place while that restarts.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// How often the wait doubles: about a minute is the longest, so that pages do not add to an outage.
const MOST_DOUBLINGS: u32 = 5;

/// Examinations in a row that have to agree before uploads end for it.
const AGREEING: u32 = 2;

/// What is known of why requests fail that storage has never answered this page in a way it can read. Those that carry
/// forms need other permissions than those that do not, so each kind has one.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    /// Whether storage has ever answered one, if only with an error of its own: then the set-up is right, but for a limit
    /// to bodies.
    answered: bool,
    /// The largest part that storage took, and that of the last examination, in bytes.
    taken: u64,
    examined: u64,
    /// When the last examination was asked for, and whether its finding is still awaited.
    asked_at: Option<Moment>,
    awaited: bool,
    examinations: u32,
    found: Option<Reason>,
    agreeing: u32,
}

impl Diagnosis {
    /// Storage answered, and took a part of so many bytes, or none.
    pub(crate) fn on_answer(&mut self, taken: u64) {
        if !self.answered || taken >= self.examined {
            *self = Self {
                answered: true,
                taken: taken.max(self.taken),
                ..Self::default()
            };
        }
    }

    /// The network is back: what was found without one means nothing.
    pub(crate) fn reset(&mut self) {
        *self = Self {
            answered: self.answered,
            taken: self.taken,
            ..Self::default()
        };
    }

    pub(crate) fn was_answered(&self) -> bool {
        self.answered
    }

    /// Whether an examination of a part of so many bytes should begin now; then it counts as begun.
    pub(crate) fn begins(&mut self, length: u64, now: Moment) -> bool {
        let wait = FIRST_WAIT * (1 << self.examinations.saturating_sub(1).min(MOST_DOUBLINGS));
        let is_due = self.asked_at.is_none_or(|at| now.since(at) >= wait);
        let is_known = self.answered && length <= self.taken;
        if is_known || self.awaited || !is_due {
            return false;
        }
        self.examined = length;
        self.asked_at = Some(now);
        self.awaited = true;
        self.examinations = self.examinations.saturating_add(1);
        true
    }

    /// Whether an examination has begun and not ended.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited
    }

    /// What an examination found; `None` where it found nothing wrong, or could not find out.
    pub(crate) fn ends(&mut self, found: Option<Reason>) {
        if !self.awaited {
            return;
        }
        self.awaited = false;
        let found = found.filter(|reason| !self.answered || matches!(reason, Reason::BodyTooLarge { .. }));
        self.agreeing = match found == self.found {
            true => self.agreeing.saturating_add(1),
            false => 1,
        };
        self.found = found;
    }

    /// What keeps parts of so many bytes from storage and does not go away by itself, once that is certain.
    pub(crate) fn verdict(&self, length: u64) -> Option<Reason> {
        let is_lasting = |reason: &Reason| match reason {
            Reason::BodyTooLarge { passes } => length > *passes,
            reason => !matches!(reason, Reason::Unreachable | Reason::LocalNetworkBlocked),
        };
        self.found
            .filter(|reason| is_lasting(reason) && self.agreeing >= AGREEING)
    }

    /// The best explanation there is.
    pub(crate) fn found(&self) -> Option<Reason> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn examine(diagnosis: &mut Diagnosis, at: u64, found: Option<Reason>) {
        assert!(
            diagnosis.begins(1, Moment::from_millis(at)),
            "none begins at {at}"
        );
        diagnosis.ends(found);
    }

    #[test]
    fn two_that_agree_are_believed_and_one_that_differs_begins_anew() {
        let mut diagnosis = Diagnosis::default();
        examine(&mut diagnosis, 0, Some(Reason::CorsMissing));
        assert_eq!(diagnosis.verdict(1), None);
        examine(&mut diagnosis, 2_000, None);
        examine(&mut diagnosis, 6_000, Some(Reason::CorsMissing));
        assert_eq!(diagnosis.verdict(1), None);
        examine(&mut diagnosis, 14_000, Some(Reason::CorsMissing));
        assert_eq!(diagnosis.verdict(1), Some(Reason::CorsMissing));
    }

    #[test]
    fn an_answer_is_remembered_for_good() {
        let mut diagnosis = Diagnosis::default();
        diagnosis.on_answer(1);
        diagnosis.reset();
        assert!(!diagnosis.begins(1, Moment::from_millis(0)));
    }

    #[test]
    fn what_may_pass_is_told_and_never_a_verdict() {
        let mut diagnosis = Diagnosis::default();
        for (hour, reason) in (0..).zip([Reason::Unreachable, Reason::LocalNetworkBlocked]) {
            for round in 0..20_u64 {
                examine(&mut diagnosis, hour * 3_600_000 + round * 100_000, Some(reason));
            }
            assert_eq!(diagnosis.verdict(1), None);
            assert_eq!(diagnosis.found(), Some(reason));
        }
    }

    #[test]
    fn examinations_come_one_at_a_time_and_less_and_less_often() {
        let mut diagnosis = Diagnosis::default();
        let at = Moment::from_millis;
        assert!(diagnosis.begins(1, at(0)));
        assert!(!diagnosis.begins(1, at(50_000)), "the first has not ended");
        diagnosis.ends(None);
        diagnosis.ends(Some(Reason::CorsMissing));
        assert_eq!(diagnosis.found(), None, "nobody had asked");
        let begun = (1..3600).filter(|second| {
            let begins = diagnosis.begins(1, at(50_000 + second * 1000));
            diagnosis.ends(None);
            begins
        });
        assert!((50..70).contains(&begun.count()), "about one a minute");
    }
}
