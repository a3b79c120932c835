//! Records in, a file out.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;

use crate::column_type::{Column, ColumnType};
use crate::failure::RecordFailure;
use crate::leaf::{Mark, Measure};
use crate::options::{Options, Parquet};
use crate::rules::Deserializer;
use crate::schema::TableSchema;
use crate::shape::{Names, Node, NodeKind, shape};
use crate::shred::Shredder;
use crate::tape::Tape;

/// Why a table cannot be written with these options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConverterError {
    /// Hive's deserializer knows no names with a point in them.
    DotInName(String),
    /// The file cannot be written.
    Write(String),
}

impl fmt::Display for ConverterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConverterError::DotInName(name) => {
                write!(f, "the Hive JSON SerDe takes no periods in column names: '{name}'")
            }
            ConverterError::Write(cause) => write!(f, "the file cannot be written: {cause}"),
        }
    }
}

impl std::error::Error for ConverterError {}

impl From<ParquetError> for ConverterError {
    fn from(error: ParquetError) -> Self {
        ConverterError::Write(error.to_string())
    }
}

/// Makes one file of records. The same records give the same bytes.
pub struct Converter {
    tape: Tape,
    names: Names,
    members: Vec<Node>,
    shredder: Shredder,
    /// How far the columns had come before the record at hand.
    marks: Vec<Mark>,
    file: SerializedFileWriter<Vec<u8>>,
    parquet: Parquet,
    /// Bytes that the columns hold, not encoded yet.
    column_bytes: usize,
    rows: u64,
    /// What went wrong when a row group was written.
    broken: Option<ConverterError>,
}

impl Converter {
    /// Begins a file.
    ///
    /// # Errors
    /// [`ConverterError::DotInName`].
    pub fn new(schema: &TableSchema, options: &Options) -> Result<Self, ConverterError> {
        if let Deserializer::Hive(_) = options.deserializer
            && let Some(name) = name_with_dot(schema.columns())
        {
            return Err(ConverterError::DotInName(name.to_owned()));
        }
        let shape = shape(schema.columns(), &options.deserializer)?;
        let NodeKind::Struct { names, members } = shape.root.kind else {
            return Err(ConverterError::Write("the root is no structure".to_owned()));
        };
        let properties = Arc::new(options.parquet.properties());
        Ok(Converter {
            tape: Tape::default(),
            names,
            members,
            shredder: Shredder::new(shape.leaves, options.deserializer.clone()),
            marks: Vec::new(),
            file: SerializedFileWriter::new(Vec::new(), shape.schema, properties)?,
            parquet: options.parquet,
            column_bytes: 0,
            rows: 0,
            broken: None,
        })
    }

    /// Adds a record: a JSON object, or several one after the other, each of which is a row. Answers how
    /// many.
    ///
    /// # Errors
    /// Why the record is not in the file; nothing of it is then.
    pub fn push(&mut self, record: &[u8]) -> Result<u64, RecordFailure> {
        if record.iter().all(u8::is_ascii_whitespace) {
            return Err(RecordFailure::blank());
        }
        self.tape.read(record).map_err(|words| RecordFailure::unparsable(&words))?;
        self.marks.clear();
        self.marks.extend(self.shredder.leaves.iter().map(|leaf| leaf.mark()));
        let mut rows = 0;
        for value in self.tape.roots(record) {
            if let Err(failure) = self.shredder.row(&self.names, &self.members, value) {
                for (leaf, mark) in self.shredder.leaves.iter_mut().zip(&self.marks) {
                    leaf.truncate(*mark);
                }
                return Err(failure);
            }
            rows += 1;
        }
        self.rows += rows;
        self.column_bytes = self.shredder.leaves.iter().map(|leaf| leaf.bytes(Measure::Used)).sum();
        if self.column_bytes >= self.parquet.block_bytes
            && self.broken.is_none()
            && let Err(error) = self.write_row_group()
        {
            self.broken = Some(error);
        }
        Ok(rows)
    }

    /// How many rows the file has.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of memory that are held: for columns that are not encoded yet (of at most a block and a
    /// record, of which as much again may be reserved), and for the file so far. A row group on its way
    /// into the file takes, besides, its largest column once more.
    pub fn held_bytes(&self) -> usize {
        let leaves = self.shredder.leaves.iter();
        let columns: usize = leaves.map(|leaf| leaf.bytes(Measure::Reserved)).sum();
        columns + self.file.inner().capacity() + self.tape.held_bytes()
    }

    /// The file; none if it has no rows.
    ///
    /// # Errors
    /// [`ConverterError::Write`], which no record is to blame for.
    pub fn finish(mut self) -> Result<Option<Bytes>, ConverterError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        if self.rows == 0 {
            return Ok(None);
        }
        if self.column_bytes > 0 {
            self.write_row_group()?;
        }
        Ok(Some(self.file.into_inner()?.into()))
    }

    fn write_row_group(&mut self) -> Result<(), ConverterError> {
        self.pad()?;
        let mut group = self.file.next_row_group()?;
        for leaf in &mut self.shredder.leaves {
            let Some(mut column) = group.next_column()? else { break };
            leaf.write(&mut column)?;
            column.close()?;
        }
        group.close()?;
        self.column_bytes = 0;
        Ok(())
    }

    /// Begins the next row group at the next block, if that takes no more than the padding allowed.
    fn pad(&mut self) -> Result<(), ConverterError> {
        let rest = self.file.bytes_written() % self.parquet.block_bytes;
        let gap = self.parquet.block_bytes - rest;
        let is_first = self.file.flushed_row_groups().is_empty();
        if !is_first && rest > 0 && gap <= self.parquet.max_padding_bytes {
            self.file
                .write_all(&vec![0; gap])
                .map_err(|error| ConverterError::Write(error.to_string()))?;
        }
        Ok(())
    }
}

fn name_with_dot(columns: &[Column]) -> Option<&str> {
    columns.iter().find_map(|column| match column.name.contains('.') {
        true => Some(column.name.as_str()),
        false => dot_within(&column.r#type),
    })
}

fn dot_within(r#type: &ColumnType) -> Option<&str> {
    match r#type {
        ColumnType::Struct(members) => name_with_dot(members),
        ColumnType::Array(element) => dot_within(element),
        ColumnType::Map(_, value) => dot_within(value),
        _ => None,
    }
}
