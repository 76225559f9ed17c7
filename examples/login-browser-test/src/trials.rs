//! What people do with a login example. Each function is a trial.

use tempfile::TempDir;

use crate::Result;
use crate::chromium::Browser;
use crate::server::{Example, Server};

pub(crate) async fn a_reload_counts_up(example: Example) -> Result {
    let (server, profile) = (example.start().await?, TempDir::new()?);
    let browser = Browser::open(profile.path()).await?;
    sign_in(&browser, &server, "Ada", Remember::No).await?;
    browser.expect("#visits", &["1"]).await?;
    browser.reload().await?;
    browser.expect("#visits", &["2"]).await?;
    browser.expect(".flash", &[]).await?;
    browser.quit().await
}

pub(crate) async fn a_wrong_password_is_told_once(example: Example) -> Result {
    let (server, profile) = (example.start().await?, TempDir::new()?);
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

pub(crate) async fn signing_in_changes_the_id(example: Example) -> Result {
    let (server, profile) = (example.start().await?, TempDir::new()?);
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

pub(crate) async fn the_theme_survives_sign_in_and_restart(example: Example) -> Result {
    let (server, profile) = (example.start().await?, TempDir::new()?);
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

pub(crate) async fn unremembered_it_ends_with_the_browser(example: Example) -> Result {
    let (server, profile) = (example.start().await?, TempDir::new()?);
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

pub(crate) async fn remembered_it_outlives_the_browser(example: Example) -> Result {
    let (server, profile) = (example.start().await?, TempDir::new()?);
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

pub(crate) async fn signing_out_in_one_tab_ends_the_other(example: Example) -> Result {
    let (server, profile) = (example.start().await?, TempDir::new()?);
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

pub(crate) async fn back_shows_nothing_after_signing_out(example: Example) -> Result {
    let (server, profile) = (example.start().await?, TempDir::new()?);
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

pub(crate) async fn one_device_ends_another(example: Example) -> Result {
    let (server, profiles) = (example.start().await?, [TempDir::new()?, TempDir::new()?]);
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

pub(crate) async fn one_device_ends_all_others(example: Example) -> Result {
    let (server, profiles) = (example.start().await?, [TempDir::new()?, TempDir::new()?]);
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

pub(crate) async fn it_survives_a_killed_server(example: Example) -> Result {
    let (server, profile) = (example.start().await?, TempDir::new()?);
    let browser = Browser::open(profile.path()).await?;
    sign_in(&browser, &server, "Ada", Remember::No).await?;
    browser.expect("#visits", &["1"]).await?;
    let server = server.kill_and_restart().await?;
    browser.goto(&server.address).await?;
    browser.expect("#user", &["Ada"]).await?;
    browser.expect("#visits", &["2"]).await?;
    browser.quit().await
}

pub(crate) async fn it_works_without_javascript(example: Example) -> Result {
    let (server, profile) = (example.start().await?, TempDir::new()?);
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

pub(crate) async fn forms_of_other_sites_are_refused(example: Example) -> Result {
    let (server, profile) = (example.start().await?, TempDir::new()?);
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

pub(crate) async fn what_a_user_types_is_escaped(example: Example) -> Result {
    let (server, profile) = (example.start().await?, TempDir::new()?);
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
