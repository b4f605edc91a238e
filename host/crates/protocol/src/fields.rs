//! Objects of a request, read field by field. An error names the field by its path, what it must be and what
//! came: `"subscribe[0].since.offset": must be a whole number, not text`. Knows no request.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use sluicegate_contract::json;

use super::names::Channel;

/// A field that is not what the protocol says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadField {
    /// Empty for the object that was read as a whole.
    pub path: String,
    pub problem: String,
}

impl BadField {
    /// What is wrong with the field `path`.
    pub(super) fn new(path: &str, problem: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    /// The same field, seen from the object or list that `outer` is the path of.
    fn within(mut self, outer: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => outer.to_owned(),
            path => format!("{outer}.{path}"),
        };
        self
    }
}

impl fmt::Display for BadField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.problem),
            path => write!(f, "\"{path}\": {}", self.problem),
        }
    }
}

/// The fields `names` of the object that is all of `text`. Other fields are passed over.
///
/// # Errors
/// `text` is no JSON or no object, or one of the fields is given twice.
pub(super) fn read<'a, const N: usize>(
    text: &'a str,
    names: &'static [&'static str; N],
) -> Result<[Field<'a>; N], BadField> {
    let is_object = text.trim_ascii_start().starts_with('{');
    if !is_object {
        return Err(BadField::new("", must_be("an object", text)));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let values = Fields(names).deserialize(&mut reader);
    let values = values.and_then(|values| reader.end().map(|()| values));
    let values = values.map_err(|error| BadField::new("", error.to_string()))?;
    if let Some(name) = values.twice {
        return Err(BadField::new(name, "is given twice"));
    }
    Ok(std::array::from_fn(|index| Field {
        name: names[index],
        text: values.texts[index],
    }))
}

/// The items of the list that is all of `text`.
fn read_list<'a, T>(text: &'a str, read_item: impl Fn(&'a str) -> Result<T, BadField>) -> Result<Vec<T>, BadField> {
    if !text.starts_with('[') {
        return Err(BadField::new("", must_be("a list", text)));
    }
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| BadField::new("", error.to_string()))?;
    let items = items.into_iter().enumerate();
    items
        .map(|(index, item)| read_item(item.get()).map_err(|error| error.within(&format!("[{index}]"))))
        .collect()
}

fn must_be(expected: &str, text: &str) -> String {
    format!("must be {expected}, not {}", json::found(text))
}

/// A field of an object, perhaps absent, as the JSON text that was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    name: &'static str,
    text: Option<&'a str>,
}

impl<'a> Field<'a> {
    pub(crate) fn text(self) -> Result<Cow<'a, str>, BadField> {
        let text = self.required()?;
        self.read_text(text)
    }

    pub(crate) fn optional_text(self) -> Result<Option<Cow<'a, str>>, BadField> {
        self.given().map(|text| self.read_text(text)).transpose()
    }

    pub(crate) fn channel(self) -> Result<Channel, BadField> {
        let name = self.text()?;
        Channel::parse(&name).map_err(|error| self.bad(error.to_string()))
    }

    pub(crate) fn whole_number(self) -> Result<u64, BadField> {
        let text = self.required()?;
        self.read_whole_number(text)
    }

    pub(crate) fn optional_whole_number(self) -> Result<Option<u64>, BadField> {
        self.given().map(|text| self.read_whole_number(text)).transpose()
    }

    pub(crate) fn flag(self, default: bool) -> Result<bool, BadField> {
        match self.given() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(text) => Err(self.bad(must_be("true or false", text))),
        }
    }

    /// Any JSON, `null` too.
    pub(crate) fn json(self) -> Result<&'a str, BadField> {
        self.required()
    }

    /// Any JSON but `null`, which stands for none.
    pub(crate) fn optional_json(self) -> Option<&'a str> {
        self.given()
    }

    pub(crate) fn optional_object<T>(
        self,
        read: impl FnOnce(&'a str) -> Result<T, BadField>,
    ) -> Result<Option<T>, BadField> {
        let object = self.given().map(read).transpose();
        object.map_err(|error| error.within(self.name))
    }

    /// Absent and `null` are an empty list.
    pub(crate) fn list<T>(self, read_item: impl Fn(&'a str) -> Result<T, BadField>) -> Result<Vec<T>, BadField> {
        let list = self.given().map(|text| read_list(text, read_item)).transpose();
        let list = list.map_err(|error| {
            let path = format!("{}{}", self.name, error.path);
            BadField { path, ..error }
        });
        Ok(list?.unwrap_or_default())
    }

    pub(crate) fn bad(self, problem: impl Into<String>) -> BadField {
        BadField::new(self.name, problem)
    }

    fn required(self) -> Result<&'a str, BadField> {
        self.text.ok_or_else(|| self.bad("is missing"))
    }

    /// `null` stands for a field that is not there.
    fn given(self) -> Option<&'a str> {
        self.text.filter(|text| *text != "null")
    }

    fn read_text(self, text: &'a str) -> Result<Cow<'a, str>, BadField> {
        let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let Some(inner) = inner else {
            return Err(self.bad(must_be("text", text)));
        };
        if !inner.contains('\\') {
            return Ok(Cow::Borrowed(inner));
        }
        let text = serde_json::from_str::<String>(text);
        text.map(Cow::Owned).map_err(|error| self.bad(error.to_string()))
    }

    fn read_whole_number(self, text: &str) -> Result<u64, BadField> {
        json::whole_number(text, 0..=u64::MAX).map_err(|error| self.bad(error))
    }
}

/// Reads an object's fields of these names, the values as text: what is wrong with one is then told by its name.
struct Fields<const N: usize>(&'static [&'static str; N]);

struct Texts<'a, const N: usize> {
    texts: [Option<&'a str>; N],
    twice: Option<&'static str>,
}

impl<'a, const N: usize> DeserializeSeed<'a> for Fields<N> {
    type Value = Texts<'a, N>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'a, const N: usize> Visitor<'a> for Fields<N> {
    type Value = Texts<'a, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Texts {
            texts: [None; N],
            twice: None,
        };
        while let Some(index) = map.next_key_seed(Name(self.0))? {
            match index {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(index) => {
                    let value = map.next_value::<&RawValue>()?.get();
                    if found.texts[index].replace(value).is_some() {
                        found.twice = Some(self.0[index]);
                    }
                }
            }
        }
        Ok(found)
    }
}

/// Reads a key: its place among the names, if it is one of them.
struct Name<const N: usize>(&'static [&'static str; N]);

impl<'a, const N: usize> DeserializeSeed<'a> for Name<N> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<const N: usize> Visitor<'_> for Name<N> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|name| *name == key))
    }
}
