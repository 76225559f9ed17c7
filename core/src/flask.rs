//! One live session together with a Flask application that uses Flask-Session 0.8.
//!
//! Both read and write the same sessions, so that an application can move from Flask to Rust route by route with its users
//! signed in. [`Config::flask`](crate::Config::flask), or `SESSION_LAYOUT=flask`, chooses it.
//!
//! # What lies where
//!
//! A session is one MessagePack map or one JSON object under a prefix and the id, nothing before it and nothing behind it.
//! What a program does not touch goes back byte for byte, in its place: timestamps, bytes, keys that are no text, numbers
//! of any length.
//!
//! | here | in Flask |
//! | --- | --- |
//! | [`Session::user`](crate::Session::user), [`log_in`](crate::Session::log_in) | flask-login's `_user_id`; `log_in` sets `_fresh` too. `_id` is the application's to set: [`login_id`] |
//! | [`is_permanent`](crate::Session::is_permanent), [`set_permanent`](crate::Session::set_permanent) | `session.permanent`, the key `_permanent` |
//! | [`flash`](crate::Session::flash), [`take_flashes`](crate::Session::take_flashes) | `flash()` and `get_flashed_messages()`, the key `_flashes` |
//! | [`clear`](crate::Session::clear) | `session.clear()`, but that who is signed in stays |
//! | [`set_lifetime`](crate::Session::set_lifetime) | has no place there: it holds until the session is next written |
//! | a session that becomes empty, or has `_permanent` only | it is deleted, and its cookie removed |
//! | [`created`](crate::Session::created), [`signed_in_at`](crate::Session::signed_in_at) | nobody knows: `None` |
//! | a user's other sessions | nobody knows which they are: an error of the store |
//!
//! What JSON knows no word for is read and written through types: [`DateTime`], and `serde_bytes` for bytes.
//!
//! A pickled session is never read: it counts as none, and an event says so. So does one that is damaged.
//!
//! # When requests overlap
//!
//! What this side promises holds on this side: it writes only over the bytes that it has read, and makes its changes again
//! if they are others. Flask's side overwrites whatever is there, as it does among Flask's own processes, so that a request
//! of Flask's that is still running can undo what others did meanwhile: a write, a new id, a log-out. Set
//! `SESSION_REFRESH_EACH_REQUEST = False` in Flask, so that at least its requests which only read do not write.
//!
//! After a new id the old one is gone at once, also for Flask, and requests of this side that still carry it are told where
//! the session went. In the short moment between both, they take it for ended, and what they change is dropped.

//!
//! # Leaving Flask
//!
//! When the last route has moved and no Flask process runs any more, `SESSION_LAYOUT=leaving_flask`
//! ([`ConfigBuilder::leaving_flask`](crate::ConfigBuilder::leaving_flask)) begins to move the sessions: one that is asked for
//! and is still in Flask's layout is written in the native one, under the hash of its id, and taken from the old place at
//! the bytes that were moved. Its id, its user, its data and its deadline stay, so nobody is signed out, and it is the same
//! session for requests that come at once. The cookie is still called `session`, but is Secure and has SameSite=Lax when it
//! is sent again, and is not signed any more; signed ones are read with the `secret_key`. Values out of JSON become
//! MessagePack, in which numbers beyond 64 bits are not exact. After one
//! [`lifetime`](crate::Config::lifetime) nothing is left to be moved, and `SESSION_LAYOUT` may go, with
//! `SESSION_COOKIE_NAME=session`, `SESSION_COOKIE_PREFIX=none`, `SESSION_PERMANENT=true` and `SESSION_LIFETIME` in its place.
//!
//! Whoever [ends all sessions](crate::Sessions::end_all) of a user leaves a mark for a year, and a session of that user which
//! still lies in Flask's layout is deleted instead of moved. So nobody may begin sessions there any more: stop every process
//! that does, Flask's and those of `SESSION_LAYOUT=flask`.
//!
//! Where a crash leaves a session in both places, the native one counts, and one that was ended there does not come back.
//! What a Flask process that still runs stores in the other one is not seen.

mod date_time;
mod login;
mod settings;
mod signer;

pub use date_time::{DateTime, NoDateTime};
pub use login::login_id;
pub use settings::{Flask, Format, name_of, no_users};
pub(crate) use signer::Signer;
