//! serde to JSON, for encoders: what `serde_json::to_vec` writes, byte for byte, but texts by [`text`]. A request is
//! written in little more than half the time.

use super::text;
use serde::ser::{self, Serialize, Serializer};
use std::fmt::{self, Write};

type Done = Result<(), serde_json::Error>;

/// How serde_json's raw values name themselves: their text is JSON already. (The tests would tell of another name.)
const RAW: &str = "$serde_json::private::RawValue";

/// Appends a value as JSON; nothing, if it cannot be: a map whose keys are no texts or numbers, a failing `Serialize`.
pub(super) fn write(value: &impl Serialize, out: &mut Vec<u8>) {
    let at = out.len();
    if value.serialize(Out { out, raw: false }).is_err() {
        out.truncate(at);
    }
}

struct Out<'o> {
    out: &'o mut Vec<u8>,
    /// Texts are JSON.
    raw: bool,
}

/// A list, a map, a struct or a variant that is being written.
struct Many<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
    /// The one field is JSON.
    raw: bool,
    end: &'static [u8],
}

impl<'o> Out<'o> {
    fn put(self, text: &str) -> Done {
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn many(self, begin: &str, end: &'static [u8]) -> Result<Many<'o>, serde_json::Error> {
        self.out.extend_from_slice(begin.as_bytes());
        Ok(Many { out: self.out, first: true, raw: false, end })
    }

    /// `{"variant":`
    fn variant(&mut self, variant: &str) {
        self.out.push(b'{');
        text::quote(variant, self.out);
        self.out.push(b':');
    }
}

/// Pieces of a text.
struct Pieces<'o>(&'o mut Vec<u8>);

impl Write for Pieces<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        text::escape(piece, self.0);
        Ok(())
    }
}

macro_rules! numbers {
    ($($name:ident $kind:ty),*) => {
        $(fn $name(self, n: $kind) -> Done {
            self.put(itoa::Buffer::new().format(n))
        })*
    };
}

impl<'o> Serializer for Out<'o> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = Many<'o>;
    type SerializeTuple = Many<'o>;
    type SerializeTupleStruct = Many<'o>;
    type SerializeTupleVariant = Many<'o>;
    type SerializeMap = Many<'o>;
    type SerializeStruct = Many<'o>;
    type SerializeStructVariant = Many<'o>;

    numbers!(
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64
    );

    fn serialize_bool(self, b: bool) -> Done {
        self.put(if b { "true" } else { "false" })
    }
    fn serialize_f32(self, n: f32) -> Done {
        serde_json::to_writer(self.out, &n)
    }
    fn serialize_f64(self, n: f64) -> Done {
        serde_json::to_writer(self.out, &n)
    }
    fn serialize_char(self, c: char) -> Done {
        self.serialize_str(c.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, s: &str) -> Done {
        if self.raw {
            return self.put(s);
        }
        text::quote(s, self.out);
        Ok(())
    }
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Done {
        self.out.push(b'"');
        write!(Pieces(self.out), "{value}").map_err(ser::Error::custom)?;
        self.out.push(b'"');
        Ok(())
    }
    fn serialize_bytes(self, bytes: &[u8]) -> Done {
        self.collect_seq(bytes)
    }
    fn serialize_none(self) -> Done {
        self.put("null")
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Done {
        self.put("null")
    }
    fn serialize_unit_struct(self, _: &'static str) -> Done {
        self.put("null")
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        self.serialize_str(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        self.variant(variant);
        value.serialize(Out { out: self.out, raw: false })?;
        self.put("}")
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Many<'o>, serde_json::Error> {
        self.many("[", b"]")
    }
    fn serialize_tuple(self, _: usize) -> Result<Many<'o>, serde_json::Error> {
        self.many("[", b"]")
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Many<'o>, serde_json::Error> {
        self.many("[", b"]")
    }
    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Many<'o>, serde_json::Error> {
        self.variant(variant);
        self.many("[", b"]}")
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Many<'o>, serde_json::Error> {
        self.many("{", b"}")
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Many<'o>, serde_json::Error> {
        if name == RAW {
            return Ok(Many { out: self.out, first: true, raw: true, end: b"" });
        }
        self.many("{", b"}")
    }
    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Many<'o>, serde_json::Error> {
        self.variant(variant);
        self.many("{", b"}}")
    }
}

impl Many<'_> {
    fn comma(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(Out { out: self.out, raw: false })
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.comma();
        self.value(value)
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.comma();
        let at = self.out.len();
        self.value(key)?;
        match self.out.get(at) {
            Some(b'"') => {}
            // Numbers and switches as keys are texts.
            Some(b'0'..=b'9' | b'-' | b't' | b'f') => {
                self.out.insert(at, b'"');
                self.out.push(b'"');
            }
            _ => return Err(ser::Error::custom("a key must be a text")),
        }
        self.out.push(b':');
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Done {
        if self.raw {
            return value.serialize(Out { out: self.out, raw: true });
        }
        self.comma();
        text::quote(key, self.out);
        self.out.push(b':');
        self.value(value)
    }

    fn done(self) -> Done {
        self.out.extend_from_slice(self.end);
        Ok(())
    }
}

macro_rules! many {
    ($($kind:ident { $method:ident($($key:ident)?) -> $to:ident })*) => {
        $(impl ser::$kind for Many<'_> {
            type Ok = ();
            type Error = serde_json::Error;
            fn $method<T: Serialize + ?Sized>(&mut self, $($key: &'static str,)? value: &T) -> Done {
                self.$to($($key,)? value)
            }
            fn end(self) -> Done {
                self.done()
            }
        })*
    };
}

many! {
    SerializeSeq { serialize_element() -> element }
    SerializeTuple { serialize_element() -> element }
    SerializeTupleStruct { serialize_field() -> element }
    SerializeTupleVariant { serialize_field() -> element }
    SerializeStruct { serialize_field(key) -> field }
    SerializeStructVariant { serialize_field(key) -> field }
}

impl ser::SerializeMap for Many<'_> {
    type Ok = ();
    type Error = serde_json::Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.key(key)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.value(value)
    }
    fn end(self) -> Done {
        self.done()
    }
}

#[cfg(test)]
mod tests;
