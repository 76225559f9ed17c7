//! A user's sessions.

use std::time::Duration;

use serde_json::Value;

use super::browser::{Browser, reached};
use super::site::{World, key_of};
use super::{Failure, ensure_eq};
use crate::suite::ensure;
use crate::{TestClock, Verb};

const NOBODY: &str = r#"{"data":{},"permanent":false,"user":null}"#;

pub(super) async fn a_users_sessions_are_listed_with_the_current_one_marked(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let laptop = site.visitor(&["/login/alice"]).await?;
    site.clock.advance(Duration::from_secs(60));
    let phone = site.visitor(&["/set/k/v", "/login/alice"]).await?;
    site.visitor(&["/login/bob"]).await?;
    site.visitor(&["/set/k/v"]).await?;
    let list = list(&phone).await?;
    ensure_eq!(list.len(), 2, "sessions of a user who has signed in twice");
    let start = TestClock::START.as_millis();
    let lifetime = site.sessions.config().lifetime().as_millis() as u64;
    for (session, current, began) in [(&list[0], true, start + 60_000), (&list[1], false, start)] {
        ensure_eq!(session["current"], Value::from(current), "current");
        ensure_eq!(session["created"], Value::from(began), "created");
        ensure_eq!(session["last_seen"], Value::from(began), "last_seen");
        ensure_eq!(session["expires"], Value::from(began + lifetime), "expires");
    }
    for browser in [laptop, phone] {
        let id = browser.own_id()?;
        let key = key_of(&id).to_string();
        let shown = browser.ok("/sessions").await?;
        ensure!(
            !shown.contains(&id) && !shown.contains(&key),
            "a handle is neither the id nor the key"
        );
    }
    Ok(())
}

pub(super) async fn one_session_is_ended_by_its_handle(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let laptop = site.visitor(&["/login/alice"]).await?;
    let phone = site.visitor(&["/login/alice"]).await?;
    let handle = handle(&laptop, false).await?;
    let answer = laptop.ok(&format!("/end/{handle}")).await?;
    ensure_eq!(answer, "true", "ending a session by its handle");
    ensure_eq!(
        phone.ok("/dump").await?,
        NOBODY,
        "what the ended session shows"
    );
    ensure_eq!(list(&laptop).await?.len(), 1, "sessions left");
    let again = laptop.ok(&format!("/end/{handle}")).await?;
    ensure_eq!(again, "false", "ending it again");

    let own = self::handle(&laptop, true).await?;
    let response = laptop.get(&format!("/end/{own}")).await?;
    ensure_eq!(response.text(), "true", "ending this session by its handle");
    ensure!(
        response.session_cookie()?.removes(),
        "ending this session removes its cookie"
    );
    ensure!(site.snapshot().await?.is_empty(), "nothing is left");
    Ok(())
}

pub(super) async fn a_handle_of_somebody_else_ends_nothing(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let alice = site.visitor(&["/login/alice"]).await?;
    let bob = site.visitor(&["/login/bob"]).await?;
    let handle = handle(&alice, true).await?;
    let answer = bob.ok(&format!("/end/{handle}")).await?;
    ensure_eq!(answer, "false", "ending a session of somebody else's");
    ensure_eq!(list(&alice).await?.len(), 1, "sessions of the other user");
    Ok(())
}

pub(super) async fn the_other_sessions_are_ended(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(site.visitor(&["/login/alice"]).await?);
    }
    let bob = site.visitor(&["/login/bob"]).await?;
    let this = site.visitor(&["/login/alice"]).await?;
    ensure_eq!(
        this.ok("/revoke-others").await?,
        "3",
        "other sessions ended"
    );
    for other in others {
        ensure_eq!(
            other.ok("/dump").await?,
            NOBODY,
            "what an ended session shows"
        );
    }
    ensure_eq!(this.ok("/read/user").await?, r#""alice""#, "this session");
    ensure_eq!(
        bob.ok("/read/user").await?,
        r#""bob""#,
        "another user's session"
    );
    ensure_eq!(this.ok("/revoke-others").await?, "0", "others ended then");
    Ok(())
}

pub(super) async fn ending_the_others_spares_a_session_that_was_regenerated(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let this = site.visitor(&["/login/alice", "/regenerate"]).await?;
    let other = site.visitor(&["/login/alice", "/regenerate"]).await?;
    this.ok("/regenerate").await?;
    // The old ids still stand in the store, under the same user.
    ensure_eq!(
        this.ok("/revoke-others").await?,
        "1",
        "other sessions ended"
    );
    ensure_eq!(this.ok("/read/user").await?, r#""alice""#, "this session");
    ensure_eq!(
        other.ok("/dump").await?,
        NOBODY,
        "what the ended session shows"
    );
    ensure_eq!(list(&this).await?.len(), 1, "sessions left");
    Ok(())
}

pub(super) async fn ending_the_others_finds_a_log_in_that_came_in_between(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let this = site.visitor(&["/login/alice"]).await?;
    let listed = site.store.pause_after(Verb::KeysOfUser);
    let revoking = tokio::spawn(async move { this.ok("/revoke-others").await });
    let listed = reached(listed, "/revoke-others").await?;
    let other = site.visitor(&["/login/alice"]).await?;
    listed.release();
    ensure_eq!(revoking.await??, "1", "other sessions ended");
    ensure_eq!(
        other.ok("/dump").await?,
        NOBODY,
        "what the session shows that came in between"
    );
    Ok(())
}

pub(super) async fn all_sessions_are_ended(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let other = site.visitor(&["/login/alice"]).await?;
    let this = site.visitor(&["/login/alice", "/set/k/v"]).await?;
    let bob = site.visitor(&["/login/bob"]).await?;
    let gone = this.twin();
    let response = this.get("/end-all").await?;
    ensure_eq!(response.text(), "1", "others ended");
    ensure!(
        response.session_cookie()?.removes(),
        "ending all sessions removes this one's cookie"
    );
    for browser in [gone, other] {
        ensure_eq!(
            browser.ok("/dump").await?,
            NOBODY,
            "what an ended session shows"
        );
    }
    ensure_eq!(
        bob.ok("/read/user").await?,
        r#""bob""#,
        "another user's session"
    );
    Ok(())
}

pub(super) async fn without_a_user_it_is_401(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let anonymous = site.visitor(&["/set/k/v"]).await?;
    for browser in [anonymous, site.browser()] {
        for page in [
            "/sessions",
            "/revoke-others",
            "/end/x",
            "/end-all",
            "/recent/60",
        ] {
            let response = browser.get(page).await?;
            ensure_eq!(
                (response.status, response.text().as_str()),
                (401, ""),
                "status and body of {page} when nobody is signed in"
            );
        }
    }
    Ok(())
}

pub(super) async fn require_recent_asks_to_sign_in_again(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/login/alice"]).await?;
    site.clock.advance(Duration::from_secs(60));
    ensure_eq!(
        browser.ok("/recent/60").await?,
        "ok",
        "60 s after the log-in"
    );
    site.clock.advance(Duration::from_millis(1));
    ensure_eq!(browser.get("/recent/60").await?.status, 401, "1 ms later");
    browser.ok("/regenerate").await?;
    let status = browser.get("/recent/60").await?.status;
    ensure_eq!(status, 401, "after regenerate, which is no log-in");
    browser.ok("/login/alice").await?;
    ensure_eq!(
        browser.ok("/recent/60").await?,
        "ok",
        "after signing in again"
    );
    Ok(())
}

async fn list(browser: &Browser) -> Result<Vec<Value>, Failure> {
    let text = browser.ok("/sessions").await?;
    match serde_json::from_str(&text) {
        Ok(Value::Array(list)) => Ok(list),
        _ => Err(Failure::new(format!("/sessions is a list, but: {text}"))),
    }
}

/// The handle of this session, or of another one.
async fn handle(browser: &Browser, current: bool) -> Result<String, Failure> {
    let list = list(browser).await?;
    let session = list.iter().find(|session| session["current"] == current);
    let handle = session.and_then(|session| session["handle"].as_str());
    let handle = handle.ok_or_else(|| Failure::new("every session has a handle"))?;
    Ok(handle.to_owned())
}
