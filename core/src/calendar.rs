//! Days and dates, in the Gregorian calendar also before it was made.

/// A date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: u32,
    /// From 1.
    pub(crate) day: u32,
}

/// Of 400 years, after which the calendar repeats.
const ERA: i64 = 146_097;
/// From the first of March of the year 0 to 1970. Years are reckoned from March, so that a leap day is their last.
const TO_1970: i64 = 719_468;

impl Date {
    /// The date that is so many days after 1970-01-01.
    pub(crate) fn of_days(days: i64) -> Self {
        let days = days + TO_1970;
        let (era, day) = (days.div_euclid(ERA), days.rem_euclid(ERA));
        let year = (day - day / 1460 + day / 36_524 - day / (ERA - 1)) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 {
            (month + 3, 0)
        } else {
            (month - 9, 1)
        };
        Date {
            year: era * 400 + year + next,
            month: month as u32,
            day: day as u32,
        }
    }

    /// How many days it is after 1970-01-01; `None` if there is no such date.
    pub(crate) fn days(self) -> Option<i64> {
        let Date { year, month, day } = self;
        if !(1..=12).contains(&month) {
            return None;
        }
        let (year, month) = match month {
            3.. => (year, month - 3),
            _ => (year - 1, month + 9),
        };
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = i64::from((153 * month + 2) / 5 + day) - 1;
        let days = era * ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - TO_1970;
        (Date::of_days(days) == self).then_some(days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_has_its_date() {
        let mut before = Date::of_days(-800_000);
        for days in -799_999..800_000 {
            let date = Date::of_days(days);
            assert_eq!(date.days(), Some(days));
            let next = date.day == before.day + 1 && date.month == before.month;
            assert!(
                next || date.day == 1 && before.day >= 28,
                "{before:?} {date:?}"
            );
            before = date;
        }
        let date = |year, month, day| Date { year, month, day };
        assert_eq!(Date::of_days(0), date(1970, 1, 1));
        assert_eq!(Date::of_days(20_000), date(2024, 10, 4));
        assert_eq!(date(2000, 2, 29).days(), Some(11_016));
        for absent in [
            date(1900, 2, 29),
            date(2024, 0, 1),
            date(2024, 4, 31),
            date(2024, 1, 0),
        ] {
            assert_eq!(absent.days(), None);
        }
    }
}
