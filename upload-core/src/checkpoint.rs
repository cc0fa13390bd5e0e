//! What is kept of an upload so that a later page can go on with it.

use serde::{Deserialize, Serialize};
use syncsphere_protocol::{Crc64Nvme, PartNumber, PartPlan, Redacted, UploadId, UploadKind};

/// Version of the format that this engine writes. A newer one is refused, never guessed at.
const VERSION: u32 = 1;

/// A task as it was when its last part was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    version: u32,
    /// The upload.
    pub upload_id: UploadId,
    /// How the bytes travel.
    pub kind: UploadKind,
    /// Size of the file in bytes.
    pub size: u64,
    /// Size of every part but the last, in bytes.
    pub part_size: u64,
    /// The file's name, to find it again.
    pub name: Redacted<String>,
    /// The file's modification time, to know it again.
    pub last_modified: Option<i64>,
    /// The parts that storage took, with the checksum each was sent under.
    pub stored: Vec<StoredPart>,
}

/// A part that storage took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPart {
    /// Which part.
    pub part: PartNumber,
    /// Its checksum; absent where the page switched integrity off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc: Option<Crc64Nvme>,
}

/// Why a kept checkpoint is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCheckpoint {
    /// It is not this format, or its parts contradict each other.
    #[error("the checkpoint is damaged")]
    Damaged,
    /// A newer release wrote it.
    #[error("the checkpoint was written by a newer version")]
    FromTheFuture,
}

impl Checkpoint {
    pub(crate) fn new(
        upload_id: UploadId,
        kind: UploadKind,
        plan: PartPlan,
        name: Redacted<String>,
        last_modified: Option<i64>,
        stored: Vec<StoredPart>,
    ) -> Self {
        Self {
            version: VERSION,
            upload_id,
            kind,
            size: plan.size(),
            part_size: plan.part_size(),
            name,
            last_modified,
            stored,
        }
    }

    /// The text to keep.
    pub fn to_json(&self) -> String {
        // A struct of strings and numbers always serializes.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Checkpoint::to_json`] wrote. Anything else is refused, whoever wrote it.
    pub fn from_json(text: &str) -> Result<Self, InvalidCheckpoint> {
        #[derive(Deserialize)]
        struct VersionOnly {
            version: u32,
        }
        let VersionOnly { version } = serde_json::from_str(text).map_err(|_| InvalidCheckpoint::Damaged)?;
        if version > VERSION {
            return Err(InvalidCheckpoint::FromTheFuture);
        }
        let checkpoint: Self = serde_json::from_str(text).map_err(|_| InvalidCheckpoint::Damaged)?;
        checkpoint.plan()?;
        Ok(checkpoint)
    }

    /// The plan of the upload, if the checkpoint agrees with itself.
    pub fn plan(&self) -> Result<PartPlan, InvalidCheckpoint> {
        let plan = PartPlan::new(self.size, self.part_size).map_err(|_| InvalidCheckpoint::Damaged)?;
        let all_in_plan = self.stored.iter().all(|stored| plan.range(stored.part).is_some());
        if all_in_plan {
            Ok(plan)
        } else {
            Err(InvalidCheckpoint::Damaged)
        }
    }

    /// Bytes that storage had taken.
    pub fn loaded(&self) -> u64 {
        self.plan()
            .map(|plan| {
                let ranges = self.stored.iter().filter_map(|stored| plan.range(stored.part));
                ranges.map(|range| range.length).sum()
            })
            .unwrap_or(0)
    }
}
