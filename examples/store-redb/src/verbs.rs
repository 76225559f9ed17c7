//! The verbs: one transaction each.

use anysession::{Deletion, Entry, Expect, StoreKey, Stored, Timestamp, Version, Write};
use redb::{
    Database, MultimapTable, MultimapTableDefinition, ReadableDatabase, ReadableMultimapTable,
    ReadableTable, Table, TableDefinition, WriteTransaction,
};

type Result<T> = std::result::Result<T, redb::Error>;

/// Version, deadline, user, payload.
type Row<'a> = (u64, u64, Option<&'a str>, &'a [u8]);

const ENTRIES: TableDefinition<'_, &[u8], Row<'_>> = TableDefinition::new("entries");
const DEADLINES: MultimapTableDefinition<'_, u64, &[u8]> =
    MultimapTableDefinition::new("deadlines");
const USERS: MultimapTableDefinition<'_, &str, &[u8]> = MultimapTableDefinition::new("users");
/// The last version. All keys count together: one that is created anew must not get a version that it had before.
const LAST: TableDefinition<'_, (), u64> = TableDefinition::new("last version");

pub(crate) fn load(database: &Database, key: &StoreKey) -> Result<Option<Stored>> {
    let entries = database.begin_read()?.open_table(ENTRIES)?;
    Ok(entries.get(key.as_bytes())?.map(|row| stored(row.value())))
}

pub(crate) fn put(
    database: &Database,
    key: &StoreKey,
    expect: &Expect,
    entry: Entry,
    now: Timestamp,
) -> Result<Write> {
    let done = write(database, |tables| {
        let old = tables.get(key)?;
        let alive = old.as_ref().filter(|old| old.entry.deadline > now);
        let as_expected = match expect {
            Expect::Absent => alive.is_none(),
            Expect::Version(version) => alive.is_some_and(|alive| alive.version == *version),
        };
        if !as_expected {
            return Ok(None);
        }
        if let Some(old) = old {
            tables.remove(key, &old)?;
        }
        let last = tables.last.get(())?.map_or(0, |last| last.value());
        tables.last.insert((), last + 1)?;
        tables.insert(key, last + 1, &entry)?;
        Ok(Some(Version::from(last + 1)))
    })?;
    Ok(done.map_or(Write::Conflict, Write::Done))
}

pub(crate) fn touch(
    database: &Database,
    key: &StoreKey,
    version: &Version,
    deadline: Timestamp,
    now: Timestamp,
) -> Result<()> {
    write(database, |tables| {
        let old = tables.get(key)?.filter(|old| {
            old.version == *version && old.entry.deadline > now && old.entry.deadline < deadline
        });
        let Some((mut old, version)) = old.zip(version.as_number()) else {
            return Ok(None);
        };
        tables.remove(key, &old)?;
        old.entry.deadline = deadline;
        tables.insert(key, version, &old.entry).map(Some)
    })?;
    Ok(())
}

pub(crate) fn delete(database: &Database, key: &StoreKey, version: &Version) -> Result<Deletion> {
    let done = write(database, |tables| {
        match tables.get(key)?.filter(|old| old.version == *version) {
            Some(old) => tables.remove(key, &old).map(Some),
            None => Ok(None),
        }
    })?;
    Ok(done.map_or(Deletion::Conflict, |()| Deletion::Done))
}

pub(crate) fn keys_of_user(database: &Database, user: &str) -> Result<Vec<StoreKey>> {
    let users = database.begin_read()?.open_multimap_table(USERS)?;
    let mut keys = Vec::new();
    for key in users.get(user)? {
        keys.extend(StoreKey::from_bytes(key?.value()));
    }
    Ok(keys)
}

pub(crate) fn delete_expired(
    database: &Database,
    before: Timestamp,
    limit: usize,
) -> Result<usize> {
    let deleted = write(database, |tables| {
        let mut expired = Vec::new();
        for same_time in tables.deadlines.range(..=before.as_millis())? {
            for key in same_time?.1.take(limit - expired.len()) {
                expired.extend(StoreKey::from_bytes(key?.value()));
            }
        }
        for key in &expired {
            if let Some(old) = tables.get(key)? {
                tables.remove(key, &old)?;
            }
        }
        Ok(Some(expired.len()).filter(|&deleted| deleted > 0))
    })?;
    Ok(deleted.unwrap_or(0))
}

pub(crate) fn make_tables(database: &Database) -> Result<()> {
    write(database, |_| Ok(Some(())))?;
    Ok(())
}

/// One write transaction. It is given up if there is an error, or nothing to write.
fn write<T>(
    database: &Database,
    work: impl FnOnce(&mut Tables<'_>) -> Result<Option<T>>,
) -> Result<Option<T>> {
    let transaction = database.begin_write()?;
    let done = work(&mut Tables::open(&transaction)?)?;
    if done.is_some() {
        transaction.commit()?;
    }
    Ok(done)
}

struct Tables<'t> {
    entries: Table<'t, &'static [u8], Row<'static>>,
    deadlines: MultimapTable<'t, u64, &'static [u8]>,
    users: MultimapTable<'t, &'static str, &'static [u8]>,
    last: Table<'t, (), u64>,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self> {
        Ok(Tables {
            entries: transaction.open_table(ENTRIES)?,
            deadlines: transaction.open_multimap_table(DEADLINES)?,
            users: transaction.open_multimap_table(USERS)?,
            last: transaction.open_table(LAST)?,
        })
    }

    fn get(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let row = self.entries.get(key.as_bytes())?;
        Ok(row.map(|row| stored(row.value())))
    }

    fn insert(&mut self, key: &StoreKey, version: u64, entry: &Entry) -> Result<()> {
        let (key, deadline) = (key.as_bytes(), entry.deadline.as_millis());
        let user = entry.user.as_deref();
        let row: Row<'_> = (version, deadline, user, &entry.payload);
        self.entries.insert(key, row)?;
        self.deadlines.insert(deadline, key)?;
        if let Some(user) = user {
            self.users.insert(user, key)?;
        }
        Ok(())
    }

    fn remove(&mut self, key: &StoreKey, old: &Stored) -> Result<()> {
        let key = key.as_bytes();
        self.entries.remove(key)?;
        self.deadlines.remove(old.entry.deadline.as_millis(), key)?;
        if let Some(user) = old.entry.user.as_deref() {
            self.users.remove(user, key)?;
        }
        Ok(())
    }
}

fn stored((version, deadline, user, payload): Row<'_>) -> Stored {
    Stored {
        entry: Entry {
            payload: payload.to_vec().into(),
            deadline: Timestamp::from_millis(deadline),
            user: user.map(Into::into),
        },
        version: version.into(),
    }
}
