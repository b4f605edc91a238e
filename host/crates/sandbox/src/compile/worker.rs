//! The side of the process of its own: takes limits on itself, then does one task after the other until its parent asks
//! for no more, or ends.

use std::io::{self, BufReader, BufWriter, Write, stdin, stdout};
use std::time::Duration;

use rustix::process::{
    Resource, Rlimit, Signal, getpriority_process, set_parent_process_death_signal, setpriority_process, setrlimit,
};
use rustix::time::{ClockId, clock_gettime};

use super::super::code;
use super::message::{read_task, write_answer};
use super::task::KnownSchemas;

/// How much less than its parent the process wants the processor (`nice`).
const NICE: i32 = 10;
/// The least priority that there is.
const NICE_MOST: i32 = 19;

/// What the process may take.
#[derive(Clone, Copy, Debug)]
pub struct WorkerLimits {
    /// Processor time of each task.
    pub time: Duration,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

/// Does tasks from stdin, with answers on stdout, until stdin ends.
///
/// # Errors
/// The limits cannot be set, or a pipe broke. What a task fails with is an answer.
pub fn run(limits: WorkerLimits) -> io::Result<()> {
    restrain(limits)?;
    let engine = code::for_compiling().map_err(|error| io::Error::other(format!("{error:#}")))?;
    let mut tasks = BufReader::new(stdin().lock());
    let mut answers = BufWriter::new(stdout().lock());
    let mut schemas = KnownSchemas::default();
    while let Some(message) = read_task(&mut tasks)? {
        limit_time(limits.time)?;
        write_answer(&mut answers, &message.task()?.perform(&engine, &mut schemas))?;
    }
    answers.flush()
}

fn restrain(limits: WorkerLimits) -> io::Result<()> {
    // If the parent is gone already, stdin has ended.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // What is written to, not what is only reserved: allocators reserve generously.
    limit(Resource::Data, limits.memory_bytes)?;
    // Running out of memory is an abort, and nobody wants its core.
    limit(Resource::Core, 0)?;
    let nice = getpriority_process(None)?.saturating_add(NICE).min(NICE_MOST);
    setpriority_process(None, nice)?;
    Ok(())
}

/// From now on, as the limit counts from the process's beginning.
fn limit_time(time: Duration) -> io::Result<()> {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec;
    let used = u64::try_from(used).unwrap_or(0);
    limit(Resource::Cpu, used.saturating_add(time.as_secs()).saturating_add(1))
}

/// The soft limit alone: it is what counts, and the next task's is another.
fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let maximum = rustix::process::getrlimit(resource).maximum;
    let current = maximum.map_or(most, |maximum| maximum.min(most));
    setrlimit(
        resource,
        Rlimit {
            current: Some(current),
            maximum,
        },
    )?;
    Ok(())
}
