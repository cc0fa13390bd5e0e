//! Who edits documents, and what their pages wait for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use syncsphere_protocol::{ErrorCode, FileRecord};

use crate::caller::Answer;
use crate::edge::Oneshot;
use crate::editor::{Documents, Editor};
use crate::editor_shell::Shell;
use crate::scenario::Scenario;

/// All who edit, and what their pages wait for.
pub(crate) struct Editors {
    pub(crate) editors: Vec<Rc<RefCell<Editor>>>,
    pub(crate) documents: Documents,
    pub(crate) pages: BTreeMap<usize, OpenPage>,
    pub(crate) calls: BTreeMap<u64, (usize, Oneshot<Answer>)>,
    pub(crate) call_count: u64,
    /// By the number of the file that the engine uploads.
    pub(crate) wholes: BTreeMap<usize, (usize, Oneshot<Result<FileRecord, ErrorCode>>)>,
}

/// A page in which somebody works.
pub(crate) struct OpenPage {
    pub(crate) shell: Shell,
    pub(crate) work: Pin<Box<dyn Future<Output = ()>>>,
}

impl Editors {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let editing = scenario.editing;
        let editor = |number: usize| {
            let name = format!("document {}.bin", number % editing.files.max(1));
            let seed = scenario.seed ^ (number as u64) << 32;
            let editor = Editor::new(name, editing.saves, editing.only_saves, seed);
            Rc::new(RefCell::new(editor))
        };
        Self {
            editors: (0..editing.editors).map(editor).collect(),
            documents: Documents::default(),
            pages: BTreeMap::new(),
            calls: BTreeMap::new(),
            call_count: 0,
            wholes: BTreeMap::new(),
        }
    }

    pub(crate) fn are_done(&self) -> bool {
        self.editors.iter().all(|editor| editor.borrow().is_done())
    }
}
