//! The store: everything durable is an entry in a log.
//!
//! Logs share one lane of chunks; a chunk is one group commit, and nothing is acknowledged, refused
//! or shown before the chunk it rests on is durable. Recent chunks live in a ring of recycled files
//! and are flushed into sorted segments; a small manifest says what exists. The bytes are in
//! `docs/format.md`.

mod aligned;
pub mod backup;
mod batch;
mod blob;
mod block;
mod bucket;
mod cache;
mod chunk;
mod codec;
mod compact;
mod compact_plan;
mod config;
mod core;
#[cfg(any(test, feature = "fuzzing"))]
pub mod decoders;
mod disk;
mod drive;
mod error;
mod flush;
pub mod folder;
mod follow;
mod format_file;
mod health;
mod id;
pub mod inspect;
mod lane;
pub mod limits;
mod logs;
mod manifest;
mod merge;
mod mutant;
mod open_chunk;
mod pack;
mod publish;
mod queue;
mod read;
mod recover;
mod repair;
mod request;
mod ring;
mod room;
mod scan;
mod segment;
mod sequencer;
mod source;
mod spare;
mod store;
mod table;

#[cfg(test)]
mod compact_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod decoder_tests;
#[cfg(test)]
mod encoding_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod read_tests;
#[cfg(test)]
mod room_tests;
#[cfg(test)]
mod scale_tests;
#[cfg(any(test, feature = "simulation"))]
#[cfg_attr(not(test), expect(dead_code, reason = "the store's own tests use all of it"))]
mod sim_disk;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
#[cfg(test)]
mod workload;

pub use batch::{RecordBatch, RecordBatchBuilder};
pub use blob::{Blob, BlobError, BlobId, BlobList, BlobPin, BlobSink, Blobs};
pub use config::{BucketLocation, Config, DataLocation, client_options};
pub use error::{OpenError, ReadError, RowError, StoreError};
pub use follow::Follower;
pub use health::Health;
pub use id::{LogId, Position, TableId};
pub use repair::{RepairError, Repaired, repair};
pub use request::{
    AppendOutcome, Commit, CommitError, Committed, Expect, LogAppend, LogEnd, LogTail, ReadBudget,
    ReadFrom, ReadPage, RowWrite, StoredRecord,
};
pub use store::{PrivateFile, Store};
pub use table::{KeyedRow, Table, TableChanges, TableView, Versioned};
