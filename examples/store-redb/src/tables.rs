//! The tables, and what is done in one transaction.

use anysession::{Entry, StoreKey, Stored, Timestamp};
use redb::{
    Database, MultimapTable, MultimapTableDefinition, ReadableDatabase, ReadableMultimapTable,
    ReadableTable, Table, TableDefinition,
};

pub(crate) type Result<T, E = redb::Error> = std::result::Result<T, E>;

/// Version, deadline, user, payload.
type Row<'a> = (u64, u64, Option<&'a str>, &'a [u8]);

const ENTRIES: TableDefinition<'_, &[u8], Row<'_>> = TableDefinition::new("entries");
const DEADLINES: MultimapTableDefinition<'_, u64, &[u8]> =
    MultimapTableDefinition::new("deadlines");
const USERS: MultimapTableDefinition<'_, &str, &[u8]> = MultimapTableDefinition::new("users");
/// All keys count their versions together: one that is created anew must not get a version that it had before.
const LAST: TableDefinition<'_, (), u64> = TableDefinition::new("last version");

pub(crate) struct Tables<'t> {
    entries: Table<'t, &'static [u8], Row<'static>>,
    deadlines: MultimapTable<'t, u64, &'static [u8]>,
    users: MultimapTable<'t, &'static str, &'static [u8]>,
    last: Table<'t, (), u64>,
}

pub(crate) fn write<T>(
    database: &Database,
    work: impl FnOnce(&mut Tables<'_>) -> Result<Option<T>>,
) -> Result<Option<T>> {
    let transaction = database.begin_write()?;
    let done = work(&mut Tables {
        entries: transaction.open_table(ENTRIES)?,
        deadlines: transaction.open_multimap_table(DEADLINES)?,
        users: transaction.open_multimap_table(USERS)?,
        last: transaction.open_table(LAST)?,
    })?;
    if done.is_some() {
        transaction.commit()?;
    }
    Ok(done)
}

pub(crate) fn load(database: &Database, key: &StoreKey) -> Result<Option<Stored>> {
    let entries = database.begin_read()?.open_table(ENTRIES)?;
    Ok(entries.get(key.as_bytes())?.map(|row| stored(row.value())))
}

pub(crate) fn keys_of_user(database: &Database, user: &str) -> Result<Vec<StoreKey>> {
    let users = database.begin_read()?.open_multimap_table(USERS)?;
    let mut keys = Vec::new();
    for key in users.get(user)? {
        keys.extend(StoreKey::from_bytes(key?.value()));
    }
    Ok(keys)
}

impl Tables<'_> {
    pub(crate) fn get(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let row = self.entries.get(key.as_bytes())?;
        Ok(row.map(|row| stored(row.value())))
    }

    pub(crate) fn next_version(&mut self) -> Result<u64> {
        let next = self.last.get(())?.map_or(1, |last| last.value() + 1);
        self.last.insert((), next)?;
        Ok(next)
    }

    pub(crate) fn insert(&mut self, key: &StoreKey, version: u64, entry: &Entry) -> Result<()> {
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

    pub(crate) fn remove(&mut self, key: &StoreKey, old: &Stored) -> Result<()> {
        let key = key.as_bytes();
        self.entries.remove(key)?;
        self.deadlines.remove(old.entry.deadline.as_millis(), key)?;
        if let Some(user) = old.entry.user.as_deref() {
            self.users.remove(user, key)?;
        }
        Ok(())
    }

    pub(crate) fn expired(&self, before: Timestamp, limit: usize) -> Result<Vec<StoreKey>> {
        let mut expired = Vec::new();
        for at_one_time in self.deadlines.range(..=before.as_millis())? {
            for key in at_one_time?.1.take(limit - expired.len()) {
                expired.extend(StoreKey::from_bytes(key?.value()));
            }
            if expired.len() == limit {
                break;
            }
        }
        Ok(expired)
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
