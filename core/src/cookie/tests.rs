use proptest::prelude::*;

use super::*;
use crate::clock::SystemClock;
use crate::config::{Config, ConfigBuilder};

const ID: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDE-_";

fn refusal(builder: ConfigBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn a_cookie_is_written_in_one_form() {
    let cookie = Config::default().cookie().clone();
    assert_eq!(
        cookie.set("abc", None, &SystemClock),
        "__Host-id=abc; Path=/; Secure; HttpOnly; SameSite=Lax"
    );
    assert_eq!(
        cookie.set("abc", Some(Duration::from_millis(61_999)), &SystemClock),
        "__Host-id=abc; Max-Age=61; Path=/; Secure; HttpOnly; SameSite=Lax"
    );
    assert_eq!(
        cookie.removal(),
        "__Host-id=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; Secure; HttpOnly; SameSite=Lax"
    );
}

#[test]
fn max_age_is_at_most_400_days() {
    let cookie = Config::default().cookie().clone();
    for (seconds, written) in [
        (34_559_999, 34_559_999),
        (34_560_000, 34_560_000),
        (34_560_001, 34_560_000),
        (u64::MAX, 34_560_000),
    ] {
        let header = cookie.set(ID, Some(Duration::from_secs(seconds)), &SystemClock);
        assert!(
            header.contains(&format!("; Max-Age={written};")),
            "{header}"
        );
    }
    assert!(
        cookie
            .set(ID, Some(Duration::MAX), &SystemClock)
            .contains("; Max-Age=34560000;")
    );
}

#[test]
fn writing_allocates_once() {
    let cookie = Config::default().cookie().clone();
    let header = cookie.set(ID, Some(Duration::MAX), &SystemClock);
    assert_eq!(header.len(), header.capacity());
}

#[test]
fn the_prefix_is_the_strongest_that_the_attributes_allow() {
    let name = |builder: ConfigBuilder| builder.build().unwrap().cookie().name().to_owned();
    let builder = Config::builder;
    assert_eq!(name(builder()), "__Host-id");
    assert_eq!(name(builder().cookie_domain("example.org")), "__Secure-id");
    assert_eq!(name(builder().cookie_path("/shop")), "__Secure-id");
    assert_eq!(name(builder().cookie_secure(false)), "id");
    assert_eq!(
        name(builder().cookie_prefix(CookiePrefix::Host)),
        "__Host-id"
    );
    assert_eq!(
        name(builder().cookie_prefix(CookiePrefix::Secure)),
        "__Secure-id"
    );
    assert_eq!(name(builder().cookie_prefix(CookiePrefix::None)), "id");
    // A prefix that is already there is kept.
    for written in ["__Host-a", "__Secure-a", "__Http-a", "__Host-Http-a"] {
        assert_eq!(name(builder().cookie_name(written)), written);
    }
    assert_eq!(
        name(
            builder()
                .cookie_name("__Http-a")
                .cookie_domain("example.org")
        ),
        "__Http-a"
    );
    assert_eq!(name(builder().cookie_name("__Hosta")), "__Host-__Hosta");
}

#[test]
fn what_a_browser_would_drop_is_refused_with_the_reason() {
    let builder = Config::builder;
    let host = || builder().cookie_prefix(CookiePrefix::Host);
    for (refused, expected) in [
        (
            host().cookie_domain("example.org"),
            "leave it out, or set cookie.prefix to auto",
        ),
        (
            host().cookie_path("/shop"),
            "unless its path is /: leave it out",
        ),
        (host().cookie_secure(false), "not Secure: set it to true"),
        (
            builder()
                .cookie_name("__Host-a")
                .cookie_domain("example.org"),
            "or leave __Host- out of cookie.name",
        ),
        (
            builder().cookie_name("__Host-a").cookie_path("/a"),
            "unless its path is /",
        ),
        (
            builder().cookie_name("__Secure-a").cookie_secure(false),
            "not Secure",
        ),
        (
            builder().cookie_name("__Http-a").cookie_http_only(false),
            "not HttpOnly",
        ),
        (
            builder()
                .cookie_name("__Host-Http-a")
                .cookie_http_only(false),
            "not HttpOnly",
        ),
        (
            builder().cookie_name("__Host-Http-a").cookie_path("/a"),
            "unless its path is /",
        ),
        (host().cookie_name("__Secure-a"), "another prefix"),
        (
            builder()
                .cookie_name("__Host-a")
                .cookie_prefix(CookiePrefix::Secure),
            "another prefix",
        ),
        (builder().cookie_name("__host-a"), "spelled __Host-"),
        (builder().cookie_name("__SECURE-a"), "spelled __Secure-"),
        (
            builder().cookie_name("__Host-http-a"),
            "spelled __Host-Http-",
        ),
        (builder().cookie_name("__Host-"), "a name behind the prefix"),
        (
            builder()
                .cookie_same_site(SameSite::None)
                .cookie_secure(false),
            "set cookie.secure to true",
        ),
        (
            builder().cookie_partitioned(true).cookie_secure(false),
            "set cookie.secure to true",
        ),
        (
            builder().cookie_name("a".repeat(4096 - 43 - 6)),
            "at most 4053 bytes",
        ),
    ] {
        let error = refusal(refused);
        assert!(error.contains(expected), "{error}");
    }
    assert!(
        builder()
            .cookie_name("a".repeat(4096 - 43 - 7))
            .build()
            .is_ok()
    );
}

#[test]
fn names_paths_and_domains_that_would_be_misread_are_refused() {
    for name in [
        "", " ", "a b", "a;b", "a=b", "a,b", "a\r\nb", "é", "a\"", "(a)", "\0", "a\u{7f}",
    ] {
        assert!(refusal(Config::builder().cookie_name(name)).contains("such as \"id\""));
    }
    for path in [
        "",
        "a",
        "/a;b",
        "/a\r\nSet-Cookie: x=y",
        "/é",
        "/a b",
        "/ ",
        "/\0",
        "/\u{7f}",
    ] {
        assert!(
            refusal(Config::builder().cookie_path(path)).contains("starts with /"),
            "{path}"
        );
    }
    assert!(
        Config::builder()
            .cookie_path("/".repeat(1024))
            .build()
            .is_ok()
    );
    assert!(
        Config::builder()
            .cookie_path("/".repeat(1025))
            .build()
            .is_err()
    );
    for (domain, expected) in [
        (".example.org", "drop it"),
        ("example.org.", "drop it"),
        ("https://example.org", "without scheme"),
        ("example.org:8080", "without scheme, port"),
        ("[::1]", "not an IP address"),
        ("::1", "not an IP address"),
        ("127.0.0.1", "not an IP address"),
        ("bücher.example", "xn--"),
        ("", "such as \"example.org\""),
        ("a..b", "such as"),
        ("-a.b", "such as"),
        ("a-.b", "such as"),
        ("a_b.c", "such as"),
        ("example.org; Path=x", "such as"),
        ("example.org\r\n", "such as"),
        ("*.example.org", "such as"),
    ] {
        let error = refusal(Config::builder().cookie_domain(domain));
        assert!(error.contains(expected), "{domain:?}: {error}");
    }
    assert!(refusal(Config::builder().cookie_domain("a".repeat(64))).contains("such as"));
    assert!(refusal(Config::builder().cookie_domain("a.".repeat(127) + "a")).contains("such as"));
    for domain in [
        "example.org",
        "localhost",
        "xn--bcher-kva.example",
        "3com.com",
        "a.b.c.d",
    ] {
        assert!(
            Config::builder().cookie_domain(domain).build().is_ok(),
            "{domain}"
        );
    }
}

/// What another parser reads in a header of ours has to be what was configured.
fn assert_reads_back(header: &str, settings: &Settings, cookie: &Cookie) {
    let parsed = ::cookie::Cookie::parse(header).unwrap();
    assert_eq!(parsed.name(), cookie.name());
    assert_eq!(parsed.path(), Some(settings.path.as_str()));
    let domain = settings.domain.as_deref().map(str::to_ascii_lowercase);
    assert_eq!(parsed.domain(), domain.as_deref());
    assert_eq!(parsed.secure().unwrap_or(false), settings.secure);
    assert_eq!(parsed.http_only().unwrap_or(false), settings.http_only);
    assert_eq!(parsed.partitioned().unwrap_or(false), settings.partitioned);
    let same_site = parsed.same_site().unwrap().to_string();
    assert_eq!(same_site, settings.same_site.unwrap().as_str());

    let mut attributes: Vec<&str> = header
        .split(';')
        .skip(1)
        .map(|attribute| attribute.split('=').next().unwrap_or_default().trim())
        .collect();
    let count = attributes.len();
    attributes.sort_unstable();
    attributes.dedup();
    assert_eq!(attributes.len(), count, "an attribute twice: {header}");
    assert!(header.bytes().all(|byte| (0x20..0x7F).contains(&byte)));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9_-]{1,12}",
        "(__Host-|__Secure-|__host-|__Http-|__Host-Http-)[a-z]{0,4}",
        "/[a-z/]{0,8}",
        "[a-z0-9.-]{0,16}",
        "[ -~]{0,8}",
        "[a-z]{0,4}[;=,\r\n\t\0 ][a-z]{0,4}",
        ".{0,8}",
        Just("/".to_owned()),
        Just("Example.ORG".to_owned()),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let same_site = prop_oneof![
        Just(SameSite::Lax),
        Just(SameSite::Strict),
        Just(SameSite::None)
    ];
    let prefix = prop_oneof![
        Just(CookiePrefix::Auto),
        Just(CookiePrefix::Host),
        Just(CookiePrefix::Secure),
        Just(CookiePrefix::None)
    ];
    let path = prop_oneof![Just("/".to_owned()), text()];
    let domain = proptest::option::of(text());
    (text(), domain, path, any::<[bool; 3]>(), same_site, prefix).prop_map(
        |(name, domain, path, [secure, http_only, partitioned], same_site, prefix)| Settings {
            name,
            domain,
            path,
            secure,
            http_only,
            same_site: Some(same_site),
            lasting: Lasting::MaxAge,
            partitioned,
            prefix,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_cookie_is_refused_or_reads_back_as_it_was_configured(
        settings in settings(),
        seconds in proptest::option::of(any::<u64>()),
    ) {
        let Ok(cookie) = Cookie::new(&settings, Naming::Dotted) else {
            return Ok(());
        };
        let header = cookie.set(ID, seconds.map(Duration::from_secs), &SystemClock);
        assert_reads_back(&header, &settings, &cookie);
        let parsed = ::cookie::Cookie::parse(header.as_str()).unwrap();
        prop_assert_eq!(parsed.value(), ID);
        prop_assert_eq!(
            parsed.max_age().map(|age| age.whole_seconds().unsigned_abs()),
            seconds.map(|seconds| seconds.min(34_560_000))
        );
        prop_assert_eq!(parsed.expires(), None);

        assert_reads_back(cookie.removal(), &settings, &cookie);
        let removal = ::cookie::Cookie::parse(cookie.removal()).unwrap();
        prop_assert_eq!(removal.value(), "");
        prop_assert_eq!(removal.max_age(), Some(::cookie::time::Duration::ZERO));
        prop_assert_eq!(
            removal.expires_datetime(),
            Some(::cookie::time::OffsetDateTime::UNIX_EPOCH)
        );

        // The reader finds what the writer wrote, between its neighbours.
        let name = cookie.name();
        let sent = format!("{name}x=1; {name}={ID}; x{name}=2");
        let found: Vec<&[u8]> = cookie.values(std::iter::once(sent.as_bytes())).collect();
        prop_assert_eq!(found, [ID.as_bytes()]);

        assert_browser_keeps(&cookie, &settings);
    }
}

/// The rules of RFC 6265bis, 5.7, and of layered cookies for prefixes, as a browser applies them.
fn assert_browser_keeps(cookie: &Cookie, settings: &Settings) {
    let name = cookie.name().to_ascii_lowercase();
    let host_only = settings.domain.is_none() && settings.path == "/";
    assert!(!name.starts_with("__secure-") || settings.secure);
    assert!(!name.starts_with("__host-") || settings.secure && host_only);
    assert!(!name.starts_with("__http-") || settings.secure && settings.http_only);
    assert!(!name.starts_with("__host-http-") || settings.http_only);
    assert!(settings.secure || settings.same_site != Some(SameSite::None));
    assert!(settings.secure || !settings.partitioned);
}
