//! The probe on actix-web: what the suites, the benches and anyone's own client drive over HTTP.
