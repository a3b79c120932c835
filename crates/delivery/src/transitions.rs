//! Carries out what `--state-delay` has put off, also after a restart.

use std::sync::{Arc, Weak};
use std::time::Duration;

use stdx::UnixMillis;

use crate::engine::{Delivery, Inner};
use crate::error::Error;
use crate::rows::{DeliveryStreamRow, Status};
use crate::stream::DeliveryStream;

/// How often to look when nothing is known to be due: also the retry after a failure.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Looks for due changes until the engine is gone.
pub(crate) async fn run(engine: Weak<Inner>) {
    loop {
        let Some(inner) = engine.upgrade() else { return };
        let delivery = Delivery(inner);
        let next_due = delivery.carry_out_due().await;
        let wait = next_due.map_or(LOOK_EVERY, |due| due.since(delivery.now()).min(LOOK_EVERY));
        let (clock, pending) = (delivery.0.clock.clone(), Arc::clone(&delivery.0.pending));
        // Not held while waiting: the engine may go.
        drop(delivery);
        tokio::select! {
            () = pending.notified() => {}
            () = clock.sleep_service(wait.max(Duration::from_millis(1))) => {}
        }
    }
}

impl Delivery {
    /// Carries out everything that is due and says when the next change is.
    async fn carry_out_due(&self) -> Option<UnixMillis> {
        let now = self.now();
        let mut next_due: Option<UnixMillis> = None;
        for stream in self.all() {
            let Some(due) = stream.state().row.due_ms.map(UnixMillis) else { continue };
            if due > now {
                next_due = Some(next_due.map_or(due, |next| next.min(due)));
            } else if let Err(error) = self.carry_out(&stream).await {
                tracing::warn!(stream = %stream.name, %error, "a pending change failed and will be tried again");
            }
        }
        next_due
    }

    async fn carry_out(&self, stream: &DeliveryStream) -> Result<(), Error> {
        if stream.state().row.status == Status::Deleting {
            return self.remove(stream).await;
        }
        self.change(stream, |state| {
            let created =
                DeliveryStreamRow { status: Status::Active, due_ms: None, ..state.row.clone() };
            Ok((state.row.status == Status::Creating).then_some(created))
        })
        .await
    }
}
