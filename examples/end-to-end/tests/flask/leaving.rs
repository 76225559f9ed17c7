//! The last step: sessions are moved out of Flask's layout when they are first asked for.

use std::thread;

use end_to_end::{Result, Visitor, same};

use crate::site::Site;

pub(crate) fn whoever_leaves_flask_stays_signed_in(site: &Site) -> Result {
    const VISITS: usize = 8;
    let visitor = Visitor::default();
    // Nobody else is called so on this server, which other trials use too.
    visitor.body(site.flask(), "/set/theme/dark")?;
    let user = format!(
        "ada-{}",
        crate::site::id_of(&visitor.cookie().ok_or("no cookie")?)?
    );
    visitor.body(site.flask(), &format!("/login/{user}"))?;
    visitor.body(site.flask(), "/store/list")?;
    visitor.body(site.flask(), "/flash/info/hello")?;
    let cookie = visitor.cookie().ok_or("no cookie")?;

    let rust = site.leave_flask()?;
    // Whichever of these moves the session, the others find it.
    thread::scope(|scope| {
        let visits = [(); VISITS].map(|()| {
            scope
                .spawn(|| Visitor::with_cookie(Some(cookie.clone())).body(&rust.address, "/incr/n"))
        });
        visits.into_iter().try_for_each(|visit| {
            let body = visit.join().map_err(|_| "a visit panicked")?;
            body.map(drop)
        })
    })?;
    same!(site.raw(&cookie)?, "-", "what is left in Flask's layout");
    let dump = visitor.dump(&rust.address)?;
    same!(dump["user"], user.as_str(), "who is signed in");
    same!(
        dump["permanent"],
        true,
        "whether the cookie outlives the browser"
    );
    same!(dump["data"]["theme"], "dark", "what Flask has stored");
    same!(dump["data"]["v"][1], "two", "in a list");
    same!(dump["data"]["n"], VISITS, "what all visits counted");
    let flashes = visitor.body(&rust.address, "/flashes")?;
    same!(
        flashes,
        r#"[["info","hello"]]"#,
        "a message that Flask has left"
    );

    visitor.body(&rust.address, "/regenerate")?;
    same!(
        visitor.dump(&rust.address)?["user"],
        user.as_str(),
        "who is signed in under a new id"
    );
    let old = Visitor::with_cookie(Some(cookie));
    same!(
        old.dump(&rust.address)?["user"].as_str(),
        None,
        "who the old id is"
    );
    let sessions = visitor.body(&rust.address, "/sessions")?;
    let sessions: serde_json::Value = serde_json::from_str(&sessions)?;
    same!(
        sessions.as_array().map(Vec::len),
        Some(1),
        "the user's sessions"
    );
    Ok(())
}
