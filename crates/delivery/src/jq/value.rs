//! Values of jq 1.6: numbers are doubles, objects keep the order in which their keys came.

use std::cmp::Ordering;
use std::sync::Arc;

use indexmap::IndexMap;

use super::Stop;
use crate::limits::{QUERY_VALUE_DEPTH_MAX, QUERY_VALUE_NODES_MAX};

/// A value. Copies share what it is made of.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    String(Arc<str>),
    Array(Arc<Array>),
    Object(Arc<Object>),
}

/// How much work a value is to whoever walks it: with shared parts, a value that was cheap to make
/// can be endless to walk, so every array and object knows its size and depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) nodes: u64,
    depth: u32,
}

impl Weight {
    const LEAF: Weight = Weight { nodes: 1, depth: 0 };

    fn hold(&mut self, child: Weight) {
        self.nodes = self.nodes.saturating_add(child.nodes);
        self.depth = self.depth.max(child.depth + 1);
    }

    fn check(self) -> Result<(), Stop> {
        if self.nodes > QUERY_VALUE_NODES_MAX {
            return Err(Stop::memory());
        }
        if self.depth > QUERY_VALUE_DEPTH_MAX {
            return Err(Stop::depth());
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Array {
    items: Vec<Value>,
    weight: Weight,
}

impl Array {
    pub(super) fn items(&self) -> &[Value] {
        &self.items
    }

    pub(super) fn push(&mut self, value: Value) -> Result<(), Stop> {
        self.weight.hold(value.weight());
        self.weight.check()?;
        self.items.push(value);
        Ok(())
    }

    /// Puts a value at an index, with nulls before it as far as there is nothing.
    pub(super) fn set(&mut self, index: usize, value: Value) -> Result<(), Stop> {
        let missing = (index + 1).saturating_sub(self.items.len());
        let mut weight = self.weight;
        weight.nodes = weight.nodes.saturating_add(missing as u64);
        let old = self.items.get(index).map_or(1, |old| old.weight().nodes);
        weight.nodes = weight.nodes.saturating_sub(old);
        weight.hold(value.weight());
        weight.check()?;
        self.weight = weight;
        if missing > 0 {
            self.items.resize(index + 1, Value::Null);
        }
        self.items[index] = value;
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Object {
    entries: IndexMap<Arc<str>, Value>,
    weight: Weight,
}

impl Default for Object {
    fn default() -> Self {
        Object { entries: IndexMap::new(), weight: Weight::LEAF }
    }
}

impl Object {
    pub(super) fn with_capacity(entries: usize) -> Object {
        Object { entries: IndexMap::with_capacity(entries), weight: Weight::LEAF }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        self.entries.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn insert(&mut self, key: Arc<str>, value: Value) -> Result<(), Stop> {
        let mut weight = self.weight;
        weight.hold(value.weight());
        weight.nodes += 1;
        weight.check()?;
        self.weight = weight;
        if let Some(old) = self.entries.insert(key, value) {
            self.weight.nodes = self.weight.nodes.saturating_sub(old.weight().nodes + 1);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some(old) = self.entries.shift_remove(key) {
            self.weight.nodes = self.weight.nodes.saturating_sub(old.weight().nodes + 1);
        }
    }

    /// The keys in order of their bytes, as `keys` has them.
    pub(super) fn sorted_keys(&self) -> Vec<&Arc<str>> {
        let mut keys: Vec<_> = self.entries.keys().collect();
        keys.sort_unstable();
        keys
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Number(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Value::Number(value as f64)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::String(Arc::from(value))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::String(Arc::from(value))
    }
}

impl From<Object> for Value {
    fn from(value: Object) -> Self {
        Value::Object(Arc::new(value))
    }
}

impl Value {
    /// An array of these.
    pub(super) fn array(items: Vec<Value>) -> Result<Value, Stop> {
        let mut weight = Weight::LEAF;
        for item in &items {
            weight.hold(item.weight());
        }
        weight.check()?;
        Ok(Value::Array(Arc::new(Array { items, weight })))
    }

    /// An object of these, whose keys differ.
    pub(super) fn object<const N: usize>(entries: [(&str, Value); N]) -> Result<Value, Stop> {
        let mut object = Object::with_capacity(N);
        for (key, value) in entries {
            object.insert(Arc::from(key), value)?;
        }
        Ok(object.into())
    }

    /// `[]`.
    pub(super) fn empty_array() -> Value {
        Value::Array(Arc::new(Array { items: Vec::new(), weight: Weight::LEAF }))
    }

    pub(super) fn weight(&self) -> Weight {
        match self {
            Value::Array(array) => array.weight,
            Value::Object(object) => object.weight,
            Value::String(text) => Weight { nodes: 1 + text.len() as u64 / 16, depth: 0 },
            _ => Weight::LEAF,
        }
    }

    /// Whether `if` takes it for true.
    pub(super) fn is_truthy(&self) -> bool {
        !matches!(self, Value::Null | Value::Bool(false))
    }

    /// What `type` says.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }

    /// Its place in jq's order of kinds; false and true are kinds.
    fn rank(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::Bool(false) => 1,
            Value::Bool(true) => 2,
            Value::Number(_) => 3,
            Value::String(_) => 4,
            Value::Array(_) => 5,
            Value::Object(_) => 6,
        }
    }

    /// Whether it is the very same value, which is what paths are checked by.
    pub(super) fn is(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Number(a), Value::Number(b)) => a.to_bits() == b.to_bits(),
            (Value::String(a), Value::String(b)) => Arc::ptr_eq(a, b),
            (Value::Array(a), Value::Array(b)) => Arc::ptr_eq(a, b),
            (Value::Object(a), Value::Object(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.rank() == b.rank(),
        }
    }

    /// jq's `==`. Whoever calls has paid for the weight of one of them.
    pub(super) fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Number(a), Value::Number(b)) => a == b,
            (Value::String(a), Value::String(b)) => a == b,
            (Value::Array(a), Value::Array(b)) => {
                Arc::ptr_eq(a, b)
                    || a.items.len() == b.items.len()
                        && a.items.iter().zip(&b.items).all(|(a, b)| a.equals(b))
            }
            (Value::Object(a), Value::Object(b)) => {
                Arc::ptr_eq(a, b)
                    || a.len() == b.len()
                        && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| a.equals(b)))
            }
            (a, b) => a.rank() == b.rank(),
        }
    }

    /// jq's order. A NaN is below every number, itself included.
    pub(super) fn compare(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Number(a), Value::Number(b)) => a.partial_cmp(b).unwrap_or(if a.is_nan() {
                Ordering::Less
            } else {
                Ordering::Greater
            }),
            (Value::String(a), Value::String(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Value::Array(a), Value::Array(b)) => {
                let unequal = a.items.iter().zip(&b.items).map(|(a, b)| a.compare(b));
                first_difference(unequal).unwrap_or(a.items.len().cmp(&b.items.len()))
            }
            (Value::Object(a), Value::Object(b)) => {
                let (keys, others) = (a.sorted_keys(), b.sorted_keys());
                keys.cmp(&others).then_with(|| {
                    let unequal = keys.iter().map(|key| a.entries[*key].compare(&b.entries[*key]));
                    first_difference(unequal).unwrap_or(Ordering::Equal)
                })
            }
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    /// The order to sort by: as [`Value::compare`], but a total one, since NaNs are all the same.
    pub(super) fn sort_order(&self, other: &Value) -> Ordering {
        match self.compare(other) {
            Ordering::Less if other.compare(self) == Ordering::Less => Ordering::Equal,
            order => order,
        }
    }

    /// jq's `contains`.
    pub(super) fn contains(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Object(a), Value::Object(b)) => {
                b.iter().all(|(key, b)| a.get(key).is_some_and(|a| a.contains(b)))
            }
            (Value::Array(a), Value::Array(b)) => {
                b.items.iter().all(|b| a.items.iter().any(|a| a.contains(b)))
            }
            // Strings end at their first NUL here.
            (Value::String(a), Value::String(b)) => {
                let [a, b] = [a, b].map(|text| text.split('\0').next().unwrap_or_default());
                memchr::memmem::find(a.as_bytes(), b.as_bytes()).is_some()
            }
            (a, b) => a.equals(b),
        }
    }
}

fn first_difference(mut orders: impl Iterator<Item = Ordering>) -> Option<Ordering> {
    orders.find(|order| order.is_ne())
}

/// The array, to be written to: in place if nobody else has it.
pub(super) fn make_array(array: &mut Arc<Array>) -> &mut Array {
    Arc::make_mut(array)
}
