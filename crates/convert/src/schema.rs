//! Tables: what columns a file has. Read from what `aws glue get-table` prints, so that a catalog's
//! answers and an operator's files are the same documents.

use std::fmt;

use serde::Deserialize;

use crate::column_type::{Column, ColumnType, TypeError};
use crate::limits::LEAVES_MAX;

/// The columns of a table, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSchema {
    columns: Vec<Column>,
}

/// A table of a catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The database it is in.
    pub database: String,
    /// Its name there.
    pub name: String,
    /// Which version of it this is, if the catalog counts them.
    pub version_id: Option<String>,
    /// Its columns.
    pub schema: TableSchema,
}

/// Why a table cannot be a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaError {
    /// It has no columns.
    NoColumns,
    /// A column has no name.
    Nameless,
    /// Two columns have one name, case aside.
    DuplicateColumn(String),
    /// A column's type cannot be used.
    Type {
        /// The column.
        column: String,
        /// Why.
        error: TypeError,
    },
    /// More columns and members than [`LEAVES_MAX`].
    TooManyColumns,
    /// The document describes no table.
    Unreadable(String),
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SchemaError::NoColumns => write!(f, "the table has no columns"),
            SchemaError::Nameless => write!(f, "a column of the table has no name"),
            SchemaError::DuplicateColumn(name) => {
                write!(f, "the table has two columns called '{name}'")
            }
            SchemaError::Type { column, error } => write!(f, "column '{column}': {error}"),
            SchemaError::TooManyColumns => {
                write!(f, "the table has more than {LEAVES_MAX} columns and members")
            }
            SchemaError::Unreadable(cause) => write!(f, "the document has no table: {cause}"),
        }
    }
}

impl std::error::Error for SchemaError {}

impl TableSchema {
    /// The schema of columns that are given by name and type.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub fn parse<'a>(
        columns: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, SchemaError> {
        let mut parsed: Vec<Column> = Vec::new();
        let mut names = std::collections::HashSet::new();
        let mut leaves = 0;
        for (name, text) in columns {
            if name.trim().is_empty() {
                return Err(SchemaError::Nameless);
            }
            if !names.insert(name.to_lowercase()) {
                return Err(SchemaError::DuplicateColumn(name.to_owned()));
            }
            let r#type = ColumnType::parse(text)
                .map_err(|error| SchemaError::Type { column: name.to_owned(), error })?;
            leaves += r#type.leaves();
            if leaves > LEAVES_MAX {
                return Err(SchemaError::TooManyColumns);
            }
            parsed.push(Column { name: name.to_owned(), r#type });
        }
        match parsed.is_empty() {
            true => Err(SchemaError::NoColumns),
            false => Ok(TableSchema { columns: parsed }),
        }
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
}

/// What Glue's `GetTable`, `GetTableVersion` and `GetTables` answer, and a table alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    #[serde(rename_all = "PascalCase")]
    One {
        table: TableShape,
    },
    #[serde(rename_all = "PascalCase")]
    Version {
        table_version: VersionShape,
    },
    #[serde(rename_all = "PascalCase")]
    Many {
        table_list: Vec<TableShape>,
    },
    Bare(TableShape),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionShape {
    table: TableShape,
    version_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableShape {
    name: String,
    #[serde(default)]
    database_name: String,
    version_id: Option<String>,
    storage_descriptor: Option<StorageShape>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StorageShape {
    #[serde(default)]
    columns: Vec<ColumnShape>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ColumnShape {
    name: String,
    #[serde(default)]
    r#type: String,
}

impl TableShape {
    fn table(self) -> Result<Table, SchemaError> {
        let columns = self.storage_descriptor.map(|storage| storage.columns).unwrap_or_default();
        let columns = columns.iter().map(|column| (column.name.as_str(), column.r#type.as_str()));
        Ok(Table {
            schema: TableSchema::parse(columns)?,
            database: self.database_name,
            name: self.name,
            version_id: self.version_id,
        })
    }
}

/// The tables of a document: the answer of Glue's `GetTable`, `GetTableVersion` or `GetTables`, or one
/// `Table` alone. Members that say nothing of columns are ignored.
///
/// # Errors
/// [`SchemaError`], for the first table that cannot be used.
pub fn tables_of_document(json: &[u8]) -> Result<Vec<Table>, SchemaError> {
    let document: Document =
        serde_json::from_slice(json).map_err(|error| SchemaError::Unreadable(error.to_string()))?;
    match document {
        Document::One { table } | Document::Bare(table) => Ok(vec![table.table()?]),
        Document::Many { table_list } => table_list.into_iter().map(TableShape::table).collect(),
        Document::Version { table_version } => {
            let mut table = table_version.table.table()?;
            table.version_id = table_version.version_id.or(table.version_id);
            Ok(vec![table])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_of_every_kind() {
        let bare = r#"{"DatabaseName":"db","Name":"t","VersionId":"3","CreateTime":1.5,
            "StorageDescriptor":{"Columns":[{"Name":"a","Type":"int","Comment":"x"},{"Name":"b","Type":"array<string>"}],
            "Location":"s3://b/"},"PartitionKeys":[{"Name":"day","Type":"string"}]}"#;
        let version = format!(r#"{{"TableVersion":{{"Table":{bare},"VersionId":"4"}}}}"#);
        let documents = [
            (bare.to_owned(), "3"),
            (format!(r#"{{"Table":{bare}}}"#), "3"),
            (format!(r#"{{"TableList":[{bare}]}}"#), "3"),
            (version, "4"),
        ];
        for (document, version_id) in documents {
            let tables = tables_of_document(document.as_bytes()).expect(&document);
            let [table] = &tables[..] else { panic!("{document}") };
            assert_eq!((table.database.as_str(), table.name.as_str()), ("db", "t"));
            assert_eq!(table.version_id.as_deref(), Some(version_id));
            let names: Vec<&str> =
                table.schema.columns().iter().map(|column| column.name.as_str()).collect();
            // Partition keys are no columns of the file.
            assert_eq!(names, ["a", "b"]);
        }
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let refusal = |columns: &[(&str, &str)]| {
            TableSchema::parse(columns.iter().copied()).expect_err("a refusal").to_string()
        };
        assert_eq!(refusal(&[]), "the table has no columns");
        assert_eq!(refusal(&[(" ", "int")]), "a column of the table has no name");
        assert_eq!(refusal(&[("a", "int"), ("A", "int")]), "the table has two columns called 'A'");
        assert_eq!(
            refusal(&[("a", "uniontype<int>")]),
            "column 'a': the type uniontype is not supported"
        );
        let wide = (0..=LEAVES_MAX).map(|index| format!("c{index}")).collect::<Vec<_>>();
        let wide: Vec<(&str, &str)> = wide.iter().map(|name| (name.as_str(), "int")).collect();
        assert_eq!(TableSchema::parse(wide), Err(SchemaError::TooManyColumns));
        assert!(matches!(tables_of_document(b"{}"), Err(SchemaError::Unreadable(_))));
        assert!(matches!(tables_of_document(b"\xff"), Err(SchemaError::Unreadable(_))));
        assert_eq!(
            tables_of_document(br#"{"Table":{"Name":"t","DatabaseName":"d"}}"#),
            Err(SchemaError::NoColumns)
        );
    }
}
