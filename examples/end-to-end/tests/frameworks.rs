//! One live session through several frameworks, over real HTTP: each a program of its own, all on one store.
#![expect(clippy::print_stdout, reason = "says how many requests it judged")]

use std::process::ExitCode;

use end_to_end::{FRAMEWORKS, Result, Server, Stores, Visitor, same, storm};
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let stores = Stores::start().expect("room for a temporary folder");
    let mut trials = stores.trials(&["filesystem", "redis", "postgres"], |store, url| {
        let trial = |rule: &str, check: fn(&Site) -> Result| {
            let url = url.clone();
            Trial::test(format!("{store}::{rule}"), move || {
                Ok(check(&Site::start(store, &url)?)?)
            })
        };
        vec![
            trial(
                "a_session_lives_on_in_every_framework",
                a_session_lives_on_in_every_framework,
            ),
            trial(
                "overlapping_requests_on_all_of_them_show_no_anomaly",
                overlapping_requests_on_all_of_them_show_no_anomaly,
            ),
        ]
    });
    trials.push(Trial::test(
        "a_storm_finds_servers_that_share_nothing",
        || Ok(a_storm_finds_servers_that_share_nothing()?),
    ));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A server of each framework, on one store.
struct Site {
    servers: Vec<Server>,
}

impl Site {
    fn start(store: &str, url: &str) -> Result<Self> {
        let variables = [
            ("SESSION_TYPE", store),
            ("SESSION_URL", url),
            ("SESSION_COOKIE_SECURE", "false"),
        ];
        let start = |framework: &&str| Server::start(&format!("probe-{framework}"), variables);
        Ok(Site {
            servers: FRAMEWORKS.iter().map(start).collect::<Result<_>>()?,
        })
    }

    fn addresses(&self) -> Vec<String> {
        self.servers
            .iter()
            .map(|server| server.address.clone())
            .collect()
    }
}

/// Each framework in turn begins, and the others go on.
fn a_session_lives_on_in_every_framework(site: &Site) -> Result {
    for turn in 0..FRAMEWORKS.len() {
        let mut servers = site.addresses();
        servers.rotate_left(turn);
        let [first, second, third, fourth] = &servers[..] else {
            return Err("four servers".into());
        };
        let visitor = Visitor::default();
        visitor.body(first, "/login/alice")?;
        visitor.body(second, "/set/theme/dark")?;
        same!(
            visitor.body(third, "/get/theme")?,
            "dark",
            "what the second one stored, in the third"
        );
        let old = Visitor::with_cookie(visitor.cookie());
        visitor.body(fourth, "/regenerate")?;
        for server in &servers {
            same!(
                old.dump(server)?["user"].as_str(),
                None,
                "who the replaced id is"
            );
            same!(visitor.dump(server)?["user"], "alice", "who the new id is");
            same!(
                visitor.body(server, "/get/theme")?,
                "dark",
                "the data under the new id"
            );
        }
        let dead = Visitor::with_cookie(visitor.cookie());
        visitor.body(second, "/logout")?;
        for server in &servers {
            same!(
                dead.dump(server)?["user"].as_str(),
                None,
                "who is signed in after the log-out"
            );
        }
    }
    Ok(())
}

fn overlapping_requests_on_all_of_them_show_no_anomaly(site: &Site) -> Result {
    let report = storm(&site.addresses(), 4_000)?;
    println!("{report}");
    Ok(())
}

/// A check that cannot fail proves nothing: in memory each server has sessions of its own.
fn a_storm_finds_servers_that_share_nothing() -> Result {
    let site = Site::start("memory", "memory://")?;
    let Err(anomaly) = storm(&site.addresses(), 400) else {
        return Err("nothing was found".into());
    };
    // Where log-outs meet, it may first see that the others know nothing of one.
    let expected = ["is not known", "is back after a log-out"];
    let anomaly = anomaly.to_string();
    match expected.iter().any(|text| anomaly.contains(text)) {
        true => Ok(()),
        false => Err(format!("something else was found: {anomaly}").into()),
    }
}
