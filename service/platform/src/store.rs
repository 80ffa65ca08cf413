//! What stands between the unit of work and the database: connections that are not believed, and who may have one.
//!
//! | module | gives |
//! |---|---|
//! | `connection` | one transaction on one connection; whatever can't be vouched for is thrown away |
//! | `raw`, `crash` | the driver's connections, and its threads that die |
//! | `open` | the pools of both stores |
//! | `opener` | SQLite's file, opened once more only where it is in its place |
//! | `pool`, `brake` | SQLite's connections, whose statements end when nobody waits for them |
//! | `shares` | how many connections one tenant may have at once |
//! | `place` | whether SQLite's files are still where they were opened |
//! | `leftover` | a log whose database is gone: nothing is made beside it |
//! | `health` | whether writes reach the disk, and the probe that notices when they do again |
//! | `fault` | what a driver's error means, and what mends it |
//! | `findings` | what is known of damaged pages |
//! | `integrity` | corrupt pages, looked for a table at a time |
//! | `look` | what a store is before it is trusted, asked without changing it |
//! | `migrate` | each schema change and its record in one transaction |

mod brake;
pub(crate) mod connection;
pub(crate) mod crash;
pub(crate) mod fault;
pub(crate) mod findings;
pub mod health;
pub mod inspection;
pub mod integrity;
pub(crate) mod leftover;
pub(crate) mod migrate;
pub(crate) mod open;
pub(crate) mod opener;
pub(crate) mod place;
pub(crate) mod pool;
pub(crate) mod raw;
pub(crate) mod shares;
#[cfg(test)]
mod tests;
