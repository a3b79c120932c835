//! The reading side.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::{BREAK, Error, INDEFINITE, TIME_TAG, major, simple};
use crate::limits::NESTING_MAX;
use crate::timestamp::TIMESTAMP_NEWTYPE;

/// A place in a body.
pub struct Reader<'de> {
    input: &'de [u8],
    depth: usize,
}

/// The first bytes of an item.
struct Head {
    major: u8,
    /// The low five bits of the first byte: for simple values and floats.
    info: u8,
    /// The argument; none if the length is indefinite.
    argument: Option<u64>,
}

impl<'de> Reader<'de> {
    /// The start of `input`.
    pub fn new(input: &'de [u8]) -> Self {
        Reader { input, depth: 0 }
    }

    /// Refuses anything after the item.
    pub fn finish(&self) -> Result<(), Error> {
        if self.input.is_empty() { Ok(()) } else { Err(Error::Trailing) }
    }

    fn take(&mut self, count: u64) -> Result<&'de [u8], Error> {
        let count = usize::try_from(count).map_err(|_| Error::Truncated)?;
        let (taken, rest) = self.input.split_at_checked(count).ok_or(Error::Truncated)?;
        self.input = rest;
        Ok(taken)
    }

    fn peek(&self) -> Result<u8, Error> {
        self.input.first().copied().ok_or(Error::Truncated)
    }

    fn head(&mut self) -> Result<Head, Error> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 0x1f);
        let argument = match info {
            0..=23 => Some(u64::from(info)),
            24..=27 => {
                let bytes = self.take(1 << (info - 24))?;
                Some(bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
            }
            INDEFINITE if (major::BYTES..=major::MAP).contains(&major) => None,
            _ => return Err(Error::Malformed("a reserved first byte")),
        };
        Ok(Head { major, info, argument })
    }

    /// The next head that is no tag, and the innermost tag before it.
    fn untagged_head(&mut self) -> Result<(Head, Option<u64>), Error> {
        let mut tag = None;
        loop {
            let head = self.head()?;
            if head.major != major::TAG {
                return Ok((head, tag));
            }
            tag = head.argument;
        }
    }

    fn skip_tags(&mut self) -> Result<(), Error> {
        while self.peek()? >> 5 == major::TAG {
            self.head()?;
        }
        Ok(())
    }

    /// The bytes of a string, whole or in chunks of its own kind.
    fn string(&mut self, head: &Head) -> Result<Cow<'de, [u8]>, Error> {
        if let Some(length) = head.argument {
            return self.take(length).map(Cow::Borrowed);
        }
        let mut whole = Vec::new();
        while !self.take_break()? {
            let chunk = self.head()?;
            match chunk.argument {
                Some(length) if chunk.major == head.major => {
                    let bytes = self.take(length)?;
                    if head.major == major::TEXT {
                        as_text(bytes)?;
                    }
                    whole.extend_from_slice(bytes);
                }
                _ => return Err(Error::Malformed("a chunk of another kind")),
            }
        }
        Ok(Cow::Owned(whole))
    }

    fn take_break(&mut self) -> Result<bool, Error> {
        let found = self.peek()? == BREAK;
        if found {
            self.take(1)?;
        }
        Ok(found)
    }

    fn descend(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > NESTING_MAX { Err(Error::TooDeep) } else { Ok(()) }
    }

    /// Passes over one item, without recursion.
    pub(super) fn skip_item(&mut self) -> Result<(), Error> {
        // How many items are missing at each level; none where a break decides.
        let mut levels: Vec<Option<u64>> = vec![Some(1)];
        while let Some(level) = levels.last_mut() {
            match level {
                Some(0) => {
                    levels.pop();
                    continue;
                }
                Some(left) => *left -= 1,
                None if self.peek()? == BREAK => {
                    self.take(1)?;
                    levels.pop();
                    continue;
                }
                None => {}
            }
            let (head, _) = self.untagged_head()?;
            match head.major {
                major::BYTES => drop(self.string(&head)?),
                major::TEXT => drop(as_text(&self.string(&head)?)?),
                major::LIST => levels.push(head.argument),
                major::MAP => {
                    let items = head.argument.map(|pairs| pairs.checked_mul(2));
                    match items {
                        Some(None) => return Err(Error::Truncated),
                        Some(items) => levels.push(items),
                        None => {
                            // A break may only stand where a key would.
                            self.skip_pairs(levels.len())?;
                        }
                    }
                }
                _ => {}
            }
            if self.depth + levels.len() > NESTING_MAX + 1 {
                return Err(Error::TooDeep);
            }
        }
        Ok(())
    }

    /// Passes over the pairs of an indefinite map.
    fn skip_pairs(&mut self, levels: usize) -> Result<(), Error> {
        let depth = self.depth;
        self.depth += levels;
        if self.depth > NESTING_MAX {
            return Err(Error::TooDeep);
        }
        while !self.take_break()? {
            self.skip_item()?;
            self.skip_item()?;
        }
        self.depth = depth;
        Ok(())
    }

    fn simple<V: Visitor<'de>>(&self, head: &Head, visitor: V) -> Result<V::Value, Error> {
        let argument = head.argument.unwrap_or_default();
        match head.info {
            simple::FALSE => visitor.visit_bool(false),
            simple::TRUE => visitor.visit_bool(true),
            simple::NULL | simple::UNDEFINED => visitor.visit_unit(),
            simple::HALF => visitor.visit_f64(half(argument as u16)),
            simple::SINGLE => visitor.visit_f64(f64::from(f32::from_bits(argument as u32))),
            simple::DOUBLE => visitor.visit_f64(f64::from_bits(argument)),
            _ => Err(Error::Malformed("an unknown simple value")),
        }
    }

    fn list<V: Visitor<'de>>(&mut self, left: Option<u64>, visitor: V) -> Result<V::Value, Error> {
        self.descend()?;
        let mut items = Items { reader: self, left };
        let value = visitor.visit_seq(&mut items)?;
        if !items.at_end()? {
            return Err(Error::custom("too many elements"));
        }
        self.depth -= 1;
        Ok(value)
    }

    fn map<V: Visitor<'de>>(&mut self, left: Option<u64>, visitor: V) -> Result<V::Value, Error> {
        self.descend()?;
        let mut items = Items { reader: self, left };
        let value = visitor.visit_map(&mut items)?;
        if !items.at_end()? {
            return Err(Error::custom("too many entries"));
        }
        self.depth -= 1;
        Ok(value)
    }
}

fn as_text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::Malformed("a text that is not UTF-8"))
}

/// A half-precision float.
fn half(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let before = self.input;
        let (head, tag) = self.untagged_head()?;
        let is_number = matches!(
            (head.major, head.info),
            (major::UNSIGNED | major::NEGATIVE, _)
                | (major::SIMPLE, simple::HALF | simple::SINGLE | simple::DOUBLE)
        );
        if tag == Some(TIME_TAG) && is_number {
            self.input = before;
            return visitor.visit_newtype_struct(self);
        }
        match head.major {
            major::UNSIGNED => visitor.visit_u64(head.argument.unwrap_or_default()),
            major::NEGATIVE => {
                let below = head.argument.unwrap_or_default();
                match i64::try_from(below) {
                    Ok(below) => visitor.visit_i64(-1 - below),
                    Err(_) => visitor.visit_f64(-1.0 - below as f64),
                }
            }
            major::BYTES => match self.string(&head)? {
                Cow::Borrowed(bytes) => visitor.visit_borrowed_bytes(bytes),
                Cow::Owned(bytes) => visitor.visit_byte_buf(bytes),
            },
            major::TEXT => match self.string(&head)? {
                Cow::Borrowed(bytes) => visitor.visit_borrowed_str(as_text(bytes)?),
                Cow::Owned(bytes) => visitor.visit_str(as_text(&bytes)?),
            },
            major::LIST => self.list(head.argument, visitor),
            major::MAP => self.map(head.argument, visitor),
            _ => self.simple(&head, visitor),
        }
    }

    /// Texts only: serde's `String` would take a byte string too.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.skip_tags()?;
        if self.peek()? >> 5 == major::BYTES {
            return Err(Error::custom("bytes where a text belongs"));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        const NULL: u8 = major::SIMPLE << 5 | simple::NULL;
        const UNDEFINED: u8 = major::SIMPLE << 5 | simple::UNDEFINED;
        if matches!(self.peek()?, NULL | UNDEFINED) {
            self.take(1)?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == TIMESTAMP_NEWTYPE {
            self.skip_tags()?;
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.skip_item()?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct enum identifier
    }
}

/// The elements of a list or the entries of a map.
struct Items<'a, 'de> {
    reader: &'a mut Reader<'de>,
    /// How many are left; none where a break decides.
    left: Option<u64>,
}

impl Items<'_, '_> {
    /// Whether none is left. Ends an indefinite length for good.
    fn at_end(&mut self) -> Result<bool, Error> {
        if self.left.is_none() && self.reader.take_break()? {
            self.left = Some(0);
        }
        Ok(self.left == Some(0))
    }

    fn advance(&mut self) -> Result<bool, Error> {
        if self.at_end()? {
            return Ok(false);
        }
        self.left = self.left.map(|left| left - 1);
        Ok(true)
    }

    /// What is claimed, but never more than the input could hold.
    fn hint(&self) -> Option<usize> {
        let left = usize::try_from(self.left?).unwrap_or(usize::MAX);
        Some(left.min(self.reader.input.len()))
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.advance()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if !self.advance()? {
            return Ok(None);
        }
        // Serde's derived readers would take a number as a member's position.
        self.reader.skip_tags()?;
        if self.reader.peek()? >> 5 != major::TEXT {
            return Err(Error::custom("a name that is no text"));
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}
