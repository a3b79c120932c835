//! The store's handle.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use stdx::{Clock, Entropy, task};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use crate::blob::Blobs;
use crate::bucket::{self, ObjectBucket};
use crate::compact_plan::class_of_retention;
use crate::config::{Config, DataLocation};
use crate::core::{Core, FolderState};
use crate::disk::{self, RealDisk};
use crate::drive;
use crate::error::{OpenError, ReadError, StoreError};
use crate::follow::Follower;
use crate::health::Health;
use crate::id::{LogId, Position, TableId};
use crate::lane::Sabotage;
use crate::limits::{BLOB_CALLS_MAX, PRIVATE_FILE_BYTES_MAX, READ_BYTES_MAX, SEGMENT_BLOCK_BYTES};
use crate::queue::Request;
use crate::recover;
use crate::request::{
    AppendOutcome, Commit, CommitError, Committed, LogAppend, LogTail, ReadBudget, ReadFrom,
    ReadPage,
};
use crate::sequencer::{append_bytes, commit_bytes};
use crate::table::{Table, TableView};

/// Bytes that one permit of the queue stands for.
const PERMIT_BYTES: usize = 1024;
/// What every request holds of the queue, however small.
const REQUEST_BYTES: usize = 512;

const CLOSED: StoreError = StoreError::Unavailable("it is closed");

/// A store; clones share it. The last one to go stops its threads.
#[derive(Clone)]
pub struct Store(Arc<Handle>);

struct Handle {
    core: Arc<Core>,
    permits: Semaphore,
    /// What reads at the disk may still take.
    reads: Arc<Semaphore>,
    /// Calls of blobs at the disk.
    blob_calls: Arc<Semaphore>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The private files of a store in memory.
    memory_files: Mutex<HashMap<String, Vec<u8>>>,
    /// Nobody but a test drives it, by steps: a read waits for no other thread.
    by_hand: bool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.queue.close();
        self.core.stop_waiting_for_bucket();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.0.core.config.data).finish()
    }
}

impl Store {
    /// Opens a store, recovering what the last process acknowledged.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(config: Config, clock: Clock, entropy: Entropy) -> Result<Store, OpenError> {
        let opened = task::spawn_blocking(move || open_core(config, clock, entropy)).await;
        let core = opened.map_err(|error| OpenError::Io {
            doing: "open the store".to_owned(),
            source: io::Error::other(error),
        })?;
        Store::start(core?)
    }

    /// Drives an opened store by threads.
    pub(crate) fn start(core: Core) -> Result<Store, OpenError> {
        let core = Arc::new(core);
        let threads = drive::start(&core).map_err(|source| OpenError::Io {
            doing: "start the store's threads".to_owned(),
            source,
        })?;
        Ok(Store::of(core, threads, false))
    }

    /// A handle to a store that somebody drives step by step.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn by_hand(core: Arc<Core>) -> Store {
        Store::of(core, Vec::new(), true)
    }

    fn of(core: Arc<Core>, threads: Vec<JoinHandle<()>>, by_hand: bool) -> Store {
        let permits = |bytes: u64| Semaphore::new(bytes as usize / PERMIT_BYTES);
        Store(Arc::new(Handle {
            permits: permits(core.config.queue_bytes_max),
            reads: Arc::new(permits(core.config.read_bytes_max)),
            blob_calls: Arc::new(Semaphore::new(BLOB_CALLS_MAX)),
            core,
            threads: Mutex::new(threads),
            memory_files: Mutex::default(),
            by_hand,
        }))
    }

    /// A name for a log that a commit will open, never used before.
    pub fn new_log_id(&self) -> LogId {
        LogId(self.0.core.log_next.fetch_add(1, Ordering::Relaxed))
    }

    async fn permit(&self, bytes: usize) -> Result<SemaphorePermit<'_>, StoreError> {
        let permits = (bytes + REQUEST_BYTES).div_ceil(PERMIT_BYTES) as u32;
        self.0.permits.acquire_many(permits).await.map_err(|_| CLOSED)
    }

    /// Appends records; answers, per log and in order, once they are durable.
    ///
    /// # Errors
    /// If it is not known to be durable. Of a batch that fails, nothing is shown now; after an
    /// `Unavailable` nobody can say whether a later start finds it: only `DiskFull` and `TooLarge`
    /// promise that it does not.
    pub async fn append(&self, batch: Vec<LogAppend>) -> Result<Vec<AppendOutcome>, StoreError> {
        let bytes = append_bytes(&batch);
        self.check(&batch, bytes)?;
        let _permit = self.permit(bytes).await?;
        let (reply, answer) = oneshot::channel();
        self.0.core.queue.push(Request::Append { batch, bytes, reply });
        answer.await.unwrap_or(Err(CLOSED))
    }

    fn check(&self, batch: &[LogAppend], bytes: usize) -> Result<(), StoreError> {
        if batch.iter().any(|append| append.producer.is_some()) {
            return Err(StoreError::Unavailable("producers are reserved"));
        }
        let fits = batch.iter().all(|append| append.records.is_storable());
        if fits && bytes <= self.0.core.request_bytes_max() {
            Ok(())
        } else {
            Err(StoreError::TooLarge)
        }
    }

    /// Does all of `commit` or nothing; answers once it is durable and [`Store::table`] shows it.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        let bytes = commit_bytes(&commit);
        self.check(&commit.records, bytes).map_err(|error| match error {
            StoreError::TooLarge => CommitError::TooLarge,
            error => CommitError::Store(error),
        })?;
        let _permit = self.permit(bytes).await?;
        let (reply, answer) = oneshot::channel();
        let commit = Box::new(commit);
        self.0.core.queue.push(Request::Commit { commit, bytes, reply });
        answer.await.unwrap_or(Err(CommitError::Store(CLOSED)))
    }

    /// Table `T`'s durable rows.
    pub fn table<T: Table>(&self) -> TableView<T> {
        TableView::new(self.0.core.tables.rows(TableId(T::ID)))
    }

    /// Reads a log's durable records. From memory it answers at once; otherwise a blocking thread
    /// reads the disk.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read(
        &self,
        log: LogId,
        from: ReadFrom,
        budget: ReadBudget,
    ) -> Result<ReadPage, ReadError> {
        if let Some(page) = self.0.core.read_page(log, from, budget, self.0.by_hand)? {
            return Ok(page);
        }
        let core = Arc::clone(&self.0.core);
        let bytes = budget.bytes_max.min(READ_BYTES_MAX) as u64;
        let bytes = bytes.max(SEGMENT_BLOCK_BYTES as u64).min(core.config.read_bytes_max);
        let permits = (bytes as usize / PERMIT_BYTES) as u32;
        let closed = |_| ReadError::Io("the store is closed".to_owned());
        let permit = Arc::clone(&self.0.reads).acquire_many_owned(permits).await.map_err(closed)?;
        // The thread goes on when nobody waits for it any more, and so does what it takes.
        let read = task::spawn_blocking(move || {
            let _at_the_disk = permit;
            core.read_page(log, from, budget, true)
        });
        let read = read.await;
        let page = read.map_err(|error| ReadError::Io(error.to_string()))??;
        page.ok_or_else(|| ReadError::Io("the read did not reach the disk".to_owned()))
    }

    /// A log's durable end; `None` if there is no such log.
    pub fn tail(&self, log: LogId) -> Option<LogTail> {
        let entry = self.0.core.logs.get(log)?;
        let state = entry.state();
        Some(LogTail {
            next: state.next,
            last_arrival: state.last_arrival,
            closed: state.end.is_some(),
            trimmed_below: state.trimmed_below,
        })
    }

    /// Follows a log.
    pub fn follow(&self, log: LogId) -> Follower {
        Follower::new(self.0.core.logs.get(log))
    }

    /// Gives up a log's records below `below`; their space comes back in time.
    ///
    /// # Errors
    /// If it could not be made durable.
    pub async fn trim(&self, log: LogId, below: Position) -> Result<(), StoreError> {
        self.trim_all(vec![(log, below)]).await
    }

    /// The same for many logs at once.
    ///
    /// # Errors
    /// If it could not be made durable.
    pub async fn trim_all(&self, trims: Vec<(LogId, Position)>) -> Result<(), StoreError> {
        match self.commit(Commit { trims, ..Commit::default() }).await {
            Ok(_) => Ok(()),
            Err(CommitError::Store(error)) => Err(error),
            Err(_) => Err(StoreError::Unavailable("the trim was refused")),
        }
    }

    /// Says how long a log's records are going to be kept, so that segments hold what goes at about the
    /// same time. It is forgotten when the store closes, and trims nothing.
    pub fn expect_retention(&self, log: LogId, retention: Duration) {
        if let Some(entry) = self.0.core.logs.get(log) {
            entry.set_class(class_of_retention(retention));
        }
    }

    /// Its blobs.
    pub fn blobs(&self) -> Blobs {
        Blobs::new(Arc::clone(&self.0.core), Arc::clone(&self.0.blob_calls))
    }

    /// Bytes that the data folder takes, and will take once what is recent has been moved on; 0 without
    /// a folder. And what it may take, at most.
    pub fn data_bytes(&self) -> (u64, Option<u64>) {
        (self.0.core.data_bytes(), self.0.core.config.data_bytes_max)
    }

    /// How the store is.
    pub fn health(&self) -> Health {
        self.0.core.condition.health()
    }

    /// A file of the folder that only its owner may read. `name` is one plain file name.
    pub fn private_file(&self, name: &'static str) -> PrivateFile<'_> {
        PrivateFile { store: self, name }
    }

    /// Publishes a small file in the folder, whole or not at all; [`crate::folder::read_published`]
    /// reads it. Without a folder there is nobody to read it, and nothing is done.
    ///
    /// # Errors
    /// The operating system's.
    pub fn publish_file(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        check_file(name, bytes)?;
        match &self.0.core.folder {
            // Who looks for an endpoint has the bucket's address, not the bucket.
            Some(FolderState { bucket: Some(_), .. }) | None => Ok(()),
            Some(folder) => {
                self.0.core.write_small(|| disk::replace_small(&*folder.disk, name, bytes))
            }
        }
    }

    /// Removes a published file, if it is there.
    ///
    /// # Errors
    /// The operating system's.
    pub fn remove_file(&self, name: &str) -> io::Result<()> {
        check_file(name, &[])?;
        let Some(folder) = &self.0.core.folder else { return Ok(()) };
        if folder.bucket.is_some() {
            return Ok(());
        }
        match folder.disk.remove(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Makes the last chunk provable, stops the threads and lets the folder go. Later writes answer
    /// [`StoreError::Unavailable`]; reads go on.
    pub async fn close(&self) {
        self.0.core.queue.close();
        self.0.core.stop_waiting_for_bucket();
        let threads =
            std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let _joined = task::spawn_blocking(move || {
            threads.into_iter().for_each(|thread| drop(thread.join()));
        })
        .await;
        self.0.core.condition.closed.store(true, Ordering::Release);
        if let Some(folder) = &self.0.core.folder {
            drop(folder.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

fn open_core(config: Config, clock: Clock, entropy: Entropy) -> Result<Core, OpenError> {
    match config.data.clone() {
        DataLocation::Bucket(location) => {
            let bucket = Arc::new(ObjectBucket::new(&location)?);
            bucket::open(bucket, config, clock, entropy, Sabotage::default())
        }
        DataLocation::InMemory => recover::open_memory(config, clock, entropy),
        DataLocation::Folder(folder) => {
            let disk = RealDisk::new(&folder).map_err(|source| OpenError::Io {
                doing: format!("make the data folder {}", folder.display()),
                source,
            })?;
            recover::open_folder(Arc::new(disk), config, clock, entropy, Sabotage::default())
        }
    }
}

/// A name that is no path, and a size that is small.
fn check_file(name: &str, bytes: &[u8]) -> io::Result<()> {
    let plain = !name.is_empty() && Path::new(name).file_name().is_some_and(|own| own == name);
    if plain && bytes.len() <= PRIVATE_FILE_BYTES_MAX {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a small file of the data folder"))
    }
}

/// A small file that only its owner may read.
#[derive(Debug)]
pub struct PrivateFile<'a> {
    store: &'a Store,
    name: &'static str,
}

impl PrivateFile<'_> {
    /// What the file holds; `None` if there is none.
    ///
    /// # Errors
    /// The operating system's.
    pub fn read(&self) -> io::Result<Option<Vec<u8>>> {
        check_file(self.name, &[])?;
        match &self.store.0.core.folder {
            Some(folder) => disk::read_small(&*folder.disk, self.name, PRIVATE_FILE_BYTES_MAX),
            None => {
                let files = self.store.0.memory_files.lock();
                Ok(files.unwrap_or_else(PoisonError::into_inner).get(self.name).cloned())
            }
        }
    }

    /// What the file holds; if there is none, what `make` gives, written whole and synced first.
    ///
    /// # Errors
    /// The operating system's.
    pub fn read_or_create(&self, make: impl FnOnce() -> Vec<u8>) -> io::Result<Vec<u8>> {
        check_file(self.name, &[])?;
        let Some(folder) = &self.store.0.core.folder else {
            let files = self.store.0.memory_files.lock();
            let mut files = files.unwrap_or_else(PoisonError::into_inner);
            return Ok(files.entry(self.name.to_owned()).or_insert_with(make).clone());
        };
        if let Some(bytes) = self.read()? {
            return Ok(bytes);
        }
        let bytes = make();
        check_file(self.name, &bytes)?;
        match folder.disk.put_new(self.name, &bytes) {
            // Another process was first: its file counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let present = disk::read_small(&*folder.disk, self.name, PRIVATE_FILE_BYTES_MAX)?;
                present.ok_or(error)
            }
            put => put.map(|()| bytes),
        }
    }
}
