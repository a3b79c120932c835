//! Leads the values of a record to the columns of the file.
//!
//! Levels are Dremel's: the definition level counts what exists of the path to a value, and the
//! repetition level names the list that a value continues.

use std::collections::HashMap;

use crate::failure::RecordFailure;
use crate::leaf::{Leaf, Values};
use crate::moment::days_since_epoch;
use crate::rules::{Deserializer, java_class};
use crate::shape::{LeafKind, Names, Node, NodeKind};
use crate::tape::{Kind, Value};

/// A member that the record does not have.
const MISSING: u32 = u32::MAX;

/// The columns that values are led to, and what is used again from record to record.
pub(crate) struct Shredder {
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) rules: Deserializer,
    /// The places of the members of the structures that are being read.
    places: Vec<u32>,
    name: String,
}

type Done = Result<(), RecordFailure>;

impl Shredder {
    pub(crate) fn new(leaves: Vec<Leaf>, rules: Deserializer) -> Self {
        Shredder { leaves, rules, places: Vec::new(), name: String::new() }
    }

    /// Adds a row. After a failure the columns hold parts of it.
    pub(crate) fn row(&mut self, names: &Names, members: &[Node], value: Value<'_>) -> Done {
        self.places.clear();
        if value.kind() != Kind::Object {
            return Err(match self.rules {
                _ if !value.is_nested() => RecordFailure::primitive(),
                Deserializer::OpenX(_) => not_an_object(value),
                Deserializer::Hive(_) => RecordFailure::mismatch(
                    "java.io.IOException: Start token not found where expected",
                ),
            });
        }
        self.members(names, members, value, 0, 0)
    }

    /// Adds a value, or that there is none, to a node whose surroundings have these levels.
    fn add(
        &mut self,
        node: &Node,
        value: Option<Value<'_>>,
        repetition: u8,
        definition: u8,
    ) -> Done {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            self.nothing(node, repetition, definition);
            return Ok(());
        };
        match &node.kind {
            NodeKind::Leaf(kind) => {
                let leaf = &mut self.leaves[node.leaves.start];
                push(leaf, *kind, &self.rules, value)?;
                leaf.push_levels(repetition, definition + 1);
                Ok(())
            }
            NodeKind::Struct { names, members } => {
                let definition = definition + 1;
                match value.kind() {
                    Kind::Object => self.members(names, members, value, repetition, definition),
                    Kind::Array if self.rules.is_lenient() => {
                        let mut elements = value.children();
                        members.iter().try_for_each(|member| {
                            self.add(member, elements.next(), repetition, definition)
                        })
                    }
                    _ => Err(self.no_object(value)),
                }
            }
            NodeKind::List { element, repetition: level } => {
                let levels = [repetition, *level];
                match value.kind() {
                    Kind::Array => self.elements(node, element, value, levels, definition),
                    _ if self.rules.is_lenient() => {
                        self.add(element, Some(value), repetition, definition + 2)
                    }
                    _ => {
                        Err(RecordFailure::mismatch("java.io.IOException: Start of Array expected"))
                    }
                }
            }
            NodeKind::Map { key, value: held, repetition: level } => {
                if value.kind() != Kind::Object {
                    return Err(match self.rules {
                        Deserializer::OpenX(_) => RecordFailure::mismatch(format_args!(
                            "{} cannot be cast to org.openx.data.jsonserde.json.JSONObject",
                            java_class(value)
                        )),
                        Deserializer::Hive(_) => self.no_object(value),
                    });
                }
                let levels = [repetition, *level];
                self.entries(node, (key, held), value, levels, definition)
            }
        }
    }

    /// There is nothing in any column below a node.
    fn nothing(&mut self, node: &Node, repetition: u8, definition: u8) {
        for leaf in &mut self.leaves[node.leaves.clone()] {
            leaf.push_levels(repetition, definition);
        }
    }

    /// The members of an object, of which the last of a name counts.
    fn members(
        &mut self,
        names: &Names,
        members: &[Node],
        value: Value<'_>,
        repetition: u8,
        definition: u8,
    ) -> Done {
        let base = self.places.len();
        self.places.resize(base + members.len(), MISSING);
        for (name, member) in value.members() {
            if let Some(index) = names.find(&name.text(), &mut self.name) {
                self.places[base + index] = member.place();
            }
        }
        for (index, member) in members.iter().enumerate() {
            let place = self.places[base + index];
            let found = (place != MISSING).then(|| value.at(place));
            self.add(member, found, repetition, definition)?;
        }
        self.places.truncate(base);
        Ok(())
    }

    /// The elements of a list: the first one goes on where the list does, the others within it.
    fn elements(
        &mut self,
        node: &Node,
        element: &Node,
        value: Value<'_>,
        [first, further]: [u8; 2],
        definition: u8,
    ) -> Done {
        let mut repetition = first;
        let mut is_empty = true;
        for held in value.children() {
            self.add(element, Some(held), repetition, definition + 2)?;
            repetition = further;
            is_empty = false;
        }
        if is_empty {
            self.nothing(node, first, definition + 1);
        }
        Ok(())
    }

    /// The entries of a map, each key once, with its last value.
    fn entries(
        &mut self,
        node: &Node,
        (key, held): (&Node, &Node),
        value: Value<'_>,
        [first, further]: [u8; 2],
        definition: u8,
    ) -> Done {
        let mut entries: Vec<(Value<'_>, Value<'_>)> = Vec::new();
        let mut by_name: HashMap<String, usize> = HashMap::new();
        let lowers = self.rules.lowers_keys();
        for (name, member) in value.members() {
            let text = name.text();
            let text = if lowers { text.to_lowercase() } else { text.into_owned() };
            match by_name.entry(text) {
                std::collections::hash_map::Entry::Occupied(known) => {
                    entries[*known.get()].1 = member;
                }
                std::collections::hash_map::Entry::Vacant(new) => {
                    new.insert(entries.len());
                    entries.push((name, member));
                }
            }
        }
        if entries.is_empty() {
            self.nothing(node, first, definition + 1);
            return Ok(());
        }
        let mut repetition = first;
        for (name, member) in entries {
            let NodeKind::Leaf(kind) = key.kind else { continue };
            let leaf = &mut self.leaves[key.leaves.start];
            push_key(leaf, kind, &self.rules, name)?;
            leaf.push_levels(repetition, definition + 2);
            self.add(held, Some(member), repetition, definition + 2)?;
            repetition = further;
        }
        Ok(())
    }

    fn no_object(&self, value: Value<'_>) -> RecordFailure {
        match self.rules {
            Deserializer::OpenX(_) => not_an_object(value),
            Deserializer::Hive(_) => {
                RecordFailure::mismatch("java.io.IOException: Start of Object expected")
            }
        }
    }
}

/// AWS's words, two spaces included.
fn not_an_object(value: Value<'_>) -> RecordFailure {
    let class = java_class(value);
    let text = match value.is_nested() {
        false => value.text(),
        true => {
            let mut json = String::new();
            value.write_json(false, &mut json);
            json.into()
        }
    };
    RecordFailure::mismatch(format_args!("Data is not JSONObject  but {class} with value {text}"))
}

/// A key is text, whatever the map's keys are, and in lower case where all names are.
fn push_key(leaf: &mut Leaf, kind: LeafKind, rules: &Deserializer, name: Value<'_>) -> Done {
    match kind {
        LeafKind::Text { most, is_padded } => {
            let text = name.text();
            let lower = rules.lowers_keys().then(|| text.to_lowercase());
            leaf.push_bytes(
                shortened(lower.as_deref().unwrap_or(&text), most, is_padded).as_bytes(),
            );
            Ok(())
        }
        kind => push(leaf, kind, rules.for_keys(), name),
    }
}

/// Adds a value that is not null to a column of the file.
fn push(leaf: &mut Leaf, kind: LeafKind, rules: &Deserializer, value: Value<'_>) -> Done {
    match (kind, &mut leaf.values) {
        (LeafKind::Boolean, Values::Bool(values)) => values.push(rules.boolean(value)?),
        (LeafKind::Integer(of), Values::Int32(values)) => {
            values.push(rules.integer(value, of)? as i32);
        }
        (LeafKind::Integer(of), Values::Int64(values)) => values.push(rules.integer(value, of)?),
        (LeafKind::Float, Values::Float(values)) => values.push(rules.float(value)?),
        (LeafKind::Double, Values::Double(values)) => values.push(rules.double(value)?),
        (LeafKind::Decimal { precision, scale }, Values::Fixed { data, width }) => {
            let number = rules.decimal(value, precision, scale)?.to_be_bytes();
            data.extend_from_slice(&number[number.len() - *width..]);
        }
        (LeafKind::Date, Values::Int32(values)) => {
            values.push(days_since_epoch(rules.day(value)?));
        }
        (LeafKind::Timestamp, Values::Int96(values)) => {
            let moment = rules.moment(value)?.to_int96();
            values.push(moment.ok_or_else(|| RecordFailure::for_input(&value.text()))?);
        }
        (LeafKind::Text { most, is_padded }, Values::Bytes { .. }) => {
            let text = rules.text(value)?;
            leaf.push_bytes(shortened(&text, most, is_padded).as_bytes());
        }
        _ => debug_assert!(false, "a column holds what its kind says"),
    }
    Ok(())
}

/// What a `char` or a `varchar` keeps of a text, as Hive cuts it.
fn shortened(text: &str, most: Option<usize>, is_padded: bool) -> &str {
    let Some(most) = most else { return text };
    let end = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
    match is_padded {
        true => text[..end].trim_end_matches(' '),
        false => &text[..end],
    }
}
