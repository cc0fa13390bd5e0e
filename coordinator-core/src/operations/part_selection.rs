//! Which of the parts that storage lists make the file.

use syncsphere_protocol::{
    Crc64Nvme, ErrorCode, MAX_PART_SIZE, MIN_PART_SIZE, PartNumber, PartPlan, StoredPart,
};

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
        None if upload.has_free_layout => freely_cut_parts(upload, stored, reported),
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
    let last = plan.part_numbers().next_back();
    last.map_or(Ok(()), |last| none_beyond(last, stored))?;
    Ok((parts, size))
}

fn planned_parts(
    plan: &PartPlan,
    stored: &[StoredPart],
    reported: &ReportedParts,
) -> Result<Vec<PartToComplete>, ApiError> {
    let fits = |part: &StoredPart| plan.range(part.part_number).map(|range| range.length) == Some(part.size);
    let chosen = chosen_parts(plan.part_numbers(), stored, reported, fits)?;
    let parts = chosen.into_iter().map(|part| part_to_complete(part, reported));
    Ok(parts.collect())
}

/// Of an upload that its client has cut: all that storage holds, if that is the file, by its size and by what was stated of it.
/// Where the client is not there to name the parts, they are as many as storage lists.
fn freely_cut_parts(
    upload: &Upload,
    stored: &[StoredPart],
    reported: &ReportedParts,
) -> Result<(Vec<PartToComplete>, u64), ApiError> {
    let size = upload.file.size;
    let listed = || stored.last().map(|part| part.part_number);
    let Some(last) = reported.numbers().last().or_else(listed) else {
        return Err(parts_missing(None));
    };
    let numbers = (1..=last.get()).filter_map(|number| PartNumber::try_from(u64::from(number)).ok());
    let fits = |part: &StoredPart| {
        let least = if part.part_number == last {
            1
        } else {
            MIN_PART_SIZE
        };
        (least..=MAX_PART_SIZE).contains(&part.size)
    };
    let chosen = chosen_parts(numbers, stored, reported, fits)?;
    none_beyond(last, stored)?;
    if chosen.iter().map(|part| part.size).sum::<u64>() != size {
        return Err(wrong_length(chosen.iter().map(|part| part.part_number)));
    }
    let parts: Vec<_> = chosen
        .iter()
        .map(|part| part_to_complete(part, reported))
        .collect();
    let made = chosen
        .iter()
        .zip(&parts)
        .try_fold(Crc64Nvme::EMPTY, |whole, (stored, part)| {
            Some(whole.combine(part.crc64nvme?, stored.size))
        });
    match (made, reported.whole.crc64nvme) {
        (Some(made), Some(told)) if made != told => Err(mismatch(
            "the checksum of the whole is not what the parts' checksums make",
        )),
        _ => Ok((parts, size)),
    }
}

/// Of each number the part that is the file's, where storage lists one that fits and nothing speaks against it.
fn chosen_parts<'a>(
    numbers: impl Iterator<Item = PartNumber>,
    stored: &'a [StoredPart],
    reported: &ReportedParts,
    fits: impl Fn(&StoredPart) -> bool,
) -> Result<Vec<&'a StoredPart>, ApiError> {
    let mut chosen = Vec::new();
    let (mut missing, mut misfits, mut damaged) = (Vec::new(), Vec::new(), Vec::new());
    let (mut unproven, mut why) = (Vec::new(), "");
    let mut stored = stored.chunk_by(|a, b| a.part_number == b.part_number).peekable();
    for number in numbers {
        let same_number =
            |parts: &&[StoredPart]| parts.first().is_some_and(|part| part.part_number == number);
        let Some(part) = stored
            .next_if(same_number)
            .and_then(|parts| reported.choose(number, parts))
        else {
            missing.push(number);
            continue;
        };
        if !fits(part) {
            misfits.push(number);
            continue;
        }
        match reported.doubt_of(part) {
            Some(Doubt::Differs) => damaged.push(number),
            Some(Doubt::Unknown(reason)) => {
                unproven.push(number);
                why = reason;
            }
            None => chosen.push(part),
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

fn part_to_complete(part: &StoredPart, reported: &ReportedParts) -> PartToComplete {
    PartToComplete {
        number: part.part_number,
        etag: part.etag.clone(),
        crc64nvme: reported.crc64nvme_of(part.part_number).or(part.crc64nvme),
    }
}

/// Fails where storage lists parts after the last that the file has.
fn none_beyond(last: PartNumber, stored: &[StoredPart]) -> Result<(), ApiError> {
    let mut beyond: Vec<_> = stored.iter().map(|part| part.part_number).collect();
    beyond.retain(|number| *number > last);
    beyond.dedup();
    match beyond.is_empty() {
        true => Ok(()),
        false => {
            let detail = "storage holds more parts than the file has";
            Err(ApiError::new(ErrorCode::PartSizeMismatch, detail).naming(beyond))
        }
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
