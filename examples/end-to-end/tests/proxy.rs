//! An application moves from one framework to another, route by route, behind a reverse proxy, and its users stay signed in: the
//! login examples of four frameworks on one store, nginx in front, and a real browser.

use std::process::ExitCode;

use end_to_end::{Nginx, Result, Server};
use libtest_mimic::Arguments;
use login_browser_test::{Browser, needs_browser};

fn main() -> ExitCode {
    let trial = needs_browser(
        "an_application_moves_route_by_route_and_nobody_is_signed_out",
        an_application_moves_route_by_route_and_nobody_is_signed_out,
    );
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
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
    let (axum, actix) = (start("login-axum")?, start("login-actix")?);
    let (rocket, poem) = (start("login-rocket")?, start("login-poem")?);
    let [axum, actix, rocket, poem] =
        [&axum, &actix, &rocket, &poem].map(|server| server.address.as_str());

    let mut nginx = Nginx::start(&[("/", axum)])?;
    let profile = tempfile::tempdir()?;
    let browser = Browser::open(profile.path()).await?;
    browser.goto(&nginx.address).await?;
    browser.fill("#name", "Ada").await?;
    browser.fill("#password", "demo").await?;
    browser.click("#sign-in").await?;
    browser.expect("#user", &["Ada"]).await?;
    browser.expect("#visits", &["1"]).await?;

    nginx.route(&[("/", axum), ("/theme", actix)])?;
    browser.click("[name=theme][value=dark]").await?;
    browser.expect("[data-theme=dark] #visits", &["2"]).await?;

    nginx.route(&[("/", rocket), ("/theme", actix), ("/sign-in", axum)])?;
    browser.reload().await?;
    browser.expect("[data-theme=dark] #visits", &["3"]).await?;
    browser.expect("#user", &["Ada"]).await?;

    nginx.route(&[("/", rocket), ("/theme", poem), ("/sign-out", actix)])?;
    browser.click("[name=theme][value=light]").await?;
    browser.expect("[data-theme=light] #visits", &["4"]).await?;

    nginx.route(&[("/", poem), ("/sign-out", actix)])?;
    browser.reload().await?;
    browser.expect("#visits", &["5"]).await?;
    browser.click("#sign-out").await?;
    browser.expect(".flash", &["You are signed out."]).await?;

    nginx.route(&[("/", axum)])?;
    browser.reload().await?;
    browser.expect("h1", &["Sign in"]).await?;
    browser.quit().await
}
