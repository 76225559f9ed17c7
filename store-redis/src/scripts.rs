//! The conditional writes, each of which looks at one key and changes it in one step: scripts, but for what begins where
//! nothing is, which Redis does by itself, and in less of its time.
//!
//! Numbers that are known stand in them as Redis takes them, as texts: one of Lua's it would first have to write out, and a
//! time of ours to read, which together is a seventh of what a script takes it.

use std::borrow::Cow;
use std::sync::LazyLock;

use anysession::Timestamp;
use redis::{Arg, Cmd, ToRedisArgs};

use crate::record::{self, Deadline, VERSION_LEN};

/// Writes a record in the place of one that is at a version.
static REPLACE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/replace.lua")));
/// Writes a record where there is none, or one that has expired.
static CREATE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/create.lua")));
/// Moves the deadline of a record.
static TOUCH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/touch.lua")));
/// Deletes a record at a version.
static DELETE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/delete.lua")));
/// Enters a record into the index of its user, and drops those whose deadline has passed.
static INDEX: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/index.lua")));

/// A script, which a server knows by its hash once it has run it.
#[derive(Debug)]
pub(crate) struct Script {
    source: &'static str,
    hash: String,
}

impl Script {
    pub(crate) fn new(source: &'static str) -> Self {
        Script {
            source,
            hash: redis::Script::new(source).get_hash().to_owned(),
        }
    }
}

/// What is to be done to one key. It answers 1 or `OK` if it changed something, 0 or nothing if it did not.
#[derive(Debug)]
pub(crate) struct Call {
    /// None: a command that needs none.
    script: Option<&'static Script>,
    key: String,
    command: Cmd,
}

/// Writes a record where there is none, not even one that has expired.
pub(crate) fn begin(key: String, record: &[u8], deadline: Deadline) -> Call {
    Call::begin(key, record, deadline.removal())
}

/// Writes a record where there is none, or one that has expired.
pub(crate) fn create(key: String, now: Timestamp, record: &[u8], deadline: Deadline) -> Call {
    Call::new(&CREATE, key, record.len())
        .arg(&Deadline::from(now).to_bytes())
        .arg(record)
        .arg(deadline.removal())
}

pub(crate) fn replace(
    key: String,
    expected: &[u8; VERSION_LEN],
    now: Timestamp,
    record: &[u8],
    deadline: Deadline,
) -> Call {
    Call::new(&REPLACE, key, record.len())
        .arg(&record::compared(expected, now.into()))
        .arg(record)
        .arg(deadline.removal())
}

pub(crate) fn touch(
    key: String,
    version: &[u8; VERSION_LEN],
    now: Timestamp,
    deadline: Deadline,
) -> Call {
    Call::new(&TOUCH, key, 0)
        .arg(&record::compared(version, now.into()))
        .arg(&deadline.to_bytes())
        .arg(deadline.removal())
}

pub(crate) fn delete(key: String, version: &[u8; VERSION_LEN]) -> Call {
    Call::new(&DELETE, key, 0).arg(&record::start(version))
}

pub(crate) fn index(key: String, member: &[u8], deadline: Deadline, now: Timestamp) -> Call {
    Call::new(&INDEX, key, member.len())
        .arg(member)
        .arg(deadline.as_millis())
        .arg(Deadline::from(now).as_millis())
        .arg(Deadline::LAG)
}

impl Call {
    /// A script; `large` is how long its longest argument will be.
    pub(crate) fn new(script: &'static LazyLock<Script>, key: String, large: usize) -> Self {
        let script = LazyLock::force(script);
        // Room for the rest, all of it short: a command that grows is copied each time.
        let mut command = Cmd::with_capacity(8, script.hash.len() + key.len() + large + 80);
        command.arg("EVALSHA").arg(&script.hash).arg(1).arg(&key);
        Call {
            script: Some(script),
            key,
            command,
        }
    }

    /// Writes a value, until `expiry`, where there is none.
    pub(crate) fn begin(key: String, value: &[u8], expiry: u64) -> Self {
        let mut command = Cmd::with_capacity(6, key.len() + value.len() + 40);
        command.arg("SET").arg(&key).arg(value);
        command.arg("NX").arg("PXAT").arg(expiry);
        Call {
            script: None,
            key,
            command,
        }
    }

    pub(crate) fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        self.command.arg(argument);
        self
    }

    /// The key that it concerns.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The command, for a server that knows the script.
    pub(crate) fn command(&self) -> Cow<'_, Cmd> {
        Cow::Borrowed(&self.command)
    }

    /// The same for a server that does not know the script yet, or forgot it. From then on it knows it.
    pub(crate) fn with_source(&self) -> Cow<'_, Cmd> {
        let Some(script) = self.script else {
            return self.command();
        };
        let mut command = redis::cmd("EVAL");
        command.arg(script.source);
        for argument in self.command.args_iter().skip(2) {
            if let Arg::Simple(bytes) = argument {
                command.arg(bytes);
            }
        }
        Cow::Owned(command)
    }
}
