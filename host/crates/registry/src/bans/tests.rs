use super::super::stamp::OrderStamp;
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const AT_MOST: usize = 100;
const FULL: BansFull = BansFull {
    kind: BanKind::Bans,
    limit: AT_MOST,
};

fn user(name: &str) -> BanSubject {
    BanSubject::User(name.into())
}

fn order(time_ms: u64, name: &str, change: BanChange, given: Instant) -> BanOrder {
    BanOrder {
        tenant: "acme".into(),
        subject: user(name),
        stamp: OrderStamp {
            time_ms,
            ..OrderStamp::default()
        },
        change,
        given,
    }
}

fn small() -> Bans {
    let bans = Bans::new(BanKind::Bans);
    for tenant in ["acme", "other"] {
        bans.set_limit(tenant.into(), AT_MOST);
    }
    bans
}

#[test]
fn a_ban_ends_by_itself_and_a_plugin_never_shortens_it() {
    let bans = Bans::new(BanKind::Bans);
    let now = Instant::now();
    let ban = |time_ms, change| bans.apply(&order(time_ms, "ann", change, now), now).unwrap();
    assert!(!ban(1, BanChange::Extend(SECOND * 10)));
    assert!(ban(2, BanChange::Extend(SECOND)));
    assert_eq!(bans.left("acme", &user("ann"), now + SECOND), Some(SECOND * 9));
    assert_eq!(bans.left("other", &user("ann"), now), None);
    assert_eq!(bans.left("acme", &user("ann"), now + SECOND * 10), None);
}

#[test]
fn the_operator_shortens_and_lifts() {
    let bans = Bans::new(BanKind::Bans);
    let now = Instant::now();
    let ban = |time_ms, change| bans.apply(&order(time_ms, "ann", change, now), now).unwrap();
    let left = || bans.left("acme", &user("ann"), now);
    ban(1, BanChange::Extend(SECOND * 10));
    ban(2, BanChange::Replace(SECOND));
    assert_eq!(left(), Some(SECOND));
    assert!(ban(3, BanChange::Lift));
    assert_eq!(left(), None);
    assert!(!ban(4, BanChange::Lift), "there is nothing left to lift");
    ban(2, BanChange::Replace(SECOND));
    assert_eq!(left(), None, "what was lifted stays so");
}

/// How a ban is changed, by its length.
type Change = fn(Duration) -> BanChange;

/// What a tenant may do to its own bans, and what stays. Beside each, another tenant's ban stays.
#[test]
fn a_full_table_keeps_what_it_must_and_looks_at_a_few() {
    let long = SECOND * (1 << 31);
    let (plugin, operator): (Change, Change) = (BanChange::Extend, BanChange::Replace);
    // What the flood bans with and for how long, who is banned before it and for how long, and whether that one stays.
    let cases = [
        (
            "a flood against the operator's ban",
            plugin,
            long,
            operator,
            SECOND * 60,
            true,
        ),
        (
            "a flood against a shorter one of a plugin",
            plugin,
            long,
            plugin,
            SECOND * 60,
            false,
        ),
        (
            "a flood of short ones against a longer one",
            plugin,
            SECOND,
            plugin,
            SECOND * 60,
            true,
        ),
        (
            "the operator's flood against the operator's",
            operator,
            long,
            operator,
            SECOND * 60,
            true,
        ),
        (
            "the operator's flood against a plugin's",
            operator,
            long,
            plugin,
            SECOND * 60,
            false,
        ),
    ];
    for (attack, with, length, by, first_length, stays) in cases {
        let bans = small();
        let now = Instant::now();
        let mut others = order(1, "ann", BanChange::Extend(SECOND), now);
        others.tenant = "other".into();
        bans.apply(&others, now).unwrap();
        bans.apply(&order(1, "ann", by(first_length), now), now).unwrap();
        let flood = 50 * AT_MOST;
        for n in 0..flood {
            let _full = bans.apply(&order(2, &format!("u{n}"), with(length), now), now);
        }
        assert_eq!(bans.left("acme", &user("ann"), now).is_some(), stays, "{attack}");
        assert!(bans.left("other", &user("ann"), now).is_some(), "{attack}");
        let table = bans.table(&"acme".into());
        let table = table.lock();
        assert_eq!((table.states.len(), table.list.len()), (AT_MOST, AT_MOST), "{attack}");
        let visits = table.visits.get();
        assert!(visits <= flood * 8, "{attack}: {visits} looked at");
    }
}

#[test]
fn who_finds_no_room_is_told_and_who_is_over_gives_way_first() {
    let bans = small();
    let now = Instant::now();
    for n in 0..AT_MOST {
        let change = match n % 2 {
            0 => BanChange::Replace(SECOND),
            _ => BanChange::Replace(SECOND * 10),
        };
        bans.apply(&order(1, &format!("u{n}"), change, now), now).unwrap();
    }
    let plugins = order(2, "ann", BanChange::Extend(SECOND * 99), now);
    assert_eq!(bans.apply(&plugins, now), Err(FULL));
    let operators = order(2, "ann", BanChange::Replace(SECOND * 99), now);
    assert_eq!(bans.apply(&operators, now), Err(FULL));
    assert_eq!(bans.apply(&order(2, "u1", BanChange::Lift, now), now), Ok(true));
    assert_eq!(bans.apply(&operators, now), Ok(false), "what was lifted makes room");
    let later = now + SECOND * 2;
    for n in 0..AT_MOST / 2 {
        let ban = order(3, &format!("v{n}"), BanChange::Replace(SECOND * 10), later);
        assert_eq!(bans.apply(&ban, later), Ok(false), "{n}");
    }
    let ban = order(3, "one-more", BanChange::Replace(SECOND * 10), later);
    assert_eq!(bans.apply(&ban, later), Err(FULL));
}

#[test]
fn what_nobody_needs_is_forgotten() {
    let bans = small();
    let now = Instant::now();
    for n in 0..AT_MOST {
        bans.apply(&order(1, &format!("u{n}"), BanChange::Extend(SECOND), now), now)
            .unwrap();
    }
    let later = now + Duration::from_hours(1);
    for n in 0..AT_MOST {
        bans.apply(&order(2, "ann", BanChange::Extend(SECOND), later), later)
            .unwrap();
        let left = bans.table(&"acme".into()).lock().states.len();
        assert!(
            left <= (AT_MOST + 1).saturating_sub(n * FORGOTTEN).max(1),
            "{left} after {n}"
        );
    }
}

#[test]
fn pages_have_every_ban_that_holds_once() {
    let bans = small();
    let now = Instant::now();
    for n in 0..60u32 {
        // Several end at the same time.
        let length = SECOND * (n / 4);
        let change = match n % 3 {
            0 => BanChange::Replace(length),
            _ => BanChange::Extend(length),
        };
        bans.apply(&order(1, &format!("u{n}"), change, now), now).unwrap();
    }
    let at = now + SECOND * 3;
    let all = bans.list("acme", None, AT_MOST, at);
    assert_eq!(all.len(), 44, "those that last for more than three seconds");
    assert!(all.is_sorted());
    for limit in [1, 2, 3, 43, 44, 45] {
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = bans.list("acme", after.as_ref(), limit, at);
            assert!(page.len() <= limit);
            seen.extend(page.iter().cloned());
            after = page.last().and_then(|last| BanEntry::at(&last.cursor()));
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, all, "pages of {limit}");
    }
    assert_eq!(bans.list("other", None, 10, now), []);
}
