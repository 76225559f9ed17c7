//! One session, first on one side and then on the other.

use end_to_end::{Answer, Result, Visitor, same};

use crate::site::Site;

/// What one side stores, the other shows, changes and removes.
pub(crate) fn data_is_shared(site: &Site) -> Result {
    for [here, there] in site.both_ways() {
        let visitor = Visitor::default();
        visitor.body(here, "/set/theme/dark")?;
        same!(
            visitor.body(there, "/get/theme")?,
            "dark",
            "what {here} stored"
        );
        visitor.body(there, "/set/theme/light")?;
        visitor.body(there, "/incr/n")?;
        visitor.body(here, "/incr/n")?;
        same!(
            visitor.body(here, "/get/theme")?,
            "light",
            "what {there} changed"
        );
        same!(visitor.body(there, "/get/n")?, "2", "one increment each");
        visitor.body(there, "/remove/theme")?;
        same!(
            visitor.body(here, "/get/theme")?,
            "-",
            "what {there} removed"
        );
    }
    Ok(())
}

pub(crate) fn who_signs_in_on_one_side_signs_out_on_the_other(site: &Site) -> Result {
    for [here, there] in site.both_ways() {
        let visitor = Visitor::default();
        visitor.body(here, "/set/theme/dark")?;
        let anonymous = visitor.cookie();
        visitor.body(here, "/login/ada")?;
        let signed_in = visitor.cookie();
        for side in [here, there] {
            let dump = visitor.dump(side)?;
            same!(dump["user"], "ada", "who is signed in, on {side}");
            same!(
                dump["data"]["theme"],
                "dark",
                "what the visitor had before, on {side}"
            );
            same!(
                Visitor::with_cookie(anonymous.clone()).dump(side)?["user"].as_str(),
                None,
                "who the id from before the sign-in is, on {side}"
            );
        }
        visitor.body(there, "/logout")?;
        same!(
            visitor.cookie(),
            None,
            "the cookie after signing out on {there}"
        );
        for side in [here, there] {
            let dump = Visitor::with_cookie(signed_in.clone()).dump(side)?;
            same!(
                dump["user"].as_str(),
                None,
                "who is signed in afterwards, on {side}"
            );
            same!(
                dump["data"]["theme"].as_str(),
                None,
                "what is left, on {side}"
            );
        }
        same!(
            site.raw(&signed_in.ok_or("no cookie")?)?,
            "-",
            "what is left in the store"
        );
    }
    Ok(())
}

/// `logout_user` alone, as some applications have it: the session stays, without a user.
pub(crate) fn who_signs_out_of_flask_login_only_keeps_the_rest(site: &Site) -> Result {
    let [flask, rust] = site.sides();
    let visitor = Visitor::default();
    visitor.body(rust, "/login/ada")?;
    visitor.body(rust, "/set/theme/dark")?;
    visitor.body(flask, "/logout?only")?;
    let dump = visitor.dump(rust)?;
    same!(dump["user"].as_str(), None, "who is signed in");
    same!(dump["data"]["theme"], "dark", "what is left");
    Ok(())
}

pub(crate) fn a_message_of_one_side_is_shown_by_the_other_once(site: &Site) -> Result {
    for [here, there] in site.both_ways() {
        let visitor = Visitor::default();
        visitor.body(here, "/set/k/v")?;
        visitor.body(here, "/flash/info/saved")?;
        visitor.body(there, "/flash/error/full")?;
        let shown: serde_json::Value = serde_json::from_str(&visitor.body(there, "/flashes")?)?;
        let expected = serde_json::json!([["info", "saved"], ["error", "full"]]);
        same!(shown, expected, "the messages on {there}");
        for side in [here, there] {
            same!(
                visitor.body(side, "/flashes")?.trim(),
                "[]",
                "the same again, on {side}"
            );
        }
    }
    Ok(())
}

pub(crate) fn a_new_id_replaces_the_old_one_on_both_sides(site: &Site) -> Result {
    for [here, there] in site.both_ways() {
        let visitor = Visitor::default();
        visitor.body(there, "/set/k/v")?;
        let old = visitor.cookie();
        visitor.body(here, "/regenerate")?;
        let new = visitor.cookie();
        if new == old {
            return Err(format!("{here} kept the id").into());
        }
        for side in [here, there] {
            same!(visitor.body(side, "/get/k")?, "v", "the new id, on {side}");
            let before = Visitor::with_cookie(old.clone());
            same!(before.body(side, "/get/k")?, "-", "the old id, on {side}");
        }
    }
    Ok(())
}

/// Flask's cookies begin permanent; `session.permanent = False` is no wish of the configuration, but of the session.
pub(crate) fn both_sides_agree_whether_a_cookie_outlives_the_browser(site: &Site) -> Result {
    for [here, there] in site.both_ways() {
        let visitor = Visitor::default();
        let begun = visitor.ask(here, "/set/k/v")?;
        same!(
            outlives(&begun.set_cookie),
            Some(true),
            "a new session of {here}"
        );
        let ended = visitor.ask(here, "/permanent/false")?;
        same!(
            outlives(&ended.set_cookie),
            Some(false),
            "after it was told so"
        );
        same!(
            visitor.dump(there)?["permanent"],
            false,
            "what {there} says"
        );
        let renewed = visitor.ask(there, "/regenerate")?;
        same!(
            outlives(&renewed.set_cookie),
            Some(false),
            "a new id from {there}"
        );
        let again = visitor.ask(there, "/permanent/true")?;
        same!(
            outlives(&again.set_cookie),
            Some(true),
            "when {there} was told so"
        );
        same!(visitor.dump(here)?["permanent"], true, "what {here} says");
    }
    Ok(())
}

/// Says nothing if no cookie was set.
fn outlives(set_cookie: &Option<String>) -> Option<bool> {
    let line = set_cookie.as_ref()?;
    Some(line.contains("Expires=") || line.contains("Max-Age="))
}

/// What has nothing in it any more is deleted, as Flask does it.
pub(crate) fn an_empty_session_is_deleted_by_either_side(site: &Site) -> Result {
    for [here, there] in site.both_ways() {
        for (fill, empty) in [
            ("/set/k/v", "/remove/k"),
            ("/set/k/v", "/clear"),
            ("/flash/a/b", "/flashes"),
        ] {
            let visitor = Visitor::default();
            visitor.body(here, fill)?;
            let cookie = visitor.cookie().ok_or("no cookie")?;
            visitor.body(there, empty)?;
            same!(site.raw(&cookie)?, "-", "after {empty} on {there}");
            same!(
                visitor.cookie(),
                None,
                "the cookie after {empty} on {there}"
            );
        }
    }
    Ok(())
}

/// Its lifetime begins anew with each write of either side.
pub(crate) fn both_sides_keep_a_session_equally_long(site: &Site) -> Result {
    let lifetime = site.lifetime_in_seconds;
    for [here, there] in site.both_ways() {
        let visitor = Visitor::default();
        visitor.body(here, "/set/k/v")?;
        visitor.body(there, "/set/l/w")?;
        let cookie = visitor.cookie().ok_or("no cookie")?;
        let path = format!("/ttl/{}", crate::site::id_of(&cookie)?);
        let left: i64 = Visitor::default().body(site.flask(), &path)?.parse()?;
        if !(lifetime - 60..=lifetime + 1).contains(&left) {
            return Err(format!("after a write of {there}: {left} seconds are left").into());
        }
    }
    Ok(())
}

/// But for its value, and for the second in which it ends.
pub(crate) fn both_sides_set_the_same_cookie(site: &Site) -> Result {
    for [here, there] in site.both_ways() {
        let visitor = Visitor::default();
        let begun = attributes(&visitor.ask(here, "/set/k/v")?)?;
        let renewed = attributes(&visitor.ask(there, "/regenerate")?)?;
        same!(
            renewed,
            begun,
            "a new id of {there} after a new session of {here}"
        );
    }
    Ok(())
}

fn attributes(answer: &Answer) -> Result<Vec<String>> {
    let line = answer.set_cookie.as_ref().ok_or("no cookie was set")?;
    let mut parts = line.split("; ").map(|part| match part.split_once('=') {
        Some((name @ ("SameSite" | "Domain" | "Path"), value)) => format!("{name}={value}"),
        Some((name, _)) => name.to_owned(),
        None => part.to_owned(),
    });
    let name = parts.next().unwrap_or_default();
    let mut attributes: Vec<_> = parts.collect();
    attributes.sort();
    attributes.insert(0, name);
    Ok(attributes)
}
