use std::collections::BTreeMap;

use syncsphere_protocol::{CompletedPart, Crc64Nvme, PartNumber, PartPlan, StoredPart};

use super::errors::mismatch;
use crate::api_error::{ApiError, invalid};

/// What a client says it has sent.
#[derive(Debug, Default)]
pub(super) struct ReportedParts {
    /// Checksum of the whole file: as told, or as the parts' checksums make it.
    pub(super) whole: Option<Crc64Nvme>,
    parts: BTreeMap<PartNumber, ReportedPart>,
}

/// What a client says of a part.
#[derive(Debug, Default)]
struct ReportedPart {
    crc64nvme: Option<Crc64Nvme>,
    /// Without quotes.
    etag: Option<String>,
}

impl From<&CompletedPart> for ReportedPart {
    fn from(part: &CompletedPart) -> Self {
        Self {
            crc64nvme: part.crc64nvme,
            etag: part.etag.as_deref().map(|etag| unquoted(etag).to_owned()),
        }
    }
}

impl ReportedParts {
    /// Of a client that said no more than this.
    pub(super) fn of_whole(whole: Option<Crc64Nvme>) -> Self {
        Self {
            whole,
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
            whole: None,
            parts: reported_parts,
        })
    }

    /// Of a request about an upload that is cut as `plan` says.
    pub(super) fn of(
        whole: Option<Crc64Nvme>,
        parts: Option<&[CompletedPart]>,
        plan: &PartPlan,
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
        if differs(whole, combined) {
            return Err(mismatch(
                "the checksum of the whole is not what the parts' checksums make",
            ));
        }
        Ok(Self {
            whole: whole.or(combined),
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

    pub(super) fn checksum_of(&self, number: PartNumber) -> Option<Crc64Nvme> {
        self.parts.get(&number)?.crc64nvme
    }

    /// Which of the parts that storage lists under one number is the file's: the last one, unless
    /// the client names another that it was told the ETag of.
    pub(super) fn choose<'a>(&self, number: PartNumber, stored: &'a [StoredPart]) -> Option<&'a StoredPart> {
        let named = self
            .parts
            .get(&number)
            .and_then(|reported| reported.etag.as_deref());
        stored
            .iter()
            .rfind(|part| Some(unquoted(&part.etag)) == named)
            .or(stored.last())
    }
}

/// Where either is unknown there is nothing to compare.
pub(super) fn differs(told: Option<Crc64Nvme>, stored: Option<Crc64Nvme>) -> bool {
    matches!((told, stored), (Some(told), Some(stored)) if told != stored)
}

/// The whole's checksum where every part's is known.
fn combine(parts: &BTreeMap<PartNumber, ReportedPart>, plan: &PartPlan) -> Option<Crc64Nvme> {
    if parts.len() != usize::from(plan.part_count()) {
        return None;
    }
    parts
        .iter()
        .try_fold(Crc64Nvme::EMPTY, |whole, (number, reported)| {
            Some(whole.combine(reported.crc64nvme?, plan.range(*number)?.length))
        })
}

/// ETags travel quoted, and some clients take the quotes off.
fn unquoted(etag: &str) -> &str {
    etag.trim_matches('"')
}
