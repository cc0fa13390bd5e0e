//! What is kept of an upload so that a later page can go on with it.

use syncsphere_protocol::{Checksum, PartNumber, PartPlan, Redacted, Tail, UploadId, UploadKind};

use crate::wire::{
    Json, Malformed, Object, Writer, known_checksum, part_number, tail, upload_id, upload_kind, write_tail,
};

/// Newest version of the format that this engine knows. A newer one is refused, never guessed at.
const VERSION: u64 = 3;

/// Versions of a checkpoint without MD5 digests, and without a tail either, which earlier releases can read.
const VERSION_WITHOUT_MD5: u64 = 2;
const VERSION_WITHOUT_TAIL: u64 = 1;

/// A task as it was when its last part was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The upload.
    pub upload_id: UploadId,
    /// How the bytes travel.
    pub kind: UploadKind,
    /// Size of the file in bytes.
    pub size: u64,
    /// Size of every part but the last, in bytes; with a tail, of every part before it.
    pub part_size: u64,
    /// The smaller parts at the end, where there are any.
    pub tail: Option<Tail>,
    /// The file's name, to find it again.
    pub name: Redacted<String>,
    /// The file's modification time, to know it again.
    pub last_modified: Option<i64>,
    /// The parts that URLs were signed for, in order.
    pub parts: Vec<KnownPart>,
}

/// A part that a URL was signed for.
///
/// Its checksum is kept before the part is sent: should storage take the part in the moment of a
/// crash, the next page still knows which bytes those were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownPart {
    /// Which part.
    pub part: PartNumber,
    /// The checksum that its URL demands; absent where the page switched integrity off.
    pub checksum: Option<Checksum>,
    /// Whether storage had confirmed it.
    pub stored: bool,
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
        parts: Vec<KnownPart>,
    ) -> Self {
        Self {
            upload_id,
            kind,
            size: plan.size(),
            part_size: plan.part_size(),
            tail: plan.tail(),
            name,
            last_modified,
            parts,
        }
    }

    /// The text to keep.
    pub fn to_json(&self) -> String {
        let mut json = Writer::new();
        let is_md5 = |known: &KnownPart| matches!(known.checksum, Some(Checksum::Md5(_)));
        let version = match self.tail {
            _ if self.parts.iter().any(is_md5) => VERSION,
            Some(_) => VERSION_WITHOUT_MD5,
            None => VERSION_WITHOUT_TAIL,
        };
        json.whole("version", version);
        json.text("uploadId", self.upload_id.as_str());
        json.text("kind", self.kind.as_str());
        json.whole("size", self.size);
        json.whole("partSize", self.part_size);
        write_tail(&mut json, self.tail);
        json.text("name", &self.name);
        if let Some(time) = self.last_modified {
            json.integer("lastModified", time);
        }
        json.list("parts", &self.parts, |json, known| {
            json.whole("part", known.part.get().into());
            match known.checksum {
                Some(Checksum::Crc64Nvme(crc)) => json.text("crc", &String::from(crc)),
                Some(Checksum::Md5(md5)) => json.text("md5", &String::from(md5)),
                None => {}
            }
            json.boolean("stored", known.stored);
        });
        json.finish()
    }

    /// Reads what [`Checkpoint::to_json`] wrote. Anything else is refused, whoever wrote it.
    pub fn read(json: Json) -> Result<Self, InvalidCheckpoint> {
        let damaged = |_: Malformed| InvalidCheckpoint::Damaged;
        let mut json = json.object().map_err(damaged)?;
        // Nothing else is looked at before the version, for it says what the rest means.
        if json.whole("version").map_err(damaged)? > VERSION {
            return Err(InvalidCheckpoint::FromTheFuture);
        }
        let checkpoint = Self::read_fields(json).map_err(damaged)?;
        checkpoint.plan()?;
        Ok(checkpoint)
    }

    fn read_fields(mut json: Object) -> Result<Self, Malformed> {
        Ok(Self {
            upload_id: upload_id(&mut json)?,
            kind: upload_kind(&mut json)?,
            size: json.whole("size")?,
            part_size: json.whole("partSize")?,
            tail: json.optional("tail", tail)?,
            name: json.text("name")?.into(),
            last_modified: json.optional("lastModified", Json::integer)?,
            parts: json.list("parts", |json| {
                let mut json = json.object()?;
                Ok(KnownPart {
                    part: part_number(json.take("part"))?,
                    checksum: known_checksum(&mut json)?,
                    stored: json.boolean("stored")?,
                })
            })?,
        })
    }

    /// The same from text, for shells that have `serde_json`.
    pub fn from_json(text: &str) -> Result<Self, InvalidCheckpoint> {
        let json: serde_json::Value = serde_json::from_str(text).map_err(|_| InvalidCheckpoint::Damaged)?;
        Self::read(json.into())
    }

    /// The plan of the upload, if the checkpoint agrees with itself.
    pub fn plan(&self) -> Result<PartPlan, InvalidCheckpoint> {
        let plan =
            PartPlan::of(self.size, self.part_size, self.tail).map_err(|_| InvalidCheckpoint::Damaged)?;
        let all_in_plan = self.parts.iter().all(|known| plan.range(known.part).is_some());
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
                let stored = self.parts.iter().filter(|known| known.stored);
                let ranges = stored.filter_map(|known| plan.range(known.part));
                ranges.map(|range| range.length).sum()
            })
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use syncsphere_protocol::{Crc64Nvme, Md5};

    use super::*;

    fn example() -> Checkpoint {
        of(PartPlan::new(40 << 20, 16 << 20).expect("three parts"))
    }

    fn with_tail() -> Checkpoint {
        let tail = Tail {
            after: 1,
            part_size: 12 << 20,
        };
        let plan = PartPlan::new(40 << 20, 16 << 20).and_then(|plan| plan.with_tail(Some(tail)));
        of(plan.expect("three parts"))
    }

    fn of(plan: PartPlan) -> Checkpoint {
        let known = |number, stored| KnownPart {
            part: PartNumber::try_from(number).expect("1 to 3"),
            checksum: Some(Crc64Nvme::from_u64(number).into()),
            stored,
        };
        let upload_id = "u1".parse().expect("an id");
        let parts = vec![known(1, true), known(2, false), known(3, true)];
        Checkpoint::new(
            upload_id,
            UploadKind::Multipart,
            plan,
            "a.mov".into(),
            Some(7),
            parts,
        )
    }

    #[test]
    fn a_checkpoint_survives_the_round_trip() {
        let checkpoint = example();
        assert_eq!(
            Checkpoint::from_json(&checkpoint.to_json()),
            Ok(checkpoint.clone())
        );
        assert_eq!(checkpoint.loaded(), (16 << 20) + (8 << 20));
        let tailed = with_tail();
        assert_eq!(Checkpoint::from_json(&tailed.to_json()), Ok(tailed.clone()));
        assert_eq!(tailed.loaded(), (16 << 20) + (12 << 20));
    }

    #[test]
    fn the_text_is_what_earlier_releases_wrote() {
        let text = r#"{"version":1,"uploadId":"u1","kind":"multipart","size":41943040,"partSize":16777216,"name":"a.mov","lastModified":7,"parts":[{"part":1,"crc":"AAAAAAAAAAE=","stored":true},{"part":2,"crc":"AAAAAAAAAAI=","stored":false},{"part":3,"crc":"AAAAAAAAAAM=","stored":true}]}"#;
        assert_eq!(example().to_json(), text);
        // They wrote the time of a file without one as null, and left out what a part had no checksum for.
        let sparse = text
            .replace("\"lastModified\":7", "\"lastModified\":null")
            .replace("\"crc\":\"AAAAAAAAAAI=\",", "");
        let read = Checkpoint::from_json(&sparse).expect("a checkpoint");
        assert_eq!(read.last_modified, None);
        assert_eq!(read.parts.get(1).and_then(|known| known.checksum), None);
        assert_eq!(Checkpoint::from_json(&read.to_json()), Ok(read));
    }

    #[test]
    fn earlier_releases_refuse_what_they_would_misread() {
        assert!(with_tail().to_json().starts_with(r#"{"version":2,"#));
    }

    #[test]
    fn digests_are_kept_and_refused_by_those_who_know_none() {
        let mut checkpoint = example();
        for known in &mut checkpoint.parts {
            known.checksum = Some(Md5::of(b"a").into());
        }
        let text = checkpoint.to_json();
        assert!(text.starts_with(r#"{"version":3,"#));
        assert_eq!(Checkpoint::from_json(&text), Ok(checkpoint));
    }

    #[test]
    fn a_newer_or_damaged_checkpoint_is_refused() {
        let newer = example().to_json().replace("\"version\":1", "\"version\":4");
        assert_eq!(
            Checkpoint::from_json(&newer),
            Err(InvalidCheckpoint::FromTheFuture)
        );
        let beyond = example().to_json().replace("\"part\":3", "\"part\":4");
        assert_eq!(Checkpoint::from_json(&beyond), Err(InvalidCheckpoint::Damaged));
        assert_eq!(Checkpoint::from_json("{}"), Err(InvalidCheckpoint::Damaged));
        let void = with_tail().to_json().replace("\"after\":1", "\"after\":3");
        assert_eq!(Checkpoint::from_json(&void), Err(InvalidCheckpoint::Damaged));
    }

    #[test]
    fn the_file_name_stays_out_of_debug_output() {
        assert!(!format!("{:?}", example()).contains("a.mov"));
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics(text: String) {
            let _ = Checkpoint::from_json(&text);
        }
    }
}
