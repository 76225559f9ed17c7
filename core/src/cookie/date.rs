//! The date of a cookie's end.

use std::fmt;

use crate::calendar::Date;
use crate::clock::Timestamp;

/// A time as HTTP writes it: `Thu, 01 Jan 1970 00:00:00 GMT` (RFC 9110, 5.6.7).
pub(super) struct HttpDate(pub(super) Timestamp);

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_millis() / 1000;
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // Timestamps end long before days in 64 bits.
        let Date { year, month, day } = Date::of_days(days as i64);
        let (weekday, month) = (DAYS[(days % 7) as usize], MONTHS[month as usize - 1]);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_http_wants_it() {
        for (millis, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777_999, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (1_782_320_335_000, "Wed, 24 Jun 2026 16:58:55 GMT"),
        ] {
            assert_eq!(HttpDate(Timestamp::from_millis(millis)).to_string(), text);
        }
    }
}
