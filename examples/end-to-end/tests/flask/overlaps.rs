//! Requests of both sides at the same time. Of Rust's the trials hold one in their own hands, of Flask's one at a gate.

use std::thread;

use end_to_end::{Answer, Result, Visitor, same};

use crate::site::{Gate, Site};

pub(crate) fn what_flask_writes_meanwhile_is_kept(site: &Site) -> Result {
    let (visitor, cookie) = begin(site.flask())?;
    let late = site.requests()?.begin(&cookie)?;
    visitor.body(site.flask(), "/set/flask/written")?;
    visitor.body(site.flask(), "/incr/n")?;
    late.session.insert("rust", "written")?;
    late.session.update("n", |n: &mut u64| *n += 1)?;
    late.end()?;
    for side in site.sides() {
        same!(visitor.body(side, "/get/flask")?, "written", "on {side}");
        same!(visitor.body(side, "/get/rust")?, "written", "on {side}");
        same!(
            visitor.body(side, "/get/n")?,
            "2",
            "one increment each, on {side}"
        );
    }
    Ok(())
}

pub(crate) fn what_flask_ends_meanwhile_stays_dead(site: &Site) -> Result {
    for ending in ["/logout", "/clear", "/regenerate"] {
        let (visitor, cookie) = begin(site.flask())?;
        let late = site.requests()?.begin(&cookie)?;
        visitor.body(site.flask(), ending)?;
        late.session.insert("rust", "written")?;
        same!(
            late.end()?,
            None,
            "the cookie of a request that was late for {ending}"
        );
        same!(site.raw(&cookie)?, "-", "what is stored after {ending}");
    }
    Ok(())
}

/// With `SESSION_REFRESH_EACH_REQUEST = False`, which the guide asks for.
pub(crate) fn a_request_of_flask_that_only_reads_undoes_nothing(site: &Site) -> Result {
    let (visitor, cookie) = begin(site.rust())?;
    let late = overlapping(site, &visitor, "/get/k", || {
        visitor.body(site.rust(), "/set/rust/written").map(drop)
    })?;
    same!(late.body, "v", "what Flask has read");
    same!(late.cookie, None, "the cookie of Flask's answer");
    same!(
        visitor.body(site.flask(), "/get/rust")?,
        "written",
        "what Rust wrote meanwhile"
    );

    let gone = Visitor::with_cookie(Some(cookie.clone()));
    let late = overlapping(site, &gone, "/get/k", || {
        visitor.body(site.rust(), "/logout").map(drop)
    })?;
    same!(
        late.cookie,
        None,
        "the cookie of Flask's answer after a log-out"
    );
    same!(site.raw(&cookie)?, "-", "what is stored after a log-out");
    Ok(())
}

/// What nobody but Flask can prevent, and docs/flask.md tells: it writes all that it has read, whatever there is by then.
pub(crate) fn a_late_write_of_flask_overwrites_what_rust_did(site: &Site) -> Result {
    undoes(site, "/set/flask/written")
}

/// With Flask's default settings a request that only reads writes as well.
pub(crate) fn by_default_a_late_read_of_flask_overwrites_what_rust_did(site: &Site) -> Result {
    undoes(site, "/get/k")
}

fn undoes(site: &Site, page: &str) -> Result {
    let (visitor, _) = begin(site.rust())?;
    overlapping(site, &visitor, page, || {
        visitor.body(site.rust(), "/set/rust/written").map(drop)
    })?;
    same!(
        visitor.body(site.rust(), "/get/rust")?,
        "-",
        "what Rust wrote meanwhile"
    );

    for ending in ["/logout", "/regenerate"] {
        let (visitor, cookie) = begin(site.rust())?;
        let late = Visitor::with_cookie(Some(cookie.clone()));
        overlapping(site, &late, page, || {
            visitor.body(site.rust(), ending).map(drop)
        })?;
        let old = Visitor::with_cookie(Some(cookie));
        same!(
            old.body(site.rust(), "/get/k")?,
            "v",
            "what {ending} has ended"
        );
    }
    Ok(())
}

/// Many at once; what each side has counted says whether one was lost.
pub(crate) fn no_write_of_rust_is_lost_beside_reads_of_flask(site: &Site) -> Result {
    let (visitor, _) = begin(site.flask())?;
    thread::scope(|scope| {
        let writers = (0..4).map(|_| scope.spawn(|| ask(&visitor, site.rust(), "/incr/rust", 25)));
        let readers = (0..2).map(|_| scope.spawn(|| ask(&visitor, site.flask(), "/get/rust", 25)));
        all(writers.chain(readers).collect())
    })?;
    same!(
        visitor.body(site.flask(), "/get/rust")?,
        "100",
        "four times twenty-five"
    );
    Ok(())
}

/// Of Flask's own there is one at a time: two of them would lose each other's writes without any Rust.
pub(crate) fn no_write_of_flask_is_lost_beside_writes_of_rust(site: &Site) -> Result {
    let (visitor, _) = begin(site.flask())?;
    thread::scope(|scope| {
        let ours = (0..3).map(|_| scope.spawn(|| ask(&visitor, site.rust(), "/incr/rust", 30)));
        let flask = scope.spawn(|| ask(&visitor, site.flask(), "/incr/flask", 40));
        all(ours.chain([flask]).collect())
    })?;
    same!(
        visitor.body(site.rust(), "/get/flask")?,
        "40",
        "what Flask has counted"
    );
    Ok(())
}

fn ask(visitor: &Visitor, side: &str, page: &str, times: usize) -> Result {
    (0..times).try_for_each(|_| visitor.body(side, page).map(drop))
}

fn all(threads: Vec<thread::ScopedJoinHandle<'_, Result>>) -> Result {
    threads.into_iter().try_for_each(|thread| {
        thread
            .join()
            .unwrap_or_else(|_| Err("a request panicked".into()))
    })
}

fn begin(side: &str) -> Result<(Visitor, String)> {
    let visitor = Visitor::default();
    visitor.body(side, "/login/ada")?;
    visitor.body(side, "/set/k/v")?;
    let cookie = visitor.cookie().ok_or("no cookie")?;
    Ok((visitor, cookie))
}

/// A request of Flask's that has loaded its session before something happens, and goes on afterwards.
fn overlapping(
    site: &Site,
    visitor: &Visitor,
    page: &str,
    meanwhile: impl FnOnce() -> Result,
) -> Result<Answer> {
    let gate = Gate::new()?;
    let page = format!("{page}?{}", gate.query()?);
    thread::scope(|scope| {
        let request = scope.spawn(|| {
            let answer = visitor.ask(site.flask(), &page);
            gate.give_up()?;
            answer
        });
        let held = gate.arrival()?;
        let done = meanwhile();
        drop(held);
        let answer = request.join().map_err(|_| "a request panicked")??;
        done?;
        match answer.status {
            200 => Ok(answer),
            _ => Err(format!("{page} is answered with {}", answer.body).into()),
        }
    })
}
