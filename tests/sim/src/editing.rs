//! Carries out what editors' pages ask for, in the simulated world.

use std::task::{Context as TaskContext, Waker};

use syncsphere_protocol::FileRecord;
use syncsphere_upload_core::{UploadError, UploadErrorCode};

use crate::caller::{Answer, Caller};
use crate::edge::Oneshot;
use crate::editor::work;
use crate::editor_shell::{Ask, PutAsk, Shell, WholeAsk};
use crate::editors::OpenPage;
use crate::simulation::{DiskFile, Event, SavedFile, Simulation};

impl Simulation {
    /// A page opens: everybody goes on with what they had not saved.
    pub(crate) fn open_editors(&mut self) {
        for (number, editor) in self.editors.editors.clone().into_iter().enumerate() {
            let shell = Shell::default();
            let work = Box::pin(work(shell.clone(), editor, self.editors.documents.clone()));
            self.editors.pages.insert(number, OpenPage { shell, work });
            self.poll_editor(number);
        }
    }

    /// The page has gone, and everything that waited in it.
    pub(crate) fn close_editors(&mut self) {
        self.editors.pages.clear();
        self.editors.calls.clear();
        self.editors.wholes.clear();
    }

    /// Lets an editor go on as far as they can.
    pub(crate) fn poll_editor(&mut self, number: usize) {
        let Some(page) = self.editors.pages.get_mut(&number) else {
            return;
        };
        let mut context = TaskContext::from_waker(Waker::noop());
        let is_over = page.work.as_mut().poll(&mut context).is_ready();
        let asked = page.shell.take();
        if is_over {
            self.editors.pages.remove(&number);
        }
        let editor = self.editors.editors.get(number);
        let happened = editor.map(|editor| editor.borrow_mut().take_happened());
        for what in happened.unwrap_or_default() {
            self.count(what);
        }
        for ask in asked {
            self.carry_out(number, ask);
        }
    }

    fn carry_out(&mut self, editor: usize, ask: Ask) {
        match ask {
            Ask::Call(mut request, slot) => {
                let token = format!("Bearer {}", self.token());
                let token = token.parse().expect("a token is a header's value");
                request.headers_mut().insert("authorization", token);
                self.editors.call_count += 1;
                let number = self.editors.call_count;
                self.editors.calls.insert(number, (editor, slot));
                self.send_call(Caller::Editor(number), *request);
            }
            Ask::Put(put) => {
                let size = put.content.size() as f64;
                let travel = (size / self.scenario.link.rate_each) as u64 + self.half_trip();
                self.later(travel, Event::EditorPutArrives(self.generation, editor, put));
            }
            Ask::Wait(ms, slot) => self.answer_editor(editor, ms, slot, ()),
            Ask::Whole(whole) => self.upload_whole(editor, *whole),
        }
    }

    fn answer_editor<T: 'static>(&mut self, editor: usize, delay: u64, slot: Oneshot<T>, answer: T) {
        let answer = Box::new(move || slot.answer(answer));
        self.later(delay, Event::EditorAnswered(self.generation, editor, answer));
    }

    pub(crate) fn editor_answered(&mut self, call: u64, answer: Answer) {
        if let Some((editor, slot)) = self.editors.calls.remove(&call) {
            slot.answer(answer);
            self.poll_editor(editor);
        }
    }

    /// A part that an editor has sent reaches storage, unless the network has gone meanwhile.
    pub(crate) fn editor_put_arrives(&mut self, page: u32, editor: usize, put: PutAsk) {
        if page != self.generation {
            return;
        }
        let began_ms = self.wall_ms();
        let answer = match self.network_gone {
            0 => self.part_arrives(&put.request, &put.content, began_ms),
            _ => None,
        };
        self.answer_editor(editor, self.half_trip(), put.slot, answer);
    }

    /// The engine gets a file as if it had been chosen now.
    fn upload_whole(&mut self, editor: usize, whole: WholeAsk) {
        let file = self.disk.len();
        self.disk.push(DiskFile {
            size: whole.description.size,
            seed: 0,
            modified: 1,
            saved: Some(SavedFile {
                description: whole.description,
                content: whole.content,
            }),
        });
        self.editors.wholes.insert(file, (editor, whole.slot));
        self.take_up(file);
    }

    /// The engine has uploaded a file, which may be an editor's.
    pub(crate) fn engine_uploaded(&mut self, file: usize, record: &FileRecord) {
        if let Some((editor, slot)) = self.editors.wholes.remove(&file) {
            self.answer_editor(editor, 0, slot, Ok(record.clone()));
        }
    }

    /// It has failed to.
    pub(crate) fn engine_failed(&mut self, file: usize, error: &UploadError) {
        if let Some((editor, slot)) = self.editors.wholes.remove(&file) {
            let UploadErrorCode::Coordinator(code) = error.code else {
                panic!("an editor's file cannot be uploaded: {error:?}");
            };
            self.answer_editor(editor, 0, slot, Err(code));
        }
    }
}
