//! What each endpoint does, one file each. Every operation may be dropped at any await and asked
//! for again: the intent is in the ledger before storage is asked, unless what a crash leaves is found without it, and the
//! outcome after it.

mod absence;
pub(crate) mod changes;
pub(crate) mod chunks;
mod cleanup;
pub(crate) mod complete;
pub(crate) mod content;
pub(crate) mod copy_parts;
pub(crate) mod database;
pub(crate) mod deferred_length;
pub(crate) mod deliver;
pub(crate) mod destinations;
mod errors;
pub(crate) mod events;
mod expiry;
pub(crate) mod files;
mod finalize;
pub(crate) mod health;
pub(crate) mod initiate;
pub(crate) mod jobs;
mod open_uploads;
pub(crate) mod operation_context;
pub(crate) mod orphans;
mod part_selection;
mod reported_parts;
pub(crate) mod sign_parts;
mod staging;
pub(crate) mod storage_health;
pub(crate) mod tickets;
mod unattended;
pub(crate) mod uploads;
pub(crate) mod uppy;
pub(crate) mod versions;
pub(crate) mod workspaces_in_use;
