use std::collections::BTreeMap;

use syncsphere_protocol::{
    Checksum, CompletedPart, Crc64Nvme, Md5, PartNumber, PartPlan, StoredPart, UploadKind,
};

use super::errors::mismatch;
use crate::api_error::{ApiError, invalid};
use crate::ledger::UploadPhase;
use crate::s3::StoredObject;

/// What a client says it has sent.
#[derive(Debug, Default)]
pub(super) struct ReportedParts {
    /// Of the whole file: as told, or as the parts' checksums make it.
    pub(super) whole: Whole,
    /// What the file comes to, in bytes, where a client of this API is there to tell.
    pub(super) size: Option<u64>,
    parts: BTreeMap<PartNumber, ReportedPart>,
}

/// What has to be true of the whole file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) crc64nvme: Option<Crc64Nvme>,
    /// Of a file in parts: what their digests make.
    pub(super) md5: Option<Md5>,
}

/// Why storage's word does not prove what a client has stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Storage holds something else.
    Differs,
    /// Storage says nothing that could be compared.
    Unknown(&'static str),
}

/// What a client says of a part.
#[derive(Debug, Default)]
struct ReportedPart {
    checksum: Option<Checksum>,
    /// Without quotes.
    etag: Option<String>,
}

impl From<&CompletedPart> for ReportedPart {
    fn from(part: &CompletedPart) -> Self {
        let crc = part.crc64nvme.map(Checksum::Crc64Nvme);
        Self {
            checksum: crc.or(part.md5.map(Checksum::Md5)),
            etag: part.etag.as_deref().map(|etag| unquoted(etag).to_owned()),
        }
    }
}

impl ReportedParts {
    /// Of whoever began to complete the upload, where that is not known to have come to an end: what was stated then has to be
    /// proven, whoever asks.
    pub(super) fn of_completion(phase: UploadPhase) -> Self {
        let whole = match phase {
            UploadPhase::Completing { crc64nvme, md5 } => Whole { crc64nvme, md5 },
            UploadPhase::Starting | UploadPhase::Open | UploadPhase::Ended => Whole::default(),
        };
        Self {
            whole,
            ..Self::default()
        }
    }

    /// Of a client that has stated what the whole has to be, and no more.
    pub(super) fn of_whole(crc64nvme: Crc64Nvme) -> Self {
        Self {
            whole: Whole {
                crc64nvme: Some(crc64nvme),
                md5: None,
            },
            ..Self::default()
        }
    }

    /// Of a client that names the parts of an upload whose size nobody knows.
    pub(super) fn of_parts(parts: &[CompletedPart]) -> Result<Self, ApiError> {
        let mut reported_parts = BTreeMap::new();
        for part in parts {
            if reported_parts
                .insert(part.part_number, ReportedPart::from(part))
                .is_some()
            {
                return Err(invalid("the parts name one twice"));
            }
        }
        if reported_parts.is_empty() {
            return Err(invalid("an upload is completed of one part at least"));
        }
        Ok(Self {
            whole: Whole::default(),
            size: None,
            parts: reported_parts,
        })
    }

    /// Of a client that has cut the file as it liked, into parts from 1 on without a gap, and states what each has to be.
    pub(super) fn of_free_layout(
        crc64nvme: Option<Crc64Nvme>,
        parts: &[CompletedPart],
    ) -> Result<Self, ApiError> {
        let reported = Self::of_parts(parts)?;
        if crc64nvme.is_none() || parts.iter().any(|part| part.crc64nvme.is_none()) {
            return Err(invalid(
                "an upload with a free layout is completed with the crc64nvme of the whole and of every part",
            ));
        }
        if reported.numbers().last().map(PartNumber::index) != parts.len().checked_sub(1) {
            return Err(invalid("the parts are not numbered from 1 without a gap"));
        }
        let whole = Whole { crc64nvme, md5: None };
        Ok(Self { whole, ..reported })
    }

    /// Of a request about an upload that is cut as `plan` says.
    pub(super) fn of(
        crc64nvme: Option<Crc64Nvme>,
        parts: Option<&[CompletedPart]>,
        plan: &PartPlan,
        kind: UploadKind,
    ) -> Result<Self, ApiError> {
        let mut reported_parts = BTreeMap::new();
        for part in parts.unwrap_or_default() {
            let is_beyond = part.part_number.get() > plan.part_count();
            if is_beyond
                || reported_parts
                    .insert(part.part_number, ReportedPart::from(part))
                    .is_some()
            {
                return Err(invalid(
                    "the parts name one twice, or one that the upload does not have",
                ));
            }
        }
        let combined = combine(&reported_parts, plan);
        if matches!((crc64nvme, combined), (Some(told), Some(made)) if told != made) {
            return Err(mismatch(
                "the checksum of the whole is not what the parts' checksums make",
            ));
        }
        Ok(Self {
            whole: Whole {
                crc64nvme: crc64nvme.or(combined),
                md5: combine_md5(&reported_parts, plan, kind),
            },
            size: Some(plan.size()),
            parts: reported_parts,
        })
    }

    /// The parts that the client names, in order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = PartNumber> {
        self.parts.keys().copied()
    }

    /// The one of these parts whose ETag the client names; the last where it names none.
    pub(super) fn find<'a>(&self, number: PartNumber, stored: &'a [StoredPart]) -> Option<&'a StoredPart> {
        match self
            .parts
            .get(&number)
            .and_then(|reported| reported.etag.as_deref())
        {
            Some(named) => stored.iter().rfind(|part| unquoted(&part.etag) == named),
            None => stored.last(),
        }
    }

    /// What the client says that the part's CRC64NVME is.
    pub(super) fn crc64nvme_of(&self, number: PartNumber) -> Option<Crc64Nvme> {
        self.parts.get(&number)?.checksum?.crc64nvme()
    }

    /// Whether storage's word on a part proves what the client says of it. What is unknown of a part may still be proven of
    /// the whole.
    pub(super) fn doubt_of(&self, part: &StoredPart) -> Option<Doubt> {
        let stated = self.parts.get(&part.part_number)?.checksum?;
        let is_same = match stated {
            Checksum::Crc64Nvme(told) => part.crc64nvme.map(|stored| stored == told),
            Checksum::Md5(told) => Some(unquoted(&part.etag) == told.to_hex()),
        };
        match is_same {
            Some(true) => None,
            Some(false) => Some(Doubt::Differs),
            None if self.whole.crc64nvme.is_some() => None,
            None => Some(Doubt::Unknown(NO_CHECKSUM)),
        }
    }

    /// Whether checksums are stated of parts, too few to make the whole's.
    pub(super) fn states_parts_only(&self) -> bool {
        let states = |reported: &ReportedPart| reported.checksum.is_some();
        self.whole == Whole::default() && self.parts.values().any(states)
    }

    /// Which of the parts that storage lists under one number is the file's: the last one, unless
    /// the client names another that it was told the ETag of, or states the checksum of another.
    pub(super) fn choose<'a>(&self, number: PartNumber, stored: &'a [StoredPart]) -> Option<&'a StoredPart> {
        let reported = self.parts.get(&number);
        let named = reported.and_then(|reported| reported.etag.as_deref());
        let stated = self.crc64nvme_of(number);
        let mut parts = stored.iter();
        let mut others = parts.clone();
        parts
            .rfind(|part| Some(unquoted(&part.etag)) == named)
            .or_else(|| others.rfind(|part| stated.is_some() && part.crc64nvme == stated))
            .or(stored.last())
    }
}

pub(super) const NO_CHECKSUM: &str = "storage reports no CRC64NVME, so nothing proves what it holds: the bytes were sent by a URL without \
    a checksum, or storage knows none, and S3_CHECKSUM has to be md5 or none";

pub(super) const NO_DIGEST: &str = "storage encrypts under a key that makes ETags tell nothing, so nothing proves what it holds: S3_CHECKSUM \
    has to be crc64nvme";

impl Whole {
    /// Why the object that storage holds is not proven to be the file. `part_count` is that of the upload's plan.
    pub(super) fn doubt_of(&self, object: &StoredObject, kind: UploadKind, part_count: u16) -> Option<Doubt> {
        if let Some(told) = self.crc64nvme {
            return match object.crc64nvme {
                Some(stored) if stored == told => None,
                Some(_) => Some(Doubt::Differs),
                None => Some(Doubt::Unknown(NO_CHECKSUM)),
            };
        }
        let told = self.md5?;
        if !object.has_digest_etag {
            return Some(Doubt::Unknown(NO_DIGEST));
        }
        let expected = match kind {
            UploadKind::Single => told.to_hex(),
            UploadKind::Multipart => format!("{}-{part_count}", told.to_hex()),
        };
        (unquoted(&object.etag) != expected).then_some(Doubt::Differs)
    }
}

/// The whole's checksum where every part's is known.
fn combine(parts: &BTreeMap<PartNumber, ReportedPart>, plan: &PartPlan) -> Option<Crc64Nvme> {
    if parts.len() != usize::from(plan.part_count()) {
        return None;
    }
    parts
        .iter()
        .try_fold(Crc64Nvme::EMPTY, |whole, (number, reported)| {
            let crc = reported.checksum?.crc64nvme()?;
            Some(whole.combine(crc, plan.range(*number)?.length))
        })
}

/// What the ETag is made of where every part's digest is known.
fn combine_md5(parts: &BTreeMap<PartNumber, ReportedPart>, plan: &PartPlan, kind: UploadKind) -> Option<Md5> {
    if parts.len() != usize::from(plan.part_count()) {
        return None;
    }
    let digests = parts.values().map(|reported| reported.checksum?.md5());
    let digests: Vec<Md5> = digests.collect::<Option<_>>()?;
    match (kind, digests.as_slice()) {
        (UploadKind::Single, [whole]) => Some(*whole),
        (UploadKind::Single, _) => None,
        (UploadKind::Multipart, _) => Some(Md5::of_parts(digests.into_iter())),
    }
}

/// ETags travel quoted, and some clients take the quotes off.
fn unquoted(etag: &str) -> &str {
    etag.trim_matches('"')
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn object(etag: &str, crc64nvme: Option<&str>) -> StoredObject {
        StoredObject {
            size: 1,
            etag: etag.to_owned(),
            crc64nvme: crc64nvme.and_then(|text| text.parse().ok()),
            has_digest_etag: true,
        }
    }

    #[test]
    fn what_was_stated_has_to_be_there_and_equal() {
        let crc = Whole {
            crc64nvme: "L/E4WYn8v98=".parse().ok(),
            md5: None,
        };
        let doubt = |object: &StoredObject| crc.doubt_of(object, UploadKind::Multipart, 2);
        assert_eq!(doubt(&object("e", Some("L/E4WYn8v98="))), None);
        assert_eq!(doubt(&object("e", Some("xW1l19VobYM="))), Some(Doubt::Differs));
        assert_eq!(doubt(&object("e", None)), Some(Doubt::Unknown(NO_CHECKSUM)));
        assert_eq!(
            Whole::default().doubt_of(&object("e", None), UploadKind::Single, 1),
            None
        );
    }

    #[test]
    fn an_etag_proves_what_digests_make_unless_it_is_none() {
        let digest = Md5::of(b"a");
        let md5 = Whole {
            crc64nvme: None,
            md5: Some(digest),
        };
        let whole = object(&format!("\"{}\"", digest.to_hex()), None);
        let parts = object(&format!("\"{}-3\"", digest.to_hex()), None);
        assert_eq!(md5.doubt_of(&whole, UploadKind::Single, 1), None);
        assert_eq!(md5.doubt_of(&parts, UploadKind::Multipart, 3), None);
        for (object, kind, count) in [
            (&parts, UploadKind::Multipart, 2),
            (&parts, UploadKind::Single, 1),
            (&whole, UploadKind::Multipart, 3),
        ] {
            assert_eq!(md5.doubt_of(object, kind, count), Some(Doubt::Differs));
        }
        let encrypted = StoredObject {
            has_digest_etag: false,
            ..whole
        };
        assert_eq!(
            md5.doubt_of(&encrypted, UploadKind::Single, 1),
            Some(Doubt::Unknown(NO_DIGEST))
        );
    }
}
