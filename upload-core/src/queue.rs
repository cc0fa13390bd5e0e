//! Files that wait for their turn.

use std::cmp::Reverse;

use syncsphere_protocol::PartPlan;

use crate::io::TaskId;

/// Largest file in parts that does not wait for larger ones, in bytes.
///
/// Source: own choice; on a line of 10 MB/s it is done in seconds.
const LARGEST_SHORT: u64 = 64 * 1024 * 1024;

/// One turn in so many is that of the file which came first, whatever its priority.
///
/// Source: own choice; what is important loses an eighth at the most, and nothing waits for ever.
pub(crate) const TURNS: u32 = 8;

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

/// Files that wait for their turn: by priority, then in the order in which they came.
///
/// A person who adds a note to a film that is on its way expects the note to arrive now: so each class has a line of its
/// own, and files that are done in seconds can be taken before long ones that came earlier.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// As [`Class::ALL`].
    lines: [Vec<Place>; Class::ALL.len()],
    /// Files that ever came.
    came: u64,
    /// Files that were taken since one was for having come first.
    taken: u32,
}

/// A file's place in a line.
#[derive(Debug, Clone, Copy)]
struct Place {
    priority: i32,
    /// Its place in the order of arrival.
    came: u64,
    task: TaskId,
}

impl Place {
    fn order(&self) -> (Reverse<i32>, u64) {
        (Reverse(self.priority), self.came)
    }
}

impl Queue {
    pub(crate) fn push(&mut self, task: TaskId, class: Class, priority: i32) {
        self.came += 1;
        let came = self.came;
        for (line, of) in self.lines.iter_mut().zip(Class::ALL) {
            if of == class {
                insert(line, Place { priority, came, task });
            }
        }
    }

    /// Gives a file that waits another priority.
    pub(crate) fn set_priority(&mut self, task: TaskId, priority: i32) {
        for line in &mut self.lines {
            let at = line.iter().position(|place| place.task == task);
            if let Some(at) = at {
                let place = line.remove(at);
                insert(line, Place { priority, ..place });
            }
        }
    }

    /// The highest priority of those that `may_begin`.
    pub(crate) fn highest(&self, may_begin: &dyn Fn(TaskId) -> bool) -> Option<i32> {
        let (place, ..) = self.first(&Class::ALL, may_begin, false)?;
        Some(place.priority)
    }

    /// Takes the first file of those that `may_begin`, of these classes.
    pub(crate) fn take(&mut self, classes: &[Class], may_begin: &dyn Fn(TaskId) -> bool) -> Option<TaskId> {
        let is_eldests_turn = self.taken + 1 >= TURNS;
        let (place, line, at) = self.first(classes, may_begin, is_eldests_turn)?;
        self.taken = if is_eldests_turn { 0 } else { self.taken + 1 };
        self.lines.get_mut(line)?.remove(at);
        Some(place.task)
    }

    /// The first file, or the one that came first of all, with its line and where it stands there.
    fn first(
        &self,
        classes: &[Class],
        may_begin: &dyn Fn(TaskId) -> bool,
        is_eldests_turn: bool,
    ) -> Option<(Place, usize, usize)> {
        let mut first: Option<(Place, usize, usize)> = None;
        for (number, line) in self.lines.iter().enumerate() {
            if !Class::ALL
                .get(number)
                .is_some_and(|class| classes.contains(class))
            {
                continue;
            }
            let last = line.last().map(|place| place.priority);
            for (at, place) in line.iter().enumerate().filter(|(_, place)| may_begin(place.task)) {
                let goes_before = |other: &Place| match is_eldests_turn {
                    true => place.came < other.came,
                    false => place.order() < other.order(),
                };
                if first.is_none_or(|(other, ..)| goes_before(&other)) {
                    first = Some((*place, number, at));
                }
                // The rest of the line came later.
                if !is_eldests_turn || Some(place.priority) == last {
                    break;
                }
            }
        }
        first
    }

    pub(crate) fn remove(&mut self, task: TaskId) {
        for line in &mut self.lines {
            line.retain(|place| place.task != task);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.iter().all(Vec::is_empty)
    }
}

/// Most come last: there they need no search.
fn insert(line: &mut Vec<Place>, place: Place) {
    let mut at = line.len();
    line.push(place);
    while at > 0
        && line
            .get(at - 1)
            .is_some_and(|before| before.order() > place.order())
    {
        line.swap(at - 1, at);
        at -= 1;
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// In which order files of these priorities are taken.
    fn order(priorities: &[i32]) -> Vec<u32> {
        let mut queue = Queue::default();
        for (task, priority) in (0..).zip(priorities) {
            queue.push(TaskId(task), Class::Single, *priority);
        }
        std::iter::from_fn(|| queue.take(&Class::ALL, &|_| true))
            .map(|task| task.0)
            .collect()
    }

    #[test]
    fn the_more_important_are_taken_first_and_equals_in_turn() {
        assert_eq!(order(&[0, 1, 0, 2, 1, -1]), [3, 1, 4, 0, 2, 5]);
    }

    #[test]
    fn what_came_first_is_taken_in_the_end_however_many_are_more_important() {
        let mut priorities = [1; 20];
        priorities[0] = 0;
        assert_eq!(order(&priorities).iter().position(|task| *task == 0), Some(7));
    }

    #[test]
    fn a_priority_is_changed_while_a_file_waits() {
        let mut queue = Queue::default();
        (0..3).for_each(|task| queue.push(TaskId(task), Class::Long, 0));
        queue.set_priority(TaskId(2), 1);
        queue.set_priority(TaskId(0), -1);
        assert_eq!(queue.highest(&|_| true), Some(1));
        let order = std::iter::from_fn(|| queue.take(&Class::ALL, &|_| true));
        assert!(order.eq([2, 1, 0].map(TaskId)));
    }
}
