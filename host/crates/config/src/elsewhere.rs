//! Strings that stand elsewhere: `{ env = "NAME" }` is a variable of the process, `{ file = "PATH" }` the content of a file.
//! Only the operator's own files may have them. What is wrong with one is told without its content.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use toml::de::DeValue;

/// Bytes of one string at most.
const STRING_BYTES: u64 = 1_048_576;
/// Bytes of all strings that one file of the config takes from elsewhere.
const ALL_BYTES: usize = 256 * 1_048_576;

/// Gives the variable of a name, if there is one.
pub(super) type VariableOf = fn(&str) -> Option<OsString>;

/// Where a string stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elsewhere<'a> {
    Env(&'a str),
    File(&'a str),
}

/// A string that was taken from elsewhere.
pub(super) struct Taken {
    /// The words that stand for it in messages: [`Elsewhere`], as it shows itself.
    pub origin: String,
    /// The string, or why there is none.
    pub outcome: Result<String, String>,
    is_string: Cell<bool>,
}

/// Takes strings from elsewhere for one file of the config.
pub(super) struct ElsewhereReader {
    /// Where relative paths begin.
    base: PathBuf,
    variable: VariableOf,
    /// Bytes that may still be taken.
    left: Cell<usize>,
    files: RefCell<Vec<FileTaken>>,
}

/// A file that a string was taken from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FileTaken {
    path: PathBuf,
    /// Of its content; none if it could not be read.
    sha256: Option<[u8; 32]>,
}

/// The files that strings were taken from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FilesTaken(Vec<FileTaken>);

// === impl Elsewhere ===

impl<'a> Elsewhere<'a> {
    /// None: `raw` is something else than a table of this one key.
    pub(super) fn of(raw: &'a DeValue<'a>) -> Option<Self> {
        let table = raw.as_table().filter(|table| table.len() == 1)?;
        let text = |key| table.get(key)?.get_ref().as_str();
        text("env").map(Self::Env).or_else(|| text("file").map(Self::File))
    }

    /// The key of its table.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Env(_) => "env",
            Self::File(_) => "file",
        }
    }
}

impl fmt::Display for Elsewhere<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Env(text) | Self::File(text)) = self;
        write!(f, "the value of {{ {} = {text:?} }}", self.key())
    }
}

// === impl Taken ===

impl Taken {
    /// A string is asked for where its table stands.
    pub(super) fn is_string(&self) {
        self.is_string.set(true);
    }

    pub(super) fn was_string(&self) -> bool {
        self.is_string.get()
    }
}

// === impl ElsewhereReader ===

impl ElsewhereReader {
    /// For the file at `path`.
    pub(super) fn beside(path: &Path, variable: VariableOf) -> Self {
        Self {
            base: path.parent().unwrap_or(Path::new("")).to_owned(),
            variable,
            left: Cell::new(ALL_BYTES),
            files: RefCell::default(),
        }
    }

    pub(super) fn take(&self, elsewhere: Elsewhere<'_>) -> Taken {
        let outcome = match elsewhere {
            Elsewhere::Env(name) => self.variable(name),
            Elsewhere::File(path) => self.file(&self.base.join(path)),
        };
        let outcome = outcome.and_then(|text| match self.left.get().checked_sub(text.len()) {
            Some(left) => {
                self.left.set(left);
                Ok(text)
            }
            None => Err(format!(
                "is one string too many: one file takes {ALL_BYTES} bytes from elsewhere at most"
            )),
        });
        Taken {
            origin: elsewhere.to_string(),
            outcome,
            is_string: Cell::new(false),
        }
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        let what = format!("the variable {name:?}");
        let value = (self.variable)(name).ok_or_else(|| format!("{what} is not set"))?;
        if value.len() as u64 > STRING_BYTES {
            return Err(format!("{what} has more than {STRING_BYTES} bytes"));
        }
        let text = value.into_string().map_err(|_| format!("{what} is not UTF-8"))?;
        good(text, &what)
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        let what = format!("the file {}", path.display());
        let read = regular_file::read(path, STRING_BYTES);
        self.files.borrow_mut().push(FileTaken {
            path: path.to_owned(),
            sha256: read.as_ref().ok().map(|bytes| Sha256::digest(bytes).into()),
        });
        let bytes = read.map_err(|error| format!("{what} cannot be read: {error}"))?;
        let mut text = String::from_utf8(bytes).map_err(|_| format!("{what} is not UTF-8"))?;
        // Editors and `echo` end a file with a line break, which is no part of a password.
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        good(text, &what)
    }

    pub(super) fn into_files(self) -> FilesTaken {
        let mut files = self.files.into_inner();
        files.sort_unstable();
        // One that changed while it was read stays there twice, and is never the same.
        files.dedup();
        FilesTaken(files)
    }
}

/// An empty secret is more likely a mistake than meant, and what ends at a NUL elsewhere is not what is seen here.
fn good(text: String, what: &str) -> Result<String, String> {
    match text.as_str() {
        "" => Err(format!("{what} is empty")),
        text if text.contains('\0') => Err(format!("{what} has a NUL")),
        _ => Ok(text),
    }
}

// === impl FilesTaken ===

impl FilesTaken {
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.iter().map(|file| &file.path)
    }

    /// Whether all of them could be read, and have the same content now.
    pub(super) fn are_same(&self) -> bool {
        let now = |file: &FileTaken| regular_file::read(&file.path, STRING_BYTES).ok();
        let is_same = |file: &FileTaken| {
            let now = now(file).map(|bytes| <[u8; 32]>::from(Sha256::digest(bytes)));
            file.sha256.is_some() && now == file.sha256
        };
        self.0.iter().all(is_same)
    }
}
