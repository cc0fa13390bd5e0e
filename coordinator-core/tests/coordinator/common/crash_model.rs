//! What requests may do to a few files, whoever dies in between: a model that any reader can check.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;
use syncsphere_protocol::FileStatus;

pub const FILES: usize = 3;
pub const START_MS: i64 = 1_795_521_600_000;
pub const MINUTE_MS: i64 = 60_000;
/// Source of all three: the variables in `tests/crashes.rs`.
pub const UPLOAD_LIFE_MS: i64 = 3 * 60 * MINUTE_MS;
pub const MAX_LIFETIME_MS: i64 = UPLOAD_LIFE_MS + 10 * MINUTE_MS;
pub const URL_LIFE_MS: i64 = 20 * MINUTE_MS;

/// A request about one of a few files. Even ones go in parts, odd ones as one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Begin(usize),
    Complete(usize),
    Abort(usize),
    Delete(usize),
    Alarm,
}

#[derive(Debug, Clone)]
pub enum Step {
    /// Requests side by side: whose turn is next, and after how many turns each of them dies, if it does.
    Run {
        ops: Vec<(Op, Option<u8>)>,
        turns: Vec<u8>,
    },
    /// The client sends all bytes of a file that it was given URLs for.
    Send(usize),
    Pass(i64),
}

/// What the model knows of a file.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// Every state that it may be in; `None` is that of a file nobody was told of.
    pub may_be: BTreeSet<Option<FileStatus>>,
    /// When it was first tried to begin.
    pub begun_ms: Option<i64>,
    /// Whether the client certainly has URLs, and whether it certainly sent everything.
    pub granted: bool,
    pub sent: bool,
    /// When it certainly sent parts last.
    pub parts_sent_ms: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct Models {
    pub now_ms: i64,
    pub files: Vec<Model>,
}

pub struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Models;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Models> {
        let unknown = Model {
            may_be: BTreeSet::from([None]),
            ..Model::default()
        };
        Just(Models {
            now_ms: START_MS,
            files: vec![unknown; FILES],
        })
        .boxed()
    }

    fn transitions(_: &Models) -> BoxedStrategy<Step> {
        let file = 0..FILES;
        let op = prop_oneof![
            3 => file.clone().prop_map(Op::Begin),
            4 => file.clone().prop_map(Op::Complete),
            2 => file.clone().prop_map(Op::Abort),
            1 => file.clone().prop_map(Op::Delete),
            2 => Just(Op::Alarm),
        ];
        let alone = op.clone().prop_map(|op| vec![(op, None)]);
        // A request takes some twenty turns: two for each of its calls.
        let dying = (op.clone(), 0u8..24).prop_map(|(op, turn)| vec![(op, Some(turn))]);
        let together = prop::collection::vec((op, prop::option::weighted(0.3, 0u8..24)), 2..4);
        let runs = (
            prop_oneof![alone, dying, together],
            prop::collection::vec(any::<u8>(), 0..60),
        );
        prop_oneof![
            6 => runs.prop_map(|(ops, turns)| Step::Run { ops, turns }),
            3 => file.prop_map(Step::Send),
            2 => (1i64..40).prop_map(|minutes| Step::Pass(minutes * MINUTE_MS)),
        ]
        .boxed()
    }

    fn apply(mut state: Models, step: &Step) -> Models {
        match step {
            Step::Pass(ms) => state.now_ms += ms,
            Step::Send(file) => {
                let now_ms = state.now_ms;
                let in_parts = file.is_multiple_of(2);
                let file = &mut state.files[*file];
                let is_taken = file
                    .begun_ms
                    .is_some_and(|begun_ms| now_ms < begun_ms + URL_LIFE_MS);
                file.sent |= file.granted && is_taken;
                if file.granted && is_taken && in_parts {
                    file.parts_sent_ms = Some(now_ms);
                }
            }
            Step::Run { ops, .. } => match ops.as_slice() {
                [(op, None)] => state.certainly(*op),
                _ => {
                    // Each of them may have happened or not, in any order.
                    for _ in ops {
                        for (op, _) in ops {
                            state.possibly(*op);
                        }
                    }
                }
            },
        }
        state
    }
}

impl Models {
    /// A request that ran to its end, alone.
    fn certainly(&mut self, op: Op) {
        use FileStatus::{Aborted, Available, Deleted, Uploading};
        let now_ms = self.now_ms;
        let only = |file: &Model, status| file.may_be == BTreeSet::from([status]);
        match op {
            Op::Begin(index) if only(&self.files[index], None) => {
                let file = &mut self.files[index];
                // An intent of before may just be on its way out.
                let is_first = file.begun_ms.is_none();
                file.begun_ms.get_or_insert(now_ms);
                file.granted = is_first;
                if is_first {
                    file.may_be = BTreeSet::from([Some(Uploading)]);
                } else {
                    file.may_be.insert(Some(Uploading));
                }
            }
            Op::Complete(index) => {
                let file = &mut self.files[index];
                let is_in_time = file
                    .begun_ms
                    .is_some_and(|begun_ms| now_ms < begun_ms + UPLOAD_LIFE_MS);
                if file.granted && file.sent && is_in_time && only(file, Some(Uploading)) {
                    file.may_be = BTreeSet::from([Some(Available)]);
                } else {
                    self.possibly(op);
                }
            }
            Op::Abort(index) => {
                let file = &mut self.files[index];
                if file.granted && file.may_be.remove(&Some(Uploading)) {
                    file.may_be.insert(Some(Aborted));
                } else {
                    self.possibly(op);
                }
            }
            Op::Delete(index) => {
                let file = &mut self.files[index];
                if file.granted && file.may_be.remove(&Some(Available)) {
                    file.may_be.insert(Some(Deleted));
                } else {
                    self.possibly(op);
                }
            }
            Op::Begin(_) | Op::Alarm => self.possibly(op),
        }
    }

    /// A request of which nobody knows how far it came.
    fn possibly(&mut self, op: Op) {
        use FileStatus::{Aborted, Available, Deleted, Expired, Uploading};
        let now_ms = self.now_ms;
        let mut becomes = |index: usize, before: Option<FileStatus>, after: FileStatus| {
            let file: &mut Model = &mut self.files[index];
            if file.may_be.contains(&before) {
                file.may_be.insert(Some(after));
            }
        };
        match op {
            Op::Begin(index) => {
                becomes(index, None, Uploading);
                self.files[index].begun_ms.get_or_insert(now_ms);
            }
            Op::Complete(index) => becomes(index, Some(Uploading), Available),
            Op::Abort(index) => becomes(index, Some(Uploading), Aborted),
            Op::Delete(index) => becomes(index, Some(Available), Deleted),
            Op::Alarm => {
                for index in 0..FILES {
                    // A completion that was not heard of again is found out about.
                    becomes(index, Some(Uploading), Available);
                }
                for file in &mut self.files {
                    // Whose parts have arrived later lives as much longer, up to an end.
                    let is_over = file.begun_ms.is_some_and(|begun_ms| {
                        let newest_ms = file.parts_sent_ms.unwrap_or(begun_ms);
                        let extended_ms = (newest_ms + UPLOAD_LIFE_MS).min(begun_ms + MAX_LIFETIME_MS);
                        now_ms >= extended_ms
                    });
                    if is_over && file.may_be.contains(&Some(Uploading)) {
                        file.may_be.insert(Some(Expired));
                    }
                }
            }
        }
        // What was unknown may have come to be.
        for file in &mut self.files {
            if file.may_be.contains(&None) && file.may_be.len() > 1 {
                file.granted = false;
            }
        }
    }
}
