//! Tables that records are converted into: who knows their columns, and how long what was found out
//! holds.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use convert::{SchemaError, Table};
use stdx::{Clock, UnixMillis};

use crate::limits::{TABLE_AGE_MAX, TABLES_MAX};
use crate::outside::Answer;

/// A table, as a delivery stream's `SchemaConfiguration` names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableName {
    /// The catalog, an account's number.
    pub catalog_id: String,
    /// The region it is in.
    pub region: String,
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
    /// Which version; the latest if none.
    pub version_id: Option<String>,
}

/// Why there is no table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogError {
    /// There is none of this name, or nobody was told where to look.
    NotFound,
    /// The catalog refuses to show it.
    Denied(String),
    /// It cannot be made a file of.
    Unusable(SchemaError),
    /// The catalog cannot be reached. It may be tried again.
    Unavailable(String),
}

impl CatalogError {
    /// The code that records are failed with; `None` if it should be tried again. AWS publishes the first
    /// one, the others are ours in its form.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            CatalogError::NotFound => Some("DataFormatConversion.EntityNotFound"),
            CatalogError::Denied(_) => Some("DataFormatConversion.AccessDenied"),
            CatalogError::Unusable(_) => Some("DataFormatConversion.InvalidSchema"),
            CatalogError::Unavailable(_) => None,
        }
    }
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CatalogError::NotFound => f.write_str(
                "The specified table/database could not be found. Please ensure that the \
                 table/database exists and that the values provided in the schema configuration are \
                 correct, especially with regards to casing.",
            ),
            CatalogError::Denied(cause) => write!(f, "Access to the table was denied: {cause}"),
            CatalogError::Unusable(error) => write!(f, "The schema is invalid: {error}"),
            CatalogError::Unavailable(cause) => write!(f, "the catalog cannot be reached: {cause}"),
        }
    }
}

impl std::error::Error for CatalogError {}

/// Whoever knows tables.
pub trait Catalog: Send + Sync {
    /// The table of this name.
    fn table<'a>(&'a self, name: &'a TableName) -> Answer<'a, Result<Table, CatalogError>>;
}

/// A catalog, and what it said lately.
pub struct Tables {
    catalog: Arc<dyn Catalog>,
    clock: Clock,
    known: Mutex<HashMap<TableName, Known>>,
}

struct Known {
    table: Arc<Table>,
    since: UnixMillis,
}

impl Tables {
    /// Tables of `catalog`.
    pub fn new(catalog: Arc<dyn Catalog>, clock: Clock) -> Self {
        Tables { catalog, clock, known: Mutex::default() }
    }

    /// The table of this name, as it was at most [`TABLE_AGE_MAX`] ago.
    ///
    /// # Errors
    /// [`CatalogError`]. Only what was found is remembered.
    pub async fn find(&self, name: &TableName) -> Result<Arc<Table>, CatalogError> {
        let now = self.clock.service();
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name)
            && now.0.saturating_sub(known.since.0) < TABLE_AGE_MAX.as_millis() as u64
        {
            return Ok(Arc::clone(&known.table));
        }
        let table = Arc::new(self.catalog.table(name).await?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TABLES_MAX {
            known.clear();
        }
        known.insert(name.clone(), Known { table: Arc::clone(&table), since: now });
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use convert::TableSchema;

    use super::*;

    /// A catalog whose only table changes with every look.
    struct Changing(AtomicU32);

    impl Catalog for Changing {
        fn table<'a>(&'a self, name: &'a TableName) -> Answer<'a, Result<Table, CatalogError>> {
            Box::pin(async move {
                if name.table != "t" {
                    return Err(CatalogError::NotFound);
                }
                let looks = self.0.fetch_add(1, Ordering::Relaxed);
                Ok(Table {
                    database: name.database.clone(),
                    name: name.table.clone(),
                    version_id: Some(looks.to_string()),
                    schema: TableSchema::parse([("a", "int")]).expect("a schema"),
                })
            })
        }
    }

    fn name(table: &str) -> TableName {
        TableName {
            catalog_id: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            database: "d".to_owned(),
            table: table.to_owned(),
            version_id: None,
        }
    }

    #[tokio::test]
    async fn a_change_is_seen_when_what_is_known_is_old() {
        let clock = Clock::manual(UnixMillis(1_700_000_000_000));
        let tables = Tables::new(Arc::new(Changing(AtomicU32::new(1))), clock.clone());
        let version = async || tables.find(&name("t")).await.map(|table| table.version_id.clone());
        assert_eq!(version().await, Ok(Some("1".to_owned())));
        clock.advance(TABLE_AGE_MAX - Duration::from_millis(1));
        assert_eq!(version().await, Ok(Some("1".to_owned())));
        clock.advance(Duration::from_millis(1));
        assert_eq!(version().await, Ok(Some("2".to_owned())));
    }

    #[tokio::test]
    async fn what_was_not_found_is_looked_for_again() {
        let catalog = Arc::new(Changing(AtomicU32::new(1)));
        let tables = Tables::new(catalog, Clock::manual(UnixMillis(0)));
        for _ in 0..2 {
            let error = tables.find(&name("x")).await.expect_err("no table");
            assert_eq!(error.code(), Some("DataFormatConversion.EntityNotFound"));
        }
    }

    #[tokio::test]
    async fn what_is_known_is_bounded() {
        let tables =
            Tables::new(Arc::new(Changing(AtomicU32::new(1))), Clock::manual(UnixMillis(0)));
        for index in 0..=TABLES_MAX {
            let name = TableName { version_id: Some(index.to_string()), ..name("t") };
            tables.find(&name).await.expect("a table");
        }
        assert_eq!(tables.known.lock().expect("tables").len(), 1);
    }
}
