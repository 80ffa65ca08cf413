//! What is told of a subscription, and which of two tellings is the later.

use chrono::{DateTime, Utc};
use platform::Timestamp;

/// What a subscription was when an event was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) subscription: String,
    pub(crate) customer: Option<String>,
    /// As Stripe names it; `None`: the event doesn't say.
    pub(crate) status: Option<String>,
    /// The price's lookup key, else its id; a price may also name its plan.
    pub(crate) price: Option<String>,
    pub(crate) plan: Option<String>,
    pub(crate) tenant: Option<String>,
    /// Of events of the same second, the higher is the later.
    pub(crate) rank: u8,
}

/// When an event that is stored was made, and how it ranks among those of the same second.
pub(crate) fn mark(rank: u8, id: &str) -> String {
    format!("{rank}:{id}")
}

/// Whether what was reported at `at` with `rank` is later than what is stored.
pub(crate) fn is_later(at: Timestamp, rank: u8, stored_at: DateTime<Utc>, stored: &str) -> bool {
    let stored_rank =
        stored.split_once(':').and_then(|(rank, _)| rank.parse::<u8>().ok()).unwrap_or_default();
    (at, rank) >= (stored_at, stored_rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_later_counts_whenever_it_comes() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        assert!(is_later(at(2), 0, at(1), "4:evt"));
        assert!(!is_later(at(1), 4, at(2), "0:evt"));
        assert!(is_later(at(1), 4, at(1), "3:evt"), "a deletion is the last of its second");
        assert!(!is_later(at(1), 2, at(1), "3:evt"));
    }
}
