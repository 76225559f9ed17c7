//! An error and why, in one line.

use std::error::Error;
use std::fmt;

/// Shows an error with its causes, `what failed: why: why that`, for a log: some that listen to `tracing` show only what
/// failed.
///
/// ```
/// let error = anysession::StoreError::new("filesystem", "put", "the disk is gone");
/// let line = anysession::with_causes(&error).to_string();
/// assert_eq!(line, "filesystem store: put failed: the disk is gone");
/// ```
pub fn with_causes<'e>(error: &'e (dyn Error + 'static)) -> impl fmt::Display + 'e {
    WithCauses(error)
}

struct WithCauses<'e>(&'e (dyn Error + 'static));

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
