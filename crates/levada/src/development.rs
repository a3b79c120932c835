//! Development mode: a folder made for it, whose service clock can be moved.
//!
//! The folder is marked by a row, and the row holds how far its clock is ahead. Only a folder that is
//! made at this very start gets one, so that nobody's records age by mistake; a folder that has one is
//! served in no other mode, since what it holds may be dated ahead of the world.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use api::operator::VirtualClock;
use minicbor::{Decode, Encode};
use stdx::{Clock, UnixMillis};
use store::{Commit, CommitError, Expect, RowWrite, Store, Table};
use tokio::sync::Mutex;

use crate::server::StartError;

/// The row of a development folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct DevelopmentRow {
    /// By how much the service clock is ahead, in milliseconds.
    #[n(0)]
    shift_ms: u64,
}

/// Rows about the server itself, by name.
enum Operators {}

const DEVELOPMENT: &str = "development";

impl Table for Operators {
    const ID: u8 = 16;
    const NAME: &'static str = "operator";
    type Key = String;
    type Row = DevelopmentRow;

    fn encode_key(key: &String, into: &mut Vec<u8>) {
        into.extend_from_slice(key.as_bytes());
    }

    fn decode_key(bytes: &[u8]) -> Result<String, &'static str> {
        String::from_utf8(bytes.to_vec()).map_err(|_| "not a name")
    }

    fn encode_row(row: &DevelopmentRow, into: &mut Vec<u8>) {
        minicbor::encode(row, into).expect("a vector takes every byte");
    }

    fn decode_row(bytes: &[u8]) -> Result<DevelopmentRow, &'static str> {
        minicbor::decode(bytes).map_err(|_| "not a development row")
    }
}

/// Checks that the folder is of the mode that was asked for, marks a new one, and sets the clock.
///
/// # Errors
/// [`StartError::Mode`] if it is of the other mode.
pub(crate) async fn prepare(
    store: &Store,
    clock: &Clock,
    wanted: bool,
    is_new: bool,
) -> Result<(), StartError> {
    let damaged = |error: store::RowError| StartError::Damaged(error.reason.to_owned());
    let found = store.table::<Operators>().get(&DEVELOPMENT.to_owned()).map_err(damaged)?;
    match (wanted, found) {
        (false, None) => {}
        (false, Some(_)) => return Err(StartError::Mode { development: true }),
        (true, Some(found)) => clock.move_service(Duration::from_millis(found.row.shift_ms)),
        (true, None) if is_new => {
            let row = DevelopmentRow::default();
            write(store, row, Expect::Absent).await.map_err(StartError::Damaged)?;
        }
        (true, None) => return Err(StartError::Mode { development: false }),
    }
    Ok(())
}

async fn write(store: &Store, row: DevelopmentRow, expect: Expect) -> Result<(), String> {
    let rows = vec![RowWrite::put::<Operators>(&DEVELOPMENT.to_owned(), &row, expect)];
    let committed = store.commit(Commit { rows, ..Commit::default() }).await;
    committed.map(drop).map_err(|error: CommitError| error.to_string())
}

/// The service clock as the operator moves it.
pub(crate) struct Movable {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) is_development: bool,
    /// One move after the other.
    pub(crate) moving: Mutex<()>,
}

impl Movable {
    pub(crate) fn new(store: &Store, clock: &Clock, is_development: bool) -> Self {
        let (store, clock) = (store.clone(), clock.clone());
        Movable { store, clock, is_development, moving: tokio::sync::Mutex::default() }
    }
}

impl VirtualClock for Movable {
    fn is_movable(&self) -> bool {
        self.is_development
    }

    fn service(&self) -> UnixMillis {
        self.clock.service()
    }

    fn wall(&self) -> UnixMillis {
        self.clock.wall()
    }

    fn shift(&self) -> Duration {
        self.clock.shift()
    }

    fn advance(
        &self,
        by: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async move {
            let _one_at_a_time = self.moving.lock().await;
            let shift_ms = (self.clock.shift() + by).as_millis() as u64;
            write(&self.store, DevelopmentRow { shift_ms }, Expect::Any).await?;
            self.clock.move_service(by);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let mut bytes = Vec::new();
        Operators::encode_row(&DevelopmentRow { shift_ms: 90_000_000 }, &mut bytes);
        assert_eq!(bytes, b"\xa1\x00\x1a\x05\x5d\x4a\x80");
        assert_eq!(Operators::decode_row(&bytes), Ok(DevelopmentRow { shift_ms: 90_000_000 }));
        assert!(Operators::decode_row(b"\xa1\x00").is_err());
    }
}
