//! Cookie headers as no browser of ours sends them.

use super::http::{COOKIE, Request};
use super::site::World;
use super::{Failure, ensure_eq};
use crate::suite::ensure;

pub(super) async fn a_malformed_id_costs_no_round_trip(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let owner = site.visitor(&["/set/k/v"]).await?;
    let id = owner.own_id()?;
    let mut hostile: Vec<Vec<u8>> = [
        "",
        "../../x",
        "/etc/passwd",
        "a/b",
        "%2e%2e",
        "' OR 1=1",
        "*",
        "{x}",
        "-x",
        "a\0b",
        "a\rb",
        "\u{a0}",
    ]
    .map(|id| id.as_bytes().to_vec())
    .into();
    hostile.push(b"\xff".to_vec());
    hostile.push(vec![b'a'; 5000]);
    hostile.push(id.as_bytes()[1..].to_vec());
    hostile.push(format!("{id}a").into_bytes());
    hostile.push(format!("{id}=").into_bytes());
    hostile.push(format!("\"{id}\"").into_bytes());
    hostile.push(format!("{id}\u{a0}").into_bytes());
    for id in hostile {
        let shown = String::from_utf8_lossy(&id).into_owned();
        let browser = site.browser();
        let request = browser.send(Request::get("/get/k").id(&id));
        let (cost, response) = site.cost(request).await?;
        let refused_by_the_server = (400..500).contains(&response.status);
        ensure!(
            refused_by_the_server || (response.status, response.text().as_str()) == (200, "-"),
            "a malformed id is no session, but {shown:?}: {response:?}"
        );
        ensure_eq!(cost.total(), 0, "round trips of the malformed id {shown:?}");
        ensure_eq!(response.session_cookies(), [], "cookies for {shown:?}");
    }
    Ok(())
}

pub(super) async fn an_id_of_the_right_length_costs_one_look_up_at_most(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let owner = site.visitor(&["/set/k/v"]).await?;
    let other_case: String = (owner.own_id()?.chars())
        .map(|c| match c.is_ascii_lowercase() {
            true => c.to_ascii_uppercase(),
            false => c.to_ascii_lowercase(),
        })
        .collect();
    let hostile: [Vec<u8>; 5] = [
        b"../../../../../../../../../../../etc/passwd".to_vec(),
        b"00000000000000000000000000' OR 1=1 OR 'a'='".to_vec(),
        vec![b'*'; 43],
        vec![0xff; 43],
        other_case.into_bytes(),
    ];
    for id in hostile {
        let shown = String::from_utf8_lossy(&id).into_owned();
        ensure_eq!(id.len(), 43, "the trial's own id {shown}");
        let browser = site.browser();
        let request = browser.send(Request::get("/get/k").id(&id));
        let (cost, response) = site.cost(request).await?;
        ensure_eq!(
            (response.status, response.text().as_str()),
            (200, "-"),
            "what {shown} shows"
        );
        ensure!(
            cost.load <= 1 && cost.writes() == 0,
            "an id that nobody has costs one look-up at most, but {shown}: {cost:?}"
        );
        ensure_eq!(response.session_cookies(), [], "cookies for {shown}");
    }
    Ok(())
}

pub(super) async fn the_cookie_header_is_read_byte_by_byte(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let good = site.visitor(&["/set/k/good"]).await?.own_id()?;
    let evil = site.visitor(&["/set/k/evil"]).await?.own_id()?;
    for (header, expected) in [
        (format!("__%48ost-id={evil}"), "-"),
        (format!("__Host-id={good}; __%48ost-id={evil}"), "good"),
        (format!("\u{2000}__Host-id={evil}"), "-"),
        (format!("a=1; \u{2000}__Host-id={evil}"), "-"),
        (format!("\u{a0}__Host-id={evil}"), "-"),
        (format!("=__Host-id={evil}"), "-"),
        (format!("__host-id={evil}"), "-"),
        (format!("__Host-id2={evil}; x__Host-id={evil}"), "-"),
        (format!("id={evil}"), "-"),
        (format!("a=é; __Host-id={good}"), "good"),
        (format!("__Host-id=\"{good}\""), "-"),
        (format!("foo; __Host-id={good}"), "good"),
        (format!("a=1,__Host-id={evil}"), "-"),
        (format!("a=\"x; __Host-id={good}; y\""), "good"),
        (format!("$Version=1; __Host-id={good}; $Path=/"), "good"),
        (format!(";;a=1;\t__Host-id \t= {good}\t;b"), "good"),
        (format!("__Host-id={good};__Host-id={evil}"), "good"),
        (format!("__Host-id; __Host-id={good}"), "good"),
    ] {
        let shown = header.replace(&good, "GOOD").replace(&evil, "EVIL");
        let response = site
            .browser()
            .send(Request::get("/get/k").cookies(header))
            .await?;
        ensure_eq!(response.text(), expected, "what `{shown}` shows");
    }
    Ok(())
}

pub(super) async fn a_byte_that_is_no_utf8_in_anothers_cookie_does_no_harm(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let good = site.visitor(&["/set/k/good"]).await?.own_id()?;
    let header = [b"a=\xff; __Host-id=", good.as_bytes()].concat();
    let response = site
        .browser()
        .send(Request::get("/get/k").cookies(header))
        .await?;
    ensure_eq!(response.text(), "good", "what `a=\\xff; GOOD` shows");
    Ok(())
}

/// Of a framework that hands on no such line: its visitor is anonymous for this request, and that is all.
pub(super) async fn a_cookie_line_with_a_byte_that_is_no_utf8_is_dropped(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let good = site.visitor(&["/set/k/good"]).await?.own_id()?;
    let line = [b"a=\xff; __Host-id=", good.as_bytes()].concat();
    for (page, expected) in [("/get/k", "-"), ("/logout", "ok")] {
        let browser = site.browser();
        let request = browser.send(Request::get(page).cookies(&line));
        let (cost, response) = site.cost(request).await?;
        ensure_eq!(
            (response.status, response.text().as_str()),
            (200, expected),
            "what `a=\\xff; GOOD` shows at {page}"
        );
        ensure_eq!(cost.total(), 0, "its round trips at {page}");
        ensure_eq!(response.session_cookies(), [], "its cookies at {page}");
    }
    let request = Request::get("/get/k").cookies(b"a=\xff").id(&good);
    let response = site.browser().send(request).await?;
    ensure_eq!(response.text(), "good", "what the next line shows");
    Ok(())
}

pub(super) async fn several_cookie_headers_are_all_read(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let id = site.visitor(&["/set/k/v"]).await?.own_id()?;
    let get = || Request::get("/get/k");
    for request in [
        get().id(&id).cookies("a=1").cookies("b=2"),
        get().cookies("a=1").id(&id).cookies("b=2"),
        get().cookies("a=1").cookies("b=2").id(&id),
        get().id("0".repeat(43)).id(&id),
    ] {
        let response = site.browser().send(request).await?;
        ensure_eq!(
            response.text(),
            "v",
            "what the second of three Cookie headers shows"
        );
    }
    Ok(())
}

pub(super) async fn of_several_cookies_the_first_that_loads_counts(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let browser = site.visitor(&["/set/k/v"]).await?;
    let replaced = browser.own_id()?;
    browser.ok("/regenerate").await?;
    let id = browser.own_id()?;
    let unknown = "0".repeat(43);
    for header in [
        format!("{COOKIE}={replaced}; {COOKIE}={id}"),
        format!("{COOKIE}={id}; {COOKIE}={replaced}"),
        format!("{COOKIE}={unknown}; {COOKIE}={id}"),
        format!("{COOKIE}=x; {COOKIE}={id}"),
        format!("{COOKIE}={id}; {COOKIE}={unknown}"),
        format!("{COOKIE}={id}; {COOKIE}={id}"),
    ] {
        let request = Request::get("/get/k").cookies(&header);
        let response = site.browser().send(request).await?;
        ensure_eq!(response.text(), "v", "what the cookie that loads shows");
        ensure_eq!(response.session_cookies(), [], "cookies of several cookies");
    }
    Ok(())
}

pub(super) async fn a_thousand_cookies_of_our_name_cost_four_look_ups(
    world: World,
) -> Result<(), Failure> {
    let site = world.site().await?;
    let cookies: Vec<String> = (0..1000).map(|n| format!("{COOKIE}={n:043}")).collect();
    let request = Request::get("/get/k").cookies(cookies.join("; "));
    let browser = site.browser();
    let (cost, response) = site.cost(browser.send(request)).await?;
    ensure_eq!(
        response.status,
        200,
        "status of a request with 1,000 cookies"
    );
    ensure!(
        cost.total() <= 4,
        "at most 4 cookies of our name are looked up, but: {cost:?}"
    );
    Ok(())
}

pub(super) async fn ten_thousand_other_cookies_do_no_harm(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let id = site.visitor(&["/set/k/v"]).await?.own_id()?;
    let others = "a=1; ".repeat(10_000);
    let request = Request::get("/get/k").cookies(format!("{others}{COOKIE}={id}"));
    let browser = site.browser();
    let (cost, response) = site.cost(browser.send(request)).await?;
    ensure_eq!(
        response.text(),
        "v",
        "the session behind 10,000 other cookies"
    );
    ensure_eq!(cost.total(), 1, "its round trips");
    Ok(())
}

pub(super) async fn a_64_kib_cookie_header_does_no_harm(world: World) -> Result<(), Failure> {
    let site = world.site().await?;
    let id = site.visitor(&["/set/k/v"]).await?.own_id()?;
    let large = "x".repeat(64 * 1024);
    let request = Request::get("/get/k").cookies(format!("a={large}; {COOKIE}={id}"));
    let response = site.browser().send(request).await?;
    ensure_eq!(
        response.text(),
        "v",
        "the session behind a cookie of 64 KiB"
    );
    ensure_eq!(response.session_cookies(), [], "cookies for it");
    Ok(())
}
