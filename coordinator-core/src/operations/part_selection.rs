//! Which of the parts that storage lists make the file.

use syncsphere_protocol::{ErrorCode, MIN_PART_SIZE, PartPlan, StoredPart};

use super::errors::{mismatch, parts_missing, wrong_length};
use super::reported_parts::{Doubt, ReportedParts};
use crate::api_error::{ApiError, internal};
use crate::ledger::Upload;
use crate::s3::PartToComplete;

/// The parts that make the file and what they come to, or what is wrong with what storage holds.
pub(super) fn parts_of_file(
    upload: &Upload,
    stored: &[StoredPart],
    reported: &ReportedParts,
) -> Result<(Vec<PartToComplete>, u64), ApiError> {
    match upload.deferred_length {
        None => {
            let plan = plan_of(upload)?;
            Ok((planned_parts(&plan, stored, reported)?, plan.size()))
        }
        Some(deferred_length) if deferred_length.is_streamed => streamed_parts(upload, stored, reported),
        Some(_) => named_parts(upload, stored, reported),
    }
}

/// Of an upload whose size is told at its end: all that storage holds, cut as that size has to be. Where the client is not
/// there to tell, the size is the one that it was asked to be completed with before.
fn streamed_parts(
    upload: &Upload,
    stored: &[StoredPart],
    reported: &ReportedParts,
) -> Result<(Vec<PartToComplete>, u64), ApiError> {
    let size = reported.size.unwrap_or(upload.file.size);
    if size == 0 {
        return Err(parts_missing(None));
    }
    let plan = PartPlan::new(size, upload.part_size).map_err(|error| internal(error.to_string()))?;
    let parts = planned_parts(&plan, stored, reported)?;
    let mut beyond: Vec<_> = stored.iter().map(|part| part.part_number).collect();
    beyond.retain(|number| number.get() > plan.part_count());
    beyond.dedup();
    if !beyond.is_empty() {
        let detail = "storage holds more parts than the size tells of";
        return Err(ApiError::new(ErrorCode::PartSizeMismatch, detail).naming(beyond));
    }
    Ok((parts, size))
}

fn planned_parts(
    plan: &PartPlan,
    stored: &[StoredPart],
    reported: &ReportedParts,
) -> Result<Vec<PartToComplete>, ApiError> {
    let mut chosen = Vec::with_capacity(plan.part_count().into());
    let (mut missing, mut misfits, mut damaged) = (Vec::new(), Vec::new(), Vec::new());
    let (mut unproven, mut why) = (Vec::new(), "");
    let mut stored = stored.chunk_by(|a, b| a.part_number == b.part_number).peekable();
    for number in plan.part_numbers() {
        let same_number =
            |parts: &&[StoredPart]| parts.first().is_some_and(|part| part.part_number == number);
        let Some(part) = stored
            .next_if(same_number)
            .and_then(|parts| reported.choose(number, parts))
        else {
            missing.push(number);
            continue;
        };
        if plan.range(number).map(|range| range.length) != Some(part.size) {
            misfits.push(number);
            continue;
        }
        match reported.doubt_of(part) {
            Some(Doubt::Differs) => damaged.push(number),
            Some(Doubt::Unknown(reason)) => {
                unproven.push(number);
                why = reason;
            }
            None => chosen.push(PartToComplete {
                number,
                etag: part.etag.clone(),
                crc64nvme: reported.crc64nvme_of(number).or(part.crc64nvme),
            }),
        }
    }
    if !missing.is_empty() {
        Err(parts_missing(missing))
    } else if !misfits.is_empty() {
        Err(wrong_length(misfits))
    } else if !damaged.is_empty() {
        Err(mismatch("storage holds other parts than the checksums tell").naming(damaged))
    } else if !unproven.is_empty() {
        Err(mismatch(why).naming(unproven))
    } else {
        Ok(chosen)
    }
}

/// How an upload is cut.
pub(super) fn plan_of(upload: &Upload) -> Result<PartPlan, ApiError> {
    PartPlan::of(upload.file.size, upload.part_size, upload.tail).map_err(|error| internal(error.to_string()))
}

/// The parts that make the file, and what they come to. Nobody but the client knows which they are; where it is not there
/// to tell, they are all that storage holds, if that is what it was asked to assemble before.
fn named_parts(
    upload: &Upload,
    stored: &[StoredPart],
    reported: &ReportedParts,
) -> Result<(Vec<PartToComplete>, u64), ApiError> {
    let mut missing: Vec<_> = reported.numbers().collect();
    let is_told = !missing.is_empty();
    let mut chosen: Vec<&StoredPart> = Vec::new();
    let mut other = Vec::new();
    for same in stored.chunk_by(|a, b| a.part_number == b.part_number) {
        let Some(number) = same.first().map(|part| part.part_number) else {
            continue;
        };
        if is_told {
            match missing.binary_search(&number) {
                Ok(place) => {
                    missing.remove(place);
                }
                Err(_) => continue,
            }
        }
        match reported.find(number, same) {
            Some(part) => chosen.push(part),
            None => other.push(number),
        }
    }
    let size = chosen.iter().map(|part| part.size).fold(0, u64::saturating_add);
    let is_small = |part: &&&StoredPart| part.size < MIN_PART_SIZE;
    let small = chosen.split_last().map_or(&[][..], |(_, before)| before);
    let small: Vec<_> = small
        .iter()
        .filter(is_small)
        .map(|part| part.part_number)
        .collect();
    if !missing.is_empty() || (!is_told && size != upload.file.size) {
        Err(parts_missing(missing))
    } else if !other.is_empty() {
        Err(mismatch("storage holds other parts than the ETags tell").naming(other))
    } else if !small.is_empty() {
        Err(wrong_length(small))
    } else {
        let parts = chosen.into_iter().map(|part| PartToComplete {
            number: part.part_number,
            etag: part.etag.clone(),
            crc64nvme: part.crc64nvme,
        });
        Ok((parts.collect(), size))
    }
}
