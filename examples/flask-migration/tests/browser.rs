//! A browser in an application that is half Flask and half Rust, behind nginx.

use std::process::ExitCode;

use anysession_testkit::Suite;
use anysession_testkit::servers::find;
use end_to_end::{FlaskSite, Python, Result};
use libtest_mimic::Arguments;
use login_browser_test::{Browser, needs_browser};

fn main() -> ExitCode {
    let servers = find("nginx", "nginx-light").and(find("redis-server", "redis-server"));
    let trials = match (Python::find(), servers) {
        (Err(why), _) => Suite::absent("flask", why).into_trials(),
        (_, Err(absent)) => Suite::absent("servers", absent.to_string()).into_trials(),
        (Ok(python), Ok(_)) => vec![needs_browser(
            "a_visitor_walks_between_flask_and_rust_and_stays_signed_in",
            || a_visitor_walks_between_flask_and_rust_and_stays_signed_in(python),
        )],
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

async fn a_visitor_walks_between_flask_and_rust_and_stays_signed_in(python: Python) -> Result {
    let mut site = FlaskSite::start(&python)?;
    let profile = tempfile::tempdir()?;
    let browser = Browser::open(profile.path()).await?;

    // Flask signs in, Rust knows who it is and what was counted.
    browser.goto(site.address()).await?;
    sign_in(&browser, "Ada").await?;
    on(&browser, "Flask", "Ada").await?;
    browser.expect(".flash", &["Welcome, Ada."]).await?;
    browser.expect("#visits", &["2"]).await?;
    browser.click("#account").await?;
    on(&browser, "Rust", "Ada").await?;
    browser.expect("#visits", &["2"]).await?;
    browser.expect("#minutes", &["0"]).await?;

    // What Rust stores, Flask shows; and a message.
    browser.click("[name=theme][value=dark]").await?;
    on(&browser, "Flask", "Ada").await?;
    browser
        .expect("[data-theme=dark] .flash", &["The theme is dark now."])
        .await?;
    browser.expect("#visits", &["3"]).await?;
    browser.click("#password-page").await?;
    browser
        .expect(
            "#fresh",
            &["You signed in just now, so you may change it here."],
        )
        .await?;

    // Flask signs out what Rust has shown.
    browser.click("#account").await?;
    on(&browser, "Rust", "Ada").await?;
    browser.click("#sign-out").await?;
    browser.expect(".flash", &["You are signed out."]).await?;
    browser.click("#account").await?;
    browser.expect(".flash.error", &["Sign in first."]).await?;
    browser.expect("#maker", &["Flask"]).await?;

    // The next route moves; now Rust signs in, and Flask takes it for as fresh as its own.
    site.move_sign_in()?;
    sign_in(&browser, "Grace").await?;
    on(&browser, "Flask", "Grace").await?;
    browser.expect(".flash", &["Welcome, Grace."]).await?;
    browser.click("#password-page").await?;
    browser
        .expect(
            "#fresh",
            &["You signed in just now, so you may change it here."],
        )
        .await?;
    browser.click("#account").await?;
    on(&browser, "Rust", "Grace").await?;
    browser.click("#home").await?;
    on(&browser, "Flask", "Grace").await?;
    browser.click("#sign-out").await?;
    browser.expect(".flash", &["You are signed out."]).await?;
    browser.expect("#user", &[]).await?;
    browser.quit().await
}

async fn sign_in(browser: &Browser, name: &str) -> Result {
    browser.fill("#name", name).await?;
    browser.fill("#password", "demo").await?;
    browser.click("#sign-in").await
}

async fn on(browser: &Browser, maker: &str, user: &str) -> Result {
    browser.expect("#maker", &[maker]).await?;
    browser.expect("#user", &[user]).await
}
