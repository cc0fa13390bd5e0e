use serde::{Deserialize, Deserializer, Serialize, Serializer};

use std::collections::BTreeMap;

/// Values by name, in the order of their names.
///
/// A sorted list, since every kind of tree is 5 KB more for each page to download. Those that are many in number come in
/// order already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringMap<V = String>(Vec<(String, V)>);

impl<V> StringMap<V> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &V)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        let place = self.place(name).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_str().cmp(name))
    }
}

impl<V> Default for StringMap<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Of a name that comes twice, the last value counts.
impl<V> FromIterator<(String, V)> for StringMap<V> {
    fn from_iter<I: IntoIterator<Item = (String, V)>>(fields: I) -> Self {
        let mut map = Self::default();
        for (name, value) in fields {
            match map.place(&name) {
                Err(place) => map.0.insert(place, (name, value)),
                Ok(place) => {
                    if let Some(known) = map.0.get_mut(place) {
                        known.1 = value;
                    }
                }
            }
        }
        map
    }
}

impl<V> IntoIterator for StringMap<V> {
    type Item = (String, V);
    type IntoIter = std::vec::IntoIter<(String, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<V: Serialize> Serialize for StringMap<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for StringMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By a tree, for what is foreign may be long and in any order.
        let fields = BTreeMap::<String, V>::deserialize(deserializer)?;
        Ok(Self(fields.into_iter().collect()))
    }
}

#[cfg(feature = "schema")]
impl<V: schemars::JsonSchema> schemars::JsonSchema for StringMap<V> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        BTreeMap::<String, V>::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        BTreeMap::<String, V>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map_in_order(fields: Vec<(String, u8)>) {
            let map: StringMap<u8> = fields.iter().cloned().collect();
            let tree: BTreeMap<String, u8> = fields.iter().cloned().collect();
            prop_assert!(map.iter().eq(tree.iter()));
            prop_assert_eq!(map.len(), tree.len());
            for (name, _) in &fields {
                prop_assert_eq!(map.get(name), tree.get(name));
            }
            let json = serde_json::to_string(&map)?;
            prop_assert_eq!(&json, &serde_json::to_string(&tree)?);
            prop_assert_eq!(serde_json::from_str::<StringMap<u8>>(&json)?, map);
        }
    }
}
