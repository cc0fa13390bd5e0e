use syncsphere_protocol::Redacted;

use crate::auth::Ticket;
use crate::ledger::Upload;

/// The ticket of an upload, for one subject.
pub(crate) fn ticket_for(upload: &Upload, subject: &Redacted<String>) -> Ticket {
    Ticket {
        workspace: upload.file.workspace.clone(),
        subject: subject.clone(),
        upload_id: upload.upload_id.clone(),
        file_id: upload.file.file_id.clone(),
        key: upload.sent_to().clone(),
        bucket: upload.file.bucket.clone(),
        is_staged: upload.staging_key.is_some(),
        content_type: upload.file.content_type.clone(),
        storage_upload_id: upload.storage_upload_id.clone(),
        kind: upload.kind,
        size: upload.file.size,
        part_size: upload.part_size,
        tail: upload.tail,
        has_free_layout: upload.has_free_layout,
        deferred_length: upload.deferred_length,
        forms: upload.abilities.forms,
        // As long as the upload may last at most. A multipart upload that ends sooner makes the URLs signed by it worthless:
        // storage takes no more parts of it.
        expires_ms: upload.latest_expiry_ms.unwrap_or(upload.expires_ms),
    }
}
