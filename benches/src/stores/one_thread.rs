//! SQLite without sqlx: a thread with one connection and one prepared statement, and a channel to it. What a store of
//! its own kind could give.

use std::sync::mpsc::{Sender, channel};

use anysession_benches::by_hand::{Key, TABLE};
use rusqlite::Connection;
use tokio::sync::oneshot;

type Record = (i64, Vec<u8>, i64, Option<String>);
type Order = (Key, oneshot::Sender<Record>);

pub struct OneThread(Sender<Order>);

impl OneThread {
    /// On the file and the table that the client by hand has made.
    pub fn open(path: &str) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        let (orders, to_read) = channel::<Order>();
        std::thread::spawn(move || {
            let columns = "version, payload, deadline, user_id";
            let sql = format!("SELECT {columns} FROM {TABLE} WHERE session_key = ?");
            let mut read = connection.prepare(&sql).expect("the table is there");
            for (key, answer) in to_read {
                let found = read.query_row([&key[..]], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                });
                // Who asked is waiting.
                let _ = answer.send(found.expect("it is there"));
            }
        });
        Ok(OneThread(orders))
    }

    pub async fn read(&self, key: Key) -> Record {
        let (answer, found) = oneshot::channel();
        self.0.send((key, answer)).expect("the thread runs");
        found.await.expect("the thread runs")
    }
}
