//! Conversion of a delivery stream's records into the rows of a file.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use convert::{Converter, Options, OptionsError};
use model::firehose::shapes::DataFormatConversionConfiguration;
use stdx::UnixMillis;
use streams::World;

use crate::catalog::{CatalogError, TableName, Tables};
use crate::failed::{DataCatalogTable, Failure, FormatConversionFailed};
use crate::frame::Origin;

/// What the latest version of a table is called.
const LATEST: &str = "LATEST";

/// How records are converted, and into which table.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    options: Options,
    catalog_id: Option<String>,
    region: Option<String>,
    database: String,
    table: String,
    version_id: Option<String>,
}

impl Conversion {
    /// Reads a configuration.
    ///
    /// # Errors
    /// Why nothing is converted so.
    pub(crate) fn read(own: &DataFormatConversionConfiguration) -> Result<Self, OptionsError> {
        let value = serde_json::to_value(own)
            .map_err(|error| OptionsError::Unreadable(error.to_string()))?;
        let schema = own.schema_configuration.clone().unwrap_or_default();
        let given = |member: Option<String>| member.filter(|text| !text.is_empty());
        Ok(Conversion {
            options: Options::of_configuration(&value)?,
            catalog_id: given(schema.catalog_id),
            region: given(schema.region),
            database: schema.database_name.unwrap_or_default(),
            table: schema.table_name.unwrap_or_default(),
            version_id: given(schema.version_id),
        })
    }

    /// Begins a file for a delivery stream of `world`.
    ///
    /// # Errors
    /// If the table's catalog cannot be asked now.
    pub(crate) async fn begin(
        self: Arc<Self>,
        tables: &Tables,
        world: &World,
    ) -> Result<Converting, CatalogError> {
        let name = TableName {
            catalog_id: self.catalog_id.clone().unwrap_or_else(|| world.account.to_string()),
            region: self.region.clone().unwrap_or_else(|| world.region.to_string()),
            database: self.database.clone(),
            table: self.table.clone(),
            version_id: self.version_id.clone().filter(|version| version != LATEST),
        };
        let file = match tables.find(&name).await {
            Ok(table) => Converter::new(&table.schema, &self.options)
                .map(Box::new)
                .map_err(|error| ("DataFormatConversion.InvalidSchema", error.to_string())),
            Err(error) => match error.code() {
                Some(code) => Err((code, error.to_string())),
                None => return Err(error),
            },
        };
        Ok(Converting { conversion: self, name, file })
    }
}

/// A file that records are added to.
pub(crate) struct Converting {
    conversion: Arc<Conversion>,
    name: TableName,
    /// The file; or why no record can be a row of it, in a code and words.
    file: Result<Box<Converter>, (&'static str, String)>,
}

impl Converting {
    /// Adds a record; or a line to `lines` if it cannot be a row.
    pub(crate) fn push(
        &mut self,
        data: &[u8],
        (arrival, origin): (UnixMillis, Option<&Origin>),
        ended: UnixMillis,
        lines: &mut Vec<u8>,
    ) {
        let failure = match &mut self.file {
            Ok(file) => match file.push(data) {
                Ok(_) => return,
                Err(failure) => (failure.code(), failure.message),
            },
            Err((code, message)) => (*code, message.clone()),
        };
        let (code, message) = (failure.0, failure.1.as_str());
        let number = origin.map(|origin| origin.sequence.to_string());
        let sub_number = origin.and_then(|origin| origin.subsequence).map(|at| at as u64);
        let table = DataCatalogTable {
            catalog_id: Some(&self.name.catalog_id),
            database_name: &self.name.database,
            table_name: &self.name.table,
            region: &self.name.region,
            version_id: self.conversion.version_id.as_deref().unwrap_or(LATEST),
            catalog_arn: None,
        };
        let told = Failure { code, message, attempts: 1, ended };
        FormatConversionFailed::new(data, arrival, told, (number.as_deref(), sub_number), table)
            .write_line(lines);
    }

    /// The file, if it has rows.
    pub(crate) fn finish(self) -> io::Result<Option<Bytes>> {
        match self.file {
            Ok(file) => file.finish().map_err(io::Error::other),
            Err(_) => Ok(None),
        }
    }
}
