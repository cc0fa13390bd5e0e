//! The ledger of one workspace: which files there are, which uploads are open, and the ordered
//! feed of everything that happened.
//!
//! [`apply`] carries out one [`Call`] against a [`Store`]. It reads, decides and writes without
//! waiting in between, so a store that runs it in one transaction never shows half a change: a
//! file's new state and the feed's entry appear together.
//!
//! What bytes exist is storage's to say. The ledger holds the outcome of a storage call after it, and the intent before it
//! where nothing else would find what a crash in between leaves behind; [`Job`]s are the work that this makes.

mod apply;
mod base_query;
mod calls;
mod chunk_store;
mod chunks;
mod deliveries;
mod destination_state;
mod feed;
mod file_commands;
mod gathering;
mod jobs;
mod letters;
mod lineage;
mod list_files;
mod listing;
mod memory;
mod memory_chunks;
mod memory_versions;
mod messages;
mod old_versions;
mod orphans;
mod page_budget;
mod replication;
mod retention;
mod schema;
mod sql_chunks;
mod sql_database;
mod sql_letters;
mod sql_rows;
mod sql_store;
mod sql_versions;
mod states;
mod store;
mod store_failure;
mod stored_file;
mod upload_commands;
mod usage;
mod version_store;
mod versions;

pub use crate::model::{DeferredLength, UploadMarker};
pub use apply::{Applied, apply};
pub use base_query::{BaseQuery, KnownBase};
pub use calls::{Call, Command, Idempotency, Opened, Reply, UploadDraft};
pub use chunk_store::ChunkStore;
pub use destination_state::{
    Destination, DestinationState, Letter, MessageDelivery, MessageOutcome, MessageResult,
};
pub use gathering::{Gathering, Joined, weight};
pub use jobs::{Job, JobKind, StoredUpload, Sweep};
pub use letters::LetterStore;
pub use lineage::{Allowance, Base, Previous, Reference, ReferenceDraft};
pub use listing::{FilePage, FileQuery, FileRange, ListPosition, Listing, OpenUploadPage};
pub use memory::MemoryStore;
pub use replication::{Delivery, FileSpan, Receipt, RefusedDelivery, Replay, ReplayStage, ReplicationState};
pub use retention::Retention;
pub use schema::MIGRATIONS;
pub use sql_database::{Database, SqlFailure, SqlValue};
pub use sql_store::SqlStore;
pub use states::{Abilities, FileDraft, Upload, UploadPhase};
pub use store::{IdempotencyRecord, Store, Usage};
pub use store_failure::StoreFailure;
pub use stored_file::StoredFile;
pub use upload_commands::ABSENCE_PROVEN_MS;
pub use version_store::VersionStore;
