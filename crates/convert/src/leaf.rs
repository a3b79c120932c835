//! A column of the file on its way: its values, and the levels that say where among lists and nulls
//! each belongs.

use std::ops::Range;

use bytes::Bytes;
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray,
    FixedLenByteArrayType, FloatType, Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedColumnWriter;

use crate::limits::{WRITE_BATCH_BYTES, WRITE_BATCH_LEVELS};

/// The values of a column, by how Parquet holds them.
#[derive(Debug)]
pub(crate) enum Values {
    Bool(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Int96(Vec<Int96>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    /// Bytes one after the other, and where each value ends.
    Bytes {
        data: Vec<u8>,
        ends: Vec<u32>,
    },
    /// Bytes of one width each.
    Fixed {
        data: Vec<u8>,
        width: usize,
    },
}

/// A column of the file.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) values: Values,
    /// How much of the path to each value exists.
    definitions: Vec<u8>,
    /// Which list each value goes on, if there is one on the path.
    repetitions: Option<Vec<u8>>,
    /// The definition level of a value that is there.
    pub(crate) max_definition: u8,
}

/// Which bytes are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Measure {
    Used,
    Reserved,
}

impl Measure {
    fn bytes<T>(self, values: &Vec<T>) -> usize {
        let count = match self {
            Measure::Used => values.len(),
            Measure::Reserved => values.capacity(),
        };
        count * size_of::<T>()
    }
}

/// How far a column had come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    levels: usize,
    values: usize,
    bytes: usize,
}

impl Leaf {
    pub(crate) fn new(values: Values, max_definition: u8, is_repeated: bool) -> Self {
        let repetitions = is_repeated.then(Vec::new);
        Leaf { values, definitions: Vec::new(), repetitions, max_definition }
    }

    /// Says where the value that was pushed belongs, or that there is none.
    pub(crate) fn push_levels(&mut self, repetition: u8, definition: u8) {
        self.definitions.push(definition);
        if let Some(repetitions) = &mut self.repetitions {
            repetitions.push(repetition);
        }
    }

    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        match &mut self.values {
            Values::Bytes { data, ends } => {
                data.extend_from_slice(bytes);
                ends.push(data.len() as u32);
            }
            Values::Fixed { data, .. } => data.extend_from_slice(bytes),
            _ => debug_assert!(false, "no column of bytes"),
        }
    }

    pub(crate) fn mark(&self) -> Mark {
        let (values, bytes) = match &self.values {
            Values::Bool(values) => (values.len(), 0),
            Values::Int32(values) => (values.len(), 0),
            Values::Int64(values) => (values.len(), 0),
            Values::Int96(values) => (values.len(), 0),
            Values::Float(values) => (values.len(), 0),
            Values::Double(values) => (values.len(), 0),
            Values::Bytes { data, ends } => (ends.len(), data.len()),
            Values::Fixed { data, .. } => (0, data.len()),
        };
        Mark { levels: self.definitions.len(), values, bytes }
    }

    /// Forgets what came after `mark`.
    pub(crate) fn truncate(&mut self, mark: Mark) {
        self.definitions.truncate(mark.levels);
        if let Some(repetitions) = &mut self.repetitions {
            repetitions.truncate(mark.levels);
        }
        match &mut self.values {
            Values::Bool(values) => values.truncate(mark.values),
            Values::Int32(values) => values.truncate(mark.values),
            Values::Int64(values) => values.truncate(mark.values),
            Values::Int96(values) => values.truncate(mark.values),
            Values::Float(values) => values.truncate(mark.values),
            Values::Double(values) => values.truncate(mark.values),
            Values::Bytes { data, ends } => {
                data.truncate(mark.bytes);
                ends.truncate(mark.values);
            }
            Values::Fixed { data, .. } => data.truncate(mark.bytes),
        }
    }

    /// Bytes of values and levels, or of the memory that is reserved for them.
    pub(crate) fn bytes(&self, of: Measure) -> usize {
        let values = match &self.values {
            Values::Bool(values) => of.bytes(values),
            Values::Int32(values) => of.bytes(values),
            Values::Int64(values) => of.bytes(values),
            Values::Int96(values) => of.bytes(values),
            Values::Float(values) => of.bytes(values),
            Values::Double(values) => of.bytes(values),
            Values::Bytes { data, ends } => of.bytes(data) + of.bytes(ends),
            Values::Fixed { data, .. } => of.bytes(data),
        };
        let repetitions = self.repetitions.as_ref().map_or(0, |levels| of.bytes(levels));
        values + of.bytes(&self.definitions) + repetitions
    }

    /// Encodes the column, and lets go of its values.
    pub(crate) fn write(
        &mut self,
        column: &mut SerializedColumnWriter<'_>,
    ) -> Result<(), ParquetError> {
        let levels = Levels {
            definitions: std::mem::take(&mut self.definitions),
            repetitions: self.repetitions.as_mut().map(std::mem::take),
            max_definition: self.max_definition,
        };
        match &mut self.values {
            Values::Bool(values) => {
                let values = std::mem::take(values);
                levels.write(column.typed::<BoolType>(), &values[..])
            }
            Values::Int32(values) => {
                let values = std::mem::take(values);
                levels.write(column.typed::<Int32Type>(), &values[..])
            }
            Values::Int64(values) => {
                let values = std::mem::take(values);
                levels.write(column.typed::<Int64Type>(), &values[..])
            }
            Values::Int96(values) => {
                let values = std::mem::take(values);
                levels.write(column.typed::<Int96Type>(), &values[..])
            }
            Values::Float(values) => {
                let values = std::mem::take(values);
                levels.write(column.typed::<FloatType>(), &values[..])
            }
            Values::Double(values) => {
                let values = std::mem::take(values);
                levels.write(column.typed::<DoubleType>(), &values[..])
            }
            Values::Bytes { data, ends } => {
                let values =
                    Texts { data: std::mem::take(data).into(), ends: std::mem::take(ends) };
                levels.write(column.typed::<ByteArrayType>(), &values)
            }
            Values::Fixed { data, width } => {
                let values = Widths { data: std::mem::take(data).into(), width: *width };
                levels.write(column.typed::<FixedLenByteArrayType>(), &values)
            }
        }
    }
}

/// Values that are given to the encoder some at a time.
trait Batches<T> {
    /// Adds the values of a range.
    fn fill(&self, range: Range<usize>, batch: &mut Vec<T>);
    /// About how many bytes the value takes.
    fn bytes_of(&self, index: usize) -> usize;
}

impl<T: Clone> Batches<T> for [T] {
    fn fill(&self, range: Range<usize>, batch: &mut Vec<T>) {
        batch.extend_from_slice(&self[range]);
    }

    fn bytes_of(&self, _: usize) -> usize {
        size_of::<T>()
    }
}

struct Texts {
    data: Bytes,
    ends: Vec<u32>,
}

impl Texts {
    fn range(&self, index: usize) -> Range<usize> {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        start..self.ends[index] as usize
    }
}

impl Batches<ByteArray> for Texts {
    fn fill(&self, range: Range<usize>, batch: &mut Vec<ByteArray>) {
        batch.extend(range.map(|index| ByteArray::from(self.data.slice(self.range(index)))));
    }

    fn bytes_of(&self, index: usize) -> usize {
        self.range(index).len()
    }
}

struct Widths {
    data: Bytes,
    width: usize,
}

impl Batches<FixedLenByteArray> for Widths {
    fn fill(&self, range: Range<usize>, batch: &mut Vec<FixedLenByteArray>) {
        let value = |index| self.data.slice(index * self.width..(index + 1) * self.width);
        batch.extend(range.map(|index| FixedLenByteArray::from(ByteArray::from(value(index)))));
    }

    fn bytes_of(&self, _: usize) -> usize {
        self.width
    }
}

struct Levels {
    definitions: Vec<u8>,
    repetitions: Option<Vec<u8>>,
    max_definition: u8,
}

impl Levels {
    /// Gives all to the encoder, in batches that end where a row does: it looks at the size of its
    /// page between two of them.
    fn write<T: DataType>(
        &self,
        column: &mut ColumnWriterImpl<'_, T>,
        values: &(impl Batches<T::T> + ?Sized),
    ) -> Result<(), ParquetError> {
        let mut batch: Vec<T::T> = Vec::new();
        let (mut definitions, mut repetitions) = (Vec::new(), Vec::new());
        let (mut level, mut value) = (0, 0);
        while level < self.definitions.len() {
            let (first_level, first_value) = (level, value);
            let mut bytes = 0;
            while let Some(definition) = self.definitions.get(level) {
                let is_row = self.repetitions.as_ref().is_none_or(|levels| levels[level] == 0);
                let is_full =
                    level - first_level >= WRITE_BATCH_LEVELS || bytes >= WRITE_BATCH_BYTES;
                if is_row && is_full {
                    break;
                }
                if *definition == self.max_definition {
                    bytes += values.bytes_of(value);
                    value += 1;
                }
                level += 1;
            }
            batch.clear();
            values.fill(first_value..value, &mut batch);
            widen(&self.definitions[first_level..level], &mut definitions);
            if let Some(levels) = &self.repetitions {
                widen(&levels[first_level..level], &mut repetitions);
            }
            let repetitions = self.repetitions.as_ref().map(|_| &repetitions[..]);
            column.write_batch(&batch, Some(&definitions), repetitions)?;
        }
        Ok(())
    }
}

fn widen(levels: &[u8], wide: &mut Vec<i16>) {
    wide.clear();
    wide.extend(levels.iter().map(|level| i16::from(*level)));
}
