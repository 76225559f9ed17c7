//! Times as people say them.

use std::fmt;
use std::time::Duration;

/// How long ago something was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ago(pub(crate) Duration);

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
        let seconds = self.0.as_secs();
        let unit = UNITS.into_iter().find(|(length, _)| seconds >= *length);
        match unit.map(|(length, unit)| (seconds / length, unit)) {
            None => f.write_str("just now"),
            Some((1, unit)) => write!(f, "1 {unit} ago"),
            Some((count, unit)) => write!(f, "{count} {unit}s ago"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_unit_that_is_full_is_named() {
        for (seconds, said) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (3 * 60 + 59, "3 minutes ago"),
            (3_600, "1 hour ago"),
            (86_399, "23 hours ago"),
            (2 * 86_400, "2 days ago"),
        ] {
            assert_eq!(Ago(Duration::from_secs(seconds)).to_string(), said);
        }
    }
}
