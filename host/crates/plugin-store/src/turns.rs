//! Entries by key, of which a few at a time have their turn. So what has to look at many entries, to make room or to
//! tidy up, looks at a fixed number of them in each call, however many there are.

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use indexmap::map::Entry;

/// A map whose entries have turns.
pub(crate) struct Turns<V> {
    entries: IndexMap<Box<str>, V, RandomState>,
    /// Whose turn is next.
    next: usize,
    /// Entries that had a turn, ever.
    #[cfg(test)]
    pub(crate) visits: usize,
}

// === impl Turns ===

impl<V> Default for Turns<V> {
    fn default() -> Self {
        Self {
            entries: IndexMap::default(),
            next: 0,
            #[cfg(test)]
            visits: 0,
        }
    }
}

impl<V> Turns<V> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.entries.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    /// The value under `key`, which is made if there is none.
    pub(crate) fn get_or_insert_with(&mut self, key: &str, make: impl FnOnce() -> V) -> &mut V {
        match self.entries.entry(key.into()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(make()),
        }
    }

    /// Gives the next `count` entries their turn; those that `keep` refuses go.
    pub(crate) fn retain_next(&mut self, count: usize, mut keep: impl FnMut(&str, &mut V) -> bool) {
        for _ in 0..count.min(self.entries.len()) {
            let Some((key, value)) = self.turn() else { return };
            if keep(key, value) {
                self.next += 1;
            } else {
                // The last one takes its place, and has its turn next.
                self.entries.swap_remove_index(self.next);
            }
        }
    }

    /// Of the next `count` entries, takes out the one with the highest rank.
    pub(crate) fn remove_highest(&mut self, count: usize, mut rank: impl FnMut(&V) -> f64) -> Option<(Box<str>, V)> {
        let mut highest: Option<(usize, f64)> = None;
        for _ in 0..count.min(self.entries.len()) {
            let (_, value) = self.turn()?;
            let ranked = rank(value);
            if highest.is_none_or(|(_, highest)| ranked > highest) {
                highest = Some((self.next, ranked));
            }
            self.next += 1;
        }
        self.entries.swap_remove_index(highest?.0)
    }

    fn turn(&mut self) -> Option<(&str, &mut V)> {
        if self.next >= self.entries.len() {
            self.next = 0;
        }
        #[cfg(test)]
        {
            self.visits += 1;
        }
        let (key, value) = self.entries.get_index_mut(self.next)?;
        Some((key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: u32) -> Turns<u32> {
        let mut turns = Turns::default();
        for n in 0..count {
            turns.get_or_insert_with(&n.to_string(), || n);
        }
        turns
    }

    #[test]
    fn everyone_has_a_turn_and_each_call_a_bounded_number() {
        let mut turns = numbers(100);
        let mut seen = Vec::new();
        for call in 1..=25 {
            turns.retain_next(4, |_, value| {
                seen.push(*value);
                true
            });
            assert_eq!(turns.visits, call * 4);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn who_is_not_kept_goes_and_the_others_still_have_their_turn() {
        let mut turns = numbers(100);
        turns.retain_next(1000, |_, value| *value % 2 == 0);
        assert_eq!(turns.visits, 100, "nobody twice");
        assert_eq!(turns.len(), 50);
        assert!(turns.get("7").is_none() && turns.get("8").is_some());
    }

    #[test]
    fn the_highest_of_a_few_goes() {
        let mut turns = numbers(10);
        assert_eq!(
            turns.remove_highest(4, |value| f64::from(*value)),
            Some(("3".into(), 3))
        );
        assert_eq!(turns.visits, 4);
        assert_eq!(numbers(0).remove_highest(4, |_| 0.0), None);
    }
}
