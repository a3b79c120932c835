//! Tables of an operator: a folder of documents, each what `aws glue get-table` prints.

#![expect(clippy::disallowed_methods, reason = "an operator's tables are documents of his own")]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use convert::{Table, tables_of_document};
use delivery::limits::{TABLE_DOCUMENT_BYTES_MAX, TABLE_DOCUMENTS_MAX};
use delivery::{Answer, Catalog, CatalogError, TableName};
use stdx::task;

/// Every `.json` of a folder. It is read again whenever a table is looked for, which is seldom.
pub(crate) struct Folder(Arc<PathBuf>);

impl Folder {
    /// The folder at `path`, whose documents must be readable now.
    ///
    /// # Errors
    /// A sentence that names the document.
    pub(crate) fn new(path: PathBuf) -> Result<Self, String> {
        tables(&path)?;
        Ok(Folder(Arc::new(path)))
    }
}

impl Catalog for Folder {
    fn table<'a>(&'a self, name: &'a TableName) -> Answer<'a, Result<Table, CatalogError>> {
        Box::pin(async move {
            let path = Arc::clone(&self.0);
            let tables = task::spawn_blocking(move || tables(&path)).await;
            let tables = match tables {
                Ok(tables) => tables.map_err(CatalogError::Unavailable)?,
                Err(error) => return Err(CatalogError::Unavailable(error.to_string())),
            };
            newest(tables, name).ok_or(CatalogError::NotFound)
        })
    }
}

/// The table that is meant: of this version, else the one whose version counts most.
fn newest(tables: Vec<Table>, name: &TableName) -> Option<Table> {
    let number = |table: &Table| {
        table.version_id.as_deref().and_then(|id| id.parse::<u64>().ok()).unwrap_or_default()
    };
    tables
        .into_iter()
        .filter(|table| table.database == name.database && table.name == name.table)
        .filter(|table| name.version_id.is_none() || table.version_id == name.version_id)
        .max_by_key(number)
}

/// The tables of all documents.
fn tables(folder: &Path) -> Result<Vec<Table>, String> {
    let unreadable = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
        let path = entry.map_err(|error| unreadable(folder, error))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    if paths.len() > TABLE_DOCUMENTS_MAX {
        return Err(format!("{} has more than {TABLE_DOCUMENTS_MAX} documents", folder.display()));
    }
    paths.sort();
    let mut tables = Vec::new();
    for path in paths {
        let size = std::fs::metadata(&path).map_err(|error| unreadable(&path, error))?.len();
        if size > TABLE_DOCUMENT_BYTES_MAX as u64 {
            let most = TABLE_DOCUMENT_BYTES_MAX;
            return Err(format!("{} is larger than {most} bytes", path.display()));
        }
        let document = std::fs::read(&path).map_err(|error| unreadable(&path, error))?;
        let of_document = tables_of_document(&document)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        tables.extend(of_document);
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(version: u32, r#type: &str) -> String {
        format!(
            r#"{{"Table":{{"DatabaseName":"d","Name":"t","VersionId":"{version}",
            "StorageDescriptor":{{"Columns":[{{"Name":"a","Type":"{type}"}}]}}}}}}"#
        )
    }

    fn name(version_id: Option<&str>) -> TableName {
        TableName {
            catalog_id: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            database: "d".to_owned(),
            table: "t".to_owned(),
            version_id: version_id.map(str::to_owned),
        }
    }

    #[tokio::test]
    async fn documents_come_and_go_while_the_server_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        let catalog = Folder::new(path.to_owned()).expect("a catalog");
        assert_eq!(catalog.table(&name(None)).await, Err(CatalogError::NotFound));
        for (file, version) in [("a.json", 10), ("b.json", 9)] {
            std::fs::write(path.join(file), document(version, "int")).expect("a document");
        }
        std::fs::write(path.join("notes.txt"), "no document").expect("a file");
        let version = async |wanted| {
            catalog.table(&name(wanted)).await.map(|table| table.version_id.unwrap_or_default())
        };
        assert_eq!(version(None).await, Ok("10".to_owned()));
        assert_eq!(version(Some("9")).await, Ok("9".to_owned()));
        assert_eq!(version(Some("8")).await, Err(CatalogError::NotFound));
        std::fs::write(path.join("c.json"), document(11, "uniontype<int>")).expect("a document");
        let error = version(None).await.expect_err("no table");
        assert!(matches!(error, CatalogError::Unavailable(_)), "{error}");
        let refusal = Folder::new(path.to_owned()).err().expect("a refusal");
        assert!(
            refusal.ends_with("c.json: column 'a': the type uniontype is not supported"),
            "{refusal}"
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let refusal = Folder::new(PathBuf::from("no/such/folder")).err().expect("a refusal");
        assert!(refusal.starts_with("no/such/folder: "), "{refusal}");
    }
}
