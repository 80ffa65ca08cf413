//! What stands between the unit of work and the database: connections that are not believed, and who may have one.
//!
//! | module | gives |
//! |---|---|
//! | `connection` | one transaction on one connection; whatever can't be vouched for is thrown away |
//! | `raw`, `crash` | the driver's connections, and its threads that die |
//! | `open` | the pools of both stores |
//! | `readers` | SQLite's readers, whose statements end when nobody waits for them |
//! | `writer` | SQLite's writer, opened anew only where its file is in its place |
//! | `shares` | how many connections one tenant may have at once |
//! | `place` | whether SQLite's files are still where they were opened |
//! | `health` | whether writes reach the disk, and the probe that notices when they do again |
//! | `integrity` | corrupt pages, looked for a table at a time |
//! | `look` | what a store is before it is trusted, asked without changing it |
//! | `migrate` | each schema change and its record in one transaction |

pub(crate) mod connection;
pub(crate) mod crash;
pub mod health;
pub mod integrity;
pub mod look;
pub(crate) mod migrate;
pub(crate) mod open;
pub(crate) mod place;
pub(crate) mod raw;
pub(crate) mod readers;
pub(crate) mod shares;
#[cfg(test)]
mod tests;
pub(crate) mod writer;
