//! A moment in the config: a TOML date with a time and an offset, as milliseconds since the Unix epoch.

use toml::value::{Datetime, Offset};

use super::section::Value;

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// Reads a moment; reports what is none. One before 1970 counts as the epoch.
pub(super) fn moment_ms(value: &Value<'_>) -> Option<u64> {
    let moment = value.raw.as_datetime().and_then(since_epoch);
    if moment.is_none() {
        value.problem(
            "is no moment",
            "write a date with a time and an offset, without quotes, such as 2027-01-01T00:00:00Z",
        );
    }
    moment
}

fn since_epoch(moment: &Datetime) -> Option<u64> {
    let (date, time, offset) = (moment.date?, moment.time?, moment.offset?);
    let minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let seconds = i64::from(time.hour) * 3_600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0));
    let days = days_since_epoch(date.year.into(), date.month.into(), date.day.into());
    let ms =
        days * DAY_MS + seconds * 1_000 + i64::from(time.nanosecond.unwrap_or(0) / 1_000_000) - minutes * MINUTE_MS;
    Some(u64::try_from(ms).unwrap_or(0))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March, so that a leap day is the last of its year.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // March to January have 31, 30, 31, 30, 31 days over and over.
    let of_months = (153 * month + 2) / 5;
    year * 365 + leap_days + of_months + day - 1 - 719_468
}

#[test]
fn moments_are_what_the_system_says_they_are() {
    // As `date -u -d … +%s` prints them.
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", 0),
        ("2000-02-29T12:00:00Z", 951_825_600),
        ("2000-03-01T00:00:00Z", 951_868_800),
        ("2026-11-27T22:00:00Z", 1_795_816_800),
        ("2027-01-01T00:00:00+01:00", 1_798_758_000),
        ("2027-01-01T00:00:00-05:30", 1_798_781_400),
        ("2100-03-01T00:00:00Z", 4_107_542_400),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
    ] {
        let moment: Datetime = text.parse().unwrap();
        assert_eq!(since_epoch(&moment), Some(seconds * 1_000), "{text}");
    }
    for text in ["2027-01-01", "2027-01-01T00:00:00", "12:00:00"] {
        assert_eq!(since_epoch(&text.parse().unwrap()), None, "{text}");
    }
}
