//! `wasi:clocks`: the time, and pollables for later that refuse to be waited for.

use std::time::{Duration, SystemTime};

use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource};

use super::io::Pollable;
use super::output::Wasi;
use crate::host_call::define;
use crate::state::StoreData;

/// When a pollable is ready, in milliseconds since the instance was made; it is the handle itself. 0 is at
/// once; what is over 49 days away is 49 days away, which nobody here waits for either.
type Moment = u32;

/// `datetime`
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

pub(super) fn is_over(wasi: &Wasi, moment: Moment) -> bool {
    moment == 0 || wasi.made.elapsed() >= Duration::from_millis(moment.into())
}

fn nanoseconds(since: Duration) -> u64 {
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The moment `wait` from now, rounded up.
fn moment(wasi: &Wasi, wait: Duration) -> Moment {
    if wait.is_zero() {
        return 0;
    }
    let at = wasi.made.elapsed().saturating_add(wait);
    Moment::try_from(at.as_millis() + 1).unwrap_or(Moment::MAX)
}

pub(super) fn monotonic(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(instance, "now", |state, (): ()| {
        Ok((nanoseconds(state.wasi.made.elapsed()),))
    })?;
    define(instance, "resolution", |_, (): ()| Ok((1_u64,)))?;
    define(instance, "subscribe-duration", |state, (nanos,): (u64,)| {
        let moment = moment(&state.wasi, Duration::from_nanos(nanos));
        Ok((Resource::<Pollable>::new_own(moment),))
    })?;
    define(instance, "subscribe-instant", |state, (nanos,): (u64,)| {
        let wasi = &state.wasi;
        let wait = Duration::from_nanos(nanos).saturating_sub(wasi.made.elapsed());
        Ok((Resource::<Pollable>::new_own(moment(wasi, wait)),))
    })
}

pub(super) fn wall(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(instance, "now", |_, (): ()| {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Ok((Datetime {
            seconds: since.as_secs(),
            nanoseconds: since.subsec_nanos(),
        },))
    })?;
    define(instance, "resolution", |_, (): ()| {
        Ok((Datetime {
            seconds: 0,
            nanoseconds: 1,
        },))
    })
}
