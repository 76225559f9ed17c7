use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn error(pairs: &[(&str, &str)]) -> String {
    Config::from_pairs(pairs.iter().copied())
        .unwrap_err()
        .to_string()
}

#[test]
fn the_defaults_are_those_of_the_table() {
    let config = Config::default();
    assert_eq!(config.store_type(), None);
    assert_eq!(config.url(), None);
    assert_eq!(
        config.to_string(),
        "type=memory permanent=false lifetime=31d absolute_lifetime=none size_limit=65536 \
         cookie=\"__Host-id; Path=/; Secure; HttpOnly; SameSite=Lax\""
    );
    // Each of them can be written down, too.
    let written = Config::from_pairs([
        ("permanent", "false"),
        ("lifetime", "31d"),
        ("absolute_lifetime", "none"),
        ("size_limit", "64KiB"),
        ("cookie.name", "id"),
        ("cookie.domain", "none"),
        ("cookie.path", "/"),
        ("cookie.secure", "true"),
        ("cookie.http_only", "true"),
        ("cookie.same_site", "lax"),
        ("cookie.partitioned", "false"),
        ("cookie.prefix", "auto"),
    ]);
    assert_eq!(written.unwrap(), config);
}

#[test]
fn a_value_out_of_its_bounds_is_refused() {
    for (key, good, bad) in [
        ("lifetime", ["1", "36500d"], ["0", "36501d"]),
        (
            "absolute_lifetime",
            ["1s", "5200w"],
            ["0s", "18446744073709551615"],
        ),
        ("size_limit", ["1024", "16MiB"], ["1023", "16777217"]),
        (
            "size_limit",
            ["64KiB", "1MiB"],
            ["64kb", "99999999999999999999MiB"],
        ),
        ("size_limit", ["2KiB", "2048"], ["-2048", "KiB"]),
        ("permanent", ["TRUE", "0"], ["2", ""]),
        ("preset", ["aal1", "AAL3"], ["aal4", "nist"]),
        ("type", ["redis", "my_store-2"], ["my store", "a/b"]),
        ("cookie.same_site", ["Strict", "lax"], ["", "off"]),
        ("cookie.prefix", ["host", "SECURE"], ["__Host-", "no"]),
    ] {
        for value in good {
            assert!(
                Config::from_pairs([(key, value)]).is_ok(),
                "{key} = {value}"
            );
        }
        for value in bad {
            let error = error(&[(key, value)]);
            assert!(
                error.starts_with(&format!("{key} = ")) && error.contains("expected "),
                "{error}"
            );
        }
    }
    for lifetime in [Duration::ZERO, Duration::from_millis(999), Duration::MAX] {
        assert!(Config::builder().lifetime(lifetime).build().is_err());
        assert!(
            Config::builder()
                .absolute_lifetime(lifetime)
                .build()
                .is_err()
        );
    }
}

#[test]
fn an_absolute_lifetime_may_be_the_shorter_one() {
    let config = Config::from_pairs([("lifetime", "31d"), ("absolute_lifetime", "8h")]).unwrap();
    assert!(config.absolute_lifetime() < Some(config.lifetime()));
}

#[test]
fn a_preset_yields_to_what_is_set_one_by_one() {
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    for (preset, idle, overall) in [
        ("aal1", hours(30 * 24), hours(30 * 24)),
        ("aal2", hours(1), hours(24)),
        ("aal3", Duration::from_secs(900), hours(12)),
    ] {
        let config = Config::from_pairs([("preset", preset)]).unwrap();
        assert_eq!(
            (config.lifetime(), config.absolute_lifetime()),
            (idle, Some(overall))
        );
    }
    // The order does not matter, and "none" is a choice as well.
    let chosen = [("absolute_lifetime", "none"), ("preset", "aal3")];
    assert_eq!(
        Config::from_pairs(chosen).unwrap().absolute_lifetime(),
        None
    );
    let config = Config::builder()
        .lifetime(hours(2))
        .preset(Preset::Aal3)
        .build()
        .unwrap();
    assert_eq!(config.lifetime(), hours(2));
    assert_eq!(config.absolute_lifetime(), Some(hours(12)));
}

#[test]
fn a_key_cannot_be_given_twice() {
    assert!(error(&[("cookie.name", "a"), ("cookie_name", "a")]).contains("given twice"));
}

#[test]
fn no_text_shows_a_password() {
    let builder = Config::builder().url("redis://user:hunter2@host/0?password=hunter2");
    let config = builder.clone().build().unwrap();
    for printed in [
        format!("{builder:?}"),
        format!("{config:?}"),
        config.to_string(),
    ] {
        assert!(
            printed.contains("@host/0?password=…") && !printed.contains("hunter2"),
            "{printed}"
        );
    }
    for key in ConfigKey::ALL {
        let key = Naming::Dotted.of(key);
        for value in [
            "redis://user:hunter2@host/0",
            "redis://host/0?password=hunter2",
            "user:hunter2@host",
        ] {
            if let Err(error) = Config::from_pairs([(key.as_str(), value)]) {
                assert!(!error.to_string().contains("hunter2"), "{error}");
                assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
            }
        }
    }
}

#[test]
fn a_long_value_is_cut_in_an_error() {
    assert!(error(&[("lifetime", &"é".repeat(100_000))]).len() < 1_000);
}

#[test]
fn a_later_source_names_the_whole_store() {
    let defaults = || Config::builder().store_type("filesystem").url("./sessions");
    let with = |pairs: &[(&str, &str)]| {
        let config = defaults()
            .with_pairs(pairs.iter().copied())
            .unwrap()
            .build()
            .unwrap();
        (
            config.store_type().map(str::to_owned),
            config.url().map(str::to_owned),
        )
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        with(&[("lifetime", "1h")]),
        (some("filesystem"), some("./sessions"))
    );
    assert_eq!(with(&[("type", "memory")]), (some("memory"), None));
    assert_eq!(with(&[("url", "redis://h")]), (None, some("redis://h")));
    assert_eq!(
        with(&[("url", "/var/s")]),
        (some("filesystem"), some("/var/s"))
    );
    let both = (some("redis"), some("redis://h"));
    assert_eq!(with(&[("type", "redis"), ("url", "redis://h")]), both);
    assert_eq!(with(&[("url", "redis://h"), ("type", "redis")]), both);
}

proptest! {
    #[test]
    fn any_pair_is_taken_or_refused_without_a_panic(
        key in proptest::sample::select(&ConfigKey::ALL[..]),
        value in "[0-9]{0,22}[wdhms]?|[a-zA-Z_/.;=-]{0,12}|.{0,40}",
    ) {
        let key = Naming::Dotted.of(key);
        if let Ok(config) = Config::from_pairs([(key.as_str(), value.as_str())]) {
            let _ = format!("{config:?}{config}");
        }
    }
}
