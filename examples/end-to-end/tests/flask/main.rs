//! One live session in Flask and in Rust: the real Flask-Session on gunicorn beside the probe on axum, on each backend.

mod backend;
mod cookies;
mod damage;
mod leaving;
mod overlaps;
mod request;
mod sessions;
mod site;
mod values;

use std::process::ExitCode;

use anysession_testkit::Suite;
use end_to_end::{Python, Result, Stores};
use libtest_mimic::{Arguments, Trial};

use backend::{Backend, Format};
use site::{Shared, Site};

fn main() -> ExitCode {
    let trials = match Python::find() {
        Err(why) => Suite::absent("flask", why).into_trials(),
        Ok(python) => {
            let stores = Stores::start().expect("room for a temporary folder");
            return run(trials_of(&python, &stores));
        }
    };
    run(trials)
}

fn run(trials: Vec<Trial>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Flask's threads are few, and a trial may hold one of them.
    arguments.test_threads.get_or_insert(4);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials_of(python: &Python, stores: &Stores) -> Vec<Trial> {
    let types = ["redis", "sqlite", "postgres", "mysql", "filesystem"];
    stores.trials(&types, |kind, url| {
        let backends = backends_of(kind, &url).into_iter();
        let shared = backends.map(|backend| Shared::new(python, backend));
        shared.flat_map(|shared| trials_on(&shared)).collect()
    })
}

/// Each with the settings that change what is written.
fn backends_of(kind: &str, url: &str) -> Vec<Backend> {
    let plain = Backend::new(kind, url);
    match kind {
        "redis" => vec![
            plain.clone(),
            plain
                .clone()
                .named("redis-json")
                .setting("SESSION_SERIALIZATION_FORMAT", "json"),
            plain
                .clone()
                .named("redis-signed")
                .setting("SESSION_USE_SIGNER", "true")
                .setting("SECRET_KEY", "not to be guessed"),
            plain
                .clone()
                .named("redis-with-other-settings")
                .setting("SESSION_KEY_PREFIX", "shop/")
                .setting("SESSION_COOKIE_NAME", "shop")
                .setting("SESSION_COOKIE_SAMESITE", "Lax")
                .setting("SESSION_COOKIE_PATH", "/")
                .setting("SESSION_COOKIE_DOMAIN", "shop.example")
                .setting("SESSION_COOKIE_HTTPONLY", "false")
                .setting("PERMANENT_SESSION_LIFETIME", "3600")
                .flask_only("SESSION_ID_LENGTH", "48"),
            plain.clone().named("flask-alone").flask_alone(),
            plain
                .named("redis-by-default")
                .flask_only("SESSION_REFRESH_EACH_REQUEST", "true"),
        ],
        "postgres" => vec![
            plain.clone(),
            plain
                .named("postgres-with-other-names")
                .setting("SESSION_SQLALCHEMY_SCHEMA", "visitors")
                .setting("SESSION_SQLALCHEMY_TABLE", "visits"),
        ],
        "filesystem" => vec![
            plain.clone(),
            // In a folder of its own: files of both kinds do not meet.
            Backend::new(kind, &format!("{url}-md5"))
                .named("files-of-older-cachelib")
                .variable_of_probe("FILE_NAMES", "md5")
                .option_of_rust("hash=md5"),
        ],
        _ => vec![plain],
    }
}

fn trials_on(shared: &Shared) -> Vec<Trial> {
    /// Each function is a trial of its name.
    macro_rules! trials {
        ($($module:ident::$rule:ident),* $(,)?) => {
            vec![$(trial(shared, stringify!($rule), $module::$rule)),*]
        };
    }
    let mut trials = trials![
        sessions::data_is_shared,
        sessions::who_signs_in_on_one_side_signs_out_on_the_other,
        sessions::who_signs_out_of_flask_login_only_keeps_the_rest,
        sessions::a_message_of_one_side_is_shown_by_the_other_once,
        sessions::a_new_id_replaces_the_old_one_on_both_sides,
        sessions::both_sides_agree_whether_a_cookie_outlives_the_browser,
        sessions::an_empty_session_is_deleted_by_either_side,
        sessions::both_sides_keep_a_session_equally_long,
        sessions::both_sides_set_the_same_cookie,
    ];
    if shared.backend.rust.is_none() {
        return trials;
    }
    trials.extend(trials![
        values::rust_reads_each_value_and_leaves_the_bytes_alone,
        values::flask_reads_each_value_of_rust,
        cookies::flask_login_takes_a_sign_in_of_rust_for_its_own,
        damage::what_is_no_session_is_nobody_and_stays_as_it_is,
        damage::ids_of_other_lengths_are_ids,
        overlaps::what_flask_writes_meanwhile_is_kept,
        overlaps::what_flask_ends_meanwhile_stays_dead,
        leaving::whoever_leaves_flask_stays_signed_in,
        overlaps::a_late_write_of_flask_overwrites_what_rust_did,
        overlaps::no_write_of_flask_is_lost_beside_writes_of_rust,
    ]);
    trials.extend(match shared.backend.name.as_str() {
        "redis-by-default" => {
            trials![overlaps::by_default_a_late_read_of_flask_overwrites_what_rust_did]
        }
        _ => trials![
            overlaps::a_request_of_flask_that_only_reads_undoes_nothing,
            overlaps::no_write_of_rust_is_lost_beside_reads_of_flask,
        ],
    });
    if shared.backend.name == "redis-signed" {
        trials.extend(trials![cookies::only_a_signed_id_is_one]);
    }
    if shared.backend.format == Format::MessagePack {
        trials.extend(trials![damage::a_value_that_is_no_text_spoils_no_other]);
    }
    trials
}

fn trial(shared: &Shared, rule: &str, check: fn(&Site) -> Result) -> Trial {
    let name = format!("{}::{rule}", shared.backend.name);
    let shared = shared.clone();
    Trial::test(name, move || Ok(check(shared.site()?)?))
}
