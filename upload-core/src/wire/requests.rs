//! Writing what the client sends, and the record that its page gets.

use syncsphere_protocol::{
    CompleteBatchRequest, CompleteRequest, CompletedPart, Crc64Nvme, FileId, FileRecord, InitiateRequest,
    Integrity, Md5, NewFile, PartToSign, SignPartsRequest, Tail, VersionBase,
};

use super::writer::Writer;

pub(super) fn initiate(request: &InitiateRequest) -> String {
    let mut json = Writer::new();
    json.list("files", &request.files, new_file);
    json.finish()
}

pub(super) fn sign_parts(request: &SignPartsRequest) -> String {
    let mut json = Writer::new();
    json.text("ticket", &request.ticket);
    json.list("parts", &request.parts, part_to_sign);
    checksum(&mut json, request.crc64nvme);
    json.finish()
}

pub(super) fn complete(request: &CompleteRequest) -> String {
    let mut json = Writer::new();
    completion(
        &mut json,
        &request.ticket,
        request.crc64nvme,
        request.parts.as_deref(),
    );
    json.finish()
}

pub(super) fn complete_batch(request: &CompleteBatchRequest) -> String {
    let mut json = Writer::new();
    json.list("uploads", &request.uploads, |json, upload| {
        json.text("uploadId", upload.upload_id.as_str());
        completion(json, &upload.ticket, upload.crc64nvme, upload.parts.as_deref());
    });
    json.finish()
}

/// A file record as the coordinator writes it.
pub fn file_record_json(file: &FileRecord) -> String {
    let mut json = Writer::new();
    json.text("fileId", file.file_id.as_str());
    json.text("workspace", file.workspace.as_str());
    json.text("name", &file.name);
    json.text_if_any(
        "originalName",
        file.original_name.as_ref().map(|name| name.as_str()),
    );
    json.text("path", &file.path);
    json.whole("size", file.size);
    json.text("contentType", &file.content_type);
    json.text("status", file.status.as_str());
    json.object("checksum", |json| {
        checksum(json, file.checksum.crc64nvme);
        digest(json, file.checksum.md5);
    });
    json.text_if_any("etag", file.etag.as_deref());
    json.text("owner", &file.owner);
    json.object("metadata", |json| string_map(json, file.metadata.iter()));
    json.text("createdAt", file.created_at.as_str());
    json.text("updatedAt", file.updated_at.as_str());
    json.whole("seq", file.seq);
    if let Some(version) = file.version {
        json.whole("version", version.into());
    }
    json.text_if_any("previous", file.previous.as_ref().map(FileId::as_str));
    json.text_if_any("conflict", file.conflict.as_ref().map(FileId::as_str));
    json.finish()
}

fn new_file(json: &mut Writer, file: &NewFile) {
    json.text("clientRef", &file.client_ref);
    json.text("name", &file.name);
    json.whole("size", file.size);
    json.text_if_any("contentType", file.content_type.as_deref());
    if let Some(time) = file.last_modified {
        json.integer("lastModified", time);
    }
    json.text_if_any("path", file.path.as_ref().map(|path| path.as_str()));
    if let Some(metadata) = &file.metadata {
        json.object("metadata", |json| string_map(json, metadata.iter()));
    }
    if let Some(size) = file.part_size {
        json.whole("partSize", size);
    }
    write_tail(json, file.tail);
    json.text_if_any("integrity", file.integrity.map(Integrity::as_str));
    checksum(json, file.crc64nvme);
    if file.forms {
        json.boolean("forms", true);
    }
    if !file.parts.is_empty() {
        json.list("parts", &file.parts, part_to_sign);
    }
    json.text_if_any("base", file.base.as_ref().map(VersionBase::as_str));
}

pub(crate) fn write_tail(json: &mut Writer, tail: Option<Tail>) {
    if let Some(Tail { after, part_size }) = tail {
        json.object("tail", |json| {
            json.whole("after", after.into());
            json.whole("partSize", part_size);
        });
    }
}

fn part_to_sign(json: &mut Writer, part: &PartToSign) {
    json.whole("partNumber", part.part_number.get().into());
    checksum(json, part.crc64nvme);
    digest(json, part.md5);
}

fn completion(json: &mut Writer, ticket: &str, crc: Option<Crc64Nvme>, parts: Option<&[CompletedPart]>) {
    json.text("ticket", ticket);
    checksum(json, crc);
    if let Some(parts) = parts {
        json.list("parts", parts, |json, part| {
            json.whole("partNumber", part.part_number.get().into());
            json.text_if_any("etag", part.etag.as_deref());
            checksum(json, part.crc64nvme);
            digest(json, part.md5);
        });
    }
}

fn digest(json: &mut Writer, md5: Option<Md5>) {
    if let Some(md5) = md5 {
        json.text("md5", &String::from(md5));
    }
}

fn checksum(json: &mut Writer, crc: Option<Crc64Nvme>) {
    if let Some(crc) = crc {
        json.text("crc64nvme", &String::from(crc));
    }
}

fn string_map<'a>(json: &mut Writer, fields: impl Iterator<Item = (&'a String, &'a String)>) {
    for (name, value) in fields {
        json.text(name, value);
    }
}
