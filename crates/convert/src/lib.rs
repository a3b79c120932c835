//! Format conversion: records of JSON become the rows of a Parquet file.
//!
//! Pure: bytes in, bytes out, and the same bytes for the same records. What the two deserializers of
//! AWS forgive, and its words for what they do not, are in `docs/delivery.md`.
//!
//! ```
//! use convert::{Converter, Options, TableSchema};
//!
//! let schema = TableSchema::parse([("ticker", "string"), ("price", "double")])?;
//! let options = Options::of_configuration(&serde_json::json!({
//!     "InputFormatConfiguration": { "Deserializer": { "OpenXJsonSerDe": {} } },
//!     "OutputFormatConfiguration": { "Serializer": { "ParquetSerDe": {} } },
//! }))?;
//! let mut converter = Converter::new(&schema, &options)?;
//! converter.push(br#"{"ticker":"AAA","price":1.5}"#)?;
//! let failure = converter.push(br#"{"ticker":"BBB","price":"oops"}"#).unwrap_err();
//! assert_eq!(failure.code(), "DataFormatConversion.MalformedData");
//! assert_eq!(failure.message, "Data does not match the schema. For input string: \"oops\"");
//! let file = converter.finish()?.expect("a row");
//! assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod column_type;
mod converter;
mod decimal;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod joda;
mod leaf;
pub mod limits;
mod moment;
mod options;
mod rules;
mod schema;
mod shape;
mod shred;
mod tape;

pub use column_type::{Column, ColumnType, TypeError};
pub use converter::{Converter, ConverterError};
pub use failure::{FailureKind, RecordFailure};
pub use joda::{Pattern, PatternError, TimestampFormat};
pub use options::{Options, OptionsError, PageCompression, Parquet};
pub use rules::{Deserializer, Hive, OpenX};
pub use schema::{SchemaError, Table, TableSchema, tables_of_document};
