//! Server-side sessions for Rocket 0.5.
