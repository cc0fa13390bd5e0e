//! Files that wait for their turn.

use std::collections::VecDeque;

use syncsphere_protocol::PartPlan;

use crate::io::TaskId;

/// Largest file in parts that does not wait for larger ones, in bytes.
///
/// Source: own choice; on a line of 10 MB/s it is done in seconds.
const LARGEST_SHORT: u64 = 64 * 1024 * 1024;

/// How long a file takes: what decides whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// One request carries the whole file.
    Single,
    /// It travels in parts, and is done in seconds where others do not hold it up.
    Short,
    /// It takes its time.
    Long,
}

impl Class {
    /// All of them, the quickest first.
    pub(crate) const ALL: [Self; 3] = [Self::Single, Self::Short, Self::Long];

    /// The class of a file.
    pub(crate) fn of(plan: PartPlan) -> Self {
        match (plan.part_count(), plan.size()) {
            (0 | 1, _) => Self::Single,
            (_, 0..=LARGEST_SHORT) => Self::Short,
            _ => Self::Long,
        }
    }
}

/// Files that wait for their turn, in the order in which they came.
///
/// A person who adds a note to a film that is on its way expects the note to arrive now: so each class has a line of its
/// own, and files that are done in seconds can be taken before long ones that came earlier.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// As [`Class::ALL`].
    lines: [Fifo; Class::ALL.len()],
    /// Files that ever came.
    came: u64,
}

/// Files with their place in the order of arrival.
type Fifo = VecDeque<(u64, TaskId)>;

impl Queue {
    pub(crate) fn push(&mut self, task: TaskId, class: Class) {
        self.came += 1;
        let place = (self.came, task);
        for (line, of) in self.lines.iter_mut().zip(Class::ALL) {
            if of == class {
                line.push_back(place);
            }
        }
    }

    /// Takes the file that came first of those that `may_begin`, of these classes.
    pub(crate) fn take(
        &mut self,
        classes: impl Fn(Class) -> bool,
        may_begin: impl Fn(TaskId) -> bool,
    ) -> Option<TaskId> {
        let lines = self.lines.iter_mut().zip(Class::ALL);
        let firsts = lines
            .filter(|(_, class)| classes(*class))
            .filter_map(|(line, _)| first(line, &may_begin).map(|(at, came)| (came, at, line)));
        let (_, at, line) = firsts.min_by_key(|(came, ..)| *came)?;
        line.remove(at).map(|(_, task)| task)
    }

    pub(crate) fn remove(&mut self, task: TaskId) {
        for line in &mut self.lines {
            line.retain(|(_, queued)| *queued != task);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.iter().all(VecDeque::is_empty)
    }
}

/// Where the first file of a line that `may_begin` stands, and when it came.
fn first(fifo: &Fifo, may_begin: impl Fn(TaskId) -> bool) -> Option<(usize, u64)> {
    let (at, (came, _)) = fifo.iter().enumerate().find(|(_, (_, task))| may_begin(*task))?;
    Some((at, *came))
}
