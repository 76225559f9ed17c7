//! The conditional writes: scripts that read and change one key in one step.

use std::borrow::Cow;
use std::sync::LazyLock;

use anysession::Timestamp;
use redis::{Arg, Cmd, ToRedisArgs};

use crate::record::{Deadline, VERSION_LEN};

/// Writes a record if what is there is as expected.
static PUT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/put.lua")));
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

/// A script that is to be run on one key. It answers 1 if it changed something, 0 if it did not.
#[derive(Debug)]
pub(crate) struct Call {
    script: &'static Script,
    key: String,
    command: Cmd,
}

pub(crate) fn put(
    key: String,
    expected: Option<&[u8; VERSION_LEN]>,
    now: Timestamp,
    record: &[u8],
    deadline: Deadline,
) -> Call {
    Call::new(&PUT, key, record.len())
        .arg(expected.map_or(&[][..], |version| version))
        .arg(Deadline::from(now).as_millis())
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
        .arg(version)
        .arg(Deadline::from(now).as_millis())
        .arg(deadline.as_millis())
        .arg(&deadline.to_bytes())
        .arg(deadline.removal())
}

pub(crate) fn delete(key: String, version: &[u8; VERSION_LEN]) -> Call {
    Call::new(&DELETE, key, 0).arg(version)
}

pub(crate) fn index(key: String, member: &[u8], deadline: Deadline, now: Timestamp) -> Call {
    Call::new(&INDEX, key, member.len())
        .arg(member)
        .arg(deadline.as_millis())
        .arg(Deadline::from(now).as_millis())
        .arg(Deadline::LAG)
}

impl Call {
    /// `large` is how long its longest argument will be.
    pub(crate) fn new(script: &'static LazyLock<Script>, key: String, large: usize) -> Self {
        let script = LazyLock::force(script);
        // Room for the rest, all of it short: a command that grows is copied each time.
        let mut command = Cmd::with_capacity(9, script.hash.len() + key.len() + large + 80);
        command.arg("EVALSHA").arg(&script.hash).arg(1).arg(&key);
        Call {
            script,
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
    pub(crate) fn by_hash(&self) -> Cow<'_, Cmd> {
        Cow::Borrowed(&self.command)
    }

    /// The same for a server that does not know the script yet, or forgot it. From then on it knows it.
    pub(crate) fn with_source(&self) -> Cow<'_, Cmd> {
        let mut command = redis::cmd("EVAL");
        command.arg(self.script.source);
        for argument in self.command.args_iter().skip(2) {
            if let Arg::Simple(bytes) = argument {
                command.arg(bytes);
            }
        }
        Cow::Owned(command)
    }
}
