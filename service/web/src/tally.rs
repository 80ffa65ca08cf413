//! Counts by key in windows of a fixed length, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Keys that are counted apart at once; those beyond are counted together.
const KEYS_MAX: usize = 100_000;
/// When the keys are full, what is over is looked for at most this often: looking costs as much as there is.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// A count, and when its window began.
#[derive(Clone, Copy, Debug)]
struct Count {
    since: Instant,
    amount: u64,
}

#[derive(Debug)]
struct Counts<K> {
    /// `None` counts for all keys that found no place.
    of: HashMap<Option<K>, Count>,
    tidied: Instant,
}

/// Counters of one kind.
#[derive(Debug)]
pub(crate) struct Tally<K> {
    window: Duration,
    keys_max: usize,
    counts: Mutex<Counts<K>>,
}

impl<K: Copy + Eq + Hash> Tally<K> {
    pub(crate) fn new(window: Duration) -> Self {
        Self::with_keys(window, KEYS_MAX)
    }

    fn with_keys(window: Duration, keys_max: usize) -> Self {
        let counts = Counts { of: HashMap::new(), tidied: Instant::now() };
        Self { window, keys_max, counts: Mutex::new(counts) }
    }

    /// Adds to what the key did in its window, unless that gets more than `most`: then it adds nothing, and answers how long the window
    /// still lasts.
    pub(crate) fn add(&self, key: K, amount: u64, most: u64) -> Result<(), Duration> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = self.place(&mut counts, key);
        let fresh = Count { since: Instant::now(), amount: 0 };
        let count = counts.of.entry(key).or_insert(fresh);
        if count.since.elapsed() >= self.window {
            *count = fresh;
        }
        if count.amount.saturating_add(amount) > most {
            return Err(self.window.saturating_sub(count.since.elapsed()));
        }
        count.amount += amount;
        Ok(())
    }

    /// What the key did in its window, without counting more; and how long the window still lasts.
    pub(crate) fn counted(&self, key: K) -> (u64, Duration) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.of.get(&Some(key)).or_else(|| {
            let full = counts.of.len() >= self.keys_max;
            counts.of.get(&None).filter(|_| full)
        });
        match count {
            Some(count) if count.since.elapsed() < self.window => {
                (count.amount, self.window.saturating_sub(count.since.elapsed()))
            }
            _ => (0, Duration::ZERO),
        }
    }

    /// Forgets what is over.
    pub(crate) fn tidy(&self) {
        self.forget(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).of.len()
    }

    fn forget(&self, counts: &mut Counts<K>) {
        counts.of.retain(|_, count| count.since.elapsed() < self.window);
        counts.of.shrink_to(1024);
        counts.tidied = Instant::now();
    }

    fn place(&self, counts: &mut Counts<K>, key: K) -> Option<K> {
        if counts.of.contains_key(&Some(key)) {
            return Some(key);
        }
        if counts.of.len() >= self.keys_max && counts.tidied.elapsed() >= TIDY_EVERY {
            self.forget(counts);
        }
        (counts.of.len() < self.keys_max).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_window() {
        let tally = Tally::new(Duration::from_secs(60));
        assert!(tally.add(1, 2, 3).is_ok());
        assert!(tally.add(1, 2, 3).is_err(), "more than there is leaves the count as it was");
        assert_eq!(tally.counted(1).0, 2);
        assert!(tally.add(1, 1, 3).is_ok());
        assert!(tally.counted(1).0 == 3 && tally.add(1, 1, 3).is_err());
        assert!(tally.counted(2).0 == 0 && tally.add(2, 3, 3).is_ok());
        let short = Tally::new(Duration::ZERO);
        assert!(
            short.add(1, 3, 3).is_ok() && short.add(1, 3, 3).is_ok(),
            "a window that is over begins anew"
        );
    }

    #[test]
    fn keys_that_find_no_place_are_counted_together() {
        let tally = Tally::with_keys(Duration::from_secs(60), 2);
        for key in 0..2 {
            assert!(tally.add(key, 1, 3).is_ok());
        }
        for key in 2..5 {
            assert!(tally.add(key, 1, 3).is_ok());
        }
        assert!(tally.add(99, 1, 3).is_err() && tally.counted(99).0 == 3);
        assert!(tally.add(0, 1, 3).is_ok(), "who has a place keeps it");
        assert!(tally.len() <= 3);
    }
}
