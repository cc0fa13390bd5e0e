//! Somebody who edits a file: opens a version, changes it, saves it, and now and then deletes one or restores one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use syncsphere_protocol::{ErrorCode, FileId, FileRecord, Problem, ReferenceReply, VersionList};

use crate::delta_page::{Save, Saved, Way, save};
use crate::document::Document;
use crate::editor_shell::Shell;

/// Between two saves at most, in milliseconds.
const LONGEST_REST: u64 = 20_000;

/// What an editor has on their disk: it outlives their pages.
#[derive(Debug)]
pub struct Editor {
    name: String,
    random: fastrand::Rng,
    saves_left: u32,
    only_saves: bool,
    /// The version that was opened last.
    opened: Option<(FileId, Document)>,
    /// What is being saved: a page that crashes begins with it anew.
    saving: Option<Save>,
    /// What happened since it was asked.
    happened: Vec<&'static str>,
}

/// What each file was when it was saved, for all who edit it.
pub type Documents = Rc<RefCell<BTreeMap<FileId, Document>>>;

impl Editor {
    /// Of the file of this name, which is not there yet.
    pub fn new(name: String, saves: u32, only_saves: bool, seed: u64) -> Self {
        Self {
            name,
            random: fastrand::Rng::with_seed(seed),
            saves_left: saves,
            only_saves,
            opened: None,
            saving: None,
            happened: Vec::new(),
        }
    }

    /// Whether everything is saved.
    pub fn is_done(&self) -> bool {
        self.saving.is_none() && self.saves_left == 0
    }

    /// What happened since.
    pub fn take_happened(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.happened)
    }

    fn next_save(&mut self) -> Option<Save> {
        if self.saving.is_none() && self.saves_left > 0 {
            self.saves_left -= 1;
            self.saving = Some(self.edit());
        }
        // Another page takes other keys.
        let key = self.random.u64(..);
        let saving = self.saving.as_mut();
        saving.map(|save| {
            save.key = key;
            save.clone()
        })
    }

    fn edit(&mut self) -> Save {
        let random = &mut self.random;
        let blocks = random.usize(8..40);
        let document = match &self.opened {
            None => Document::new(blocks, random),
            // Saved once more without a change.
            Some((_, document)) if random.u8(0..8) == 0 => document.clone(),
            Some((_, document)) => document.edited(random),
        };
        let opened = self.opened.as_ref().map(|(file_id, _)| file_id.clone());
        Save {
            name: self.name.clone(),
            document,
            base: opened.filter(|_| random.bool()),
            key: 0,
        }
    }

    fn ended(&mut self, save: &Save, result: Result<Saved, ErrorCode>) -> Option<FileRecord> {
        self.saving = None;
        match result {
            Ok(saved) => {
                self.happened.push(match saved.way {
                    Way::Whole => "saved as a whole",
                    Way::Referenced => "saved by reference",
                    Way::Delta => "saved by what changed",
                });
                if saved.way == Way::Delta && self.only_saves {
                    assert_eq!(saved.sent, saved.new_bytes, "what storage has is sent");
                }
                if saved.record.conflict.is_some() {
                    self.happened.push("told of a conflict");
                }
                let file_id = saved.record.file_id.clone();
                self.opened = Some((file_id, save.document.clone()));
                Some(saved.record)
            }
            Err(code) => {
                match code {
                    // Somebody has deleted what was opened: what was made of it is saved as a file of its own.
                    ErrorCode::NotFound => {
                        assert!(save.base.is_some(), "a base that nobody named keeps a file back");
                        self.happened.push("named base gone");
                    }
                    // Somebody has deleted this version already, before its page had heard that it was there.
                    ErrorCode::UploadGone => self.happened.push("deleted at once"),
                    other => panic!("{other:?} for {save:?}"),
                }
                self.saving = Some(Save {
                    base: None,
                    ..save.clone()
                });
                None
            }
        }
    }
}

/// Edits and saves to the end, as long as the page is open.
pub async fn work(shell: Shell, editor: Rc<RefCell<Editor>>, documents: Documents) {
    loop {
        let next = editor.borrow_mut().next_save();
        let Some(next) = next else { return };
        let result = save(&shell, &next).await;
        let saved = editor.borrow_mut().ended(&next, result);
        if let Some(record) = saved {
            documents
                .borrow_mut()
                .insert(record.file_id.clone(), next.document.clone());
            look_around(&shell, &editor, &documents, &record.file_id).await;
        }
        let rest = editor.borrow_mut().random.u64(0..LONGEST_REST);
        shell.wait(rest).await;
    }
}

/// What people do between two edits: they open what others have made of the file, delete it, or go back to what it was.
async fn look_around(shell: &Shell, editor: &RefCell<Editor>, documents: &Documents, file_id: &FileId) {
    let path = format!("/v1/files/{file_id}");
    let (only_saves, choice) = {
        let mut editor = editor.borrow_mut();
        (editor.only_saves, editor.random.u8(0..6))
    };
    match choice {
        _ if only_saves => {}
        0 => {
            let deleted: Result<FileRecord, Problem> = shell.call("DELETE", &path, None, &()).await;
            if deleted.is_ok() {
                editor.borrow_mut().happened.push("version deleted");
            }
        }
        1 => {
            let path = format!("{path}/restore");
            let restored: Result<ReferenceReply, Problem> = shell.call("POST", &path, None, &()).await;
            if restored.is_ok() {
                editor.borrow_mut().happened.push("version restored");
            }
        }
        2 | 3 => {
            let path = format!("{path}/versions");
            let listed: Result<VersionList, Problem> = shell.call("GET", &path, None, &()).await;
            let newest = listed.ok().and_then(|listed| listed.versions.into_iter().next());
            let newest = newest.and_then(|newest| {
                let document = documents.borrow().get(&newest.file_id).cloned()?;
                Some((newest.file_id, document))
            });
            if newest.is_some() {
                editor.borrow_mut().opened = newest;
            }
        }
        _ => {}
    }
}
