//! Why a plugin cannot be used. Each text says what was found, what the host offers and what to do.

use std::path::PathBuf;
use std::time::Duration;

use regular_file::ReadError;
use thiserror::Error;

use chain::Hooks;

/// A plugin that cannot be used, and why.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum LoadError {
    #[error("cannot read {path}: {cause}", path = path.display())]
    Unreadable { path: PathBuf, cause: ReadError },
    #[error("{path} has more than {mib} MiB (sandbox.component_mib)", path = path.display())]
    TooLarge { path: PathBuf, mib: u64 },
    #[error(
        "{path} has the SHA-256 {found}, not the configured one; if you trust this file, change `sha256` to that",
        path = path.display()
    )]
    WrongDigest { path: PathBuf, found: String },
    #[error(
        "not WebAssembly: it begins with {found:?}. A plugin is a component (.wasm), as `cargo build --target \
         wasm32-wasip2` makes it"
    )]
    NotWasm { found: String },
    #[error(
        "a core WebAssembly module, not a component. Build it with `--target wasm32-wasip2`, or wrap it with \
         `wasm-tools component new`"
    )]
    CoreModule,
    #[error("the file is cut off: {0}. Copy or build it again")]
    Truncated(String),
    #[error("the component is not valid: {0}")]
    Invalid(String),
    #[error("uses {names} of WebAssembly, which plugins do not get: {reason}. Build it without")]
    Feature { names: String, reason: &'static str },
    #[error("compiling it takes more than {limit:?} (sandbox.compile_seconds)")]
    CompileTime { limit: Duration },
    #[error("compiling it, or checking its settings, takes more than {mib} MiB of memory (sandbox.compile_memory_mib)")]
    CompileMemory { mib: u64 },
    #[error("the process that compiles and checks plugins {0}")]
    Compiler(String),
    #[error(
        "exports no lifecycle; every plugin exports sluicegate:plugin/lifecycle@{version} with `init`. It exports: \
         {exports}",
        version = super::contract::VERSION
    )]
    NoLifecycle { exports: NameList },
    #[error(
        "exports no hook. A plugin exports at least one of {offered}, version {version}. It exports: {exports}",
        version = super::contract::VERSION
    )]
    NoHook { offered: NameList, exports: NameList },
    #[error("the config asks for its {hook} hook, which it does not export. It exports: {exported}", exported = list(*exported))]
    LacksHook { hook: &'static str, exported: Hooks },
    #[error(
        "built for another contract: it {what} {found}, and this broker speaks {speaks}. Build it with the SDK of that \
         version"
    )]
    OtherContract {
        what: &'static str,
        found: String,
        speaks: String,
    },
    #[error("imports {import}, which plugins do not get. The host offers: {offered}")]
    UnknownImport { import: String, offered: NameList },
    #[error(
        "imports {capability}, which is not granted here. Add \"{capability}\" to this chain entry's `grants`, \
         or use a build without it"
    )]
    NotGranted { capability: &'static str },
    #[error(
        "asks for {asked} MiB of memory, and this process was started with plugins of at most {most}; restart it to \
         raise `memory_mib` over that"
    )]
    OverPool { asked: usize, most: usize },
    #[error("a function has another type than in the contract: {0}")]
    WrongType(String),
    #[error("its settings schema is no JSON Schema: {0}")]
    BadSchema(String),
    #[error(
        "to check its settings against its schema takes more than {limit:?}; are there references that multiply, or \
         patterns that try everything?"
    )]
    SettingsTime { limit: Duration },
    #[error("{}", settings(errors))]
    Settings { errors: Vec<SettingError> },
    #[error("its init refused the settings: {0}")]
    InitRefused(String),
    #[error("its init {0}")]
    InitFaulted(chain::Fault),
    #[error("it does not start: {0}")]
    DoesNotStart(String),
}

/// A setting that the plugin's schema does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    /// Where, in the words of the config: `config.rules[0].channels`.
    pub key: String,
    /// What is wrong with it. The value itself is not shown: it may be a secret.
    pub reason: String,
}

/// `NameList` to choose from, or the word that there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameList(pub Vec<String>);

impl std::fmt::Display for NameList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("nothing"),
            names => f.write_str(&names.join(", ")),
        }
    }
}

fn list(hooks: Hooks) -> NameList {
    NameList(hooks.iter().map(|hook| hook.name().to_owned()).collect())
}

fn settings(errors: &[SettingError]) -> String {
    let errors: Vec<String> = errors.iter().map(|e| format!("{}: {}", e.key, e.reason)).collect();
    format!("its settings do not fit its schema: {}", errors.join("; "))
}
