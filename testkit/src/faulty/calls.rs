//! What was asked of a store.

use std::fmt;

use anysession::Version;
use bytes::Bytes;

/// The verbs of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// [`Store::load`](anysession::Store::load)
    Load,
    /// [`Store::put`](anysession::Store::put)
    Put,
    /// [`Store::touch`](anysession::Store::touch)
    Touch,
    /// [`Store::delete`](anysession::Store::delete)
    Delete,
    /// [`Store::keys_of_user`](anysession::Store::keys_of_user)
    KeysOfUser,
    /// [`Store::delete_expired`](anysession::Store::delete_expired)
    DeleteExpired,
}

impl Verb {
    /// All six.
    pub const ALL: [Verb; 6] = [
        Verb::Load,
        Verb::Put,
        Verb::Touch,
        Verb::Delete,
        Verb::KeysOfUser,
        Verb::DeleteExpired,
    ];

    /// As the method is called.
    pub const fn name(self) -> &'static str {
        match self {
            Verb::Load => "load",
            Verb::Put => "put",
            Verb::Touch => "touch",
            Verb::Delete => "delete",
            Verb::KeysOfUser => "keys_of_user",
            Verb::DeleteExpired => "delete_expired",
        }
    }
}

/// How often each verb was called: a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is the verb that it counts")]
pub struct Counts {
    pub load: usize,
    pub put: usize,
    pub touch: usize,
    pub delete: usize,
    pub keys_of_user: usize,
    pub delete_expired: usize,
}

impl Counts {
    /// All calls: the round trips, where a verb is one.
    pub fn total(&self) -> usize {
        self.load + self.writes() + self.keys_of_user
    }

    /// Calls of the verbs that may change something.
    pub fn writes(&self) -> usize {
        self.put + self.touch + self.delete + self.delete_expired
    }

    /// What was called between an earlier snapshot and this one.
    #[must_use]
    pub fn since(&self, earlier: &Counts) -> Counts {
        Counts {
            load: self.load - earlier.load,
            put: self.put - earlier.put,
            touch: self.touch - earlier.touch,
            delete: self.delete - earlier.delete,
            keys_of_user: self.keys_of_user - earlier.keys_of_user,
            delete_expired: self.delete_expired - earlier.delete_expired,
        }
    }

    pub(super) fn add(&mut self, verb: Verb) {
        let count = match verb {
            Verb::Load => &mut self.load,
            Verb::Put => &mut self.put,
            Verb::Touch => &mut self.touch,
            Verb::Delete => &mut self.delete,
            Verb::KeysOfUser => &mut self.keys_of_user,
            Verb::DeleteExpired => &mut self.delete_expired,
        };
        *count += 1;
    }
}

/// One call, with its arguments. It prints them except the payload's bytes.
#[derive(Clone)]
pub struct Call {
    /// What was called.
    pub verb: Verb,
    /// With what, as text: keys in hexadecimal.
    pub arguments: String,
    bytes: Vec<Bytes>,
}

impl Call {
    /// Whether this text stands in any of the arguments, the payload's bytes among them.
    pub fn mentions(&self, secret: &str) -> bool {
        let in_bytes = |bytes: &Bytes| {
            bytes
                .windows(secret.len().max(1))
                .any(|window| window == secret.as_bytes())
        };
        self.arguments.contains(secret) || self.bytes.iter().any(in_bytes)
    }

    pub(super) fn new(verb: Verb, arguments: String) -> Self {
        Call {
            verb,
            arguments,
            bytes: Vec::new(),
        }
    }

    pub(super) fn with(mut self, argument: &[u8]) -> Self {
        self.bytes.push(Bytes::copy_from_slice(argument));
        self
    }

    pub(super) fn with_version(self, version: &Version) -> Self {
        match version.as_bytes() {
            Some(bytes) => self.with(bytes),
            None => self,
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb.name(), self.arguments)
    }
}
