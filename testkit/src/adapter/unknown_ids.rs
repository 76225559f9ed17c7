//! An id that the store does not know is never adopted.

use anysession::Store;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::http::Request;
use super::site::{Site, World, key_of};
use super::{Failure, ensure_eq};
use crate::suite::ensure;

const STEPS: [&str; 8] = [
    "get",
    "set",
    "remove",
    "clear",
    "logout",
    "regenerate",
    "login",
    "save",
];

pub(super) async fn an_unknown_id_is_never_adopted(world: World) -> Result<(), Failure> {
    is_never_adopted(&world.site().await?, &nobodys_id(0)).await
}

pub(super) async fn an_empty_id_is_never_adopted(world: World) -> Result<(), Failure> {
    is_never_adopted(&world.site().await?, "").await
}

pub(super) async fn the_id_of_a_destroyed_session_is_never_adopted(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let id = browser.own_id()?;
    browser.ok("/logout").await?;
    is_never_adopted(&site, &id).await
}

pub(super) async fn guessing_ids_writes_nothing(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let before = site.store.counts();
    for guess in 0..1000 {
        let response = site
            .browser()
            .send(Request::get("/get/k").id(nobodys_id(guess)))
            .await?;
        ensure_eq!(response.text(), "-", "what a guessed id shows");
        ensure_eq!(response.session_cookies(), [], "cookies for a guessed id");
        let response = site.browser().get("/get/k").await?;
        ensure_eq!(response.session_cookies(), [], "cookies without a cookie");
    }
    let cost = site.store.counts().since(&before);
    ensure_eq!(
        (cost.load, cost.total()),
        (1000, 1000),
        "loads and round trips of 1,000 guessed ids and 1,000 requests without one"
    );
    Ok(())
}

pub(super) async fn log_out_without_a_session_writes_nothing(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let unknown = site.browser().with_id(nobodys_id(1));
    for browser in [site.browser(), unknown] {
        let (cost, response) = site.cost(browser.get("/logout")).await?;
        ensure_eq!(cost.writes(), 0, "writes of a log-out without a session");
        ensure_eq!(
            response.session_cookies(),
            [],
            "cookies of a log-out without a session: no removal either"
        );
    }
    Ok(())
}

/// Tries every sequence of up to three steps.
async fn is_never_adopted(site: &Site, id: &str) -> Result<(), Failure> {
    let key = key_of(id);
    for sequence in sequences() {
        let request = Request::get(&format!("/do/{sequence}")).id(id);
        let response = site.browser().send(request).await?;
        ensure_eq!(response.status, 200, "status of {sequence}");
        for cookie in response.session_cookies() {
            // A session that `save` began is this request's own, and may be ended by it.
            ensure!(
                !cookie.removes() || sequence.contains("save"),
                "an id that the store does not know gets no removal cookie, but {sequence} sends one"
            );
            ensure!(
                cookie.removes() || cookie.value != id,
                "the client's id is never adopted, but {sequence} sends it back"
            );
        }
        ensure!(
            site.ledger.load(&key).await?.is_none(),
            "the client's id is never in the store, but {sequence} stores it"
        );
    }
    Ok(())
}

fn sequences() -> Vec<String> {
    let mut all = Vec::new();
    let mut longest = vec![String::new()];
    for _length in 1..=3 {
        longest = longest
            .iter()
            .flat_map(|start| STEPS.map(|step| format!("{start}/{step}")))
            .collect();
        all.extend(
            longest
                .iter()
                .map(|steps| steps.trim_start_matches('/').to_owned()),
        );
    }
    all
}

/// A well-formed id that no session has.
fn nobodys_id(n: u32) -> String {
    URL_SAFE_NO_PAD.encode(key_of(n.to_le_bytes()).as_bytes())
}
