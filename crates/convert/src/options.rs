//! How a delivery stream converts: `DataFormatConversionConfiguration`, in AWS's members.

use std::collections::BTreeMap;
use std::fmt;

use parquet::basic::{Compression, GzipLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use serde::Deserialize;

use crate::joda::{PatternError, TimestampFormat};
use crate::limits::{BLOCK_BYTES_DEFAULT, PAGE_BYTES_DEFAULT};
use crate::rules::{Deserializer, Hive, OpenX};

/// Who wrote a file, which readers know special cases by. Constant: the same records give the same bytes.
const CREATED_BY: &str = "levada";

/// How records are read and the file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Who reads the JSON.
    pub deserializer: Deserializer,
    /// How the file is written.
    pub parquet: Parquet,
}

/// How a Parquet file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parquet {
    /// Bytes of a row group, before they are encoded.
    pub block_bytes: usize,
    /// Bytes of a page, at about which it ends.
    pub page_bytes: usize,
    /// How pages are compressed.
    pub compression: PageCompression,
    /// Whether values that come often are written once.
    pub has_dictionary: bool,
    /// Bytes that may be left out so that a row group begins at a block.
    pub max_padding_bytes: usize,
    /// Whether pages are of the second version.
    pub is_version_2: bool,
}

/// How pages are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PageCompression {
    /// Not at all.
    Uncompressed,
    /// RFC 1952.
    Gzip,
    /// Raw Snappy.
    #[default]
    Snappy,
}

impl Default for Parquet {
    /// AWS's defaults (API reference, `ParquetSerDe`).
    fn default() -> Self {
        Parquet {
            block_bytes: BLOCK_BYTES_DEFAULT,
            page_bytes: PAGE_BYTES_DEFAULT,
            compression: PageCompression::Snappy,
            has_dictionary: false,
            max_padding_bytes: 0,
            is_version_2: false,
        }
    }
}

impl Parquet {
    pub(crate) fn properties(&self) -> WriterProperties {
        let compression = match self.compression {
            PageCompression::Uncompressed => Compression::UNCOMPRESSED,
            PageCompression::Gzip => Compression::GZIP(GzipLevel::default()),
            PageCompression::Snappy => Compression::SNAPPY,
        };
        let version = match self.is_version_2 {
            true => WriterVersion::PARQUET_2_0,
            false => WriterVersion::PARQUET_1_0,
        };
        WriterProperties::builder()
            .set_created_by(CREATED_BY.to_owned())
            .set_writer_version(version)
            .set_compression(compression)
            .set_dictionary_enabled(self.has_dictionary)
            .set_data_page_size_limit(self.page_bytes)
            .set_dictionary_page_size_limit(self.page_bytes)
            .build()
    }
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionsError {
    /// It is not enabled, or there is none: nothing is converted.
    Disabled,
    /// It asks for ORC, which is not written.
    Orc,
    /// It names no deserializer, or no serializer, or more than one.
    Incomplete,
    /// A timestamp format is none.
    TimestampFormat {
        /// The format.
        format: String,
        /// Why.
        error: PatternError,
    },
    /// A member is not of its type.
    Unreadable(String),
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionsError::Disabled => write!(f, "format conversion is not enabled"),
            OptionsError::Orc => write!(f, "ORC files are not written"),
            OptionsError::Incomplete => {
                write!(f, "the configuration must name one deserializer and one serializer")
            }
            OptionsError::TimestampFormat { format, error } => {
                write!(f, "the timestamp format '{format}' cannot be read: {error}")
            }
            OptionsError::Unreadable(cause) => write!(f, "the configuration is none: {cause}"),
        }
    }
}

impl std::error::Error for OptionsError {}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ConversionShape {
    enabled: Option<bool>,
    input_format_configuration: InputShape,
    output_format_configuration: OutputShape,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct InputShape {
    deserializer: DeserializerShape,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DeserializerShape {
    #[serde(rename = "OpenXJsonSerDe")]
    open_x: Option<OpenXShape>,
    #[serde(rename = "HiveJsonSerDe")]
    hive: Option<HiveShape>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct OpenXShape {
    case_insensitive: Option<bool>,
    convert_dots_in_json_keys_to_underscores: Option<bool>,
    column_to_json_key_mappings: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HiveShape {
    timestamp_formats: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct OutputShape {
    serializer: SerializerShape,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SerializerShape {
    #[serde(rename = "ParquetSerDe")]
    parquet: Option<ParquetShape>,
    #[serde(rename = "OrcSerDe")]
    orc: Option<serde_json::Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ParquetShape {
    block_size_bytes: Option<usize>,
    page_size_bytes: Option<usize>,
    compression: Option<PageCompression>,
    enable_dictionary_compression: Option<bool>,
    max_padding_bytes: Option<usize>,
    writer_version: Option<VersionShape>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum VersionShape {
    V1,
    V2,
}

impl Options {
    /// The options of a `DataFormatConversionConfiguration`, whose members were validated.
    ///
    /// # Errors
    /// [`OptionsError`].
    pub fn of_configuration(configuration: &serde_json::Value) -> Result<Self, OptionsError> {
        let shape = ConversionShape::deserialize(configuration)
            .map_err(|error| OptionsError::Unreadable(error.to_string()))?;
        if shape.enabled == Some(false) {
            return Err(OptionsError::Disabled);
        }
        let DeserializerShape { open_x, hive } = shape.input_format_configuration.deserializer;
        let deserializer = match (open_x, hive) {
            (Some(open_x), None) => Deserializer::OpenX(open_x.options()),
            (None, Some(hive)) => Deserializer::Hive(hive.options()?),
            _ => return Err(OptionsError::Incomplete),
        };
        match shape.output_format_configuration.serializer {
            SerializerShape { parquet: Some(parquet), orc: None } => {
                Ok(Options { deserializer, parquet: parquet.options() })
            }
            SerializerShape { parquet: None, orc: Some(_) } => Err(OptionsError::Orc),
            _ => Err(OptionsError::Incomplete),
        }
    }
}

impl OpenXShape {
    fn options(self) -> OpenX {
        OpenX {
            case_insensitive: self.case_insensitive.unwrap_or(true),
            dots_to_underscores: self.convert_dots_in_json_keys_to_underscores.unwrap_or(false),
            column_keys: self.column_to_json_key_mappings.unwrap_or_default(),
        }
    }
}

impl HiveShape {
    fn options(self) -> Result<Hive, OptionsError> {
        let formats = self.timestamp_formats.unwrap_or_default();
        let formats = formats.into_iter().map(|format| {
            TimestampFormat::parse(&format)
                .map_err(|error| OptionsError::TimestampFormat { format, error })
        });
        Ok(Hive { timestamp_formats: formats.collect::<Result<_, _>>()? })
    }
}

impl ParquetShape {
    fn options(self) -> Parquet {
        let default = Parquet::default();
        Parquet {
            block_bytes: self.block_size_bytes.unwrap_or(default.block_bytes),
            page_bytes: self.page_size_bytes.unwrap_or(default.page_bytes),
            compression: self.compression.unwrap_or_default(),
            has_dictionary: self.enable_dictionary_compression.unwrap_or(false),
            max_padding_bytes: self.max_padding_bytes.unwrap_or(0),
            is_version_2: self.writer_version == Some(VersionShape::V2),
        }
    }
}
