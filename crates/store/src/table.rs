//! Tables: durable rows by key, resident in memory.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::watch;

use crate::error::RowError;
use crate::id::TableId;
use crate::request::{Expect, RowWrite};

/// A table: its number and how its keys and rows look as bytes. Rows sort by their encoded keys.
pub trait Table: 'static {
    /// The table's number, 1 to 255, never used for anything else again.
    const ID: u8;
    /// What people call it.
    const NAME: &'static str;
    /// What a row is found by.
    type Key;
    /// What a row holds.
    type Row;

    /// Appends the key's bytes.
    fn encode_key(key: &Self::Key, into: &mut Vec<u8>);
    /// The key of these bytes; otherwise what is wrong with them.
    fn decode_key(bytes: &[u8]) -> Result<Self::Key, &'static str>;
    /// Appends the row's bytes.
    fn encode_row(row: &Self::Row, into: &mut Vec<u8>);
    /// The row of these bytes; otherwise what is wrong with them.
    fn decode_row(bytes: &[u8]) -> Result<Self::Row, &'static str>;
}

/// A row and the position of the entry that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versioned<R> {
    /// Rises with every write of the row, never used again.
    pub version: u64,
    /// The row.
    pub row: R,
}

/// A row of table `T` and its key.
pub type KeyedRow<T> = (<T as Table>::Key, Versioned<<T as Table>::Row>);

impl RowWrite {
    /// Writes `row` of table `T`.
    pub fn put<T: Table>(key: &T::Key, row: &T::Row, expect: Expect) -> Self {
        let mut value = Vec::new();
        T::encode_row(row, &mut value);
        RowWrite {
            table: TableId(T::ID),
            key: encode_key::<T>(key).into(),
            value: Some(value.into()),
            expect,
        }
    }

    /// Deletes a row of table `T`.
    pub fn delete<T: Table>(key: &T::Key, expect: Expect) -> Self {
        let key = encode_key::<T>(key).into();
        RowWrite { table: TableId(T::ID), key, value: None, expect }
    }
}

fn encode_key<T: Table>(key: &T::Key) -> Vec<u8> {
    let mut bytes = Vec::new();
    T::encode_key(key, &mut bytes);
    bytes
}

/// A row as kept: encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRow {
    pub(crate) version: u64,
    pub(crate) value: Bytes,
}

/// One table's durable rows.
#[derive(Debug)]
pub(crate) struct Rows {
    rows: RwLock<BTreeMap<Bytes, StoredRow>>,
    generation: watch::Sender<u64>,
}

impl Rows {
    fn new() -> Self {
        Rows { rows: RwLock::default(), generation: watch::Sender::new(0) }
    }

    pub(crate) fn read<R>(&self, look: impl FnOnce(&BTreeMap<Bytes, StoredRow>) -> R) -> R {
        look(&self.rows.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes rows (`None` deletes), then tells the watchers once.
    pub(crate) fn write(&self, changes: impl Iterator<Item = (Bytes, Option<StoredRow>)>) {
        {
            let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
            for (key, row) in changes {
                match row {
                    Some(row) => drop(rows.insert(key, row)),
                    None => drop(rows.remove(&key)),
                }
            }
        }
        self.generation.send_modify(|generation| *generation += 1);
    }
}

/// All tables.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    tables: RwLock<BTreeMap<u8, Arc<Rows>>>,
}

impl Tables {
    pub(crate) fn rows(&self, table: TableId) -> Arc<Rows> {
        let found = {
            let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
            tables.get(&table.0).map(Arc::clone)
        };
        found.unwrap_or_else(|| {
            let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(tables.entry(table.0).or_insert_with(|| Arc::new(Rows::new())))
        })
    }

    /// Every table that has ever had a row in this process, by number.
    pub(crate) fn all(&self) -> Vec<(TableId, Arc<Rows>)> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.iter().map(|(&number, rows)| (TableId(number), Arc::clone(rows))).collect()
    }
}

/// Table `T`'s durable rows.
#[derive(Debug)]
pub struct TableView<T> {
    rows: Arc<Rows>,
    table: PhantomData<fn() -> T>,
}

impl<T> Clone for TableView<T> {
    fn clone(&self) -> Self {
        TableView { rows: Arc::clone(&self.rows), table: PhantomData }
    }
}

impl<T: Table> TableView<T> {
    pub(crate) fn new(rows: Arc<Rows>) -> Self {
        TableView { rows, table: PhantomData }
    }

    /// The row at `key`.
    ///
    /// # Errors
    /// If it is there and cannot be decoded.
    pub fn get(&self, key: &T::Key) -> Result<Option<Versioned<T::Row>>, RowError> {
        let found = self.rows.read(|rows| rows.get(&encode_key::<T>(key)[..]).cloned());
        found.map(|row| decode::<T>(&row)).transpose()
    }

    /// Every row, in key order.
    ///
    /// # Errors
    /// If one cannot be decoded.
    pub fn scan(&self) -> Result<Vec<KeyedRow<T>>, RowError> {
        self.scan_prefix(&[])
    }

    /// The rows whose encoded keys begin with `prefix`, in key order.
    ///
    /// # Errors
    /// If one cannot be decoded.
    pub fn scan_prefix(&self, prefix: &[u8]) -> Result<Vec<KeyedRow<T>>, RowError> {
        let found = self.rows.read(|rows| {
            let from = rows.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
            let own = from.take_while(|(key, _)| key.starts_with(prefix));
            own.map(|(key, row)| (key.clone(), row.clone())).collect::<Vec<_>>()
        });
        decode_all::<T>(found)
    }

    /// At most `rows_max` rows from encoded key `from` (inclusive) on, in key order.
    ///
    /// # Errors
    /// If one cannot be decoded.
    pub fn scan_from(&self, from: &[u8], rows_max: usize) -> Result<Vec<KeyedRow<T>>, RowError> {
        let found = self.rows.read(|rows| {
            let from = rows.range::<[u8], _>((Bound::Included(from), Bound::Unbounded));
            from.take(rows_max).map(|(key, row)| (key.clone(), row.clone())).collect::<Vec<_>>()
        });
        decode_all::<T>(found)
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.read(BTreeMap::len)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A watch on the table, which has seen everything there is now.
    pub fn watch(&self) -> TableChanges {
        TableChanges(self.rows.generation.subscribe())
    }
}

fn decode<T: Table>(stored: &StoredRow) -> Result<Versioned<T::Row>, RowError> {
    let row = T::decode_row(&stored.value).map_err(|reason| RowError { table: T::NAME, reason })?;
    Ok(Versioned { version: stored.version, row })
}

fn decode_all<T: Table>(found: Vec<(Bytes, StoredRow)>) -> Result<Vec<KeyedRow<T>>, RowError> {
    let each = found.into_iter().map(|(key, row)| {
        let key = T::decode_key(&key).map_err(|reason| RowError { table: T::NAME, reason })?;
        Ok((key, decode::<T>(&row)?))
    });
    each.collect()
}

/// Tells when a table has changed. Changes are not queued: look again after each.
#[derive(Clone, Debug)]
pub struct TableChanges(watch::Receiver<u64>);

impl TableChanges {
    /// Waits until the table has changed since the last call; `false` once the store is gone.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}
