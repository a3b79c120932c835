//! A form as a tree, and the tree as serde sees it: everything is text until somebody wants a
//! number.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::value::{Error, MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, IntoDeserializer, Visitor};

use crate::limits::{FORM_NODES_MAX, NESTING_MAX};

/// A parameter's value, or the parameters below it.
pub(crate) enum Form {
    Text(String),
    Members(BTreeMap<String, Form>),
}

impl Form {
    /// The tree of a body, if that is a form without contradictions.
    pub(crate) fn parse(body: &[u8]) -> Option<Form> {
        let body = std::str::from_utf8(body).ok()?;
        let (mut root, mut room) = (BTreeMap::new(), FORM_NODES_MAX);
        for pair in body.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            insert(&mut root, &unescape(name)?, unescape(value)?, &mut room)?;
        }
        Some(Form::Members(root))
    }

    /// A list's elements in their order.
    fn elements(&self) -> Result<Vec<&Form>, Error> {
        let wrong = || de::Error::custom("not a list");
        let members = match self {
            // How an empty list is written.
            Form::Text(text) if text.is_empty() => return Ok(Vec::new()),
            Form::Text(_) => return Err(wrong()),
            Form::Members(members) => members,
        };
        let Some(Form::Members(numbered)) = members.get("member") else { return Err(wrong()) };
        let mut elements = Vec::with_capacity(numbered.len());
        for (number, element) in numbered {
            elements.push((number.parse::<u32>().map_err(|_| wrong())?, element));
        }
        elements.sort_unstable_by_key(|(number, _)| *number);
        Ok(elements.into_iter().map(|(_, element)| element).collect())
    }

    fn text(&self) -> Result<&str, Error> {
        match self {
            Form::Text(text) => Ok(text),
            Form::Members(_) => Err(de::Error::custom("not a value")),
        }
    }

    fn parsed<T: FromStr>(&self) -> Result<T, Error> {
        self.text()?.parse().map_err(|_| de::Error::custom("a value of another type"))
    }
}

/// Puts a value where its name says.
fn insert(
    root: &mut BTreeMap<String, Form>,
    name: &str,
    value: String,
    room: &mut usize,
) -> Option<()> {
    *room = room.checked_sub(1)?;
    let mut members = root;
    let mut steps = name.split('.');
    let last = steps.next_back()?;
    for (depth, step) in steps.enumerate() {
        if depth >= NESTING_MAX {
            return None;
        }
        if !members.contains_key(step) {
            *room = room.checked_sub(1)?;
            members.insert(step.to_owned(), Form::Members(BTreeMap::new()));
        }
        match members.get_mut(step) {
            Some(Form::Members(inner)) => members = inner,
            _ => return None,
        }
    }
    match members.insert(last.to_owned(), Form::Text(value)) {
        None | Some(Form::Text(_)) => Some(()),
        Some(Form::Members(_)) => None,
    }
}

/// Undoes `application/x-www-form-urlencoded`; `None` if it was something else.
pub(super) fn unescape(text: &str) -> Option<String> {
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => (digit(rest.next())? * 16 + digit(rest.next())?) as u8,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

impl<'de> IntoDeserializer<'de, Error> for &'de Form {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.parsed()?)
        })*
    };
}

impl<'de> Deserializer<'de> for &'de Form {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Form::Text(text) => visitor.visit_borrowed_str(text),
            Form::Members(members) => visitor.visit_map(MapDeserializer::new(
                members.iter().map(|(name, value)| (name.as_str(), value)),
            )),
        }
    }

    numbers! {
        deserialize_bool visit_bool
        deserialize_i8 visit_i8
        deserialize_i16 visit_i16
        deserialize_i32 visit_i32
        deserialize_i64 visit_i64
        deserialize_u8 visit_u8
        deserialize_u16 visit_u16
        deserialize_u32 visit_u32
        deserialize_u64 visit_u64
        deserialize_f32 visit_f32
        deserialize_f64 visit_f64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(SeqDeserializer::new(self.elements()?.into_iter()))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text: StrDeserializer<'_, Error> = self.text()?.into_deserializer();
        visitor.visit_enum(text)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct
        identifier ignored_any
    }
}
