//! The cookie's secret reaches nothing but the cookie.

use super::site::World;
use super::{Failure, logs};
use crate::suite::ensure;
use crate::{Fault, Verb};

/// Every trial of this suite ends with the same check; this one takes care that there is something to find.
pub(super) async fn no_id_reaches_a_log_line_or_the_store(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    ensure!(
        logs::is_heard(),
        "the suite hears all log lines of this process, but another subscriber was installed first"
    );
    let browser = site.browser();
    for page in [
        "/set/k/v",
        "/login/alice",
        "/regenerate",
        "/sessions",
        "/flash/info/hello",
        "/flashes?save",
        "/permanent/true",
        "/revoke-others",
        "/fail/k/w",
        "/recent/0",
        "/big/1000000",
        "/status/500",
        "/no-such-route",
        "/relogin/bob",
        "/renew/k/w",
        "/logout",
        "/set/k/v",
    ] {
        browser.get(page).await?;
        let old = browser.twin();
        old.get("/regenerate").await?;
        old.get("/get/k").await?;
    }
    for (verb, page) in [
        (Verb::Load, "/get/k"),
        (Verb::Put, "/set/k/v"),
        (Verb::Put, "/regenerate"),
        (Verb::Delete, "/logout"),
    ] {
        for fault in [Fault::FailBefore, Fault::FailAfter] {
            let browser = site.visitor(&["/set/k/v"]).await?;
            site.store.once(verb, fault);
            browser.get(page).await?;
        }
    }
    let late = browser.hold("/set/late/1").await?;
    browser.ok("/logout").await?;
    late.finish().await?;
    let id = site.visitor(&["/set/k/v"]).await?.own_id()?;
    let shown = site.debug_output(&id).await;
    ensure!(
        shown.contains(r#"keys: ["k"]"#),
        "a session that is loaded is shown by its keys, but: {shown}"
    );
    site.keeps_its_ids_secret().await
}
