//! Which sessions a user has: a sorted set, scored by deadline.
//!
//! A member is the key of a record and the [mark](crate::version::Owner) under which the record names this user. The
//! record decides: a member whose record is absent, or bears another mark, is left out and removed. Since no mark comes
//! twice, it cannot come to be right again, and removing exactly this member cannot hit one that was just added for a
//! record of the same key.

use anysession::{StoreKey, Timestamp};
use redis::{Cmd, Value};

use crate::error::Failure;
use crate::link::Link;
use crate::names::Names;
use crate::record::{self, Deadline, VERSION_LEN};
use crate::scripts::{self, Call};
use crate::version::Owner;

const KEY_LEN: usize = 32;
/// How many records are looked at together.
const BATCH: usize = 256;

/// Enters a record, or moves the deadline of one that is there.
pub(crate) fn add(
    names: &Names,
    key: &StoreKey,
    owner: &Owner,
    deadline: Deadline,
    now: Timestamp,
) -> Call {
    let member = [key.as_bytes(), &owner.mark].concat();
    scripts::index(names.index(owner), &member, deadline, now)
}

/// The keys of the records that name this user.
pub(crate) async fn list(link: &Link, names: &Names, user: &str) -> Result<Vec<StoreKey>, Failure> {
    let index = names.index_of(user);
    let mut all = redis::cmd("ZRANGE");
    all.arg(&index).arg(0).arg(-1);
    let members = match link.send(&index, &all).await? {
        Value::Array(members) => members,
        _ => return Err(Failure::Unexpected { command: "ZRANGE" }),
    };
    let members: Vec<Member> = members.into_iter().filter_map(Member::read).collect();

    let mut keys = Vec::with_capacity(members.len());
    let mut stale = Vec::new();
    for batch in members.chunks(BATCH) {
        let heads = batch.iter().map(|member| {
            let name = names.record(&member.key);
            let mut head = redis::cmd("GETRANGE");
            head.arg(&name)
                .arg(0)
                .arg(record::owner_len(user.len()) - 1);
            (name, head)
        });
        let heads = link.send_each(heads.collect()).await?;
        for (member, head) in batch.iter().zip(heads) {
            match head {
                Value::BulkString(head) if member.is_right(&head, user) => {
                    keys.push(member.key.clone());
                }
                Value::BulkString(_) => stale.push(member),
                _ => {
                    return Err(Failure::Unexpected {
                        command: "GETRANGE",
                    });
                }
            }
        }
    }
    if !stale.is_empty() {
        prune(link, &index, &stale).await;
    }
    // A record that cannot be read may have been entered under several marks.
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

/// Who only wants to know need not be able to write.
async fn prune(link: &Link, index: &str, stale: &[&Member]) {
    let mut removal: Cmd = redis::cmd("ZREM");
    removal.arg(index);
    for member in stale {
        removal.arg([member.key.as_bytes(), &member.mark].concat());
    }
    if let Err(failure) = link.send(index, &removal).await {
        tracing::warn!(error = %failure, "index entries without a session were not removed");
    }
}

struct Member {
    key: StoreKey,
    mark: [u8; VERSION_LEN],
}

impl Member {
    /// `None` if this store did not write it.
    fn read(value: Value) -> Option<Self> {
        let Value::BulkString(bytes) = value else {
            return None;
        };
        let (key, mark) = bytes.split_at_checked(KEY_LEN)?;
        Some(Member {
            key: StoreKey::from_bytes(key)?,
            mark: mark.try_into().ok()?,
        })
    }

    fn is_right(&self, head: &[u8], user: &str) -> bool {
        // What another release wrote is not ours to judge, and a key too many does no harm.
        !head.is_empty() && !record::is_known(head)
            || record::mark_of(head, user) == Some(self.mark)
    }
}
