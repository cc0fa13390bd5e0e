//! The parts of one upload and where each of them stands.

use syncsphere_protocol::{Checksum, Crc64Nvme, Md5, PartNumber, PartPlan, PartRange, UploadKind};

use crate::checkpoint::KnownPart;
use crate::io::AttemptId;
use crate::part::{Kind, Part, Verification};
use crate::queue::Class;
use crate::time::Moment;
use crate::vec_map::VecMap;
use crate::wire::push_digits;

/// How often a part has failed.
#[derive(Debug, Clone, Copy)]
struct Failures {
    /// By its own fault.
    own: u32,
    /// When it last failed, whoever's fault it was.
    last: Moment,
}

/// All parts of an upload.
#[derive(Debug)]
pub(crate) struct Parts {
    plan: PartPlan,
    class: Class,
    parts: Vec<Part>,
    /// How many parts of each [`Kind`] there are.
    counts: [usize; Kind::COUNT],
    failures: VecMap<PartNumber, Failures>,
    /// What was read of parts that have to be read again: both readings have to be the same.
    earlier_readings: VecMap<PartNumber, Checksum>,
    /// How many requests were begun for each part.
    requests: Vec<u8>,
    /// Every part before it is stored and proven.
    first_open: usize,
    /// Every part from here on is waiting.
    first_untouched: usize,
    stored_bytes: u64,
    /// Stored parts that read otherwise than they were sent, once.
    doubted: Vec<PartNumber>,
    /// Once all parts have been read: the last attempt that was begun before that. What is stored is read again since.
    read_before: Option<AttemptId>,
}

impl Parts {
    pub(crate) fn new(plan: PartPlan) -> Self {
        Self {
            plan,
            class: Class::of(plan),
            counts: [0; Kind::COUNT],
            parts: vec![Part::Waiting; usize::from(plan.part_count())],
            failures: VecMap::new(),
            earlier_readings: VecMap::new(),
            requests: vec![0; usize::from(plan.part_count())],
            first_open: 0,
            first_untouched: 0,
            stored_bytes: 0,
            doubted: Vec::new(),
            read_before: None,
        }
    }

    pub(crate) fn plan(&self) -> PartPlan {
        self.plan
    }

    /// How long the file takes, for the order of files.
    pub(crate) fn class(&self) -> Class {
        self.class
    }

    /// How many parts are of a kind, without looking at them.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.counts.get(kind as usize).copied().unwrap_or_default()
    }

    pub(crate) fn get(&self, part: PartNumber) -> Option<&Part> {
        self.parts.get(part.index())
    }

    /// All of them, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter()
    }

    pub(crate) fn range(&self, part: PartNumber) -> PartRange {
        self.plan
            .range(part)
            .unwrap_or(PartRange { offset: 0, length: 0 })
    }

    /// Puts a part into another state. The one way in which parts change.
    pub(crate) fn set(&mut self, part: PartNumber, mut state: Part) {
        let length = self.range(part).length;
        let index = part.index();
        let Some(slot) = self.parts.get_mut(index) else {
            return;
        };
        let was_stored = matches!(slot, Part::Stored { .. });
        if was_stored {
            self.stored_bytes = self.stored_bytes.saturating_sub(length);
        }
        match &mut state {
            Part::Stored {
                checksum,
                verification,
            } => {
                self.stored_bytes = self.stored_bytes.saturating_add(length);
                if self.read_before.is_some() && !was_stored && checksum.is_some() {
                    *verification = Verification::Due;
                }
            }
            // What is read anew is compared with the rest anew.
            Part::Waiting | Part::Hashing => self.read_before = None,
            _ => {}
        }
        // Where the part is done after all, the loop below goes past it again.
        self.first_open = self.first_open.min(index);
        if !matches!(state, Part::Waiting) {
            self.first_untouched = self.first_untouched.max(index + 1);
        }
        let (before, after) = (slot.kind(), state.kind());
        *slot = state;
        self.recount(before, after);
        while matches!(
            self.parts.get(self.first_open),
            Some(Part::Stored {
                verification: Verification::Verified,
                ..
            })
        ) {
            self.first_open += 1;
        }
    }

    /// A part of one kind is of another now.
    fn recount(&mut self, before: Option<Kind>, after: Option<Kind>) {
        if let Some(count) = before.and_then(|kind| self.counts.get_mut(kind as usize)) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = after.and_then(|kind| self.counts.get_mut(kind as usize)) {
            *count += 1;
        }
    }

    /// An attempt at the part has ended without a result: the part goes back to where it can start again.
    pub(crate) fn set_back(&mut self, part: PartNumber) {
        let back = match self.get(part).cloned() {
            Some(Part::Hashing) => Part::Waiting,
            Some(Part::Sending { checksum, lease, .. }) => Part::Ready { checksum, lease },
            Some(Part::Stored {
                checksum,
                verification: Verification::Running,
            }) => Part::Stored {
                checksum,
                verification: Verification::Due,
            },
            _ => return,
        };
        self.set(part, back);
    }

    /// Whether a part is smaller than one that is being hashed: it would be ready sooner and be sent first, and the larger
    /// one would end last, alone.
    pub(crate) fn would_overtake(&self, part: PartNumber) -> bool {
        let length = self.range(part).length;
        let hashing = self.of_kind(Kind::Hashing);
        hashing.iter().any(|number| self.range(*number).length > length)
    }

    /// The first part of a kind.
    pub(crate) fn first(&self, kind: Kind) -> Option<PartNumber> {
        self.of_kind(kind).first().copied()
    }

    /// The parts of a kind, in order; where there are none, none are looked at.
    pub(crate) fn of_kind(&self, kind: Kind) -> Vec<PartNumber> {
        let mut found = Vec::new();
        if self.count(kind) > 0 {
            for (number, part) in self.open() {
                if part.kind() == Some(kind) {
                    found.push(number);
                }
            }
        }
        found
    }

    /// The parts that are neither untouched nor done for good, in order. Short, since parts are
    /// worked on in order and only a window ahead.
    pub(crate) fn open(&self) -> impl Iterator<Item = (PartNumber, &Part)> {
        let from = self.first_open;
        let until = self.first_untouched.max(from);
        let window = self.parts.get(from..until).unwrap_or_default();
        window
            .iter()
            .enumerate()
            .filter_map(move |(at, part)| Some((PartNumber::from_index(from + at).ok()?, part)))
    }

    /// The first part that nobody has looked at, or that has to be read again.
    pub(crate) fn next_waiting(&self) -> Option<PartNumber> {
        self.open()
            .find(|(_, part)| matches!(part, Part::Waiting))
            .map(|(number, _)| number)
            .or_else(|| {
                let untouched = self.first_untouched.max(self.first_open);
                let number = PartNumber::from_index(untouched).ok()?;
                self.parts.get(untouched).map(|_| number)
            })
    }

    /// Parts that are hashed or about to be, but not on their way yet.
    pub(crate) fn ahead(&self) -> usize {
        let kinds = [Kind::Hashing, Kind::Hashed, Kind::Signing, Kind::Ready];
        kinds.map(|kind| self.count(kind)).iter().sum()
    }

    /// What is known of parts whose states begin anew: how often they failed, and what was read of them.
    pub(crate) fn take_history(&mut self, before: Self) {
        self.failures = before.failures;
        self.earlier_readings = before.earlier_readings;
    }

    /// Bytes that storage holds.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// Whether every part is stored and verified.
    pub(crate) fn all_done(&self) -> bool {
        self.first_open >= self.parts.len()
    }

    /// Once all parts have been read: has those that are stored read again, and the others as soon as they are, but for what
    /// is sent by an attempt after `last`. Does nothing before, nor the second time, nor for parts without checksums.
    pub(crate) fn read_again(&mut self, last: AttemptId) {
        if self.read_before.is_some() || !self.all_read() {
            return;
        }
        self.read_before = Some(last);
        for part in &mut self.parts {
            if let Part::Stored {
                checksum: Some(_),
                verification,
            } = part
            {
                *verification = Verification::Due;
                self.first_open = 0;
            }
        }
        let due = self.parts.iter().filter(|part| part.kind() == Some(Kind::Due));
        let due = due.count();
        if let Some(count) = self.counts.get_mut(Kind::Due as usize) {
            *count = due;
        }
    }

    /// Whether every part has been read, and none is being read or has yet to be.
    fn all_read(&self) -> bool {
        let is_read = |part: &Part| match part {
            Part::Stored { verification, .. } => *verification == Verification::Verified,
            part => !matches!(part, Part::Waiting | Part::Hashing),
        };
        self.first_untouched >= self.parts.len()
            && self.count(Kind::Hashing) == 0
            && self.count(Kind::Due) == 0
            && self.open().all(|(_, part)| is_read(part))
    }

    /// A stored part read otherwise than it was sent: has it read once more. `false` where that has been done, and the same
    /// came of it.
    ///
    /// Firefox 153 gives one wrong checksum a worker, in the call during which it replaces the module's first code by better
    /// code: after 1.3 GB and more.
    pub(crate) fn doubt(&mut self, part: PartNumber) -> bool {
        if self.doubted.contains(&part) {
            return false;
        }
        self.doubted.push(part);
        if let Some(Part::Stored { checksum, .. }) = self.get(part) {
            let (checksum, verification) = (*checksum, Verification::Due);
            let stored = Part::Stored {
                checksum,
                verification,
            };
            self.set(part, stored);
        }
        true
    }

    /// Whether an attempt at sending was begun after all parts had been read: its bytes were read a second time, and storage
    /// has compared them.
    pub(crate) fn was_second_reading(&self, attempt: AttemptId) -> bool {
        self.read_before.is_some_and(|last| attempt > last)
    }

    /// Counts a failure that the part itself answers for; gives the number so far.
    pub(crate) fn count_failure(&mut self, part: PartNumber, now: Moment) -> u32 {
        let failures = self.failures.get(&part).map_or(0, |failures| failures.own) + 1;
        let known = Failures {
            own: failures,
            last: now,
        };
        self.failures.insert(part, known);
        failures
    }

    /// Counts a failure that storage or the network seems to answer for. Where others have succeeded since the part
    /// last failed, the part is to blame all the same. Gives the number of failures of its own so far.
    pub(crate) fn count_outage(
        &mut self,
        part: PartNumber,
        last_success: Option<Moment>,
        now: Moment,
    ) -> u32 {
        let Some(before) = self.failures.get(&part).copied() else {
            self.failures.insert(part, Failures { own: 0, last: now });
            return 0;
        };
        let is_own = last_success.is_some_and(|success| success > before.last);
        let own = before.own + u32::from(is_own);
        self.failures.insert(part, Failures { own, last: now });
        own
    }

    /// Has the part read again, and remembers what was read before.
    pub(crate) fn reread(&mut self, part: PartNumber) {
        if let Some(checksum) = self.get(part).and_then(Part::checksum) {
            self.earlier_readings.insert(part, checksum);
        }
    }

    /// Whether an earlier reading of the part had other bytes: then the file has changed in between.
    pub(crate) fn was_other(&self, part: PartNumber, checksum: Checksum) -> bool {
        // What was read by another algorithm says nothing.
        let is_other =
            |earlier: &Checksum| *earlier != checksum && earlier.integrity() == checksum.integrity();
        self.earlier_readings.get(&part).is_some_and(is_other)
    }

    /// A request for a part begins.
    pub(crate) fn count_request(&mut self, part: PartNumber) {
        if let Some(requests) = self.requests.get_mut(part.index()) {
            *requests = requests.saturating_add(1);
        }
    }

    /// The parts that more than one request was begun for: storage may have been left with half of one.
    pub(crate) fn resent(&self) -> Vec<PartNumber> {
        let numbered = self.plan.part_numbers().zip(&self.requests);
        numbered
            .filter(|(_, requests)| **requests > 1)
            .map(|(number, _)| number)
            .collect()
    }

    /// What the ETag of the whole holds where storage proves content by MD5, once every part's is known.
    pub(crate) fn whole_etag(&self, kind: UploadKind) -> Option<String> {
        let mut digests = Vec::new();
        for part in &self.parts {
            digests.push(part.checksum()?.md5()?);
        }
        match (kind, digests.as_slice()) {
            (UploadKind::Single, [whole]) => Some(whole.to_hex()),
            (UploadKind::Single, _) => None,
            (UploadKind::Multipart, _) => {
                let mut etag = Md5::of_parts(digests.iter().copied()).to_hex();
                etag.push('-');
                push_digits(&mut etag, digests.len() as u64);
                Some(etag)
            }
        }
    }

    /// The whole file's CRC64NVME, once every part's is known.
    pub(crate) fn whole_crc(&self) -> Option<Crc64Nvme> {
        // It is read last, so that this costs little before.
        self.parts.last()?.checksum()?;
        let numbered = self.plan.part_numbers().zip(&self.parts);
        numbered
            .into_iter()
            .try_fold(Crc64Nvme::EMPTY, |whole, (number, part)| {
                Some(whole.combine(part.checksum()?.crc64nvme()?, self.range(number).length))
            })
    }

    /// What a checkpoint keeps: every part whose URL may be out in the world.
    pub(crate) fn known(&self) -> Vec<KnownPart> {
        let touched = self.parts.get(..self.first_untouched).unwrap_or_default();
        let numbered = self.plan.part_numbers().zip(touched);
        numbered
            .filter_map(|(part, state)| {
                let stored = matches!(state, Part::Stored { .. });
                let may_be_out = stored
                    || matches!(
                        state,
                        Part::Signing { .. }
                            | Part::Ready { .. }
                            | Part::BackingOff { .. }
                            | Part::Sending { .. }
                    );
                may_be_out.then(|| KnownPart {
                    part,
                    checksum: state.checksum(),
                    stored,
                })
            })
            .collect()
    }
}
