//! What is on its way to webhooks and queues.
//!
//! The feed is the outbox of them all, and each destination has a place in it. A message that fails becomes a letter,
//! which is sent again for a day while others pass it; those of its file wait behind it. While a destination as a whole
//! is not well, only one message at a time finds out whether it is again, and the others wait in the feed.

use syncsphere_protocol::{
    Change, ChangeKind, DeadLetter, DeadLetterList, DestinationKind, DestinationList, DestinationStatus,
    Timestamp,
};

use super::apply::Ledger;
use super::calls::Reply;
use super::destination_state::{
    Destination, DestinationState, Letter, MessageDelivery, MessageOutcome, MessageResult,
};
use super::letters::ANY_TIME;
use super::store::Store;

/// From a change to its first message, in milliseconds: what happens meanwhile travels along. Source: own choice.
const GATHERING_MS: i64 = 100;

/// How long a delivery may be under way, in milliseconds, before the next is made without word of it.
/// Source: own choice, above the time that the messages of one take at the most.
const LEASE_MS: i64 = 60_000;

/// Changes that are read for one delivery, of which some are not wanted. Source: own choice.
const CHANGES_AT_ONCE: u32 = 32;

/// Most messages that are tried anew while a destination is not well; then those that failed are tried again.
/// Source: own choice; so many messages that a destination fails at hold up no others.
const MAX_TRIED: u64 = 100;

/// Why a letter is not sent whose change cannot be read.
const UNREADABLE: &str = "its change cannot be read";

impl<S: Store> Ledger<'_, S> {
    /// Sees to it that a change goes to those who want it.
    pub(super) fn notify(&mut self, seq: u64, kind: ChangeKind) -> Result<(), S::Error> {
        for destination in self.store.destinations().iter() {
            if !destination.wants(kind) {
                continue;
            }
            let known = self.store.destination(&destination.name)?;
            let mut state = known.unwrap_or_else(|| DestinationState {
                position: seq.saturating_sub(1),
                ..DestinationState::default()
            });
            let due_ms = self.now_ms.saturating_add(GATHERING_MS);
            // A failed message may be due much later; what is under way or put off is not hurried.
            let is_free = !state.is_leased && state.attempts == 0;
            if state.due_ms.is_none_or(|known| is_free && known > due_ms) {
                state.due_ms = Some(due_ms);
                self.store.put_destination(&destination.name, &state)?;
            }
        }
        Ok(())
    }

    /// When the next delivery to any destination is due.
    pub(super) fn messages_due(&self) -> Result<Option<i64>, S::Error> {
        let mut earliest: Option<i64> = None;
        for destination in self.store.destinations().iter() {
            let due_ms = self
                .store
                .destination(&destination.name)?
                .and_then(|state| state.due_ms);
            earliest = [earliest, due_ms].into_iter().flatten().min();
        }
        Ok(earliest)
    }

    /// The feed forgets changes up to this one.
    pub(super) fn forget_messages(&mut self, through: u64) -> Result<(), S::Error> {
        let destinations = self.store.destinations();
        if destinations.is_empty() {
            return Ok(());
        }
        self.store.remove_letters(through)?;
        for destination in destinations.iter() {
            let Some(mut state) = self.store.destination(&destination.name)? else {
                continue;
            };
            if state.position < through {
                let forgotten = through.saturating_sub(state.position);
                let is_waiting = state.due_ms.is_some();
                state.lost = state.lost.saturating_add(if is_waiting { forgotten } else { 0 });
                state.position = through;
                self.store.put_destination(&destination.name, &state)?;
            }
        }
        Ok(())
    }

    /// Leases what goes to a destination next.
    pub(super) fn take_messages(&mut self, name: &str, limit: u32) -> Result<Reply, S::Error> {
        let none = Reply::Messages { delivery: None };
        let Some(destination) = self.known_destination(name) else {
            return Ok(none);
        };
        let state = self.store.destination(name)?;
        let Some(mut state) = state.filter(|state| state.due_ms.is_some_and(|due| due <= self.now_ms)) else {
            return Ok(none);
        };
        let is_failing = state.attempts > 0;
        let limit = if is_failing { 1 } else { limit.max(1) };
        let (retrying, _) = self.store.letter_counts(name)?;
        let mut changes = Vec::new();
        if retrying > 0 {
            let letters = self.store.ready_letters(name, self.now_ms, limit)?;
            changes = self.changes_of(name, letters)?;
        }
        let mut through = state.position;
        if changes.len() < limit as usize && (!is_failing || retrying < MAX_TRIED) {
            let beside_letters = retrying > 0;
            through = self.fresh_messages(&destination, beside_letters, through, limit, &mut changes)?;
        }
        if changes.is_empty() && is_failing && retrying > 0 {
            let letters = self.store.ready_letters(name, ANY_TIME, 1)?;
            changes = self.changes_of(name, letters)?;
        }
        if changes.is_empty() {
            state.position = through;
            state.is_leased = false;
            state.due_ms = self.next_message(name, through)?;
            self.store.put_destination(name, &state)?;
            return Ok(none);
        }
        state.due_ms = Some(self.now_ms.saturating_add(LEASE_MS));
        state.is_leased = true;
        self.store.put_destination(name, &state)?;
        Ok(Reply::Messages {
            delivery: Some(Box::new(MessageDelivery { changes, through })),
        })
    }

    /// Adds what comes next in the feed; gives how far that has been looked at.
    fn fresh_messages(
        &mut self,
        destination: &Destination,
        beside_letters: bool,
        position: u64,
        limit: u32,
        changes: &mut Vec<Change>,
    ) -> Result<u64, S::Error> {
        let page = self.changes_page(position, CHANGES_AT_ONCE)?;
        if page.is_empty() {
            // Whatever is left there cannot be read.
            return self.store.newest_seq();
        }
        let mut through = position;
        for change in page {
            if changes.len() >= limit as usize {
                break;
            }
            through = change.seq;
            if !destination.wants(change.kind) {
                continue;
            }
            let (name, file_id) = (&destination.name, &change.file.file_id);
            if beside_letters && self.store.has_letter_of(name, file_id)? {
                if self.store.letter(name, change.seq)?.is_none() {
                    let letter = Letter::waiting(change.seq, file_id, self.now_ms);
                    self.store.put_letter(name, &letter)?;
                }
                continue;
            }
            changes.push(change);
        }
        Ok(through)
    }

    /// The changes of letters. A letter whose change cannot be read is sent to nobody any more.
    fn changes_of(&mut self, name: &str, letters: Vec<Letter>) -> Result<Vec<Change>, S::Error> {
        let mut changes = Vec::new();
        for mut letter in letters {
            let read = self.store.changes(letter.seq.saturating_sub(1), 1)?.pop();
            match read.filter(|change| change.seq == letter.seq) {
                Some(change) => changes.push(change),
                None => {
                    letter.due_ms = None;
                    letter.failed_ms = self.now_ms;
                    UNREADABLE.clone_into(&mut letter.cause);
                    self.store.put_letter(name, &letter)?;
                }
            }
        }
        Ok(changes)
    }

    /// What came of a delivery.
    pub(super) fn settle_messages(
        &mut self,
        name: &str,
        through: u64,
        results: Vec<MessageResult>,
    ) -> Result<Reply, S::Error> {
        let Some(mut state) = self.store.destination(name)? else {
            return Ok(Reply::Missing);
        };
        let mut is_well = false;
        let mut unwell = None;
        for result in results {
            let known = self.store.letter(name, result.seq)?;
            let waiting = || Letter::waiting(result.seq, &result.file_id, self.now_ms);
            match result.outcome {
                MessageOutcome::Sent => {
                    is_well = true;
                    if known.is_some() {
                        self.store.remove_letter(name, result.seq)?;
                    }
                }
                MessageOutcome::Failed {
                    cause,
                    is_about_message,
                } => {
                    is_well |= is_about_message;
                    unwell = Some(cause.clone());
                    let letter = known.unwrap_or_else(waiting).failed(cause, self.now_ms);
                    self.store.put_letter(name, &letter)?;
                }
                MessageOutcome::Skipped => {
                    if known.is_none() {
                        self.store.put_letter(name, &waiting())?;
                    }
                }
            }
        }
        state.position = state.position.max(through);
        state.is_leased = false;
        if unwell.is_some() && !is_well {
            state = state.put_off(unwell, self.now_ms);
        } else {
            if is_well {
                state.attempts = 0;
                state.cause = None;
            }
            state.due_ms = self.next_message(name, state.position)?;
        }
        self.store.put_destination(name, &state)?;
        self.told_of(name)
    }

    /// The destination has taken nothing of a delivery: all of it comes again, later each time.
    pub(super) fn put_off_messages(&mut self, name: &str, cause: String) -> Result<Reply, S::Error> {
        if let Some(state) = self.store.destination(name)? {
            let state = state.put_off(Some(cause), self.now_ms);
            self.store.put_destination(name, &state)?;
        }
        self.told_of(name)
    }

    /// When a destination that is well is sent something next.
    fn next_message(&self, name: &str, position: u64) -> Result<Option<i64>, S::Error> {
        if position < self.store.newest_seq()? {
            return Ok(Some(self.now_ms));
        }
        let first = self.store.ready_letters(name, ANY_TIME, 1)?.pop();
        Ok(first.and_then(|letter| letter.due_ms))
    }

    pub(super) fn dead_letters(&self, name: &str, since: u64, limit: u32) -> Result<Reply, S::Error> {
        if self.known_destination(name).is_none() {
            return Ok(Reply::Missing);
        }
        let letters = self.store.dead_letters(name, since, limit)?;
        let last = letters.last().map(|letter| letter.seq);
        Ok(Reply::DeadLetters(DeadLetterList {
            next: last.filter(|_| letters.len() >= limit as usize),
            dead_letters: letters
                .into_iter()
                .map(|letter| DeadLetter {
                    seq: letter.seq,
                    file_id: letter.file_id,
                    attempts: letter.attempts,
                    failed_at: Timestamp::from_unix_millis(letter.failed_ms),
                    cause: letter.cause,
                })
                .collect(),
        }))
    }

    /// Has dead letters sent again, all or that of one change, as if they had never failed.
    pub(super) fn resend(&mut self, name: &str, seq: Option<u64>) -> Result<Reply, S::Error> {
        if self.known_destination(name).is_none() {
            return Ok(Reply::Missing);
        }
        let revived = self.store.revive_letters(name, seq, self.now_ms)?;
        if revived == 0 && seq.is_some() {
            return Ok(Reply::Missing);
        }
        if revived > 0 {
            let mut state = self.store.destination(name)?.unwrap_or_default();
            // An endpoint that has been mended is not waited for.
            if !state.is_leased {
                state.due_ms = Some(self.now_ms);
                self.store.put_destination(name, &state)?;
            }
        }
        self.told_of(name)
    }

    pub(super) fn destination_list(&mut self) -> Result<Reply, S::Error> {
        let mut destinations = Vec::new();
        if let Reply::Database(database) = self.database_status()? {
            destinations.push(DestinationStatus {
                name: "database".to_owned(),
                kind: DestinationKind::Database,
                delivered_seq: database.delivered_seq,
                waiting: database.waiting,
                retrying: 0,
                dead_letters: database.parked,
                lost: 0,
                failures: database.failures,
                cause: None,
            });
        }
        for destination in self.store.destinations().iter() {
            destinations.push(self.destination_status(destination)?);
        }
        Ok(Reply::Destinations(DestinationList {
            seq: self.store.newest_seq()?,
            destinations,
        }))
    }

    fn told_of(&self, name: &str) -> Result<Reply, S::Error> {
        match self.known_destination(name) {
            Some(destination) => self.destination_status(&destination).map(Reply::Destination),
            None => Ok(Reply::Missing),
        }
    }

    fn destination_status(&self, destination: &Destination) -> Result<DestinationStatus, S::Error> {
        let seq = self.store.newest_seq()?;
        let state = self.store.destination(&destination.name)?;
        let (retrying, dead_letters) = self.store.letter_counts(&destination.name)?;
        let lost = state.as_ref().map_or(0, |state| state.lost);
        // Where nothing is due, nothing that is wanted waits.
        let state = state.filter(|state| state.due_ms.is_some());
        let delivered_seq = state.as_ref().map_or(seq, |state| state.position);
        Ok(DestinationStatus {
            name: destination.name.clone(),
            kind: destination.kind,
            delivered_seq,
            waiting: seq.saturating_sub(delivered_seq),
            retrying,
            dead_letters,
            lost,
            failures: state.as_ref().map_or(0, |state| state.attempts),
            cause: state.and_then(|state| state.cause),
        })
    }

    fn known_destination(&self, name: &str) -> Option<Destination> {
        let destinations = self.store.destinations();
        destinations.iter().find(|known| known.name == name).cloned()
    }
}
