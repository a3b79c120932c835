//! Where the tables of format conversion are: an operator's folder, a Glue-compatible catalog, or both,
//! the folder first.

mod folder;
mod glue;

use convert::Table;
use delivery::{Answer, Catalog, CatalogError, TableName};

pub(crate) use folder::Folder;
pub(crate) use glue::Glue;

/// Whoever was named, in this order.
pub(crate) struct OutsideTables {
    pub(crate) folder: Option<Folder>,
    pub(crate) glue: Option<Glue>,
}

impl Catalog for OutsideTables {
    fn table<'a>(&'a self, name: &'a TableName) -> Answer<'a, Result<Table, CatalogError>> {
        Box::pin(async move {
            let mut found = Err(CatalogError::NotFound);
            if let Some(folder) = &self.folder {
                found = folder.table(name).await;
            }
            match (&found, &self.glue) {
                (Err(CatalogError::NotFound), Some(glue)) => glue.table(name).await,
                _ => found,
            }
        })
    }
}
