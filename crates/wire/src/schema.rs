//! The static table of a service's input shapes: what serde cannot say, and what the explainer
//! needs for AWS's words.

use crate::pattern::Pattern;

/// One service's shapes. Generated.
#[derive(Debug)]
pub struct Schema {
    /// The Java package that AWS names when it prints a structure.
    pub package: &'static str,
    /// How the service words what breaks a constraint.
    pub words: Words,
    /// All shapes that an input reaches.
    pub shapes: &'static [Shape],
}

/// How a service words what breaks a constraint: AWS's framework has changed its mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// With the value, and a text's pattern before its length.
    Quoting,
    /// Without the value, and a text's length before its pattern.
    Silent,
}

impl Schema {
    /// The shape behind an id of this schema.
    pub fn shape(&self, id: ShapeId) -> &'static Shape {
        &self.shapes[usize::from(id.0)]
    }
}

/// A shape's place in its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapeId(pub u16);

/// A named shape.
#[derive(Debug)]
pub struct Shape {
    /// AWS's name.
    pub name: &'static str,
    /// Its type and constraints.
    pub body: Type,
}

/// A type and its constraints.
#[derive(Debug)]
pub enum Type {
    /// Bytes, so many.
    Blob(Bounds),
    /// True or false.
    Boolean,
    /// A floating-point number.
    Double(Bounds),
    /// A number of 32 bits.
    Integer(Bounds),
    /// A number of 64 bits.
    Long(Bounds),
    /// Elements, so many.
    List {
        /// What each element is.
        member: ShapeId,
        /// How many there may be.
        length: Bounds,
    },
    /// Values by text.
    Map {
        /// What each key is.
        key: ShapeId,
        /// What each value is.
        value: ShapeId,
        /// How many entries there may be.
        length: Bounds,
    },
    /// Text.
    String(Text),
    /// Members, in the order in which AWS reports them.
    Structure(&'static [Member]),
    /// A point in time.
    Timestamp,
}

/// The constraints of a text.
#[derive(Debug)]
pub struct Text {
    /// How many UTF-16 units it may have, as Java counts.
    pub length: Bounds,
    /// What the whole text must match.
    pub pattern: Option<&'static Pattern>,
    /// An enum's values, in the order in which AWS lists them; empty for other texts.
    pub values: &'static [&'static str],
}

/// A structure's member.
#[derive(Debug)]
pub struct Member {
    /// AWS's name.
    pub name: &'static str,
    /// Its shape.
    pub shape: ShapeId,
    /// Whether it must be present.
    pub required: bool,
}

/// The least and the greatest, both allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The least.
    pub min: Option<i64>,
    /// The greatest.
    pub max: Option<i64>,
}

impl Bounds {
    /// No bounds.
    pub const NONE: Bounds = Bounds { min: None, max: None };
}
