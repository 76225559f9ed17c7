//! Several processes on one PostgreSQL, and on one MariaDB. Those on one file are in `sqlite`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a child answers on its standard output"
)]

#[path = "common/child.rs"]
mod child;
mod common;
#[path = "common/increments.rs"]
mod increments;
#[path = "common/servers.rs"]
mod servers;

use std::ffi::OsStr;

use anysession_testkit::servers::{MariaDb, Postgres};
use common::{block_on, create, entry, key, load};
use libtest_mimic::Arguments;
use servers::{Server, open, trials_on};

fn main() {
    if let Some((_, url)) = child::role() {
        return block_on(async {
            child::await_start();
            increments::make(open(&url).await).await;
        });
    }
    let mut trials = trials_on![Postgres::setup().start(); no_increment_of_any_process_is_lost];
    trials.extend(trials_on![MariaDb::setup().start(); no_increment_of_any_process_is_lost]);
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

async fn no_increment_of_any_process_is_lost<S: Server>(server: &mut S) {
    let url = server.url_with("table=processes");
    let store = open(&url).await;
    create(&*store, &key(1), entry("0")).await;
    for child in child::start("increment", OsStr::new(&url), increments::PROCESSES) {
        assert!(child.output().status.success());
    }
    let found = load(&*store, &key(1)).await.entry;
    assert_eq!(found, entry(increments::TOGETHER.to_string()));
}
