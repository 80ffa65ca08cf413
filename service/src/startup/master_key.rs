//! The key that seals secrets: configured, or made and stored beside the embedded store. Never made where a store already holds
//! what another key sealed.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::config::Config;
use platform::crypto::{Envelope, hex, random};
use platform::store::inspection::Canary;
use secrecy::ExposeSecret as _;

/// The file of a made master key, in the data directory.
const FILE: &str = "master.key";

/// Where the master key comes from.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    /// The configuration.
    Configured(Envelope),
    /// The file beside the embedded store.
    File(PathBuf, Envelope),
    /// Nowhere yet: it would be made in this file.
    Missing(PathBuf),
}

/// A key that doesn't go with the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mismatch {
    /// It is another one.
    #[error(
        "{0} is not the key that sealed this store's secrets: nothing was changed. Give the key that goes with this store; it is in \
         the same backup"
    )]
    Wrong(String),
    /// It is gone.
    #[error(
        "the master key is lost: {0} is not there, and the store holds secrets that it sealed. Nothing was changed, and no new key is \
         made, for it could not open them. Put the file back from the backup, or set TENANTRY_MASTER_KEY to what was in it"
    )]
    Lost(String),
}

impl KeySource {
    /// Finds the key; makes nothing.
    pub(crate) fn of(config: &Config) -> anyhow::Result<Self> {
        let configured = config.secrets.master_key.expose_secret();
        if !configured.is_empty() {
            let envelope = Envelope::new(configured);
            let envelope = envelope.ok_or_else(|| {
                anyhow!("secrets.master_key (TENANTRY_MASTER_KEY) must be 32 bytes in base64")
            })?;
            return Ok(KeySource::Configured(envelope));
        }
        if config.database.is_postgres() {
            bail!(
                "secrets.master_key is required on Postgres: set TENANTRY_MASTER_KEY, for a new database to the output of `openssl rand \
                 -base64 32`, for one that was served before to the key that it was served with: another one opens nothing"
            );
        }
        let path = config.data.dir.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(KeySource::File(path.clone(), read(&path, &text)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(KeySource::Missing(path)),
            Err(error) => Err(error).with_context(|| format!("{} can't be read", path.display())),
        }
    }

    /// Whether the key goes with what the store holds.
    pub(crate) fn check(&self, canary: Option<&Canary>) -> Result<(), Mismatch> {
        match (self, canary) {
            (_, None) => Ok(()),
            (KeySource::Missing(path), Some(_)) => Err(Mismatch::Lost(path.display().to_string())),
            (KeySource::Configured(envelope) | KeySource::File(_, envelope), Some(canary)) => {
                if canary.opens(envelope) { Ok(()) } else { Err(Mismatch::Wrong(self.place())) }
            }
        }
    }

    /// What people call it.
    pub(crate) fn place(&self) -> String {
        match self {
            KeySource::Configured(_) => {
                "the master key of the configuration (TENANTRY_MASTER_KEY)".to_owned()
            }
            KeySource::File(path, _) | KeySource::Missing(path) => {
                format!("the master key in {}", path.display())
            }
        }
    }

    /// The key; where there is none, one that nothing was sealed with, for somebody who only looks.
    pub(crate) fn envelope(&self) -> anyhow::Result<Envelope> {
        match self {
            KeySource::Configured(envelope) | KeySource::File(_, envelope) => Ok(envelope.clone()),
            KeySource::Missing(path) => read(path, &STANDARD.encode(random::<32>())),
        }
    }

    /// The key; made where there is none.
    pub(super) fn envelope_or_make(&self) -> anyhow::Result<Envelope> {
        match self {
            KeySource::Configured(envelope) | KeySource::File(_, envelope) => Ok(envelope.clone()),
            KeySource::Missing(path) => {
                store(path, &STANDARD.encode(random::<32>()))?;
                // Another process that started at the same time may have been faster.
                let text = std::fs::read_to_string(path);
                read(path, &text.with_context(|| format!("{} can't be read", path.display()))?)
            }
        }
    }
}

fn read(path: &Path, text: &str) -> anyhow::Result<Envelope> {
    Envelope::new(text).ok_or_else(|| {
        anyhow!("{} does not hold 32 bytes in base64: put the file back from the backup", path.display())
    })
}

/// Written beside, then linked: the file is there with its whole content or not at all, wherever the process is killed.
fn store(path: &Path, secret: &str) -> anyhow::Result<()> {
    let beside = path.with_extension(format!("{}.new", hex(&random::<8>())));
    let failed = || format!("{} can't be made", path.display());
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
    let mut file = made.with_context(failed)?;
    file.write_all(secret.as_bytes()).and_then(|()| file.sync_all()).with_context(failed)?;
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside).with_context(failed)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error).with_context(failed),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(byte: u8) -> Envelope {
        Envelope::new(&STANDARD.encode([byte; 32])).unwrap()
    }

    #[test]
    fn a_key_goes_with_the_store_is_another_or_is_lost() {
        let id = platform::ids::new();
        let sealed = |byte| ("module", id, envelope(byte).seal("module", id.as_bytes(), b"x").unwrap());
        let path = PathBuf::from("data/master.key");
        let configured = KeySource::Configured(envelope(1));
        let file = KeySource::File(path.clone(), envelope(1));
        let missing = KeySource::Missing(path);
        let (ours, theirs) = (Canary::Older(vec![sealed(1)]), Canary::Older(vec![sealed(2)]));
        // For a while it was served under another key, which nobody noticed.
        let both = Canary::Older(vec![sealed(2), sealed(1)]);
        for (source, canary, said) in [
            (&configured, None, None),
            (&configured, Some(&ours), None),
            (&configured, Some(&both), None),
            (&configured, Some(&theirs), Some("TENANTRY_MASTER_KEY) is not the key")),
            (&file, Some(&ours), None),
            (&file, Some(&theirs), Some("data/master.key is not the key")),
            (&missing, None, None),
            (&missing, Some(&ours), Some("data/master.key is not there")),
        ] {
            match (source.check(canary), said) {
                (Ok(()), None) => {}
                (Err(mismatch), Some(said)) => assert!(mismatch.to_string().contains(said), "{mismatch}"),
                (checked, said) => panic!("{source:?} {canary:?}: {checked:?}, expected {said:?}"),
            }
        }
    }

    #[test]
    fn a_made_key_is_the_owners_alone_and_is_never_made_twice() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        store(&path, "first").unwrap();
        store(&path, "second").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
