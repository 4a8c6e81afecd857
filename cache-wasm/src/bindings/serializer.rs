//! Statistics as JavaScript has them: structs and maps become objects, numbers doubles, `None` becomes `undefined`.
//!
//! serde-wasm-bindgen does the same for every type there is, and needs std, which alone would be half of the module.

use core::fmt;

use js_sys::{Array, Object, Reflect};
use serde::ser::{Error, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};
use wasm_bindgen::JsValue;

/// Writes what statistics consist of, and nothing else.
pub(super) struct Statistics;

/// Nothing can go wrong that a value decides, so that no call checks. What statistics do not consist of is a mistake in
/// this crate, and traps.
#[derive(Debug)]
pub(super) enum Never {}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl core::error::Error for Never {}

impl Error for Never {
    fn custom<T: fmt::Display>(_: T) -> Never {
        unknown()
    }
}

fn unknown<T>() -> T {
    unreachable!("statistics have no such type")
}

type Written = Result<JsValue, Never>;

/// An object that is being written.
pub(super) struct Members {
    object: Object,
    key: JsValue,
}

impl Members {
    fn new() -> Members {
        Members { object: Object::new(), key: JsValue::UNDEFINED }
    }

    fn set(&self, key: &JsValue, value: &JsValue) {
        // An object of our own refuses no member.
        drop(Reflect::set(&self.object, key, value));
    }
}

impl SerializeStruct for Members {
    type Ok = JsValue;
    type Error = Never;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Never> {
        self.set(&key.into(), &value.serialize(Statistics)?);
        Ok(())
    }

    fn end(self) -> Written {
        Ok(self.object.into())
    }
}

impl SerializeMap for Members {
    type Ok = JsValue;
    type Error = Never;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Never> {
        self.key = key.serialize(Statistics)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        self.set(&self.key, &value.serialize(Statistics)?);
        Ok(())
    }

    fn end(self) -> Written {
        Ok(self.object.into())
    }
}

/// A list that is being written.
pub(super) struct Items(Array);

impl SerializeSeq for Items {
    type Ok = JsValue;
    type Error = Never;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        self.0.push(&value.serialize(Statistics)?);
        Ok(())
    }

    fn end(self) -> Written {
        Ok(self.0.into())
    }
}

macro_rules! numbers {
    ($($name:ident: $number:ty),*) => {
        $(fn $name(self, number: $number) -> Written {
            self.serialize_f64(number as f64)
        })*
    };
}

impl Serializer for Statistics {
    type Ok = JsValue;
    type Error = Never;
    type SerializeSeq = Items;
    type SerializeMap = Members;
    type SerializeStruct = Members;
    type SerializeTuple = Impossible<JsValue, Never>;
    type SerializeTupleStruct = Impossible<JsValue, Never>;
    type SerializeTupleVariant = Impossible<JsValue, Never>;
    type SerializeStructVariant = Impossible<JsValue, Never>;

    numbers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_u8: u8,
        serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_f32: f32
    }

    fn serialize_f64(self, number: f64) -> Written {
        Ok(number.into())
    }

    fn serialize_bool(self, is_so: bool) -> Written {
        Ok(is_so.into())
    }

    fn serialize_str(self, text: &str) -> Written {
        Ok(text.into())
    }

    fn serialize_none(self) -> Written {
        Ok(JsValue::UNDEFINED)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Written {
        self.serialize_str(name)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, Never> {
        Ok(Items(Array::new()))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members, Never> {
        Ok(Members::new())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members, Never> {
        Ok(Members::new())
    }

    fn serialize_char(self, _: char) -> Written {
        unknown()
    }

    fn serialize_bytes(self, _: &[u8]) -> Written {
        unknown()
    }

    fn serialize_unit(self) -> Written {
        unknown()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written {
        unknown()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Written {
        unknown()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Written {
        unknown()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Never> {
        unknown()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Never> {
        unknown()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Never> {
        unknown()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Never> {
        unknown()
    }
}
