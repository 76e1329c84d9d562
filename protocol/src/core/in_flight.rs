//! What was handed out and is still to come back.

use std::collections::BTreeMap;

/// Things under way, by the number each was handed out with.
///
/// Takes no memory while nothing is under way, which is most of the time: a simulation holds a hundred
/// thousand of these.
pub(crate) struct InFlight<K, V>(BTreeMap<K, Box<V>>);

impl<K, V> Default for InFlight<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, V> InFlight<K, V> {
    /// Notes what is under way.
    pub(crate) fn insert(&mut self, key: K, what: V) {
        self.0.insert(key, Box::new(what));
    }

    /// Returns what has come back; `None` if nothing was under way by this number.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let what = self.0.remove(key)?;
        if self.0.is_empty() {
            // An emptied map keeps its last node.
            self.0 = BTreeMap::new();
        }
        Some(*what)
    }
}
