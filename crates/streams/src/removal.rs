//! A stream is taken away: at once for everybody, its shards in as many commits as they need.

use std::sync::{Arc, Weak};

use store::{Commit, CommitError, Expect, RowWrite};

use crate::engine::{Inner, Streams, delete_shard};
use crate::error::Error;
use crate::limits::{CHANGE_TRIES_MAX, REMOVAL_RETRY_AFTER, SHARDS_PER_COMMIT_MAX};
use crate::mutant::{self, Mutant};
use crate::shard::Shard;
use crate::stream::{Stream, StreamState};
use crate::tables;

/// Shards of a stream that is gone.
pub(crate) struct Orphans {
    pub(crate) generation: u64,
    pub(crate) shards: Vec<Arc<Shard>>,
}

/// Takes away what a crash in the middle of a removal left.
pub(crate) async fn sweep(engine: Weak<Inner>, orphans: Vec<Orphans>) {
    for Orphans { generation, shards } in orphans {
        loop {
            let Some(inner) = engine.upgrade() else { return };
            let streams = Streams(inner);
            let clock = streams.0.clock.clone();
            match streams.remove_shards(generation, &shards).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(%error, "removing shards failed and will be tried again");
                }
            }
            drop(streams);
            clock.sleep(REMOVAL_RETRY_AFTER).await;
        }
    }
}

impl Streams {
    /// Takes a stream away now: its rows, its consumers, its logs.
    pub(crate) async fn remove(&self, stream: &Stream) -> Result<(), Error> {
        for _ in 0..CHANGE_TRIES_MAX {
            let state = stream.state();
            let shards = state.shards.all();
            let (first, rest) = shards.split_at(shards.len().min(SHARDS_PER_COMMIT_MAX));
            let expect = Expect::Version(state.version);
            let mut commit = removal_of(stream.generation, first);
            commit.rows.insert(0, RowWrite::delete::<tables::Streams>(&stream.name, expect));
            if mutant::is_on(Mutant::KeepRow) {
                let row = RowWrite::put::<tables::Streams>(&stream.name, &state.row, expect);
                commit.rows[0] = row;
            }
            commit.rows.extend(self.consumers(stream)?.iter().map(|consumer| {
                let key = (stream.generation, consumer.name.clone());
                RowWrite::delete::<tables::Consumers>(&key, Expect::Any)
            }));
            match self.0.store.commit(commit).await {
                Ok(committed) => {
                    self.0.directory.remove(stream);
                    // Whoever waits for a newer state looks again, and finds the stream gone.
                    let version = committed.versions[0];
                    stream.publish(StreamState { version, ..StreamState::clone(&state) });
                    return self.remove_shards(stream.generation, rest).await;
                }
                Err(CommitError::Conflict { .. }) => self.await_newer(stream, &state).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended(stream.name.clone()))
    }

    /// Takes shards away whose stream is gone.
    async fn remove_shards(&self, generation: u64, shards: &[Arc<Shard>]) -> Result<(), Error> {
        for batch in shards.chunks(SHARDS_PER_COMMIT_MAX) {
            self.0.store.commit(removal_of(generation, batch)).await?;
        }
        Ok(())
    }
}

fn removal_of(generation: u64, shards: &[Arc<Shard>]) -> Commit {
    Commit {
        rows: shards.iter().map(|shard| delete_shard(generation, shard.index)).collect(),
        forgets: shards.iter().map(|shard| shard.log).collect(),
        ..Commit::default()
    }
}

#[cfg(test)]
mod tests {
    use stdx::{Clock, Entropy, UnixMillis};
    use store::{Config as StoreConfig, Store};

    use super::*;
    use crate::{Config, Mode, NewStream, World};

    async fn shard_rows(store: &Store) -> usize {
        store.table::<tables::Shards>().scan().expect("good rows").len()
    }

    /// A stream of ten thousand shards that had been resharded again and again could not be deleted:
    /// the commit was too large.
    #[tokio::test]
    async fn a_stream_with_more_shards_than_a_commit_holds_is_removed() {
        let (clock, entropy) = (Clock::manual(UnixMillis(1_700_000_000_000)), Entropy::seeded(1));
        let store = Store::open(StoreConfig::in_memory(), clock.clone(), entropy.clone()).await;
        let store = store.expect("a store in memory");
        let open = || {
            let engine = (store.clone(), clock.clone(), entropy.clone(), Config::default());
            Streams::open(engine.0, engine.1, engine.2, engine.3).expect("good rows")
        };
        let streams = open();
        let world = World { account: "000000000000".into(), region: "us-east-1".into() };
        let most = SHARDS_PER_COMMIT_MAX as u32;
        let new = |shards| NewStream {
            mode: Mode::Provisioned,
            shards,
            tags: Default::default(),
            record_kib_max: None,
            distributes: false,
            warm_mibps: None,
        };
        for name in ["whole", "crashed"] {
            let name = world.stream(name);
            streams.create(name.clone(), new(most)).await.expect("a new name");
            let stream = streams.stream(&name).expect("it is there");
            streams.scale(&stream, most / 2).await.expect("half");
        }
        let each = shard_rows(&store).await / 2;
        assert!(each > SHARDS_PER_COMMIT_MAX, "{each}");
        streams.delete(&world.stream("whole"), false).await.expect("it is deleted");
        assert_eq!(shard_rows(&store).await, each);

        // A crash after the first commit: the stream is gone, most of its shards are not.
        let crashed = world.stream("crashed");
        let expect = Expect::Any;
        let rows = vec![RowWrite::delete::<tables::Streams>(&crashed, expect)];
        store.commit(Commit { rows, ..Commit::default() }).await.expect("a commit");
        let streams = open();
        assert!(streams.stream(&crashed).is_err());
        for _ in 0..10_000 {
            if shard_rows(&store).await == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("shards of a stream that is gone are still there");
    }
}
