//! A map for few entries.

/// A map kept as a sorted list. For the dozens of calls and attempts that are ever under way it is as
/// quick as a tree, and each kind of tree would be 3 KB more for every page to download, gzipped.
#[derive(Debug, Clone)]
pub(crate) struct VecMap<K, V>(Vec<(K, Box<V>)>);

impl<K, V> Default for VecMap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord + Copy, V> VecMap<K, V> {
    /// Without entries.
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Entries.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Puts in an entry; it replaces one of the same key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.position(key) {
            Ok(_) => {
                if let Some(known) = self.get_mut(&key) {
                    *known = value;
                }
            }
            Err(place) => self.0.insert(place, (key, Box::new(value))),
        }
    }

    /// Takes out an entry.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.position(*key).ok()?;
        Some(*self.0.remove(place).1)
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let place = self.position(*key).ok()?;
        self.0.get(place).map(|(_, value)| &**value)
    }

    /// The value of a key, to be changed.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.position(*key).ok()?;
        self.0.get_mut(place).map(|(_, value)| &mut **value)
    }

    /// In the order of their keys.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, &**value))
    }

    /// In the order of their keys, with values to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, &mut **value))
    }

    /// In the order of their keys.
    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.0.iter().map(|(_, value)| &**value)
    }

    /// In the order of their keys, to be changed.
    pub(crate) fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| &mut **value)
    }

    fn position(&self, key: K) -> Result<usize, usize> {
        self.0.binary_search_by_key(&key, |(known, _)| *known)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps: Vec<(bool, u8, u32)>) {
            let mut list = VecMap::new();
            let mut tree = BTreeMap::new();
            for (insert, key, value) in steps {
                let key = key % 16;
                if insert {
                    list.insert(key, value);
                    tree.insert(key, value);
                } else {
                    prop_assert_eq!(list.remove(&key), tree.remove(&key));
                }
                prop_assert_eq!(list.get(&key), tree.get(&key));
                prop_assert!(list.iter().eq(tree.iter()));
            }
        }
    }
}
