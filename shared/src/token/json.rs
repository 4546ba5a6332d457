//! JSON objects read strictly: a member that appears twice, at any depth, is an error.
//!
//! Two parsers that disagree on which of two `exp` members counts are two different verdicts on one token (RFC 8725
//! section 2.4).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why bytes are not the JSON object that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// Not JSON, not UTF-8, trailing bytes, nested too deep, or a number out of range.
    #[error("not well-formed JSON")]
    Malformed,
    /// Some object names a member twice.
    #[error("a JSON member appears twice")]
    Duplicate,
    /// JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
}

/// Parses one JSON object and refuses duplicate members at every depth.
///
/// # Errors
///
/// [`JsonFault`] says which of the three it is.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, JsonFault> {
    match serde_json::from_slice::<Strict>(bytes) {
        Ok(Strict(Value::Object(members))) => Ok(members),
        Ok(_) => Err(JsonFault::NotAnObject),
        // The visitor below raises one kind of data error only.
        Err(error) if error.is_data() => Err(JsonFault::Duplicate),
        Err(_) => Err(JsonFault::Malformed),
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate members")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate member"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::{JsonFault, parse_object};

    #[test]
    fn refuses_duplicates_however_they_are_spelled_or_nested() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"x":[{"a":1,"a":2}]}"#] {
            assert_eq!(parse_object(text.as_bytes()), Err(JsonFault::Duplicate), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_one_object() {
        for text in ["", "{", "{} {}", r#"{"a":1e400}"#, "{\"a\":\"\\ud800\"}", "{'a':1}", "{\"a\":NaN}"] {
            assert_eq!(parse_object(text.as_bytes()), Err(JsonFault::Malformed), "{text}");
        }
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(4000), "]".repeat(4000));
        assert_eq!(parse_object(deep.as_bytes()), Err(JsonFault::Malformed));
        assert_eq!(parse_object(b"{\"a\":\"\xff\"}"), Err(JsonFault::Malformed));
        for text in ["[]", "null", "1", "\"{}\""] {
            assert_eq!(parse_object(text.as_bytes()), Err(JsonFault::NotAnObject), "{text}");
        }
    }
}
