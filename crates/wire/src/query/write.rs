//! A value as XML elements.

use std::fmt::{self, Display, Write as _};

use serde::ser::{self, Impossible, Serialize, SerializeSeq, SerializeStruct, Serializer};

/// An element with text in it.
pub(super) fn element(out: &mut String, name: &str, text: &str) {
    let _infallible = write!(out, "<{name}>");
    escape(out, text);
    let _infallible = write!(out, "</{name}>");
}

fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(character),
            // XML 1.0 has no way to write them.
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            character => out.push(character),
        }
    }
}

/// A value that XML has no form for here.
#[derive(Debug)]
pub(super) struct Unwritable;

impl Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such value is written")
    }
}

impl std::error::Error for Unwritable {}

impl ser::Error for Unwritable {
    fn custom<T: Display>(_message: T) -> Self {
        Unwritable
    }
}

/// Writes one value as the element `name`; at the root, members without an element around them.
pub(super) struct Element<'a> {
    out: &'a mut String,
    name: Option<&'a str>,
}

impl<'a> Element<'a> {
    pub(super) fn root(out: &'a mut String) -> Self {
        Element { out, name: None }
    }

    fn text(self, text: &str) -> Result<(), Unwritable> {
        element(self.out, self.name.ok_or(Unwritable)?, text);
        Ok(())
    }

    fn open(self) -> Inner<'a> {
        if let Some(name) = self.name {
            let _infallible = write!(self.out, "<{name}>");
        }
        Inner { out: self.out, name: self.name }
    }
}

/// Within an element: members, or elements of a list.
pub(super) struct Inner<'a> {
    out: &'a mut String,
    name: Option<&'a str>,
}

impl Inner<'_> {
    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Unwritable> {
        value.serialize(Element { out: self.out, name: Some(name) })
    }

    fn close(self) {
        if let Some(name) = self.name {
            let _infallible = write!(self.out, "</{name}>");
        }
    }
}

impl SerializeSeq for Inner<'_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        self.member("member", value)
    }

    fn end(self) -> Result<(), Unwritable> {
        self.close();
        Ok(())
    }
}

impl SerializeStruct for Inner<'_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Unwritable> {
        self.member(key, value)
    }

    fn end(self) -> Result<(), Unwritable> {
        self.close();
        Ok(())
    }
}

type No = Impossible<(), Unwritable>;

macro_rules! displayed {
    ($($method:ident $type:ty)*) => {
        $(fn $method(self, value: $type) -> Result<(), Unwritable> {
            self.text(&value.to_string())
        })*
    };
}

impl<'a> Serializer for Element<'a> {
    type Ok = ();
    type Error = Unwritable;
    type SerializeSeq = Inner<'a>;
    type SerializeTuple = No;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStruct = Inner<'a>;
    type SerializeStructVariant = No;

    displayed! {
        serialize_bool bool
        serialize_i8 i8
        serialize_i16 i16
        serialize_i32 i32
        serialize_i64 i64
        serialize_u8 u8
        serialize_u16 u16
        serialize_u32 u32
        serialize_u64 u64
        serialize_f32 f32
        serialize_f64 f64
        serialize_char char
    }

    fn serialize_str(self, text: &str) -> Result<(), Unwritable> {
        self.text(text)
    }

    fn serialize_bytes(self, _bytes: &[u8]) -> Result<(), Unwritable> {
        Err(Unwritable)
    }

    fn serialize_none(self) -> Result<(), Unwritable> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unwritable> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unwritable> {
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Unwritable> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Unwritable> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Unwritable> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<(), Unwritable> {
        Err(Unwritable)
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Inner<'a>, Unwritable> {
        Ok(self.open())
    }

    fn serialize_tuple(self, _length: usize) -> Result<No, Unwritable> {
        Err(Unwritable)
    }

    fn serialize_tuple_struct(self, _name: &'static str, _length: usize) -> Result<No, Unwritable> {
        Err(Unwritable)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<No, Unwritable> {
        Err(Unwritable)
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<No, Unwritable> {
        Err(Unwritable)
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Inner<'a>, Unwritable> {
        Ok(self.open())
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<No, Unwritable> {
        Err(Unwritable)
    }
}
