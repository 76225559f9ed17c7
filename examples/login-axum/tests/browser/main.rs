//! login-axum as people use it: with a browser, Debian's Chromium.

mod chromium;
mod server;

use std::future::Future;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tempfile::TempDir;

use chromium::Browser;
use server::Server;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Each function is a trial of its name.
macro_rules! trials {
    ($($test:ident),* $(,)?) => { vec![$(trial(stringify!($test), $test)),*] };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each trial runs a browser of its own, or two.
    arguments.test_threads.get_or_insert(2);
    let trials = trials![
        a_reload_counts_up,
        a_wrong_password_is_told_once,
        signing_in_changes_the_id,
        the_theme_survives_sign_in_and_restart,
        unremembered_it_ends_with_the_browser,
        remembered_it_outlives_the_browser,
        signing_out_in_one_tab_ends_the_other,
        back_shows_nothing_after_signing_out,
        one_device_ends_another,
        one_device_ends_all_others,
        it_survives_a_killed_server,
        it_works_without_javascript,
        forms_of_other_sites_are_refused,
        what_a_user_types_is_escaped,
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

async fn a_reload_counts_up() -> Result {
    let (server, profile) = (Server::start().await?, TempDir::new()?);
    let browser = Browser::open(profile.path()).await?;
    sign_in(&browser, &server, "Ada", Remember::No).await?;
    browser.expect("#visits", &["1"]).await?;
    browser.reload().await?;
    browser.expect("#visits", &["2"]).await?;
    browser.expect(".flash", &[]).await?;
    browser.quit().await
}

async fn a_wrong_password_is_told_once() -> Result {
    let (server, profile) = (Server::start().await?, TempDir::new()?);
    let browser = Browser::open(profile.path()).await?;
    browser.goto(&server.address).await?;
    fill_in(&browser, "Ada", "guessed", Remember::No).await?;
    browser
        .expect(".flash.error", &["Name or password is wrong."])
        .await?;
    browser.expect("#user", &[]).await?;
    browser.reload().await?;
    browser.expect(".flash", &[]).await?;
    browser.quit().await
}

async fn signing_in_changes_the_id() -> Result {
    let (server, profile) = (Server::start().await?, TempDir::new()?);
    let browser = Browser::open(profile.path()).await?;
    browser.goto(&server.address).await?;
    assert_eq!(
        browser.cookie("id").await?,
        None,
        "a look must not begin a session"
    );
    fill_in(&browser, "Ada", "guessed", Remember::No).await?;
    browser
        .expect(".flash.error", &["Name or password is wrong."])
        .await?;
    let anonymous = browser.cookie("id").await?;
    assert!(anonymous.is_some());
    fill_in(&browser, "Ada", "demo", Remember::No).await?;
    browser.expect("#user", &["Ada"]).await?;
    let signed_in = browser.cookie("id").await?;
    assert!(signed_in.is_some());
    assert_ne!(anonymous, signed_in);
    browser.click("#sign-out").await?;
    browser.expect(".flash", &["You are signed out."]).await?;
    assert_ne!(browser.cookie("id").await?, signed_in);
    browser.quit().await
}

async fn the_theme_survives_sign_in_and_restart() -> Result {
    let (server, profile) = (Server::start().await?, TempDir::new()?);
    let browser = Browser::open(profile.path()).await?;
    browser.goto(&server.address).await?;
    browser.click("[name=theme][value=dark]").await?;
    browser
        .expect("[data-theme=dark] [aria-pressed=true]", &["Dark"])
        .await?;
    assert_eq!(browser.style("html", "color-scheme").await?, "dark");
    fill_in(&browser, "Ada", "demo", Remember::Yes).await?;
    browser.expect("#user", &["Ada"]).await?;
    browser
        .expect("[data-theme=dark] [aria-pressed=true]", &["Dark"])
        .await?;
    browser.quit().await?;

    let browser = Browser::open(profile.path()).await?;
    browser.goto(&server.address).await?;
    browser
        .expect("[data-theme=dark] [aria-pressed=true]", &["Dark"])
        .await?;
    browser.click("[name=theme][value=light]").await?;
    browser
        .expect("[data-theme=light] [aria-pressed=true]", &["Light"])
        .await?;
    browser.expect("#user", &["Ada"]).await?;
    browser.quit().await
}

async fn unremembered_it_ends_with_the_browser() -> Result {
    let (server, profile) = (Server::start().await?, TempDir::new()?);
    let browser = Browser::open(profile.path()).await?;
    sign_in(&browser, &server, "Ada", Remember::No).await?;
    browser
        .expect(
            "#permanent",
            &["You are signed out when this browser is closed."],
        )
        .await?;
    browser.quit().await?;

    let browser = Browser::open(profile.path()).await?;
    browser.goto(&server.address).await?;
    browser.expect("h1", &["Sign in"]).await?;
    assert_eq!(browser.cookie("id").await?, None);
    browser.quit().await
}

async fn remembered_it_outlives_the_browser() -> Result {
    let (server, profile) = (Server::start().await?, TempDir::new()?);
    let browser = Browser::open(profile.path()).await?;
    sign_in(&browser, &server, "Ada", Remember::Yes).await?;
    browser.expect("#visits", &["1"]).await?;
    browser.quit().await?;

    let browser = Browser::open(profile.path()).await?;
    browser.goto(&server.address).await?;
    browser.expect("#user", &["Ada"]).await?;
    browser.expect("#visits", &["2"]).await?;
    let remembered = "This browser remembers you, even after it was closed.";
    browser.expect("#permanent", &[remembered]).await?;
    browser.quit().await
}

async fn signing_out_in_one_tab_ends_the_other() -> Result {
    let (server, profile) = (Server::start().await?, TempDir::new()?);
    let browser = Browser::open(profile.path()).await?;
    sign_in(&browser, &server, "Ada", Remember::Yes).await?;
    browser.open_tab().await?;
    browser.goto(&server.address).await?;
    browser.expect("#visits", &["2"]).await?;
    browser.click("#sign-out").await?;
    browser.expect(".flash", &["You are signed out."]).await?;

    browser.switch_to_tab(0).await?;
    browser.expect("#user", &["Ada"]).await?; // what it shows is old
    browser.reload().await?;
    browser.expect("h1", &["Sign in"]).await?;
    browser.expect(".flash", &[]).await?;
    browser.quit().await
}

async fn back_shows_nothing_after_signing_out() -> Result {
    let (server, profile) = (Server::start().await?, TempDir::new()?);
    let browser = Browser::open(profile.path()).await?;
    sign_in(&browser, &server, "Ada", Remember::No).await?;
    browser.goto("data:text/html,elsewhere").await?;
    browser.open_tab().await?;
    browser.goto(&server.address).await?;
    browser.click("#sign-out").await?;
    browser.expect(".flash", &["You are signed out."]).await?;

    browser.switch_to_tab(0).await?;
    browser.back().await?;
    browser.expect("h1", &["Sign in"]).await?;
    browser.quit().await
}

async fn one_device_ends_another() -> Result {
    let (server, profiles) = (Server::start().await?, [TempDir::new()?, TempDir::new()?]);
    let here = Browser::open(profiles[0].path()).await?;
    let there = Browser::open(profiles[1].path()).await?;
    sign_in(&there, &server, "Ada", Remember::Yes).await?;
    there.expect(".devices .badge", &["this device"]).await?;
    sign_in(&here, &server, "Ada", Remember::No).await?;
    here.expect(".devices .badge", &["this device"]).await?;
    here.expect(".devices button", &["End", "End"]).await?;
    here.click(".devices li:not(:has(.badge)) button").await?;
    here.expect(".flash", &["That device is signed out."])
        .await?;
    here.expect(".devices button", &["End"]).await?;

    there.reload().await?;
    there.expect("h1", &["Sign in"]).await?;
    here.click(".devices li:has(.badge) button").await?;
    here.expect("h1", &["Sign in"]).await?;
    there.quit().await?;
    here.quit().await
}

async fn one_device_ends_all_others() -> Result {
    let (server, profiles) = (Server::start().await?, [TempDir::new()?, TempDir::new()?]);
    let here = Browser::open(profiles[0].path()).await?;
    let there = Browser::open(profiles[1].path()).await?;
    sign_in(&there, &server, "Ada", Remember::Yes).await?;
    there.expect("#end-others", &[]).await?;
    sign_in(&here, &server, "Ada", Remember::No).await?;
    here.expect(".devices button", &["End", "End"]).await?;
    here.click("#end-others").await?;
    here.expect(".flash", &["Signed out elsewhere: 1."]).await?;
    here.expect(".devices button", &["End"]).await?;

    there.reload().await?;
    there.expect("h1", &["Sign in"]).await?;
    here.reload().await?;
    here.expect("#user", &["Ada"]).await?;
    there.quit().await?;
    here.quit().await
}

async fn it_survives_a_killed_server() -> Result {
    let (server, profile) = (Server::start().await?, TempDir::new()?);
    let browser = Browser::open(profile.path()).await?;
    sign_in(&browser, &server, "Ada", Remember::No).await?;
    browser.expect("#visits", &["1"]).await?;
    let server = server.kill_and_restart().await?;
    browser.goto(&server.address).await?;
    browser.expect("#user", &["Ada"]).await?;
    browser.expect("#visits", &["2"]).await?;
    browser.quit().await
}

async fn it_works_without_javascript() -> Result {
    let (server, profile) = (Server::start().await?, TempDir::new()?);
    let browser = Browser::open_without_scripts(profile.path()).await?;
    browser
        .goto("data:text/html,<title>off</title><script>document.title='on'</script>")
        .await?;
    assert_eq!(browser.title().await?, "off");
    sign_in(&browser, &server, "Ada", Remember::Yes).await?;
    browser.expect(".flash", &["Welcome, Ada."]).await?;
    browser.click("[name=theme][value=dark]").await?;
    browser
        .expect("[data-theme=dark] [aria-pressed=true]", &["Dark"])
        .await?;
    browser.expect("#visits", &["2"]).await?;
    browser.click("#sign-out").await?;
    browser.expect(".flash", &["You are signed out."]).await?;
    browser.quit().await
}

async fn forms_of_other_sites_are_refused() -> Result {
    let (server, profile) = (Server::start().await?, TempDir::new()?);
    let browser = Browser::open(profile.path()).await?;
    let foreign_form = format!(
        "data:text/html,<form method=post action={}/sign-in>\
         <input name=name value=Mallory><input name=password value=demo><button>Win</button></form>",
        server.address
    );
    browser.goto(&foreign_form).await?;
    browser.click("button").await?;
    browser.expect("h1", &["Not from here"]).await?;
    browser.click("a").await?;
    browser.expect("h1", &["Sign in"]).await?;
    browser.quit().await
}

async fn what_a_user_types_is_escaped() -> Result {
    let (server, profile) = (Server::start().await?, TempDir::new()?);
    let browser = Browser::open(profile.path()).await?;
    let name = "<b>Bobby</b> & \"Söhne\"";
    sign_in(&browser, &server, name, Remember::No).await?;
    browser
        .expect(".flash", &[&format!("Welcome, {name}.")])
        .await?;
    browser.expect("main b", &[]).await?;
    browser.quit().await
}

#[derive(Clone, Copy)]
enum Remember {
    Yes,
    No,
}

async fn sign_in(browser: &Browser, server: &Server, name: &str, remember: Remember) -> Result {
    browser.goto(&server.address).await?;
    fill_in(browser, name, "demo", remember).await?;
    browser.expect("#user", &[name]).await
}

async fn fill_in(browser: &Browser, name: &str, password: &str, remember: Remember) -> Result {
    browser.fill("#name", name).await?;
    browser.fill("#password", password).await?;
    if let Remember::Yes = remember {
        browser.click("#remember").await?;
    }
    browser.click("#sign-in").await
}

/// A test that needs the browser: without it, ignored with the reason, or failed where everything has to be there.
fn trial<F>(name: &str, test: fn() -> F) -> Trial
where
    F: Future<Output = Result> + 'static,
{
    Trial::ignorable_test(name, move || {
        let missing = ["chromium", "chromedriver"]
            .into_iter()
            .find(|program| !is_on_path(program));
        match missing.map(|program| format!("{program} is not on the PATH")) {
            None => run(test()),
            Some(why) if variable("ANYSESSION_REQUIRE_ALL").is_none() => {
                Ok(Completion::ignored_with(why))
            }
            Some(why) => Err(format!("{why}, and ANYSESSION_REQUIRE_ALL is set").into()),
        }
    })
}

fn run(test: impl Future<Output = Result>) -> std::result::Result<Completion, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let bounded = async { tokio::time::timeout(Duration::from_secs(120), test).await };
    runtime.block_on(bounded)??;
    Ok(Completion::Completed)
}

fn is_on_path(program: &str) -> bool {
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}

#[expect(
    clippy::disallowed_methods,
    reason = "not a session's setting, but the test's"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
