//! Carries out what `--state-delay` has put off, also after a restart.

use std::sync::{Arc, Weak};
use std::time::Duration;

use stdx::UnixMillis;
use store::{Commit, Expect, RowWrite};

use crate::consumers::is_gone;
use crate::engine::{Inner, Plan, Streams};
use crate::error::Error;
use crate::rows::Change;
use crate::settings::with_setting;
use crate::stream::{Stream, StreamState};
use crate::tables;

/// How often to look when nothing is known to be due: also the retry after a failure.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Looks for due changes until the engine is gone.
pub(crate) async fn run(engine: Weak<Inner>) {
    loop {
        let Some(inner) = engine.upgrade() else { return };
        let streams = Streams(inner);
        let next_due = streams.carry_out_due().await;
        let wait = next_due.map_or(LOOK_EVERY, |due| due.since(streams.now()).min(LOOK_EVERY));
        let (clock, pending) = (streams.0.clock.clone(), Arc::clone(&streams.0.pending));
        // Not held while waiting: the engine may go.
        drop(streams);
        tokio::select! {
            biased;
            () = pending.notified() => {}
            () = clock.sleep_service(wait.max(Duration::from_millis(1))) => {}
        }
    }
}

impl Streams {
    /// Carries out everything that is due and says when the next change is.
    async fn carry_out_due(&self) -> Option<UnixMillis> {
        let now = self.now();
        let mut next_due = None;
        for stream in self.0.directory.all() {
            let state = stream.state();
            let Some(pending) = &state.row.pending else { continue };
            let due = UnixMillis(pending.due_ms);
            if due > now {
                next_due = Some(next_due.map_or(due, |next: UnixMillis| next.min(due)));
            } else if let Err(error) = self.carry_out(&stream, &state).await {
                tracing::warn!(stream = %stream.name, %error, "a pending change failed and will be tried again");
            }
        }
        if let Err(error) = self.delete_gone_consumers(now).await {
            tracing::warn!(%error, "consumers could not be deleted and will be tried again");
        }
        next_due
    }

    async fn carry_out(&self, stream: &Stream, due: &StreamState) -> Result<(), Error> {
        let Some(pending) = &due.row.pending else { return Ok(()) };
        if pending.change == Change::Delete {
            return self.remove(stream).await;
        }
        self.change(stream, |state| {
            if state.row.pending.as_ref() != Some(pending) {
                return Ok(Plan::default());
            }
            match &pending.change {
                Change::Split { .. } | Change::Merge { .. } | Change::Scale { .. } => {
                    self.plan_reshard(state, &pending.change)
                }
                setting => {
                    let row = with_setting(state.row.clone(), setting, self.now());
                    Ok(Plan { row: Some(row), ..Plan::default() })
                }
            }
        })
        .await
    }

    async fn delete_gone_consumers(&self, now: UnixMillis) -> Result<(), Error> {
        let table = self.0.store.table::<tables::Consumers>();
        let all = table.scan().map_err(|error| Error::Corrupt(error.reason))?;
        let gone = all.into_iter().filter(|(_, found)| is_gone(&found.row, now));
        let rows: Vec<_> = gone
            .map(|(key, found)| {
                RowWrite::delete::<tables::Consumers>(&key, Expect::Version(found.version))
            })
            .collect();
        if !rows.is_empty() {
            self.0.store.commit(Commit { rows, ..Commit::default() }).await?;
        }
        Ok(())
    }
}
