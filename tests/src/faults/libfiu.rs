//! Debian's libfiu (`fiu-utils`) below the store. Only calls that nobody but the store makes: positioned reads and writes, syncs.

use std::path::Path;
use std::process::Command;

const LIBRARIES: [&str; 2] = ["fiu_run_preload.so", "fiu_posix_preload.so"];

/// The remote control of one process.
pub struct Libfiu {
    preload: String,
    fifos: String,
}

impl Libfiu {
    /// Makes the control's place in `directory`.
    ///
    /// # Panics
    /// Where libfiu is missing.
    pub fn new(directory: &Path) -> Self {
        let place = ["/usr/lib/fiu", "/usr/lib/x86_64-linux-gnu/fiu", "/usr/lib/aarch64-linux-gnu/fiu"]
            .into_iter()
            .find(|place| Path::new(place).join(LIBRARIES[0]).exists());
        let place = place.expect("fiu-utils is installed: run tests/run, or apt-get install fiu-utils");
        let fifos = directory.join("fiu").to_str().expect("a path in UTF-8").to_owned();
        Self { preload: LIBRARIES.map(|name| format!("{place}/{name}")).join(":"), fifos }
    }

    /// What the process has to be started with.
    pub fn settings(&self) -> [(&str, &str); 2] {
        [("LD_PRELOAD", &self.preload), ("FIU_CTRL_FIFO", &self.fifos)]
    }

    /// Lets a share of the calls of a name fail with an errno.
    ///
    /// # Panics
    /// Where `fiu-ctrl` can't.
    pub fn enable(&self, process: u32, name: &str, share: f64, errno: super::Errno) {
        let errno = errno as i32;
        self.control(process, &format!("enable_random name={name},probability={share},failinfo={errno}"));
    }

    /// Lets them succeed again.
    ///
    /// # Panics
    /// Where `fiu-ctrl` can't.
    pub fn disable(&self, process: u32, name: &str) {
        self.control(process, &format!("disable name={name}"));
    }

    fn control(&self, process: u32, command: &str) {
        let mut control = Command::new("fiu-ctrl");
        control.args(["-f", &self.fifos, "-c", command, &process.to_string()]);
        assert!(control.status().expect("fiu-ctrl is there").success(), "{command}");
    }
}
