//! A page that sends only what changed, as `uploader-wasm/npm/src/deltas` does: by the real `delta-core`, in the coordinator's
//! own words.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::Digest as _;
use syncsphere_delta_core::{Index, Segment, plan};
use syncsphere_protocol::{
    AbortReply, BaseFile, BasesReply, BasesRequest, CompleteRequest, CompletedPart, CopyPartsReply,
    CopyPartsRequest, ErrorCode, FileId, FileRecord, InitiateReply, InitiateRequest, InitiateResult, Layout,
    MAX_PARTS_PER_COPY, NewFile, PartNumber, PartRange, PartToCopy, PartToSign, Problem, PutChunksReply,
    PutChunksRequest, ReferenceReply, ReferenceRequest, Sha256, SignPartsReply, SignPartsRequest, StringMap,
    UploadGrant, VersionBase,
};
use syncsphere_upload_core::{FileDescription, PartRequest};

use crate::document::Document;
use crate::editor_shell::Shell;

/// The entry of a record's metadata that tells what its page has uploaded: the checksum of the whole.
pub const UPLOADED: &str = "uploaded";

/// Smaller files go as a whole where no base is named. Source: `deltas/least-size.ts`.
const MIN_DELTA_SIZE: u64 = 16 * 1024 * 1024;

/// How often an upload that is gone is begun anew.
const MAX_BEGINNINGS: u32 = 20;

/// A document that is to be stored.
#[derive(Debug, Clone)]
pub struct Save {
    /// Its name.
    pub name: String,
    /// What it has become.
    pub document: Document,
    /// The version that was opened, where the page names it.
    pub base: Option<FileId>,
    /// Tells this one from others: no idempotency key comes twice.
    pub key: u64,
}

/// What became of it.
#[derive(Debug)]
pub struct Saved {
    /// The file.
    pub record: FileRecord,
    /// How it went.
    pub way: Way,
    /// Bytes that were sent, as parts that storage took.
    pub sent: u64,
    /// Bytes that no base has, as far as one was compared.
    pub new_bytes: u64,
}

/// How a file reached storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The engine has uploaded it.
    Whole,
    /// Another file had its content.
    Referenced,
    /// In parts, some of which were copied.
    Delta,
}

/// Stores a document, by what changed where that can be told.
pub async fn save(shell: &Shell, save: &Save) -> Result<Saved, ErrorCode> {
    Saving::new(shell, save).run().await
}

struct Saving<'a> {
    shell: &'a Shell,
    save: &'a Save,
    index: Index,
    base: Option<VersionBase>,
    sent: u64,
    keys: u32,
}

impl<'a> Saving<'a> {
    fn new(shell: &'a Shell, save: &'a Save) -> Self {
        Self {
            shell,
            save,
            index: save.document.index(),
            base: save.base.as_ref().and_then(|id| version_base(id, "")),
            sent: 0,
            keys: 0,
        }
    }

    async fn run(mut self) -> Result<Saved, ErrorCode> {
        if self.save.base.is_none() && self.index.size() < MIN_DELTA_SIZE {
            return self.upload_whole().await;
        }
        let found = self.find_bases().await.map_err(|problem| problem.code)?;
        if self.base.is_none() {
            let namesake = found.bases.iter().find(|base| base.same_name);
            self.base = namesake.and_then(|base| version_base(&base.file_id, "?"));
        }
        let bases = indexed(&found.bases);
        if let Some(record) = self.take_over(&bases).await {
            return Ok(self.saved(record, Way::Referenced, 0));
        }
        let Some((from, segments)) = self.best_plan(&bases) else {
            return self.upload_whole().await;
        };
        let new = segments.iter().filter(|segment| segment.from.is_none());
        let new_bytes = new.map(|segment| segment.length).sum();
        let record = self.transfer(&from, &segments).await?;
        self.tell_index(&record).await;
        Ok(self.saved(record, Way::Delta, new_bytes))
    }

    fn saved(&self, record: FileRecord, way: Way, new_bytes: u64) -> Saved {
        Saved {
            record,
            way,
            sent: self.sent,
            new_bytes,
        }
    }

    async fn find_bases(&self) -> Result<BasesReply, Problem> {
        let wanted = BasesRequest {
            name: self.save.name.clone().into(),
            path: None,
            size: self.index.size(),
            base: self.save.base.clone(),
        };
        self.shell.call("POST", "/v1/files/bases", None, &wanted).await
    }

    async fn upload_whole(self) -> Result<Saved, ErrorCode> {
        let content = self.save.document.content();
        let description = FileDescription {
            name: self.save.name.clone().into(),
            size: content.size(),
            base: self.base.clone(),
            metadata: Some(self.metadata().into()),
            ..FileDescription::default()
        };
        let record = self.shell.upload_whole(description, content).await?;
        self.tell_index(&record).await;
        let size = record.size;
        Ok(Saved {
            sent: size,
            ..self.saved(record, Way::Whole, size)
        })
    }

    /// What the invariants hold the object to.
    fn metadata(&self) -> StringMap {
        let whole = self.save.document.content().checksum();
        [(UPLOADED.to_owned(), whole.to_string())].into_iter().collect()
    }

    /// A file of the content that a base has.
    async fn take_over(&mut self, bases: &[(FileId, Index)]) -> Option<FileRecord> {
        let same = bases.iter().find(|(_, index)| *index == self.index)?;
        let wanted = ReferenceRequest {
            from: same.0.clone(),
            content: Sha256::from_bytes(sha2::Sha256::digest(self.index.pack()).into()),
            name: self.save.name.clone().into(),
            path: None,
            content_type: None,
            metadata: Some(self.metadata().into()),
            base: self.base.clone(),
        };
        let key = self.next_key();
        let made: Result<ReferenceReply, Problem> =
            self.shell.call("POST", "/v1/files", Some(&key), &wanted).await;
        made.ok().map(|made| made.file)
    }

    /// The base that most is copied from.
    fn best_plan(&self, bases: &[(FileId, Index)]) -> Option<(FileId, Vec<Segment>)> {
        let copied = |segments: &[Segment]| -> u64 {
            let copied = segments.iter().filter(|segment| segment.from.is_some());
            copied.map(|segment| segment.length).sum()
        };
        let comparable = bases
            .iter()
            .filter(|(_, index)| index.cutting() == self.index.cutting());
        let plans = comparable.map(|(file_id, index)| (file_id.clone(), plan(index, &self.index)));
        plans
            .max_by_key(|(_, segments)| copied(segments))
            .filter(|(_, segments)| copied(segments) > 0)
    }

    async fn transfer(&mut self, from: &FileId, segments: &[Segment]) -> Result<FileRecord, ErrorCode> {
        for _ in 0..MAX_BEGINNINGS {
            let grant = self.begin().await?;
            match self.send_and_copy(&grant, from, segments).await {
                Ok(record) => return Ok(record),
                Err(problem) => {
                    let path = format!("/v1/uploads/{}", grant.upload_id);
                    let _: Result<AbortReply, Problem> = self.shell.call("DELETE", &path, None, &()).await;
                    assert_eq!(problem.code, ErrorCode::UploadGone, "{problem:?}");
                }
            }
        }
        panic!("an upload is gone again and again");
    }

    async fn begin(&mut self) -> Result<UploadGrant, ErrorCode> {
        let wanted = InitiateRequest {
            files: vec![NewFile {
                client_ref: "d".to_owned(),
                name: self.save.name.clone().into(),
                size: self.index.size(),
                content_type: None,
                last_modified: None,
                path: None,
                metadata: Some(self.metadata().into()),
                part_size: None,
                tail: None,
                layout: Some(Layout::Free),
                integrity: None,
                crc64nvme: None,
                forms: false,
                parts: Vec::new(),
                base: self.base.clone(),
            }],
        };
        loop {
            let key = self.next_key();
            let begun: Result<InitiateReply, Problem> =
                self.shell.call("POST", "/v1/uploads", Some(&key), &wanted).await;
            let problem = match begun.map(|mut begun| begun.uploads.pop()) {
                Ok(Some(InitiateResult::Granted(grant))) => return Ok(*grant),
                Ok(Some(InitiateResult::Refused { error, .. })) => error,
                Ok(None) => panic!("an answer for each file"),
                Err(problem) => problem,
            };
            // A key whose upload never got further than its intent.
            if !problem.code.is_retryable() && problem.code != ErrorCode::Conflict {
                return Err(problem.code);
            }
            self.shell.wait(1_000).await;
        }
    }

    async fn send_and_copy(
        &mut self,
        grant: &UploadGrant,
        from: &FileId,
        segments: &[Segment],
    ) -> Result<FileRecord, Problem> {
        let mut parts = self.copy_parts(grant, from, segments).await?;
        loop {
            for (number, segment) in numbered(segments) {
                if let Entry::Vacant(place) = parts.entry(number) {
                    place.insert(self.send_part(grant, number, segment).await?);
                }
            }
            let complete = CompleteRequest {
                ticket: grant.ticket.clone(),
                size: (),
                crc64nvme: Some(self.index.crc64nvme()),
                parts: Some(parts.values().cloned().collect()),
            };
            let path = format!("/v1/uploads/{}/complete", grant.upload_id);
            match self.shell.call("POST", &path, None, &complete).await {
                // Of a copy that nobody waited for any more: it came after what was sent in its place.
                Err(problem) if !problem.parts.is_empty() => {
                    parts.retain(|number, _| !problem.parts.contains(number));
                }
                other => return other,
            }
        }
    }

    /// The parts that storage has copied, and copied rightly.
    async fn copy_parts(
        &self,
        grant: &UploadGrant,
        from: &FileId,
        segments: &[Segment],
    ) -> Result<BTreeMap<PartNumber, CompletedPart>, Problem> {
        let mut parts = BTreeMap::new();
        let known: BTreeMap<PartNumber, Segment> = numbered(segments).collect();
        let wanted: Vec<PartToCopy> = known
            .iter()
            .filter_map(|(number, segment)| {
                Some(PartToCopy {
                    part_number: *number,
                    offset: segment.from?,
                    length: segment.length,
                })
            })
            .collect();
        for group in wanted.chunks(MAX_PARTS_PER_COPY) {
            let request = CopyPartsRequest {
                ticket: grant.ticket.clone(),
                from: from.clone(),
                parts: group.to_vec(),
            };
            let path = format!("/v1/uploads/{}/copies", grant.upload_id);
            let reply: CopyPartsReply = match self.shell.call("POST", &path, None, &request).await {
                Ok(reply) => reply,
                Err(problem) if problem.code == ErrorCode::UploadGone => return Err(problem),
                // The file that was to be copied from has gone: all of it is sent.
                Err(_) => break,
            };
            for copied in reply.parts {
                let expected = known.get(&copied.part_number).map(|segment| segment.crc64nvme);
                if copied.crc64nvme.is_some() && copied.crc64nvme == expected {
                    let part = CompletedPart {
                        etag: copied.etag,
                        crc64nvme: copied.crc64nvme,
                        ..CompletedPart::new(copied.part_number, None)
                    };
                    parts.insert(copied.part_number, part);
                }
            }
        }
        Ok(parts)
    }

    async fn send_part(
        &mut self,
        grant: &UploadGrant,
        number: PartNumber,
        segment: Segment,
    ) -> Result<CompletedPart, Problem> {
        let range = PartRange {
            offset: segment.offset,
            length: segment.length,
        };
        let content = self.save.document.content().range(range);
        let part = PartToSign::new(number, Some(segment.crc64nvme.into()));
        loop {
            let wanted = SignPartsRequest {
                ticket: grant.ticket.clone(),
                parts: vec![part],
                crc64nvme: None,
            };
            let path = format!("/v1/uploads/{}/parts", grant.upload_id);
            let signed: SignPartsReply = self.shell.call("POST", &path, None, &wanted).await?;
            let signed = signed.urls.into_iter().next().expect("a URL for each part");
            let request = PartRequest {
                method: signed.method,
                url: signed.url,
                headers: signed.headers,
                fields: signed.fields,
            };
            if self.shell.put(request, content.clone()).await {
                self.sent += segment.length;
                return Ok(CompletedPart {
                    crc64nvme: Some(segment.crc64nvme),
                    ..CompletedPart::new(number, None)
                });
            }
        }
    }

    /// So that later versions can take from it. The file may have gone already.
    async fn tell_index(&self, record: &FileRecord) {
        let body = PutChunksRequest {
            chunks: BASE64_STANDARD.encode(self.index.pack()),
        };
        let path = format!("/v1/files/{}/chunks", record.file_id);
        let told: Result<PutChunksReply, Problem> = self.shell.call("PUT", &path, None, &body).await;
        if let Err(problem) = told {
            assert_eq!(problem.code, ErrorCode::NotFound, "{problem:?}");
        }
    }

    fn next_key(&mut self) -> String {
        self.keys += 1;
        format!("{:x}-{}", self.save.key, self.keys)
    }
}

fn version_base(id: &FileId, mark: &str) -> Option<VersionBase> {
    VersionBase::try_from(format!("{id}{mark}")).ok()
}

/// The bases whose index is known.
fn indexed(bases: &[BaseFile]) -> Vec<(FileId, Index)> {
    let indexed = bases.iter().filter_map(|base| {
        let packed = BASE64_STANDARD.decode(base.chunks.as_ref()?).ok()?;
        let index = Index::parse(&packed).expect("the coordinator tells sound indexes");
        Some((base.file_id.clone(), index))
    });
    indexed.collect()
}

fn numbered(segments: &[Segment]) -> impl Iterator<Item = (PartNumber, Segment)> {
    let numbers = (0..).map(|index| PartNumber::from_index(index).expect("a plan has so many parts"));
    numbers.zip(segments.iter().copied())
}
