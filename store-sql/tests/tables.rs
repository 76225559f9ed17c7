//! The table is somebody else's: rows that the store did not write, tables that are missing or wrong, accounts that may do
//! little, and what must not reach a log.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "common/events.rs"]
mod events;
#[path = "common/servers.rs"]
mod servers;

use anysession::{Deletion, Expect, Store, Version, Write};
use anysession_sql::{MySqlStore, PostgresStore, Table};
use anysession_testkit::servers::{MariaDb, Postgres};
use common::{LATER, NOW, block_on, chain, create, done, entry, key, load, of_user};
use events::EVENTS;
use libtest_mimic::{Arguments, Trial};
use servers::{Server, open, trials_on, try_open};
use sqlx::{Connection as _, Executor as _};
use std::process::ExitCode;

const PASSWORD: &str = "sesame";

fn main() -> ExitCode {
    EVENTS.with(|events| events.lock().unwrap().clear());
    let mut trials = vec![
        trial("rows_of_somebody_else_are_no_sessions", || {
            block_on(foreign_rows_in_sqlite());
        }),
        trial("a_missing_or_wrong_table_is_told", || {
            block_on(missing_table_in_sqlite());
        }),
        trial("an_option_that_cannot_be_used_is_told", || {
            block_on(wrong_options());
        }),
    ];
    trials.extend(trials_on![Postgres::setup().tls().start();
        rows_of_somebody_else_are_no_sessions,
        a_missing_or_wrong_table_is_told,
        no_log_and_no_error_holds_a_password_or_a_payload,
        stores_that_open_at_once_make_one_table,
        a_user_that_is_too_long_is_refused,
        an_account_that_may_create_nothing_is_enough,
        a_pool_of_the_application_serves_postgres,
        postgres_is_reached_by_tls_and_by_its_socket,
    ]);
    trials.extend(trials_on![MariaDb::setup().tls().start();
        rows_of_somebody_else_are_no_sessions,
        a_missing_or_wrong_table_is_told,
        no_log_and_no_error_holds_a_password_or_a_payload,
        stores_that_open_at_once_make_one_table,
        a_user_that_is_too_long_is_refused,
        a_pool_of_the_application_serves_mariadb,
        mariadb_is_reached_by_tls_and_by_its_socket,
        a_verb_is_one_statement,
    ]);
    let mut arguments = Arguments::from_args();
    // The events of one, and the statements of one, are not mixed with those of others.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(format!("sqlite::{name}"), move || {
        test();
        Ok(())
    })
}

/// Rows as nobody but a hand, or another program, writes them. The table has the columns, and none of the constraints.
async fn rows_of_somebody_else_are_no_sessions<S: Server>(server: &mut S) {
    let bytes = S::BYTES;
    let table = S::named("foreign_rows");
    server.run(&format!(
        "CREATE TABLE {table} (session_key {bytes}, version bigint, payload {bytes}, user_id text, created bigint, \
         deadline bigint)"
    ));
    let far = LATER.as_millis();
    let rows = [
        // Every column in turn is not what it should be.
        format!("-1, 'x', 'ada', 0, {far}"),
        format!("NULL, 'x', 'ada', 0, {far}"),
        format!("1, NULL, 'ada', 0, {far}"),
        "1, 'x', 'ada', 0, -1".to_owned(),
        "1, 'x', 'ada', 0, NULL".to_owned(),
    ];
    for (number, row) in (0..).zip(&rows) {
        let key = key(number);
        let literal = S::literal(&key);
        server.run(&format!("INSERT INTO {table} VALUES ({literal}, {row})"));
    }
    server.run(&format!(
        "INSERT INTO {table} VALUES ('short', 1, 'x', 'ada', 0, {far})"
    ));
    server.run(&format!(
        "INSERT INTO {table} VALUES (NULL, 1, 'x', 'ada', 0, {far})"
    ));

    let store = open(&server.url_with("table=foreign_rows")).await;
    for number in 0..rows.len() as u64 {
        let found = store.load(&key(number)).await;
        assert_eq!(
            found.unwrap_or_else(|error| panic!("{}", chain(&error))),
            None,
            "row {number}"
        );
        for version in [0, 1, u64::MAX].map(Version::from) {
            let deleted = store.delete(&key(number + 100), &version).await.unwrap();
            assert_eq!(deleted, Deletion::Conflict);
        }
    }
    // MariaDB takes the text column for one in a character set, which is none of ours either.
    let keys = store.keys_of_user("ada").await.unwrap();
    assert!(keys.len() <= rows.len(), "{keys:?}");
    assert_eq!(store.delete_expired(NOW, 100).await.unwrap(), 1);
}

async fn foreign_rows_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.db");
    let url = format!("sqlite://{}", path.display());
    let mut by_hand = sqlx::SqliteConnection::connect(&format!("{url}?mode=rwc"))
        .await
        .unwrap();
    by_hand
        .execute(
            "CREATE TABLE anysession (session_key, version, payload, user_id, created, deadline)",
        )
        .await
        .unwrap();
    // Any column may hold anything.
    let rows = [
        ("-1", "x'00'", "'ada'", "5000000000000"),
        ("'one'", "x'00'", "'ada'", "5000000000000"),
        ("NULL", "x'00'", "'ada'", "5000000000000"),
        ("1.5", "x'00'", "'ada'", "5000000000000"),
        ("1", "NULL", "'ada'", "5000000000000"),
        ("1", "7", "'ada'", "5000000000000"),
        ("1", "x'00'", "x'ff00'", "5000000000000"),
        ("1", "x'00'", "17", "5000000000000"),
        ("1", "x'00'", "'ada'", "'never'"),
        ("1", "x'00'", "'ada'", "NULL"),
        ("1", "x'00'", "'ada'", "-1"),
    ];
    for (number, (version, payload, user, deadline)) in (0..).zip(rows) {
        let row = format!(
            "INSERT INTO anysession VALUES (x'{}', {version}, {payload}, {user}, 0, {deadline})",
            key(number)
        );
        by_hand.execute(sqlx::AssertSqlSafe(row)).await.unwrap();
    }
    by_hand
        .execute("INSERT INTO anysession VALUES ('short', 1, x'00', 'ada', 0, 1), (NULL, 1, x'00', 'ada', 0, 1)")
        .await
        .unwrap();

    let store = open(&url).await;
    for number in 0..rows.len() as u64 {
        assert_eq!(
            store.load(&key(number)).await.unwrap(),
            None,
            "row {number}"
        );
    }
    let keys = store.keys_of_user("ada").await.unwrap();
    assert!(
        keys.iter()
            .all(|found| (0..20).any(|number| key(number) == *found))
    );
    assert!(store.delete_expired(NOW, 100).await.unwrap() >= 1);
    let told = EVENTS.with(|events| events.lock().unwrap().join("\n"));
    assert!(
        told.contains("a row that this store did not write: its version is negative"),
        "{told}"
    );
}

async fn a_missing_or_wrong_table_is_told<S: Server>(server: &mut S) {
    let never = server.url_with("table=missing&create_table=never");
    let error = chain(&try_open(&never).await.unwrap_err());
    assert!(error.contains("the table does not exist"), "{error}");
    assert!(error.contains("create_table=auto"), "{error}");

    let table = S::named("wrong");
    server.run(&format!("CREATE TABLE {table} (id bigint)"));
    let error = chain(&try_open(&server.url_with("table=wrong")).await.unwrap_err());
    assert!(
        error.contains("not as the schema of this crate says"),
        "{error}"
    );

    // A reserved word is a name like others; what is no name gets as far as no server.
    open(&server.url_with("table=order")).await;
    let injection = server.url_with("table=x%3B%20DROP%20TABLE%20order");
    let error = chain(&try_open(&injection).await.unwrap_err());
    assert!(
        error.contains("1 to 50 letters, digits and underscores"),
        "{error}"
    );
    open(&server.url_with("table=order&create_table=never")).await;
}

async fn missing_table_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/a.db", folder.path().display());
    let error = chain(
        &try_open(&format!("{url}?create_table=never"))
            .await
            .unwrap_err(),
    );
    assert!(error.contains("the table does not exist"), "{error}");
    let store = open(&format!("{url}?table=select")).await;
    create(&*store, &key(1), entry("here")).await;
    open(&format!("{url}?table=select&create_table=never")).await;

    let error = chain(&try_open("sqlite:///no/such/folder/a.db").await.unwrap_err());
    assert!(error.contains("/no/such/folder/a.db"), "{error}");
}

async fn wrong_options() {
    for (url, expected) in [
        ("sqlite:///x?tabel=y", "it knows: table, create_table"),
        ("sqlite:///x?durability=maybe", "full or relaxed"),
        ("postgres://h/d?durability=full", "it knows: table"),
        ("postgres://h/d?sslmode=maybe", "verify-full"),
        ("mysql://h/d?ssl-mode=maybe", "VERIFY_IDENTITY"),
        ("postgres://h/d?pool=none", "a number of connections"),
        (
            "postgres://u:p@h:port/d",
            "postgres://user:password@host:5432/database",
        ),
    ] {
        let error = chain(&try_open(url).await.unwrap_err());
        assert!(error.contains(expected), "{url}: {error}");
    }
}

async fn stores_that_open_at_once_make_one_table<S: Server>(server: &mut S) {
    for round in 0..5 {
        let url = server.url_with(&format!("table=at_once_{round}"));
        let opening: Vec<_> = (0..6)
            .map(|number| {
                let url = url.clone();
                tokio::spawn(
                    async move { create(&*open(&url).await, &key(number), entry("")).await },
                )
            })
            .collect();
        for opened in opening {
            opened.await.unwrap();
        }
    }
}

async fn a_user_that_is_too_long_is_refused<S: Server>(server: &mut S) {
    let store = open(&server.url_with("table=long_user")).await;
    let put = store
        .put(&key(1), Expect::Absent, of_user(&"x".repeat(256), ""), NOW)
        .await;
    let error = chain(&put.unwrap_err());
    assert!(
        error.contains("a user of 256 bytes cannot be stored: at most 255"),
        "{error}"
    );
    create(&*store, &key(1), of_user(&"x".repeat(255), "")).await;
}

/// A role that owns nothing and may only use the table.
async fn an_account_that_may_create_nothing_is_enough(server: &mut Postgres) {
    open(&server.url_with("table=lent")).await;
    server.run(&format!(
        "CREATE ROLE clerk LOGIN PASSWORD '{PASSWORD}'; GRANT SELECT, INSERT, UPDATE, DELETE ON lent TO clerk"
    ));
    let url = format!(
        "postgres://clerk:{PASSWORD}@{}/postgres",
        Server::address(server)
    );
    let store = open(&format!("{url}?table=lent")).await;
    let version = create(&*store, &key(1), entry("here")).await;
    assert_eq!(
        store.delete(&key(1), &version).await.unwrap(),
        Deletion::Done
    );
    let error = chain(&try_open(&format!("{url}?table=another")).await.unwrap_err());
    assert!(error.contains("permission denied"), "{error}");
}

async fn a_pool_of_the_application_serves_postgres(server: &mut Postgres) {
    let pool = sqlx::PgPool::connect(&Postgres::url(server)).await.unwrap();
    let store = PostgresStore::from_pool(pool.clone(), Table::default());
    store.create_table().await.unwrap();
    used(&store).await;
    // What idles in the pool is dead; a reader does not notice.
    server.end_connections();
    assert_eq!(load(&store, &key(2)).await.entry, entry("second"));
    pool.close().await;
    assert!(store.load(&key(2)).await.is_err());
}

async fn a_pool_of_the_application_serves_mariadb(server: &mut MariaDb) {
    let pool = sqlx::MySqlPool::connect(&MariaDb::url(server))
        .await
        .unwrap();
    let store = MySqlStore::from_pool(pool.clone(), Table::default());
    store.create_table().await.unwrap();
    used(&store).await;
    server.end_connections();
    assert_eq!(load(&store, &key(2)).await.entry, entry("second"));
    pool.close().await;
    assert!(store.load(&key(2)).await.is_err());
}

async fn used(store: &dyn Store) {
    let first = create(store, &key(2), entry("first")).await;
    let expect = Expect::Version(first);
    done(
        store
            .put(&key(2), expect.clone(), entry("second"), NOW)
            .await
            .unwrap(),
    );
    let late = store
        .put(&key(2), expect, entry("late"), NOW)
        .await
        .unwrap();
    assert_eq!(late, Write::Conflict);
}

/// Whatever happens, what is told of it names neither the password nor what a session holds.
async fn no_log_and_no_error_holds_a_password_or_a_payload<S: Server>(server: &mut S) {
    EVENTS.with(|events| events.lock().unwrap().clear());
    let url = server.url_with("table=secrets&timeout=1s");
    assert!(url.contains(PASSWORD));
    let store = open(&url).await;
    let payload = "payload-of-ada";
    create(&*store, &key(1), of_user("ada", payload)).await;
    store.load(&key(1)).await.unwrap();

    let mut told = format!("{store:?} {:?}", anysession::Location::parse(&url));
    let wrong = url.replace(PASSWORD, "wrong-sesame");
    let down = "postgres://ada:wrong-sesame@127.0.0.1:1/d?acquire_timeout=100ms";
    let torn = "postgres://ada:wr?ong-sesame@127.0.0.1:1/d";
    for url in [wrong.as_str(), down, torn, "mysql://ada:wrong-sesame@[/d"] {
        let error = try_open(url).await.unwrap_err();
        told += &format!("{error:?} {}", chain(&error));
    }
    // A check that fails quotes the whole row.
    let table = S::named("secrets");
    server.run(&format!("DELETE FROM {table}"));
    server.run(&format!(
        "ALTER TABLE {table} ADD CONSTRAINT none_more CHECK (created < 5)"
    ));
    let refused = store
        .put(&key(2), Expect::Absent, of_user("ada", payload), NOW)
        .await;
    let refused = refused.unwrap_err();
    told += &format!("{refused:?} {}", chain(&refused));
    assert!(told.contains("none_more"), "{told}");

    told += &EVENTS.with(|events| events.lock().unwrap().join("\n"));
    assert!(!told.contains(PASSWORD), "{told}");
    let as_hex: String = payload.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!told.contains(payload) && !told.contains(&as_hex), "{told}");
    assert!(!told.contains("INSERT"), "{told}");
}

/// The server counts them.
async fn a_verb_is_one_statement(server: &mut MariaDb) {
    let store = open(&server.url_with("table=counted&pool=1")).await;
    let version = create(&*store, &key(1), of_user("ada", "")).await;
    let counted = |server: &MariaDb| -> u64 {
        let counter = server.run("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'");
        counter.split('\t').nth(1).unwrap().parse().unwrap()
    };
    let questions = |server: &MariaDb| -> u64 {
        let counter = server.run("SHOW GLOBAL STATUS LIKE 'Questions'");
        counter.split('\t').nth(1).unwrap().parse().unwrap()
    };
    // Each verb once, so that it is prepared.
    let verbs = async |version: Version| {
        store.load(&key(1)).await.unwrap();
        store.load(&key(2)).await.unwrap();
        let expect = Expect::Version(version);
        let version = done(
            store
                .put(&key(1), expect, of_user("ada", ""), NOW)
                .await
                .unwrap(),
        );
        store.touch(&key(1), &version, LATER, NOW).await.unwrap();
        store.keys_of_user("ada").await.unwrap();
        store.delete_expired(NOW, 10).await.unwrap();
        assert_eq!(
            store.delete(&key(1), &version).await.unwrap(),
            Deletion::Done
        );
        create(&*store, &key(1), of_user("ada", "")).await
    };
    let version = verbs(version).await;
    let (executed, asked) = (counted(server), questions(server));
    verbs(version).await;
    assert_eq!(counted(server) - executed, 8);
    // Beside them only what counts: a `SHOW` before and one after, and what the client sends around each.
    let own = questions(server) - asked - 8;
    let idle = {
        let asked = questions(server);
        counted(server);
        questions(server) - asked
    };
    assert_eq!(own, idle);
}

async fn postgres_is_reached_by_tls_and_by_its_socket(server: &mut Postgres) {
    let ca = server.ca().display().to_string();
    let verified =
        format!("table=by_tls&sslmode=verify-full&sslrootcert={ca}&application_name=web");
    let store = open(&server.url_with(&verified)).await;
    create(&*store, &key(1), entry("here")).await;
    let tls = server.run(
        "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'web'",
    );
    assert_eq!(tls, "t");
    let unknown_ca = server.url_with("table=by_tls&sslmode=verify-full");
    let error = chain(&try_open(&unknown_ca).await.unwrap_err());
    assert!(error.to_lowercase().contains("certificate"), "{error}");

    let folder = server.socket_folder().display();
    let by_socket = open(&server.url_with(&format!("table=by_tls&host={folder}"))).await;
    assert_eq!(load(&*by_socket, &key(1)).await.entry, entry("here"));
}

async fn mariadb_is_reached_by_tls_and_by_its_socket(server: &mut MariaDb) {
    let ca = server.ca().display().to_string();
    server.run("ALTER USER app@'%' REQUIRE SSL");
    let verified = format!("table=by_tls&ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}");
    let store = open(&server.url_with(&verified)).await;
    create(&*store, &key(1), entry("here")).await;
    let unknown_ca = server.url_with("table=by_tls&ssl-mode=VERIFY_IDENTITY");
    let error = chain(&try_open(&unknown_ca).await.unwrap_err());
    assert!(error.to_lowercase().contains("certificate"), "{error}");
    let plain = server.url_with("table=by_tls&ssl-mode=DISABLED");
    assert!(try_open(&plain).await.is_err());

    server.run("ALTER USER app@'%' REQUIRE NONE");
    let socket = server.socket();
    let by_socket = server.url_with(&format!("table=by_tls&socket={}", socket.display()));
    let by_socket = open(&by_socket).await;
    assert_eq!(load(&*by_socket, &key(1)).await.entry, entry("here"));
}
