//! Sign in, sign out and what lies between, with actix-web.
