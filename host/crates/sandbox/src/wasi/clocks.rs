//! `wasi:clocks`: the time, and pollables for later that refuse to be waited for.

use std::time::{Duration, SystemTime};

use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource};

use super::io::Pollable;
use super::output::Wasi;
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
    instance.func_wrap("now", |store, (): ()| {
        Ok((nanoseconds(store.data().wasi.made.elapsed()),))
    })?;
    instance.func_wrap("resolution", |_, (): ()| Ok((1_u64,)))?;
    instance.func_wrap("subscribe-duration", |store, (nanos,): (u64,)| {
        let moment = moment(&store.data().wasi, Duration::from_nanos(nanos));
        Ok((Resource::<Pollable>::new_own(moment),))
    })?;
    instance.func_wrap("subscribe-instant", |store, (nanos,): (u64,)| {
        let wasi = &store.data().wasi;
        let wait = Duration::from_nanos(nanos).saturating_sub(wasi.made.elapsed());
        Ok((Resource::<Pollable>::new_own(moment(wasi, wait)),))
    })
}

pub(super) fn wall(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    instance.func_wrap("now", |_, (): ()| {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Ok((Datetime {
            seconds: since.as_secs(),
            nanoseconds: since.subsec_nanos(),
        },))
    })?;
    instance.func_wrap("resolution", |_, (): ()| {
        Ok((Datetime {
            seconds: 0,
            nanoseconds: 1,
        },))
    })
}
