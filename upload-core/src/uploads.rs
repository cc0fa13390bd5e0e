//! All uploads of a page, those under way within reach.

use crate::io::TaskId;
use crate::upload::Upload;

/// Uploads by their tasks, and those under way by priority, then in the order in which they began.
///
/// After every input all that are under way are looked at, several times: so they are reached by their place, without a
/// search. Those that only wait may be many thousands; they come in the order of their tasks.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    /// Where each task's upload lies, sorted by task.
    places: Vec<Place>,
    /// An upload stays where it is until it is removed.
    slots: Vec<Option<Box<Upload>>>,
    free: Vec<usize>,
    active: Vec<Place>,
}

/// A task, and the slot of its upload.
type Place = (TaskId, usize);

impl Uploads {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Puts in the upload of a task that has none.
    pub(crate) fn insert(&mut self, task: TaskId, upload: Upload) {
        let Err(at) = self.search(task) else { return };
        let upload = Some(Box::new(upload));
        let slot = self.free.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(slot) {
            Some(place) => *place = upload,
            None => self.slots.push(upload),
        }
        self.places.insert(at, (task, slot));
    }

    /// An upload that is known gets under way.
    pub(crate) fn begin(&mut self, task: TaskId) {
        let (Some(slot), Some(upload)) = (self.slot(task), self.get(&task)) else {
            return;
        };
        let priority = upload.file.priority;
        let mut at = self.active.len();
        self.active.push((task, slot));
        while at > 0
            && let Some((_, before)) = self.active_at(at - 1)
            && before.file.priority < priority
        {
            self.active.swap(at - 1, at);
            at -= 1;
        }
    }

    /// Gives an upload another priority.
    pub(crate) fn set_priority(&mut self, task: TaskId, priority: i32) {
        let was_active = self.active.iter().position(|(active, _)| *active == task);
        if let Some(at) = was_active {
            self.active.remove(at);
        }
        if let Some(upload) = self.get_mut(&task) {
            upload.file.priority = priority;
        }
        if was_active.is_some() {
            self.begin(task);
        }
    }

    /// Takes out an upload.
    pub(crate) fn remove(&mut self, task: TaskId) -> Option<Upload> {
        let at = self.search(task).ok()?;
        let (_, slot) = self.places.remove(at);
        self.active.retain(|(active, _)| *active != task);
        let upload = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(*upload)
    }

    /// Whether a task has an upload.
    pub(crate) fn contains_key(&self, task: &TaskId) -> bool {
        self.search(*task).is_ok()
    }

    /// The upload of a task.
    pub(crate) fn get(&self, task: &TaskId) -> Option<&Upload> {
        self.slots.get(self.slot(*task)?)?.as_deref()
    }

    /// The upload of a task, to be changed.
    pub(crate) fn get_mut(&mut self, task: &TaskId) -> Option<&mut Upload> {
        let slot = self.slot(*task)?;
        self.slots.get_mut(slot)?.as_deref_mut()
    }

    /// All of them, in the order of their tasks.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TaskId, &Upload)> {
        self.places.iter().filter_map(|place| self.of(place))
    }

    /// Those under way, by priority, then in the order in which they began.
    pub(crate) fn active(&self) -> impl Iterator<Item = (TaskId, &Upload)> {
        self.active.iter().filter_map(|place| self.of(place))
    }

    /// One of those under way, by its place in their order from 0 on.
    pub(crate) fn active_at(&self, at: usize) -> Option<(TaskId, &Upload)> {
        self.of(self.active.get(at)?)
    }

    /// The same, to be changed.
    pub(crate) fn active_at_mut(&mut self, at: usize) -> Option<(TaskId, &mut Upload)> {
        let (task, slot) = *self.active.get(at)?;
        Some((task, self.slots.get_mut(slot)?.as_deref_mut()?))
    }

    fn of(&self, (task, slot): &Place) -> Option<(TaskId, &Upload)> {
        Some((*task, self.slots.get(*slot)?.as_deref()?))
    }

    fn slot(&self, task: TaskId) -> Option<usize> {
        let at = self.search(task).ok()?;
        self.places.get(at).map(|(_, slot)| *slot)
    }

    fn search(&self, task: TaskId) -> Result<usize, usize> {
        self.places.binary_search_by_key(&task, |(known, _)| *known)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use proptest::prelude::*;
    use syncsphere_protocol::PartPlan;

    use super::*;
    use crate::io::FileDescription;
    use crate::upload::Phase;

    fn upload(size: u64) -> Upload {
        let plan = PartPlan::new(size, 5 << 20).expect("small enough");
        let file = FileDescription {
            size,
            ..FileDescription::default()
        };
        Upload::new(file, plan, Phase::Queued)
    }

    proptest! {
        #[test]
        fn it_is_a_map_with_an_order_of_its_own(steps: Vec<(u8, u32, u64)>) {
            let mut uploads = Uploads::default();
            let mut known = BTreeMap::new();
            let mut active = Vec::new();
            for (step, task, size) in steps {
                let (task, size) = (TaskId(task % 16), size % 1000);
                match step % 3 {
                    0 => {
                        uploads.insert(task, upload(size));
                        known.entry(task).or_insert(size);
                    }
                    1 if !active.contains(&task) => {
                        uploads.begin(task);
                        active.extend(known.contains_key(&task).then_some(task));
                    }
                    1 => {}
                    _ => {
                        let removed = uploads.remove(task).map(|upload| upload.file.size);
                        prop_assert_eq!(removed, known.remove(&task));
                        active.retain(|known| *known != task);
                    }
                }
                prop_assert_eq!(uploads.len(), known.len());
                prop_assert_eq!(uploads.contains_key(&task), known.contains_key(&task));
                prop_assert_eq!(uploads.get(&task).map(|upload| upload.file.size), known.get(&task).copied());
                let all = uploads.iter().map(|(task, upload)| (task, upload.file.size));
                prop_assert!(all.eq(known.iter().map(|(task, size)| (*task, *size))));
                let under_way = uploads.active().map(|(task, upload)| (task, upload.file.size));
                prop_assert!(under_way.eq(active.iter().map(|task| (*task, known[task]))));
                let at = |at| uploads.active_at(at).map(|(task, _)| task);
                prop_assert!((0..=active.len()).map(at).eq(active.iter().copied().map(Some).chain([None])));
            }
        }
    }
}
