//! Who gets which variant by share: sticky, and exactly as flagd's `fractional`, so that an SDK with flagd's engine agrees.

use std::io::Cursor;

use serde::{Deserialize, Serialize};

/// A variant's share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Who has it gets this.
    pub variant: String,
    /// In proportion to the others'; absent: 1.
    #[serde(default = "one")]
    pub weight: u32,
}

fn one() -> u32 {
    1
}

/// The variant that `key` gets: `(murmur3_x86_32(flag + key, 0) * total) >> 32` falls into one of the shares, in their order.
pub(crate) fn share_of<'a>(flag: &str, key: &str, shares: &'a [Share]) -> Option<&'a str> {
    let total: u64 = shares.iter().map(|share| u64::from(share.weight)).sum();
    // Reading from memory can't fail.
    let hash = murmur3::murmur3_32(&mut Cursor::new(format!("{flag}{key}")), 0).unwrap_or_default();
    let bucket = (u64::from(hash) * total) >> 32;
    let mut upper = 0;
    let found = shares.iter().find(|share| {
        upper += u64::from(share.weight);
        bucket < upper
    });
    found.map(|share| share.variant.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(of: &[(&str, u32)]) -> Vec<Share> {
        of.iter().map(|(variant, weight)| Share { variant: (*variant).to_owned(), weight: *weight }).collect()
    }

    #[test]
    fn flagd_would_choose_the_same() {
        let (colours, tenth) = (shares(&[("red", 50), ("green", 50)]), shares(&[("on", 10), ("off", 90)]));
        for (key, colour) in [
            ("user-1", "green"),
            ("user-2", "green"),
            ("user-3", "red"),
            ("jon@company.com", "red"),
            ("acme", "red"),
            ("tenant-42", "green"),
            ("01J8ZK6Q", "red"),
        ] {
            assert_eq!(share_of("new-welcome", key, &colours), Some(colour), "{key}");
            assert_eq!(share_of("rollout-10", key, &tenth), Some("off"), "{key}");
        }
    }

    #[test]
    fn shares_are_met_and_grow_without_moving_those_who_have_it() {
        let on = |percent: u32| {
            let shares = shares(&[("on", percent), ("off", 100 - percent)]);
            let keys = (0..20_000).map(|number| format!("tenant-{number}"));
            keys.filter(|key| share_of("beta", key, &shares) == Some("on"))
                .collect::<std::collections::BTreeSet<_>>()
        };
        let (ten, thirty) = (on(10), on(30));
        assert!((1_850..=2_150).contains(&ten.len()), "{}", ten.len());
        assert!(ten.is_subset(&thirty));
        assert_eq!((on(0).len(), on(100).len()), (0, 20_000));
    }
}
