//! A least-recently-used map bounded by the sum of its entries' weights.

use std::hash::Hash;

use lru::LruCache;

/// Weights are bytes, of a file on disk or of an answer in memory.
pub struct WeightedLru<K: Hash + Eq, V> {
    entries: LruCache<K, (V, u64)>,
    total: u64,
    capacity: u64,
}

impl<K: Hash + Eq, V> WeightedLru<K, V> {
    pub fn new(capacity: u64) -> Self {
        Self {
            entries: LruCache::unbounded(),
            total: 0,
            capacity,
        }
    }

    /// Looks an entry up and makes it the most recently used.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(value, _)| value)
    }

    /// Adds or replaces an entry and returns the keys that were evicted; the new one too, if it
    /// alone is too heavy.
    pub fn insert(&mut self, key: K, value: V, weight: u64) -> Vec<K> {
        self.remove(&key);
        self.entries.put(key, (value, weight));
        self.total += weight;
        let mut evicted = Vec::new();
        while self.total > self.capacity {
            let Some((key, (_, weight))) = self.entries.pop_lru() else {
                break;
            };
            self.total -= weight;
            evicted.push(key);
        }
        evicted
    }

    pub fn remove(&mut self, key: &K) {
        if let Some((_, weight)) = self.entries.pop(key) {
            self.total -= weight;
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_entry_is_evicted_first() {
        let mut lru = WeightedLru::new(10);
        assert!(lru.insert('a', (), 4).is_empty());
        assert!(lru.insert('b', (), 4).is_empty());
        assert!(lru.get(&'a').is_some());
        assert_eq!(lru.insert('c', (), 4), ['b']);
        assert_eq!((lru.len(), lru.total()), (2, 8));
    }

    #[test]
    fn a_replaced_entry_counts_once_and_an_oversized_one_is_not_kept() {
        let mut lru = WeightedLru::new(10);
        lru.insert('a', (), 4);
        lru.insert('a', (), 6);
        assert_eq!(lru.total(), 6);
        assert_eq!(lru.insert('b', (), 11), ['a', 'b']);
        assert_eq!((lru.len(), lru.total()), (0, 0));
    }
}
