//! `Rocket.toml`, `ROCKET_SESSION` and the `SESSION_*` variables. Each test has an environment and a folder of its own.

use std::time::Duration;

use anysession_rocket::SessionFairing;
use anysession_rocket::anysession::{Config, Drivers, Sessions};
use figment::Jail;
use rocket::error::ErrorKind;
use rocket::{Ignite, Rocket};

use super::heard;

/// Ignites with a `Rocket.toml` and variables; or gives the log if that fails.
#[expect(clippy::result_large_err, reason = "a jail wants it so")]
fn ignite(toml: &str, variables: &[(&str, &str)], check: impl FnOnce(Result<&Config, &str>)) {
    let mut check = Some(check);
    Jail::expect_with(|jail| {
        jail.create_file("Rocket.toml", toml)?;
        for (name, value) in variables {
            jail.set_env(name, value);
        }
        let defaults = Config::builder().cookie_name("app").permanent(true);
        let drivers = Drivers::default().with(anysession_fs::DRIVER);
        let fairing = SessionFairing::connect(defaults, drivers);
        let (ignited, log) = heard(rocket::build().attach(fairing).ignite());
        let check = check.take().unwrap();
        match &ignited {
            Ok(rocket) => check(Ok(config(rocket))),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::FailedFairings(_)));
                check(Err(&log));
            }
        }
        Ok(())
    });
}

fn config(rocket: &Rocket<Ignite>) -> &Config {
    rocket.state::<Sessions>().unwrap().config()
}

const TABLE: &str = r#"
    [default]
    log_level = "off"
    [default.session]
    lifetime = "12h"
    size_limit = 4096
    [default.session.cookie]
    secure = false
"#;

#[test]
fn the_table_of_rocket_toml_wins_over_what_the_application_chose() {
    ignite(TABLE, &[], |config| {
        let config = config.unwrap();
        assert_eq!(config.lifetime(), Duration::from_secs(12 * 60 * 60));
        assert_eq!(config.size_limit(), 4096);
        assert_eq!(config.cookie().name(), "app");
        assert!(config.permanent());
    });
}

#[test]
fn without_a_table_the_applications_choice_holds() {
    ignite("[default]\nlog_level = \"off\"", &[], |config| {
        assert_eq!(config.unwrap().cookie().name(), "__Host-app");
    });
}

#[test]
fn a_profile_has_a_table_of_its_own() {
    let toml = format!("{TABLE}\n[debug.session]\nlifetime = \"1h\"");
    for (profile, hours) in [("debug", 1), ("release", 12)] {
        ignite(&toml, &[("ROCKET_PROFILE", profile)], |config| {
            let lifetime = Duration::from_secs(hours * 60 * 60);
            assert_eq!(config.unwrap().lifetime(), lifetime);
        });
    }
}

#[test]
fn a_variable_of_rockets_changes_one_key_of_the_table() {
    let table = r#"{lifetime="1h",cookie={same_site="strict"}}"#;
    ignite(TABLE, &[("ROCKET_SESSION", table)], |config| {
        let config = config.unwrap();
        assert_eq!(config.lifetime(), Duration::from_secs(60 * 60));
        assert_eq!(config.size_limit(), 4096);
        assert!(config.to_string().contains("SameSite=Strict"), "{config}");
    });
}

#[test]
fn the_session_variables_win_over_all() {
    let variables = [
        ("ROCKET_SESSION", "{lifetime=3600}"),
        ("SESSION_LIFETIME", "5m"),
        ("SESSION_COOKIE_NAME", "shop"),
    ];
    ignite(TABLE, &variables, |config| {
        let config = config.unwrap();
        assert_eq!(config.lifetime(), Duration::from_secs(5 * 60));
        assert_eq!(config.size_limit(), 4096);
        assert_eq!(config.cookie().name(), "shop");
    });
}

#[test]
fn a_wrong_configuration_ends_the_launch_and_says_what_is_wrong_and_where() {
    let url = "redis://app:hunter2@cache/0";
    for (toml, variables, expected) in [
        (
            "lifetme = \"12h\"",
            ("ANOTHER", ""),
            &[
                "did you mean `lifetime`?",
                "the settings are: type, url,",
                "Rocket.toml",
            ][..],
        ),
        (
            "lifetime = \"soon\"",
            ("ANOTHER", ""),
            &["lifetime = \"soon\" cannot be used", "Rocket.toml"],
        ),
        (
            "lifetime = [1]",
            ("ANOTHER", ""),
            &["whole number for `lifetime`", "Rocket.toml"],
        ),
        (
            "",
            ("ROCKET_SESSION", "{cookie={nmae=1}}"),
            &["cookie.nmae is not a session setting", "the settings are:"],
        ),
        (
            "",
            ("ROCKET_SESSION", url),
            &[
                "expected a table of session settings, not a string",
                "ROCKET_",
            ],
        ),
        (
            "",
            ("SESSION_LIFETME", "12h"),
            &[
                "did you mean `SESSION_LIFETIME`?",
                "SESSION_TYPE, SESSION_URL,",
            ],
        ),
        (
            "cookie = { same_site = \"none\", secure = false }",
            ("ANOTHER", ""),
            &["cookie.same_site = \"none\" cannot be used here"],
        ),
        (
            "",
            ("SESSION_URL", url),
            &[
                "this application links memory, filesystem",
                "add the crate anysession-redis",
            ],
        ),
    ] {
        let toml = format!("[default]\nlog_level = \"off\"\n[default.session]\n{toml}");
        ignite(&toml, &[variables], |config| {
            let log = config.unwrap_err();
            assert!(log.contains("there are no sessions: "), "{log}");
            for part in expected {
                assert!(log.contains(part), "{part} is missing: {log}");
            }
            assert!(!log.contains("hunter2"), "{log}");
        });
    }
}

#[test]
fn a_store_that_cannot_be_opened_ends_the_launch_with_its_cause() {
    let store = [
        ("SESSION_TYPE", "filesystem"),
        ("SESSION_URL", "Rocket.toml/sessions"),
    ];
    ignite(TABLE, &store, |config| {
        let log = config.unwrap_err();
        assert!(log.contains("there are no sessions: "), "{log}");
        assert!(log.contains("Not a directory"), "{log}");
    });
}
