//! Format conversion: records of JSON become the rows of a Parquet file.
//!
//! Pure: bytes in, bytes out, and the same bytes for the same records. What the two deserializers of
//! AWS forgive, and its words for what they do not, are in `docs/delivery.md`.

pub mod column_type;
pub mod limits;
pub mod schema;

pub use column_type::{Column, ColumnType, TypeError};
pub use schema::{SchemaError, Table, TableSchema, tables_of_document};
