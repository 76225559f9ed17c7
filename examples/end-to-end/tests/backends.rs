//! One program, one configuration for each backend, and the same checks: the backend is chosen by `SESSION_TYPE` and
//! `SESSION_URL` alone.

use std::process::ExitCode;

use end_to_end::{Result, Server, Stores, Visitor, same};
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let stores = Stores::start().expect("room for a temporary folder");
    let types = [
        "memory",
        "filesystem",
        "sqlite",
        "redis",
        "postgres",
        "mysql",
    ];
    let trials = stores.trials(&types, |store, url| {
        let survives = match store {
            "memory" => Survives::No,
            _ => Survives::Yes,
        };
        vec![Trial::test(store, move || {
            Ok(check(store, &url, survives)?)
        })]
    });
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Whether sessions outlive the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Survives {
    Yes,
    No,
}

fn check(backend: &str, url: &str, survives: Survives) -> Result {
    let mut variables = vec![
        ("SESSION_TYPE", backend),
        ("SESSION_COOKIE_SECURE", "false"),
    ];
    variables.extend((!url.is_empty()).then_some(("SESSION_URL", url)));
    let mut server = Server::start("probe-axum", variables)?;
    data_comes_back(&server)?;
    fifty_overlapping_increments_are_fifty(&server)?;
    signing_in_changes_the_id(&server)?;
    a_log_out_is_final(&server)?;
    other_sessions_are_listed_and_ended(&server)?;
    end_to_end::storm(std::slice::from_ref(&server.address), 800)?;
    a_killed_server_is_survived(&mut server, survives)
}

fn data_comes_back(server: &Server) -> Result {
    let visitor = Visitor::default();
    visitor.body(&server.address, "/set/theme/dark")?;
    same!(
        visitor.body(&server.address, "/get/theme")?,
        "dark",
        "what was stored"
    );
    visitor.body(&server.address, "/remove/theme")?;
    same!(
        visitor.body(&server.address, "/get/theme")?,
        "-",
        "what was removed"
    );
    Ok(())
}

fn fifty_overlapping_increments_are_fifty(server: &Server) -> Result {
    let visitor = Visitor::default();
    visitor.body(&server.address, "/set/k/v")?;
    std::thread::scope(|scope| {
        let requests: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| visitor.body(&server.address, "/incr/n?delay=20")))
            .collect();
        requests
            .into_iter()
            .try_for_each(|request| match request.join() {
                Ok(answer) => answer.map(drop),
                Err(_) => Err("a request panicked".into()),
            })
    })?;
    same!(
        visitor.body(&server.address, "/get/n")?,
        "50",
        "fifty increments at the same time"
    );
    Ok(())
}

fn signing_in_changes_the_id(server: &Server) -> Result {
    let visitor = Visitor::default();
    visitor.body(&server.address, "/set/k/v")?;
    let old = visitor.cookie();
    visitor.body(&server.address, "/login/alice")?;
    let dump = visitor.dump(&server.address)?;
    same!(dump["user"], "alice", "who is signed in");
    same!(dump["data"]["k"], "v", "what the visitor had before");
    same!(
        Visitor::with_cookie(old).body(&server.address, "/get/k")?,
        "-",
        "what the old id shows"
    );
    Ok(())
}

fn a_log_out_is_final(server: &Server) -> Result {
    let visitor = Visitor::default();
    visitor.body(&server.address, "/login/bob")?;
    let id = visitor.cookie();
    visitor.body(&server.address, "/logout")?;
    same!(visitor.cookie(), None, "the cookie after a log-out");
    let dump = Visitor::with_cookie(id).dump(&server.address)?;
    same!(
        dump["user"].as_str(),
        None,
        "who is signed in after a log-out"
    );
    Ok(())
}

fn other_sessions_are_listed_and_ended(server: &Server) -> Result {
    let (here, there) = (Visitor::default(), Visitor::default());
    here.body(&server.address, "/login/carol")?;
    there.body(&server.address, "/login/carol")?;
    let listed: serde_json::Value =
        serde_json::from_str(&here.body(&server.address, "/sessions")?)?;
    same!(
        listed.as_array().map(Vec::len),
        Some(2),
        "the sessions of carol"
    );
    same!(
        here.body(&server.address, "/revoke-others")?,
        "1",
        "sessions ended"
    );
    same!(
        there.dump(&server.address)?["user"].as_str(),
        None,
        "the other session"
    );
    same!(here.dump(&server.address)?["user"], "carol", "this session");
    Ok(())
}

fn a_killed_server_is_survived(server: &mut Server, survives: Survives) -> Result {
    let visitor = Visitor::default();
    visitor.body(&server.address, "/login/dave")?;
    server.kill_and_restart()?;
    let user = visitor.dump(&server.address)?["user"]
        .as_str()
        .map(str::to_owned);
    let expected = (survives == Survives::Yes).then(|| "dave".to_owned());
    same!(user, expected, "who is signed in after kill -9");
    Ok(())
}
