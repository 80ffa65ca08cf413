//! Files of the embedded store: the owner's alone from the moment at which they are made.

use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;

use anyhow::Context as _;
use platform::config::Config;
use platform::store::inspection::sqlite_file;

/// What nobody but the owner may have.
const OTHERS: u32 = 0o077;

/// Makes the data directory and an empty database where they are missing, with their modes from the start: a change of mode after the
/// fact leaves a moment in which others may open them. SQLite gives its log and its index the database's mode.
pub(super) fn make(config: &Config) -> anyhow::Result<()> {
    let Some(database) = sqlite_file(&config.database, &config.data.dir)? else { return Ok(()) };
    let dir = &config.data.dir;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("{} can't be made", dir.display()))?;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&database) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("{} can't be made", database.display()))
        }
        _ => Ok(()),
    }
}

/// What others on this machine may read or write although it holds secrets, and how to mend it.
pub(crate) fn too_open(config: &Config) -> Vec<String> {
    let Ok(Some(database)) = sqlite_file(&config.database, &config.data.dir) else { return Vec::new() };
    let beside = |suffix: &str| {
        let mut name = database.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    };
    let (log, index) = (beside("-wal"), beside("-shm"));
    let files = [
        (config.data.dir.clone(), "700"),
        (config.data.dir.join("master.key"), "600"),
        (log, "600"),
        (index, "600"),
        (database, "600"),
    ];
    let complaint = |(path, right): (PathBuf, &str)| {
        let mode = std::fs::metadata(&path).ok()?.permissions().mode();
        let path = path.display();
        let open = mode & OTHERS != 0;
        open.then(|| {
            format!("{path} is open to others (mode {:o}): run `chmod {right} {path}`", mode & 0o777)
        })
    };
    files.into_iter().filter_map(complaint).collect()
}
