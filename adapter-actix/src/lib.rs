//! Server-side sessions for actix-web 4.
