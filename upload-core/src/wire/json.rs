use std::fmt;

/// A value of JSON. A shell makes it with the parser that it has at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`, and any field that is absent.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Whole(i64),
    /// A number that is not whole, or too large; no type of ours has any.
    OtherNumber,
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Object(Object),
}

/// The fields of an object. Those that nobody asks for are passed over.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Object(Vec<(String, Json)>);

/// The value is not of the type asked for. What exactly is wrong is not worth the code that says it: the reader
/// can only give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the JSON that was expected")]
pub struct Malformed;

impl Json {
    /// The object that this is.
    pub fn object(self) -> Result<Object, Malformed> {
        match self {
            Self::Object(object) => Ok(object),
            _ => Err(Malformed),
        }
    }

    /// The string that this is.
    pub fn text(self) -> Result<String, Malformed> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err(Malformed),
        }
    }

    /// The whole number, not below zero, that this is.
    pub fn whole(self) -> Result<u64, Malformed> {
        u64::try_from(self.integer()?).map_err(|_| Malformed)
    }

    /// The whole number that this is.
    pub fn integer(self) -> Result<i64, Malformed> {
        match self {
            Self::Whole(number) => Ok(number),
            _ => Err(Malformed),
        }
    }

    /// The object that this is, whose fields are all strings.
    pub fn string_map<V: From<String>, C: FromIterator<(String, V)>>(self) -> Result<C, Malformed> {
        let mut texts = Vec::new();
        for (name, value) in self.object()?.0 {
            texts.push((name, value.text()?.into()));
        }
        Ok(texts.into_iter().collect())
    }

    /// The array that this is, of values that are read alike.
    pub fn list_of<T>(self, mut read: impl FnMut(Json) -> Result<T, Malformed>) -> Result<Vec<T>, Malformed> {
        let Self::List(items) = self else {
            return Err(Malformed);
        };
        let mut list = Vec::new();
        for item in items {
            list.push(read(item)?);
        }
        Ok(list)
    }
}

impl Object {
    /// Takes a field out; [`Json::Null`] where there is none.
    pub fn take(&mut self, name: &str) -> Json {
        let found = self.0.iter_mut().find(|(known, _)| known == name);
        found.map_or(Json::Null, |(_, value)| std::mem::replace(value, Json::Null))
    }

    /// Takes out a field that may be absent.
    pub fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Json) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        match self.take(name) {
            Json::Null => Ok(None),
            value => read(value).map(Some),
        }
    }

    /// Takes out a string.
    pub fn text(&mut self, name: &str) -> Result<String, Malformed> {
        self.take(name).text()
    }

    /// Takes out a whole number.
    pub fn whole(&mut self, name: &str) -> Result<u64, Malformed> {
        self.take(name).whole()
    }

    /// Takes out `true` or `false`.
    pub fn boolean(&mut self, name: &str) -> Result<bool, Malformed> {
        match self.take(name) {
            Json::Bool(value) => Ok(value),
            _ => Err(Malformed),
        }
    }

    /// Takes out an array of values that are read alike.
    pub fn list<T>(
        &mut self,
        name: &str,
        read: impl FnMut(Json) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        self.take(name).list_of(read)
    }
}

impl FromIterator<(String, Json)> for Object {
    fn from_iter<I: IntoIterator<Item = (String, Json)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

// Its values may be names, URLs and tickets.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// For shells that have `serde_json`.
impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => number.as_i64().map_or(Self::OtherNumber, Self::Whole),
            Value::String(text) => Self::Text(text),
            Value::Array(list) => Self::List(list.into_iter().map(Self::from).collect()),
            Value::Object(fields) => Self::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| (name, Self::from(value)))
                    .collect(),
            ),
        }
    }
}
