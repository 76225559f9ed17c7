//! The events of this process.

use std::fmt::Write as _;
use std::sync::{LazyLock, Mutex};

/// Every event, as text. The first use sets the subscriber.
pub(crate) struct Events(LazyLock<Mutex<Vec<String>>>);

pub(crate) static EVENTS: Events = Events(LazyLock::new(|| {
    tracing::subscriber::set_global_default(Collector).unwrap();
    Mutex::default()
}));

impl Events {
    pub(crate) fn with<T>(&self, read: impl FnOnce(&Mutex<Vec<String>>) -> T) -> T {
        read(&self.0)
    }
}

struct Collector;

impl tracing::Subscriber for Collector {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Fields(String);
        impl tracing::field::Visit for Fields {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                let _ = write!(self.0, " {field}={value:?}");
            }
        }
        let mut fields = Fields(event.metadata().level().to_string());
        event.record(&mut fields);
        EVENTS.with(|events| events.lock().unwrap().push(fields.0));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
