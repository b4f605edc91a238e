//! Work of which a plugin's author decides how long it takes and how much memory: turning the text format into binary,
//! compiling, checking settings against a schema. A broker has it done by a process of its own, within limits; tests and
//! benchmarks, which trust their plugins, do it in place.

mod child;
mod message;
mod task;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::error::{LoadError, SettingError};
use child::{CompilerProcess, ProcessFailure};
use task::{CompilerTask, KnownSchemas};
pub use worker::{WorkerLimits, run as run_worker};

/// Processor time of a check of settings, and of turning text into binary: people wrote both.
const SMALL_TASK: Duration = Duration::from_secs(2);
/// On the clock a task may take so many times its processor time: the process has a low priority, and the machine may be
/// busy.
const WALL_FACTOR: u32 = 4;
const MIB: u64 = 1_048_576;

/// Who does the work.
#[derive(Clone, Debug, Default)]
pub enum CompilerOptions {
    /// The calling thread, without limits.
    #[default]
    InPlace,
    /// A process of its own for each component. `program`, called with `args` and the arguments of [`WorkerLimits`], does
    /// [`run_worker`], and is the same build as the caller: what it answers is run as machine code.
    Child { program: PathBuf, args: Vec<String> },
}

/// What loading one plugin may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadLimits {
    /// Bytes of its file.
    pub component_bytes: u64,
    /// Processor time of compiling it.
    pub compile_time: Duration,
    /// Bytes of memory for compiling it.
    pub compile_memory_bytes: u64,
}

impl Default for LoadLimits {
    fn default() -> Self {
        Self {
            component_bytes: 64 * MIB,
            compile_time: Duration::from_secs(30),
            compile_memory_bytes: 1_024 * MIB,
        }
    }
}

/// The compiler of a sandbox.
pub(super) struct Compiler {
    options: CompilerOptions,
    state: Mutex<CompilerState>,
}

#[derive(Default)]
struct CompilerState {
    limits: LoadLimits,
    /// The process for small tasks, kept from one to the next.
    kept: Option<CompilerProcess>,
}

/// While it lives, a process for small tasks may be kept.
pub struct LoadingGuard<'a>(&'a Compiler);

impl Drop for LoadingGuard<'_> {
    fn drop(&mut self) {
        self.0.state.lock().kept = None;
    }
}

// === impl Compiler ===

impl Compiler {
    pub(super) fn new(options: CompilerOptions) -> Self {
        Self {
            options,
            state: Mutex::default(),
        }
    }

    pub(super) fn begin(&self, limits: LoadLimits) -> LoadingGuard<'_> {
        self.state.lock().limits = limits;
        LoadingGuard(self)
    }

    pub(super) fn limits(&self) -> LoadLimits {
        self.state.lock().limits
    }

    /// The binary of a component in the text format.
    pub(super) fn binary(&self, engine: &Engine, text: &[u8]) -> Result<Vec<u8>, LoadError> {
        match self.small(engine, &CompilerTask::Binary(text)) {
            Ok(answer) => answer.map_err(LoadError::Invalid),
            Err(LoadError::CompileTime { limit }) => Err(LoadError::Invalid(format!(
                "to read its text takes more than {limit:?}; use the binary format"
            ))),
            Err(error) => Err(error),
        }
    }

    /// Compiles a component.
    pub(super) fn component(&self, engine: &Engine, binary: &[u8]) -> Result<Component, LoadError> {
        let CompilerOptions::Child { program, args } = &self.options else {
            return Component::from_binary(engine, binary).map_err(|error| LoadError::Invalid(format!("{error:#}")));
        };
        // The lock is kept: one component at a time.
        let state = self.state.lock();
        let limits = state.limits;
        let mut child = CompilerProcess::start(program, args, &limits).map_err(ProcessFailure::load_error(&limits))?;
        let code = child
            .ask(&CompilerTask::Compile(binary), limits.compile_time * WALL_FACTOR)
            .map_err(ProcessFailure::load_error(&limits))?
            .map_err(LoadError::Invalid)?;
        // SAFETY: these bytes came from `precompile_component`, as `deserialize` demands: over a pipe that nobody else has,
        // from a process that this one started from its own program. That both engines have the same settings is looked
        // at by `deserialize` itself.
        #[expect(unsafe_code, reason = "the only way to use code that another process compiled")]
        let component = unsafe { Component::deserialize(engine, code) };
        component.map_err(|error| LoadError::Compiler(format!("made what this one cannot use: {error:#}")))
    }

    /// What of `settings` does not fit `schema`; both are JSON.
    pub(super) fn violations(
        &self,
        engine: &Engine,
        schema: &str,
        settings: &str,
    ) -> Result<Vec<SettingError>, LoadError> {
        let answer = self.small(engine, &CompilerTask::Settings { schema, settings });
        let list = match answer {
            Ok(answer) => answer.map_err(LoadError::BadSchema)?,
            // What was over a limit was not a compiler.
            Err(LoadError::CompileTime { .. }) => return Err(LoadError::SettingsTime { limit: SMALL_TASK }),
            Err(error) => return Err(error),
        };
        task::read_violations(&list)
            .map_err(|error| LoadError::Compiler(format!("answered what cannot be read: {error}")))
    }

    /// Does a small task; the inner error is about what the task is about.
    fn small(&self, engine: &Engine, task: &CompilerTask<'_>) -> Result<Result<Vec<u8>, String>, LoadError> {
        let CompilerOptions::Child { program, args } = &self.options else {
            return Ok(task.perform(engine, &mut KnownSchemas::default()));
        };
        let mut state = self.state.lock();
        let limits = LoadLimits {
            compile_time: SMALL_TASK,
            ..state.limits
        };
        let mut child = match state.kept.take() {
            Some(child) => child,
            None => CompilerProcess::start(program, args, &limits).map_err(ProcessFailure::load_error(&limits))?,
        };
        let answer = child
            .ask(task, SMALL_TASK * WALL_FACTOR)
            .map_err(ProcessFailure::load_error(&limits))?;
        // One that failed is not kept.
        state.kept = Some(child);
        Ok(answer)
    }
}
