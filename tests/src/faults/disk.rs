//! A file system of one test's own: small, so that it can be filled, and mounted for real.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::Store;

/// A tmpfs, unmounted with the test.
pub struct Disk {
    mounted: TempDir,
}

impl Disk {
    /// Mounts so many MiB.
    ///
    /// # Panics
    /// Without the right to mount: the test says so instead of passing without having looked.
    pub fn new(mebibytes: u32) -> Self {
        let mounted = tempfile::tempdir().expect("a directory");
        let size = format!("size={mebibytes}m");
        mount(&["-t", "tmpfs", "-o", &size, "tmpfs"], mounted.path());
        Self { mounted }
    }

    /// A store on it, on SQLite whatever the other tests run on.
    pub fn store(&self) -> Store {
        let directory = TempDir::new_in(self.mounted.path()).expect("a directory");
        sqlite_in(directory)
    }

    fn ballast(&self) -> PathBuf {
        self.mounted.path().join("ballast")
    }

    /// Fills it to the last byte.
    ///
    /// # Panics
    /// Where it doesn't get full.
    pub fn fill(&self) {
        let mut file = std::fs::File::create(self.ballast()).expect("a file");
        for size in [65_536, 4_096, 1] {
            let block = vec![b'x'; size];
            let mut full = false;
            for _ in 0..100_000 {
                full = file.write(&block).is_err();
                if full {
                    break;
                }
            }
            assert!(full, "the disk gets full");
        }
    }

    /// Makes place again.
    pub fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast goes");
    }

    /// Nothing can be written on it until [`Disk::writable`]. The kernel refuses that while a file is open for writing.
    pub fn read_only(&self) {
        mount(&["-o", "remount,ro"], self.mounted.path());
    }

    pub fn writable(&self) {
        mount(&["-o", "remount,rw"], self.mounted.path());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the process that had files open on it may just have been killed.
        let _ = privileged("umount").arg("-l").arg(self.mounted.path()).status();
    }
}

/// An empty SQLite store in a directory.
fn sqlite_in(directory: TempDir) -> Store {
    let url = format!("sqlite:{}", directory.path().join("tenantry.db").display());
    Store { directory, url, migration_url: String::new(), superuser_url: None }
}

fn mount(arguments: &[&str], at: &Path) {
    let done = privileged("mount").args(arguments).arg(at).status().expect("mount is there");
    assert!(
        done.success(),
        "these stories mount a file system: run them as root, or with sudo without a password"
    );
}

fn privileged(program: &str) -> Command {
    if std::fs::metadata("/proc/self").is_ok_and(|of| std::os::unix::fs::MetadataExt::uid(&of) == 0) {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}
