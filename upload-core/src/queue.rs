//! Files that wait for their turn.

use std::collections::VecDeque;

use crate::io::TaskId;

/// How many requests a file takes: what decides whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// One request carries the whole file.
    Single,
    /// It travels in parts.
    Multipart,
}

/// Files that wait for their turn, in the order in which they came.
///
/// A person who adds a note to a film that is on its way expects the note to arrive now: so small
/// files have a line of their own, and can be taken before large ones that came earlier.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    single: Fifo,
    multipart: Fifo,
    /// Files that ever came.
    came: u64,
}

/// Files with their place in the order of arrival.
type Fifo = VecDeque<(u64, TaskId)>;

impl Queue {
    pub(crate) fn push(&mut self, task: TaskId, class: Class) {
        self.came += 1;
        let place = (self.came, task);
        match class {
            Class::Single => self.single.push_back(place),
            Class::Multipart => self.multipart.push_back(place),
        }
    }

    /// Takes the file that came first of those that `may_begin`.
    pub(crate) fn take(&mut self, may_begin: impl Fn(TaskId) -> bool) -> Option<TaskId> {
        let single = first(&self.single, &may_begin);
        let multipart = first(&self.multipart, &may_begin);
        match (single, multipart) {
            (Some((at, came)), Some((_, other))) if came < other => take_at(&mut self.single, at),
            (_, Some((at, _))) => take_at(&mut self.multipart, at),
            (Some((at, _)), None) => take_at(&mut self.single, at),
            (None, None) => None,
        }
    }

    /// Takes the file that came first of those of a single request that `may_begin`.
    pub(crate) fn take_single(&mut self, may_begin: impl Fn(TaskId) -> bool) -> Option<TaskId> {
        let (at, _) = first(&self.single, may_begin)?;
        take_at(&mut self.single, at)
    }

    pub(crate) fn remove(&mut self, task: TaskId) {
        self.single.retain(|(_, queued)| *queued != task);
        self.multipart.retain(|(_, queued)| *queued != task);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.single.is_empty() && self.multipart.is_empty()
    }
}

/// Where the first file of a line that `may_begin` stands, and when it came.
fn first(fifo: &Fifo, may_begin: impl Fn(TaskId) -> bool) -> Option<(usize, u64)> {
    let (at, (came, _)) = fifo.iter().enumerate().find(|(_, (_, task))| may_begin(*task))?;
    Some((at, *came))
}

fn take_at(fifo: &mut Fifo, at: usize) -> Option<TaskId> {
    fifo.remove(at).map(|(_, task)| task)
}
