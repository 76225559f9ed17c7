//! An application moves from one framework to another, route by route, behind a reverse proxy, and its users stay signed in: the
//! login examples of four frameworks on one store, nginx in front, and two real browsers.

use std::process::ExitCode;

use anysession_testkit::Suite;
use anysession_testkit::servers::find;
use end_to_end::{Nginx, Result, Server, Visitor, same};
use libtest_mimic::Arguments;
use login_browser_test::{Browser, needs_browser};

fn main() -> ExitCode {
    let trials = match find("nginx", "nginx-light") {
        Err(absent) => Suite::absent("nginx", absent.to_string()).into_trials(),
        Ok(_) => vec![needs_browser(
            "an_application_moves_route_by_route_and_nobody_is_signed_out",
            an_application_moves_route_by_route_and_nobody_is_signed_out,
        )],
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

async fn an_application_moves_route_by_route_and_nobody_is_signed_out() -> Result {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("sessions").display().to_string();
    let start = |program| {
        Server::start(
            program,
            [("SESSION_TYPE", "filesystem"), ("SESSION_URL", &store)],
        )
    };
    let servers = ["login-axum", "login-actix", "login-rocket", "login-poem"];
    let [axum_server, actix_server, rocket_server, poem_server] = servers.map(start);
    let (axum_server, actix_server) = (axum_server?, actix_server?);
    let (rocket_server, poem_server) = (rocket_server?, poem_server?);
    let servers = [&axum_server, &actix_server, &rocket_server, &poem_server];
    let [axum, actix, rocket, poem] = servers.map(|server| server.address.clone());
    let [axum, actix, rocket, poem] = [&axum, &actix, &rocket, &poem].map(String::as_str);

    let mut nginx = Nginx::start(&[("/", axum)])?;
    let profiles = [tempfile::tempdir()?, tempfile::tempdir()?];
    let ada = Browser::open(profiles[0].path()).await?;
    ada.goto(&nginx.address).await?;
    sign_in(&ada, "Ada").await?;
    ada.expect("#visits", &["1"]).await?;
    nginx.expect_answers(&[("GET /", axum), ("POST /sign-in", axum), ("GET /", axum)])?;

    nginx.route(&[("/", axum), ("/theme", actix)])?;
    ada.click("[name=theme][value=dark]").await?;
    ada.expect("[data-theme=dark] #visits", &["2"]).await?;
    nginx.expect_answers(&[("POST /theme", actix), ("GET /", axum)])?;

    // Who comes now signs in on another framework than the one that shows the page.
    nginx.route(&[("/", rocket), ("/theme", actix), ("/sign-in", poem)])?;
    ada.reload().await?;
    ada.expect("[data-theme=dark] #visits", &["3"]).await?;
    ada.expect("#user", &["Ada"]).await?;
    let grace = Browser::open(profiles[1].path()).await?;
    grace.goto(&nginx.address).await?;
    sign_in(&grace, "Grace").await?;
    grace.expect("#visits", &["1"]).await?;
    nginx.expect_answers(&[
        ("GET /", rocket),
        ("GET /", rocket),
        ("POST /sign-in", poem),
        ("GET /", rocket),
    ])?;

    // Nothing is left for the framework that it began with.
    nginx.route(&[("/", rocket), ("/theme", poem), ("/sign-", actix)])?;
    drop(axum_server);
    let answers = Visitor::default().ask(axum, "/").is_ok();
    same!(answers, false, "whether it answers when it was shut down");
    ada.click("[name=theme][value=light]").await?;
    ada.expect("[data-theme=light] #visits", &["4"]).await?;
    nginx.expect_answers(&[("POST /theme", poem), ("GET /", rocket)])?;

    nginx.route(&[("/", poem), ("/sign-", actix)])?;
    drop(rocket_server);
    ada.reload().await?;
    ada.expect("#visits", &["5"]).await?;
    ada.expect("#user", &["Ada"]).await?;
    grace.reload().await?;
    grace.expect("#visits", &["2"]).await?;
    grace.expect("#user", &["Grace"]).await?;
    nginx.expect_answers(&[("GET /", poem), ("GET /", poem)])?;

    // A log-out on one framework is one on the other, and nobody else's.
    ada.click("#sign-out").await?;
    ada.expect(".flash", &["You are signed out."]).await?;
    nginx.expect_answers(&[("POST /sign-out", actix), ("GET /", poem)])?;
    ada.reload().await?;
    ada.expect("h1", &["Sign in"]).await?;
    grace.reload().await?;
    grace.expect("#visits", &["3"]).await?;
    sign_in(&ada, "Ada").await?;
    ada.expect("#visits", &["1"]).await?;
    nginx.expect_answers(&[
        ("GET /", poem),
        ("GET /", poem),
        ("POST /sign-in", actix),
        ("GET /", poem),
    ])?;
    ada.quit().await?;
    grace.quit().await
}

async fn sign_in(browser: &Browser, name: &str) -> Result {
    browser.fill("#name", name).await?;
    browser.fill("#password", "demo").await?;
    browser.click("#sign-in").await?;
    browser.expect("#user", &[name]).await
}
