//! Memory goes back to the system after a burst.
//!
//! mimalloc frees what a thread keeps for its next allocations as that thread goes on allocating; an idle one would keep it for ever.

use std::hint::black_box;
use std::time::Duration;

/// How often a thread allocates for this reason alone.
const EVERY: Duration = Duration::from_secs(1);
/// Allocations at a time: mimalloc looks at kept pages at each thousandth, and lets one go when it was looked at sixteen times.
const AT_A_TIME: usize = 2_000;
/// Their size: too large for the fast path, on which nothing is looked at.
const BYTES: usize = 64 << 10;
/// What has a page of its own: with it pages go back whose time is over.
const LARGE_BYTES: usize = 8 << 20;

/// Does so for the thread on which it is polled.
pub async fn give_memory_back() {
    loop {
        tokio::time::sleep(EVERY).await;
        for _ in 0..AT_A_TIME {
            drop(black_box(Vec::<u8>::with_capacity(BYTES)));
        }
        drop(black_box(Vec::<u8>::with_capacity(LARGE_BYTES)));
    }
}
