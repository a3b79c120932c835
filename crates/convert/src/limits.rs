//! Every limit of format conversion, with its source.

/// Characters of one column's type (Glue's model, `ColumnTypeString`).
pub const TYPE_CHARS_MAX: usize = 131_072;
/// How deep a type may nest. Ours: a level costs up to three definition levels, which are a byte each,
/// and a stack frame.
pub const TYPE_DEPTH_MAX: usize = 32;
/// Columns of one table, members of structures included. Ours: each costs buffers of its own.
pub const LEAVES_MAX: usize = 10_000;
/// Digits of a decimal (Hive's `HiveDecimal.MAX_PRECISION`).
pub const DECIMAL_PRECISION_MAX: u8 = 38;
/// Characters of a `char` (Hive's `HiveChar.MAX_CHAR_LENGTH`).
pub const CHAR_LENGTH_MAX: u32 = 255;
/// Characters of a `varchar` (Hive's `HiveVarchar.MAX_VARCHAR_LENGTH`).
pub const VARCHAR_LENGTH_MAX: u32 = 65_535;

/// Bytes of a row group, as they are held before they are encoded (API reference, `ParquetSerDe`).
pub const BLOCK_BYTES_DEFAULT: usize = 256 * 1024 * 1024;
/// Bytes of a page (API reference, `ParquetSerDe`).
pub const PAGE_BYTES_DEFAULT: usize = 1024 * 1024;
/// Levels that a column encodes at a time. Ours: more do not pay.
pub const WRITE_BATCH_LEVELS: usize = 4096;
/// Bytes that a column encodes at a time, of which the size of a page is watched between two. Ours: no
/// more than the smallest page.
pub const WRITE_BATCH_BYTES: usize = 64 * 1024;
