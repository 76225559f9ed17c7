//! Durations as text: `31d`, `1h30m`, `90`.

use std::fmt;
use std::time::Duration;

/// Longest first.
const UNITS: [(char, u64); 5] = [
    ('w', 7 * 24 * 60 * 60),
    ('d', 24 * 60 * 60),
    ('h', 60 * 60),
    ('m', 60),
    ('s', 1),
];

/// Reads whole seconds, or numbers with units from the longest to the shortest, each unit once.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if let Some(seconds) = number(text) {
        return Some(Duration::from_secs(seconds));
    }
    let mut units = UNITS.iter();
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, behind) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let unit = behind.chars().next()?;
        let (_, seconds) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number(digits)?.checked_mul(*seconds)?)?;
        rest = &behind[unit.len_utf8()..];
    }
    (!text.is_empty()).then(|| Duration::from_secs(total))
}

/// `str::parse` would take a sign.
fn number(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// Prints a duration as it can be written in a configuration, rounded down to seconds.
pub(super) struct Text(pub(super) Duration);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut seconds = self.0.as_secs();
        if seconds == 0 {
            return f.write_str("0s");
        }
        // A month of 31 days reads better as `31d` than as `4w3d`.
        for (name, length) in &UNITS[1..] {
            if seconds >= *length {
                write!(f, "{}{name}", seconds / length)?;
                seconds %= length;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_added_up() {
        for (text, seconds) in [
            ("31d", 31 * 86_400),
            ("2w", 14 * 86_400),
            ("12h", 12 * 3_600),
            ("30m", 1_800),
            ("90s", 90),
            ("90", 90),
            ("0", 0),
            ("1h30m", 5_400),
            ("1w2d3h4m5s", 788_645),
            ("007s", 7),
        ] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in [
            "",
            " ",
            "d",
            "31 d",
            "31days",
            "31D",
            "1.5h",
            "-1",
            "+1",
            "-1s",
            "1h30",
            "30m1h",
            "1m1m",
            "1e3",
            "١d",
            "1µ",
            "1h 30m",
            "none",
            "18446744073709551616",
            "18446744073709551615w",
            "18446744073709551615s1s",
            "18446744073709551615m",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[0-9wdhms]{0,24}|.{0,12}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_printed_is_read_again(seconds: u64) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(parse(&Text(duration).to_string()), Some(duration));
        }
    }
}
