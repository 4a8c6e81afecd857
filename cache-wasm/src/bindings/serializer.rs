//! Statistics as JavaScript has them: structs and maps become objects, numbers doubles, `None` becomes `undefined`.
//!
//! serde-wasm-bindgen does the same for every type there is, and needs std, which alone would be half of the module.

use core::fmt;

use js_sys::{Array, Object, Reflect};
use serde::ser::{Error, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};
use wasm_bindgen::JsValue;

/// Writes what statistics consist of, and nothing else.
pub(super) struct Statistics;

/// A type that statistics do not have.
#[derive(Debug)]
pub(super) struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a type that statistics do not have")
    }
}

impl core::error::Error for Unknown {}

impl Error for Unknown {
    fn custom<T: fmt::Display>(_: T) -> Unknown {
        Unknown
    }
}

type Written = Result<JsValue, Unknown>;

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
    type Error = Unknown;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Unknown> {
        self.set(&key.into(), &value.serialize(Statistics)?);
        Ok(())
    }

    fn end(self) -> Written {
        Ok(self.object.into())
    }
}

impl SerializeMap for Members {
    type Ok = JsValue;
    type Error = Unknown;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unknown> {
        self.key = key.serialize(Statistics)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unknown> {
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
    type Error = Unknown;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unknown> {
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
    type Error = Unknown;
    type SerializeSeq = Items;
    type SerializeMap = Members;
    type SerializeStruct = Members;
    type SerializeTuple = Impossible<JsValue, Unknown>;
    type SerializeTupleStruct = Impossible<JsValue, Unknown>;
    type SerializeTupleVariant = Impossible<JsValue, Unknown>;
    type SerializeStructVariant = Impossible<JsValue, Unknown>;

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

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, Unknown> {
        Ok(Items(Array::new()))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members, Unknown> {
        Ok(Members::new())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members, Unknown> {
        Ok(Members::new())
    }

    fn serialize_char(self, _: char) -> Written {
        Err(Unknown)
    }

    fn serialize_bytes(self, _: &[u8]) -> Written {
        Err(Unknown)
    }

    fn serialize_unit(self) -> Written {
        Err(Unknown)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written {
        Err(Unknown)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Written {
        Err(Unknown)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Written {
        Err(Unknown)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unknown> {
        Err(Unknown)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Unknown> {
        Err(Unknown)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unknown> {
        Err(Unknown)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unknown> {
        Err(Unknown)
    }
}
