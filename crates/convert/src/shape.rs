//! The shape of a table, twice: as Parquet's schema, laid out as Hive lays it out, and as a tree that a
//! record's values are led through to the columns of the file.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::{Type, TypePtr};

use crate::column_type::{Column, ColumnType};
use crate::decimal::bytes_of;
use crate::leaf::{Leaf, Values};
use crate::rules::{BYTE, Deserializer, INT, Integer, LONG, OpenX, SHORT};

/// Where values go.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    /// The columns of the file below it.
    pub(crate) leaves: Range<usize>,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    /// A column of the file.
    Leaf(LeafKind),
    /// A list, whose elements repeat at a level.
    List { element: Box<Node>, repetition: u8 },
    /// A map, whose entries repeat at a level.
    Map { key: Box<Node>, value: Box<Node>, repetition: u8 },
    /// Members by name.
    Struct { names: Names, members: Vec<Node> },
}

/// How values become those of a column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LeafKind {
    Boolean,
    Integer(Integer),
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// Text, up to so many characters.
    Text {
        most: Option<usize>,
        is_padded: bool,
    },
    Date,
    Timestamp,
}

/// Finds members by the names that records have for them.
#[derive(Debug)]
pub(crate) struct Names {
    by_key: HashMap<String, usize>,
    is_lower: bool,
    has_dots: bool,
}

impl Names {
    fn new(members: &[Column], rules: &Deserializer) -> Self {
        let (is_lower, has_dots, keys) = match rules {
            Deserializer::OpenX(OpenX { case_insensitive, dots_to_underscores, column_keys }) => {
                (*case_insensitive, *dots_to_underscores, Some(column_keys))
            }
            // Hive's names have no case.
            Deserializer::Hive(_) => (true, false, None),
        };
        let mut names = Names { by_key: HashMap::new(), is_lower, has_dots };
        let mut normal = String::new();
        for (index, member) in members.iter().enumerate() {
            let key = keys.and_then(|keys| keys.get(&member.name)).unwrap_or(&member.name);
            let key = names.normal(key, &mut normal).to_owned();
            names.by_key.entry(key).or_insert(index);
        }
        names
    }

    /// Which member is meant.
    pub(crate) fn find(&self, key: &str, normal: &mut String) -> Option<usize> {
        if !self.is_lower && !self.has_dots {
            return self.by_key.get(key).copied();
        }
        self.by_key.get(self.normal(key, normal)).copied()
    }

    fn normal<'a>(&self, key: &str, normal: &'a mut String) -> &'a str {
        normal.clear();
        match self.is_lower {
            true if key.is_ascii() => {
                normal.push_str(key);
                normal.make_ascii_lowercase();
            }
            true => normal.push_str(&key.to_lowercase()),
            false => normal.push_str(key),
        }
        if self.has_dots && normal.contains('.') {
            *normal = normal.replace('.', "_");
        }
        normal
    }
}

/// A table's shape.
pub(crate) struct Shape {
    /// The root, a structure.
    pub(crate) root: Node,
    /// Its columns, empty.
    pub(crate) leaves: Vec<Leaf>,
    /// Parquet's schema.
    pub(crate) schema: TypePtr,
}

/// The shape of columns.
///
/// # Errors
/// None that a table's schema can give.
pub(crate) fn shape(columns: &[Column], rules: &Deserializer) -> Result<Shape, ParquetError> {
    let mut builder = Builder { leaves: Vec::new(), rules };
    let (members, fields) = builder.members(columns, 0, 0)?;
    let leaves = 0..builder.leaves.len();
    let names = Names::new(columns, rules);
    let schema = Type::group_type_builder("hive_schema").with_fields(fields).build()?;
    Ok(Shape {
        root: Node { kind: NodeKind::Struct { names, members }, leaves },
        leaves: builder.leaves,
        schema: Arc::new(schema),
    })
}

struct Builder<'a> {
    leaves: Vec<Leaf>,
    rules: &'a Deserializer,
}

impl Builder<'_> {
    /// The members of a structure whose own levels are given.
    fn members(
        &mut self,
        columns: &[Column],
        definition: u8,
        repetition: u8,
    ) -> Result<(Vec<Node>, Vec<TypePtr>), ParquetError> {
        let mut nodes = Vec::new();
        let mut types = Vec::new();
        for column in columns {
            let place = Place { name: &column.name, definition, repetition, is_required: false };
            let (node, r#type) = self.node(&column.r#type, place)?;
            nodes.push(node);
            types.push(r#type);
        }
        Ok((nodes, types))
    }

    fn node(
        &mut self,
        r#type: &ColumnType,
        place: Place<'_>,
    ) -> Result<(Node, TypePtr), ParquetError> {
        let first = self.leaves.len();
        let (kind, r#type) = match r#type {
            ColumnType::Array(element) => self.list(element, place)?,
            ColumnType::Map(key, value) => self.map(key, value, place)?,
            ColumnType::Struct(columns) => {
                let (members, fields) =
                    self.members(columns, place.definition + 1, place.repetition)?;
                let r#type = place.group().with_fields(fields).build()?;
                (NodeKind::Struct { names: Names::new(columns, self.rules), members }, r#type)
            }
            primitive => self.leaf(primitive, place)?,
        };
        Ok((Node { kind, leaves: first..self.leaves.len() }, Arc::new(r#type)))
    }

    /// `optional group NAME (LIST) { repeated group bag { optional T array_element; } }`
    fn list(
        &mut self,
        element: &ColumnType,
        place: Place<'_>,
    ) -> Result<(NodeKind, Type), ParquetError> {
        let repetition = place.repetition + 1;
        let inner = Place {
            name: "array_element",
            definition: place.definition + 2,
            repetition,
            is_required: false,
        };
        let (element, field) = self.node(element, inner)?;
        let bag = Type::group_type_builder("bag")
            .with_repetition(Repetition::REPEATED)
            .with_fields(vec![field])
            .build()?;
        let r#type = place
            .group()
            .with_logical_type(Some(LogicalType::List))
            .with_converted_type(ConvertedType::LIST)
            .with_fields(vec![Arc::new(bag)])
            .build()?;
        Ok((NodeKind::List { element: Box::new(element), repetition }, r#type))
    }

    /// `optional group NAME (MAP) { repeated group key_value { required K key; optional V value; } }`
    fn map(
        &mut self,
        key: &ColumnType,
        value: &ColumnType,
        place: Place<'_>,
    ) -> Result<(NodeKind, Type), ParquetError> {
        let repetition = place.repetition + 1;
        let inner = |name, is_required| Place {
            name,
            definition: place.definition + 2,
            repetition,
            is_required,
        };
        let (key, key_field) = self.node(key, inner("key", true))?;
        let (value, value_field) = self.node(value, inner("value", false))?;
        let entries = Type::group_type_builder("key_value")
            .with_repetition(Repetition::REPEATED)
            .with_fields(vec![key_field, value_field])
            .build()?;
        let r#type = place
            .group()
            .with_logical_type(Some(LogicalType::Map))
            .with_converted_type(ConvertedType::MAP)
            .with_fields(vec![Arc::new(entries)])
            .build()?;
        let (key, value) = (Box::new(key), Box::new(value));
        Ok((NodeKind::Map { key, value, repetition }, r#type))
    }

    fn leaf(
        &mut self,
        primitive: &ColumnType,
        place: Place<'_>,
    ) -> Result<(NodeKind, Type), ParquetError> {
        let (physical, logical, kind, values) = column(primitive);
        let mut builder = Type::primitive_type_builder(place.name, physical)
            .with_repetition(place.repetition_type())
            .with_logical_type(logical);
        if let Values::Fixed { width, .. } = &values {
            builder = builder.with_length(*width as i32);
        }
        if let ColumnType::Decimal { precision, scale } = primitive {
            builder = builder.with_precision(i32::from(*precision)).with_scale(i32::from(*scale));
        }
        let max_definition = place.definition + u8::from(!place.is_required);
        self.leaves.push(Leaf::new(values, max_definition, place.repetition > 0));
        Ok((NodeKind::Leaf(kind), builder.build()?))
    }
}

/// How Parquet holds a primitive type, which the type means there, how values become it, and none.
fn column(primitive: &ColumnType) -> (Physical, Option<LogicalType>, LeafKind, Values) {
    let bytes = Values::Bytes { data: Vec::new(), ends: Vec::new() };
    let text = |most: Option<u32>, is_padded| LeafKind::Text {
        most: most.map(|most| most as usize),
        is_padded,
    };
    let string = Some(LogicalType::String);
    let integer = |bit_width| Some(LogicalType::Integer { bit_width, is_signed: true });
    let int32 = Values::Int32(Vec::new());
    match *primitive {
        ColumnType::Boolean => {
            (Physical::BOOLEAN, None, LeafKind::Boolean, Values::Bool(Vec::new()))
        }
        ColumnType::TinyInt => (Physical::INT32, integer(8), LeafKind::Integer(BYTE), int32),
        ColumnType::SmallInt => (Physical::INT32, integer(16), LeafKind::Integer(SHORT), int32),
        ColumnType::Int => (Physical::INT32, None, LeafKind::Integer(INT), int32),
        ColumnType::BigInt => {
            (Physical::INT64, None, LeafKind::Integer(LONG), Values::Int64(Vec::new()))
        }
        ColumnType::Float => (Physical::FLOAT, None, LeafKind::Float, Values::Float(Vec::new())),
        ColumnType::Double => {
            (Physical::DOUBLE, None, LeafKind::Double, Values::Double(Vec::new()))
        }
        ColumnType::Decimal { precision, scale } => (
            Physical::FIXED_LEN_BYTE_ARRAY,
            Some(LogicalType::Decimal { scale: scale.into(), precision: precision.into() }),
            LeafKind::Decimal { precision, scale },
            Values::Fixed { data: Vec::new(), width: bytes_of(precision) },
        ),
        ColumnType::Char(most) => (Physical::BYTE_ARRAY, string, text(Some(most), true), bytes),
        ColumnType::Varchar(most) => (Physical::BYTE_ARRAY, string, text(Some(most), false), bytes),
        ColumnType::Binary => (Physical::BYTE_ARRAY, None, text(None, false), bytes),
        ColumnType::Date => (Physical::INT32, Some(LogicalType::Date), LeafKind::Date, int32),
        ColumnType::Timestamp => {
            (Physical::INT96, None, LeafKind::Timestamp, Values::Int96(Vec::new()))
        }
        // Nothing but text is left: the others are no primitives.
        _ => (Physical::BYTE_ARRAY, string, text(None, false), bytes),
    }
}

/// Where in Parquet's schema something is.
#[derive(Clone, Copy)]
struct Place<'a> {
    name: &'a str,
    /// The levels of what it is in.
    definition: u8,
    repetition: u8,
    /// Whether it is never null.
    is_required: bool,
}

impl<'a> Place<'a> {
    fn repetition_type(&self) -> Repetition {
        if self.is_required { Repetition::REQUIRED } else { Repetition::OPTIONAL }
    }

    fn group(&self) -> parquet::schema::types::GroupTypeBuilder<'a> {
        Type::group_type_builder(self.name).with_repetition(self.repetition_type())
    }
}
