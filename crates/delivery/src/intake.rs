//! A Kinesis stream as the intake: its shards are logs that are read where they are, each from a cursor of
//! its own, children after their parents.

use std::time::Duration;

use stdx::UnixMillis;
use store::{LogId, Position, ReadFrom, RowWrite, Store};
use streams::{Shard, Stream, StreamName, Streams, World};

use crate::limits::SOURCE_RETRY;
use crate::line::Cursor;
use crate::owner::{LineId, Owner};
use crate::rows::{Role, Source, SourceRow};
use crate::tables::{self, Reader};

/// The stream that an ARN names.
pub fn stream_of_arn(arn: &str) -> Option<StreamName> {
    let mut parts = arn.splitn(6, ':');
    let is_kinesis = parts.next() == Some("arn") && parts.nth(1) == Some("kinesis");
    let (region, account) = (parts.next()?, parts.next()?);
    let name = parts.next()?.strip_prefix("stream/")?;
    let world = World { account: account.into(), region: region.into() };
    is_kinesis.then(|| world.stream(name))
}

/// The rows of a delivery stream that begins with what a stream gets from now on: at the end of each
/// of its shards.
pub(crate) fn first_rows(
    (store, streams): (&Store, &Streams),
    generation: u64,
    source: &Source,
    has_backup: bool,
) -> Vec<RowWrite> {
    let Source::KinesisStream { arn, .. } = source else { return Vec::new() };
    let stream = stream_of_arn(arn).and_then(|name| streams.stream(&name).ok());
    let Some(stream) = stream else { return Vec::new() };
    let readers = if has_backup {
        &[Reader::Destination, Reader::Backup][..]
    } else {
        &[Reader::Destination]
    };
    let state = stream.state();
    let mut rows = Vec::new();
    for shard in state.shards.all() {
        let Some(tail) = store.tail(shard.log) else { continue };
        let row = SourceRow { role: role_of(shard), below: tail.next.0 };
        rows.extend(readers.iter().map(|reader| {
            let key = (generation, shard.log.0, *reader);
            RowWrite::put::<tables::Sources>(&key, &row, store::Expect::Absent)
        }));
    }
    rows
}

fn role_of(shard: &Shard) -> Role {
    Role::Shard { index: shard.index, created_seconds: shard.created_seconds }
}

impl Owner {
    /// Looks at the shards that there are: new ones are read once their parents are, and what is gone is
    /// forgotten.
    pub(crate) fn arrange_shards(&mut self) {
        let Source::KinesisStream { arn, .. } = &self.state.row.source else { return };
        let named = stream_of_arn(arn).ok_or_else(|| format!("{arn} names no stream"));
        let found = named.and_then(|name| {
            let found = self.shared.streams.stream(&name);
            found.map_err(|_| format!("the source stream {} does not exist", name.name))
        });
        match found {
            Ok(stream) => {
                self.source_retry = None;
                self.trouble = None;
                if self.source.as_ref().is_none_or(|known| known.generation != stream.generation) {
                    self.source_changes = Some(stream.watch());
                    self.source = Some(stream);
                }
                self.read_new_shards();
            }
            Err(trouble) => {
                if self.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!(delivery_stream = %self.stream.name, trouble, "nothing to read");
                }
                self.trouble = Some(trouble);
                (self.source, self.source_changes) = (None, None);
                self.source_retry = Some(self.shared.clock.monotonic() + SOURCE_RETRY);
            }
        }
    }

    fn read_new_shards(&mut self) {
        let Some(stream) = self.source.clone() else { return };
        let ids: &[LineId] = match self.destination.as_ref().map(|own| own.backup.is_some()) {
            Some(true) => &[LineId::Main, LineId::Backup],
            Some(false) => &[LineId::Main],
            None => &[],
        };
        for id in ids {
            for shard in self.shards_to_read(&stream, *id) {
                let at = match (id, self.line(LineId::Main).cursors.get(&shard.log.0)) {
                    // A backup that was switched on later begins where nothing is planned yet.
                    (LineId::Backup, Some(main)) if main.version.is_some() => {
                        ReadFrom::Position(Position(main.below))
                    }
                    _ => ReadFrom::Time(UnixMillis(self.state.row.created_ms)),
                };
                let cursor = Cursor::new(role_of(&shard), at);
                self.line(*id).cursors.insert(shard.log.0, cursor);
                self.unread.insert((*id, shard.log.0));
            }
        }
        let followed: Vec<_> = self.line(LineId::Main).cursors.keys().copied().collect();
        for log in followed {
            if self.followed_logs.insert(log) {
                self.follow(log);
            }
        }
    }

    /// Shards that a line does not read yet and whose parents it has read to the end.
    fn shards_to_read(&mut self, stream: &Stream, id: LineId) -> Vec<Shard> {
        let state = stream.state();
        let cursors = &self.line(id).cursors;
        let is_read = |parent: Option<u32>| {
            let parent = parent.and_then(|parent| state.shards.get(parent));
            parent
                .is_none_or(|parent| cursors.get(&parent.log.0).is_some_and(|cursor| cursor.ended))
        };
        let fresh = |shard: &&std::sync::Arc<Shard>| {
            !cursors.contains_key(&shard.log.0)
                && is_read(shard.parent)
                && is_read(shard.adjacent_parent)
        };
        state.shards.all().iter().filter(fresh).map(|shard| Shard::clone(shard)).collect()
    }

    /// Shards that are gone, with nothing of them left to deliver: their rows may go.
    pub(crate) fn shards_gone(&self) -> Vec<(LineId, u64)> {
        if !matches!(self.state.row.source, Source::KinesisStream { .. }) {
            return Vec::new();
        }
        let mut gone = Vec::new();
        for id in [LineId::Main, LineId::Backup] {
            let Some(line) = self.lines.get(&id) else { continue };
            for (log, cursor) in line.cursors.iter().filter(|(_, cursor)| cursor.ended) {
                let is_there = self.shared.store.tail(LogId(*log)).is_some();
                let parts = self.plans.all.values().flat_map(|plan| &plan.row.parts);
                let mut needed = parts.filter(|part| part.log == *log);
                if !is_there
                    && cursor.version.is_some()
                    && !line.holds(*log)
                    && needed.next().is_none()
                {
                    gone.push((id, *log));
                }
            }
        }
        gone
    }

    /// How long until a missing source is looked for again.
    pub(crate) fn source_wait(&self) -> Option<Duration> {
        let now = self.shared.clock.monotonic();
        self.source_retry.map(|at| at.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_name_streams() {
        let name = stream_of_arn("arn:aws:kinesis:eu-west-1:000000000000:stream/orders");
        let name = name.expect("a stream's");
        assert_eq!((&*name.world.account, &*name.world.region), ("000000000000", "eu-west-1"));
        assert_eq!(&*name.name, "orders");
        for other in [
            "orders",
            "arn:aws:firehose:eu-west-1:000000000000:deliverystream/orders",
            "arn:aws:kinesis:eu-west-1:000000000000:stream",
        ] {
            assert!(stream_of_arn(other).is_none(), "{other}");
        }
    }
}
