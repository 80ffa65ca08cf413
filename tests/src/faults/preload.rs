//! Our own preload, `tests/fixtures/faults.c`: compiled when it is first wanted, steered through a file.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const SOURCE: &str = include_str!("../../fixtures/faults.c");

/// A call by which SQLite reaches its files, or its memory. The order is that of the C source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Read,
    Write,
    Sync,
    Truncate,
    Map,
    Open,
    /// SQLite's own `malloc` and `realloc`; the service's memory is not touched.
    Memory,
}

/// Which files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Everything,
    /// The database itself: written by a checkpoint only.
    Database,
    Wal,
}

impl Of {
    fn bits(self) -> i64 {
        match self {
            Of::Everything => 0b1111,
            Of::Database => 0b0001,
            Of::Wal => 0b0010,
        }
    }
}

/// Why a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    Interrupted = 4,
    Io = 5,
    NoMemory = 12,
    TooManyFiles = 24,
    NoSpace = 28,
    ReadOnly = 30,
}

/// What happens at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Fail(Errno),
    /// Half of the bytes are read or written, and it says so.
    Short,
    /// The process is killed before the call.
    Kill,
    /// Half of the bytes are written, then the process is killed.
    Torn,
    /// The call takes so many milliseconds, and succeeds.
    Slow(i64),
}

/// What is to fail.
#[derive(Clone, Debug)]
pub struct Fault {
    pub calls: Vec<Call>,
    pub of: Of,
    pub act: Act,
    /// The first call that fails, from 1.
    pub from: i64,
    /// So many fail; `None`: all from then on.
    pub times: Option<i64>,
    /// Of those so many in a thousand; `None`: each.
    pub permille: Option<i64>,
}

impl Fault {
    /// Each such call fails from now on.
    pub fn each(call: Call, act: Act) -> Self {
        Self { calls: vec![call], of: Of::Everything, act, from: 1, times: None, permille: None }
    }

    /// The `n`-th such call fails, from 1, and no other.
    pub fn once(call: Call, act: Act, n: i64) -> Self {
        Self { from: n, times: Some(1), ..Self::each(call, act) }
    }
}

/// Places of the control file, in eights of bytes.
const KINDS: u64 = 0;
const HITS: u64 = 7;
const CALLS: u64 = 9;

/// The control of one process' faults.
pub struct Faults {
    file: File,
    control: String,
    library: String,
}

impl Faults {
    /// Makes the control in `directory`. Until something is injected nothing fails.
    ///
    /// # Panics
    /// Where there is no C compiler.
    pub fn new(directory: &Path) -> Self {
        let path = directory.join("faults.control");
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.expect("a control file");
        file.set_len(4096).expect("a page");
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        Self { file, control: text(&path), library: text(library()) }
    }

    /// What the process has to be started with.
    pub fn settings(&self) -> [(&str, &str); 2] {
        [("LD_PRELOAD", &self.library), ("FAULTS_CONTROL", &self.control)]
    }

    /// Lets `fault` happen from now on, instead of what was injected before.
    pub fn inject(&self, fault: &Fault) {
        let (act, error) = match fault.act {
            Act::Fail(errno) => (0, errno as i64),
            Act::Short => (1, 0),
            Act::Kill => (2, 0),
            Act::Torn => (3, 0),
            Act::Slow(milliseconds) => (4, milliseconds),
        };
        self.write(KINDS, 0);
        let values = [
            fault.of.bits(),
            fault.from - 1,
            fault.times.unwrap_or(-1),
            fault.permille.unwrap_or(0),
            error,
            act,
            0, // hits
        ];
        for (at, value) in (1..).zip(values) {
            self.write(at, value);
        }
        for call in 0..7 {
            self.write(CALLS + call, 0);
        }
        self.write(KINDS, fault.calls.iter().map(|call| 1 << *call as i64).sum());
    }

    /// Nothing fails any longer. Answers how often something did.
    pub fn clear(&self) -> i64 {
        self.write(KINDS, 0);
        self.hits()
    }

    /// How often something has failed since it was injected.
    pub fn hits(&self) -> i64 {
        self.read(HITS)
    }

    /// How many such calls there were since something was injected into them.
    pub fn calls(&self, call: Call) -> i64 {
        self.read(CALLS + call as u64)
    }

    fn write(&self, at: u64, value: i64) {
        self.file.write_all_at(&value.to_ne_bytes(), at * 8).expect("the control is written");
    }

    fn read(&self, at: u64) -> i64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, at * 8).expect("the control is read");
        i64::from_ne_bytes(bytes)
    }
}

/// The compiled preload, made once for each state of its source.
fn library() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let mut hasher = DefaultHasher::new();
        SOURCE.hash(&mut hasher);
        let path = std::env::temp_dir().join(format!("tenantry-faults-{:016x}.so", hasher.finish()));
        if !path.exists() {
            // Under a name of its own first: another test process may be making the same.
            let made = path.with_extension(format!("{}.so", std::process::id()));
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/faults.c");
            let mut cc = Command::new("cc");
            cc.args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&made).arg(source);
            assert!(cc.status().expect("cc is there: run tests/run").success(), "faults.c compiles");
            std::fs::rename(&made, &path).expect("it gets its name");
        }
        path
    })
}
