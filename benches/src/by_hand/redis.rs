//! `redis`: a `GET`, a `SET` of what is new, and an `EVALSHA` of the store's own script.

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, IntoConnectionInfo as _, RedisResult, Script, Value};

use super::{ANSWER_TIMEOUT, CONNECT_TIMEOUT, Client, DEADLINE, Key, NOW, Record};

/// What stands before the payload: what the script compares, and no user.
const HEAD: usize = COMPARED + 4;
/// A format, the version, the deadline.
const COMPARED: usize = 17;
const VERSION: std::ops::Range<usize> = 1..9;

pub struct Redis {
    connection: MultiplexedConnection,
    script: String,
    next: AtomicI64,
}

impl Redis {
    /// With the store's settings. Without `TCP_NODELAY`, its own default, a command waits for the answer to the one before:
    /// with many tasks that saves both sides work, and with few it costs each of them time.
    pub async fn open(url: &str) -> RedisResult<Self> {
        let settings = TcpSettings::default().set_nodelay(true);
        let server = url.into_connection_info()?.set_tcp_settings(settings);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let mut connection = redis::Client::open(server)?
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let script = Script::new(include_str!("../../../store-redis/src/scripts/replace.lua"));
        script.load_async(&mut connection).await?;
        Ok(Redis {
            connection,
            script: script.get_hash().to_owned(),
            next: AtomicI64::new(1),
        })
    }

    fn record(&self, payload: &[u8]) -> (i64, Vec<u8>) {
        let version = self.next.fetch_add(1, Ordering::Relaxed);
        let mut record = Vec::with_capacity(HEAD + payload.len());
        record.extend(compared(version, DEADLINE));
        record.extend([0; 4]);
        record.extend(payload);
        (version, record)
    }
}

#[async_trait]
impl Client for Redis {
    async fn read(&self, key: &Key) -> Record {
        let mut connection = self.connection.clone();
        let mut command = redis::cmd("GET");
        command.arg(name(key));
        let mut bytes: Vec<u8> = command
            .query_async(&mut connection)
            .await
            .expect("Redis answers");
        let version = bytes[VERSION].try_into().expect("eight bytes");
        let payload = bytes.split_off(HEAD);
        Record {
            version: i64::from_be_bytes(version),
            payload,
        }
    }

    async fn write(&self, key: &Key, version: i64, payload: &[u8]) -> i64 {
        let (next, record) = self.record(payload);
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.script).arg(1).arg(name(key));
        command.arg(&compared(version, NOW));
        command.arg(record).arg(DEADLINE);
        let mut connection = self.connection.clone();
        let changed: i64 = command
            .query_async(&mut connection)
            .await
            .expect("Redis answers");
        assert_eq!(changed, 1, "nobody else writes");
        next
    }

    async fn create(&self, key: &Key, payload: &[u8]) -> i64 {
        let (version, record) = self.record(payload);
        let mut command = redis::cmd("SET");
        command.arg(name(key)).arg(record);
        command.arg("NX").arg("PXAT").arg(DEADLINE);
        let mut connection = self.connection.clone();
        let answer: Value = command
            .query_async(&mut connection)
            .await
            .expect("Redis answers");
        assert_eq!(answer, Value::Okay, "nobody else writes");
        version
    }
}

fn compared(version: i64, deadline: i64) -> [u8; COMPARED] {
    let mut head = [1; COMPARED];
    head[VERSION].copy_from_slice(&version.to_be_bytes());
    head[VERSION.end..].copy_from_slice(&deadline.to_be_bytes());
    head
}

/// As long as the store's.
fn name(key: &Key) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut name = String::with_capacity(80);
    name.push_str("by_hand:session:");
    for byte in key {
        name.push(char::from(DIGITS[usize::from(byte >> 4)]));
        name.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    name
}
