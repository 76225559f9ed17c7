//! The probe on Rocket: what the suites, the benches and anyone's own client drive over HTTP.
