//! What a destination's records are converted into: the configuration, the table as a plan remembers it,
//! and the file on its way.

use bytes::Bytes;
use convert::{
    Converter, ConverterError, Options, OptionsError, PageCompression, Table, TableSchema,
};
use model::firehose::shapes::{DataFormatConversionConfiguration, SchemaConfiguration};
use stdx::UnixMillis;
use streams::World;

use crate::catalog::{CatalogError, TableName};
use crate::failed::{DataCatalogTable, Failure, FormatConversionFailed};
use crate::reading::Incoming;
use crate::rows::PlannedTable;

/// What stands for the newest version of a table.
const LATEST: &str = "LATEST";

/// A destination's format conversion.
#[derive(Clone, Debug)]
pub struct Conversion {
    options: Options,
    schema: SchemaConfiguration,
}

impl Conversion {
    /// Reads a configuration that is switched on.
    ///
    /// # Errors
    /// If nothing can be converted as it says.
    pub(crate) fn read(own: &DataFormatConversionConfiguration) -> Result<Self, OptionsError> {
        let json = serde_json::to_value(own)
            .map_err(|error| OptionsError::Unreadable(error.to_string()))?;
        let options = Options::of_configuration(&json)?;
        let mut schema = own.schema_configuration.clone().unwrap_or_default();
        for member in [&mut schema.catalog_id, &mut schema.region, &mut schema.version_id] {
            member.take_if(|text| text.is_empty());
        }
        Ok(Conversion { options, schema })
    }

    /// The table's name, for a delivery stream of `world`.
    pub(crate) fn table_name(&self, world: &World) -> TableName {
        let schema = &self.schema;
        let or = |own: &Option<String>, other: &str| own.as_deref().unwrap_or(other).to_owned();
        TableName {
            catalog_id: or(&schema.catalog_id, &world.account),
            region: or(&schema.region, &world.region),
            database: or(&schema.database_name, ""),
            table: or(&schema.table_name, ""),
            version_id: schema.version_id.clone().filter(|version| version != LATEST),
        }
    }

    /// The table as a plan remembers it; an error if it should be looked up again.
    pub(crate) fn planned(
        &self,
        found: Result<&Table, CatalogError>,
    ) -> Result<PlannedTable, CatalogError> {
        let missing =
            |code: &str, message: String| PlannedTable::Missing { code: code.to_owned(), message };
        let table = match found {
            Ok(table) => table,
            Err(error) => {
                let code = error.code().map(|code| missing(code, error.to_string()));
                return code.ok_or(error);
            }
        };
        if let Err(error) = Converter::new(&table.schema, &self.options) {
            let message = format!("The schema is invalid: {error}");
            return Ok(missing("DataFormatConversion.InvalidSchema", message));
        }
        let columns = table.schema.columns().iter();
        let columns = columns.map(|column| (column.name.clone(), column.r#type.to_string()));
        Ok(PlannedTable::Found { columns: columns.collect(), version_id: table.version_id.clone() })
    }

    /// The object's `Content-Encoding`, as AWS sets it (`facts/firehose.md` § 2.3). No client undoes this
    /// one, as it would `gzip`.
    pub(crate) fn content_encoding(&self) -> Option<&'static str> {
        match self.options.parquet.compression {
            PageCompression::Snappy => Some("hadoop-snappy"),
            PageCompression::Gzip | PageCompression::Uncompressed => None,
        }
    }
}

/// What has become of a plan's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Converted {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) failed_records: u64,
    pub(crate) failed_bytes: u64,
}

/// A file on its way.
pub(crate) struct Converting {
    /// None if there is no table.
    converter: Option<Box<Converter>>,
    /// The code and the words for every record without a table.
    missing: (String, String),
    name: TableName,
    /// When failures are said to have been.
    ended: UnixMillis,
    converted: Converted,
    lines: Vec<u8>,
}

impl Converting {
    /// Begins a file of the table that a plan remembers, for a delivery stream of `world`.
    pub(crate) fn begin(
        conversion: &Conversion,
        table: Option<&PlannedTable>,
        world: &World,
        ended: UnixMillis,
    ) -> Result<Self, ConverterError> {
        let unreadable = |cause: String| ConverterError::Write(cause);
        let (converter, missing) = match table {
            Some(PlannedTable::Found { columns, .. }) => {
                let columns = columns.iter().map(|(name, r#type)| (name.as_str(), r#type.as_str()));
                let schema = TableSchema::parse(columns);
                let schema = schema.map_err(|error| unreadable(error.to_string()))?;
                let converter = Converter::new(&schema, &conversion.options)?;
                (Some(Box::new(converter)), Default::default())
            }
            Some(PlannedTable::Missing { code, message }) => {
                (None, (code.clone(), message.clone()))
            }
            None => return Err(unreadable("the plan has no table".to_owned())),
        };
        Ok(Converting {
            converter,
            missing,
            name: conversion.table_name(world),
            ended,
            converted: Converted::default(),
            lines: Vec::new(),
        })
    }

    /// Adds a record, or a line that says why it is not in the file.
    pub(crate) fn add(&mut self, data: &[u8], incoming: &Incoming) {
        let (own_code, own_message);
        let (code, message) = match self.converter.as_mut().map(|converter| converter.push(data)) {
            Some(Ok(_)) => {
                self.converted.records += 1;
                self.converted.bytes += data.len() as u64;
                return;
            }
            Some(Err(failure)) => {
                (own_code, own_message) = (failure.code(), failure.message);
                (own_code, own_message.as_str())
            }
            None => (self.missing.0.as_str(), self.missing.1.as_str()),
        };
        self.converted.failed_records += 1;
        self.converted.failed_bytes += data.len() as u64;
        let origin = incoming.origin.as_ref();
        let sequence = origin.map(|origin| origin.sequence.to_string());
        let within = origin.and_then(|origin| origin.subsequence).map(|within| within as u64);
        let table = DataCatalogTable {
            catalog_id: Some(&self.name.catalog_id),
            database_name: &self.name.database,
            table_name: &self.name.table,
            region: &self.name.region,
            version_id: self.name.version_id.as_deref().unwrap_or(LATEST),
            catalog_arn: None,
        };
        let failure = Failure { code, message, attempts: 1, ended: self.ended };
        let numbers = (sequence.as_deref(), within);
        FormatConversionFailed::new(data, incoming.arrival, failure, numbers, table)
            .write_line(&mut self.lines);
    }

    /// The file, if it has rows; the lines; and what was counted.
    pub(crate) fn finish(self) -> Result<(Option<Bytes>, Vec<u8>, Converted), ConverterError> {
        let file = self.converter.map_or(Ok(None), |converter| converter.finish())?;
        Ok((file, self.lines, self.converted))
    }
}
