//! The rows of destinations: how far each is, and the messages that failed.

use std::rc::Rc;

use syncsphere_protocol::FileId;

use super::destination_state::{Destination, DestinationState, Letter};
use super::store_failure::StoreFailure;

/// Later than anything is due, in milliseconds. Source: the largest number that JavaScript carries exactly (2^53 - 1).
pub(super) const ANY_TIME: i64 = 9_007_199_254_740_991;

/// The rows of a workspace's destinations.
pub trait LetterStore {
    /// What can go wrong while reading or writing rows.
    type Failure: StoreFailure;

    /// Where changes are sent to.
    fn destinations(&self) -> Rc<[Destination]>;
    /// How far a destination is; `None` until a change went its way.
    fn destination(&self, name: &str) -> Result<Option<DestinationState>, Self::Failure>;
    /// Writes down how far it is.
    fn put_destination(&mut self, name: &str, state: &DestinationState) -> Result<(), Self::Failure>;

    /// A message that failed, or waits behind one.
    fn letter(&self, destination: &str, seq: u64) -> Result<Option<Letter>, Self::Failure>;
    /// Adds or replaces one.
    fn put_letter(&mut self, destination: &str, letter: &Letter) -> Result<(), Self::Failure>;
    /// Removes one.
    fn remove_letter(&mut self, destination: &str, seq: u64) -> Result<(), Self::Failure>;
    /// Letters that are due by then and the first of their files, earliest first, at most `limit`.
    fn ready_letters(&self, destination: &str, by_ms: i64, limit: u32) -> Result<Vec<Letter>, Self::Failure>;
    /// Whether a letter of this file is still sent by itself.
    fn has_letter_of(&self, destination: &str, file: &FileId) -> Result<bool, Self::Failure>;
    /// How many letters are still sent by themselves, and how many are not.
    fn letter_counts(&self, destination: &str) -> Result<(u64, u64), Self::Failure>;
    /// Letters after this change that are not sent by themselves any more, in order, at most `limit`.
    fn dead_letters(&self, destination: &str, after: u64, limit: u32) -> Result<Vec<Letter>, Self::Failure>;
    /// Has dead letters sent again, all or that of one change. Gives how many there were.
    fn revive_letters(
        &mut self,
        destination: &str,
        seq: Option<u64>,
        now_ms: i64,
    ) -> Result<u64, Self::Failure>;
    /// Removes the letters of all changes up to this one, of every destination there has been.
    fn remove_letters(&mut self, through: u64) -> Result<(), Self::Failure>;
}
