//! Everything that this process logs, at every level.

use std::fmt::{self, Write as _};
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::probe;

/// Begins to listen, once in a process.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // If somebody else listens already, `is_heard` will be false.
        let _taken = tracing::subscriber::set_global_default(Listener);
        // What the probe was asked for is no news, and would bury what is.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&probe::PANIC) {
                hook(info);
            }
        }));
    });
}

/// Whether what is logged comes here.
pub(crate) fn is_heard() -> bool {
    let canary = "a-text-that-is-as-long-as-an-id-and-in-its-alphabet";
    tracing::trace!(canary);
    line_with(canary).is_some()
}

/// A line that holds this id.
pub(crate) fn line_with(id: &str) -> Option<String> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().find(|line| line.contains(id)).cloned()
}

/// Whether an event was told about something that has a name as long as an id.
pub(crate) fn is_told(event: &str, about: &str) -> bool {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines
        .iter()
        .any(|line| line.contains(event) && line.contains(about))
}

/// Lines that could hold an id: with 43 characters of its alphabet in a row.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

const ID_LENGTH: usize = 43;

struct Listener;

impl Listener {
    fn take(metadata: &Metadata<'_>, record: impl FnOnce(&mut Line)) {
        let mut line = Line(format!("{} {}", metadata.target(), metadata.name()));
        record(&mut line);
        let is_part_of_id = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if line
            .0
            .split(|c| !is_part_of_id(c))
            .any(|run| run.len() >= ID_LENGTH)
        {
            LINES
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line.0);
        }
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        Self::take(attributes.metadata(), |line| attributes.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line(String::new());
        values.record(&mut line);
        LINES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        Self::take(event.metadata(), |line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The fields of an event, with the causes of an error.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _cannot_fail = write!(self.0, " {}={value:?}", field.name());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut error = Some(value);
        while let Some(cause) = error {
            let _cannot_fail = write!(self.0, " {}={cause} {cause:?}", field.name());
            error = cause.source();
        }
    }
}
