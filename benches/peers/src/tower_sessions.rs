//! tower-sessions with its Redis store and its sqlx stores.

use std::io;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_sessions::{Session, SessionManagerLayer, SessionStore};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike as _, Config, Pool};
use tower_sessions_sqlx_store::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use tower_sessions_sqlx_store::sqlx::{MySqlPool, PgPool, SqlitePool};
use tower_sessions_sqlx_store::{MySqlStore, PostgresStore, SqliteStore};

use crate::{KEYS, WORKERS, another};

/// As many connections as its own example makes.
const REDIS_POOL: usize = 6;

pub fn serve(url: &str) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let scheme = url.split(':').next().unwrap_or_default();
        let opened = match scheme {
            "redis" => redis(url).await,
            "postgres" => postgres(url).await,
            "mysql" => mysql(url).await,
            "sqlite" => sqlite(url).await,
            _ => Err("expected redis, postgres, mysql or sqlite".into()),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}", listener.local_addr()?);
        axum::serve(listener, opened.map_err(io::Error::other)?).await
    })
}

type Opened = Result<Router, Box<dyn std::error::Error + Send + Sync>>;

async fn redis(url: &str) -> Opened {
    let pool = Pool::new(Config::from_url(url)?, None, None, None, REDIS_POOL)?;
    // It goes on by itself.
    drop(pool.connect());
    pool.wait_for_connect().await?;
    Ok(app(RedisStore::new(pool)))
}

async fn postgres(url: &str) -> Opened {
    let store = PostgresStore::new(PgPool::connect(url).await?);
    store.migrate().await?;
    Ok(app(store))
}

async fn mysql(url: &str) -> Opened {
    // It would make a database of its own, for which the user has no rights.
    let store = MySqlStore::new(MySqlPool::connect(url).await?).with_schema_name("app")?;
    store.migrate().await?;
    Ok(app(store))
}

/// As ours: write-ahead log, synced with each write.
async fn sqlite(url: &str) -> Opened {
    let options: SqliteConnectOptions = url.parse()?;
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    let store = SqliteStore::new(SqlitePool::connect_with(options).await?);
    store.migrate().await?;
    Ok(app(store))
}

fn app<S: SessionStore + Clone>(store: S) -> Router {
    Router::new()
        .route("/ignore", get(async || "ok"))
        .route("/read", get(read))
        .route("/write", get(write))
        .route("/new", get(new))
        .route("/regenerate", get(regenerate))
        .layer(SessionManagerLayer::new(store).with_secure(false))
}

async fn read(session: Session) -> &'static str {
    let value: Option<String> = session.get("key3").await.expect("the store answers");
    assert!(value.is_some(), "a new session holds it");
    "ok"
}

async fn write(session: Session) -> &'static str {
    let value = session.get("key3").await.expect("the store answers");
    session
        .insert("key3", another(value))
        .await
        .expect("there is room");
    "ok"
}

async fn regenerate(session: Session) -> &'static str {
    session.cycle_id().await.expect("the store answers");
    "ok"
}

async fn new(session: Session) -> &'static str {
    for n in 0..KEYS {
        let inserted = session
            .insert(&format!("key{n}"), format!("value{n}"))
            .await;
        inserted.expect("there is room");
    }
    "ok"
}
