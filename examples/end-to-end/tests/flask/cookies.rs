//! Signatures, and what flask-login recognises a client by.

use anysession::flask;
use end_to_end::{Result, USER_AGENT, Visitor, same};

use crate::site::Site;

/// With `SESSION_USE_SIGNER`.
pub(crate) fn only_a_signed_id_is_one(site: &Site) -> Result {
    for side in site.sides() {
        let visitor = Visitor::default();
        visitor.body(side, "/set/k/v")?;
        let cookie = visitor.cookie().ok_or("no cookie")?;
        let (id, signature) = cookie.rsplit_once('.').ok_or("no signature")?;
        let other = if signature.starts_with('x') { "y" } else { "x" };
        let forged = format!("{id}.{other}{}", &signature[1..]);
        for (what, cookie) in [("without a signature", id), ("with another", &forged)] {
            let visitor = Visitor::with_cookie(Some(cookie.to_owned()));
            same!(visitor.body(site.rust(), "/get/k")?, "-", "an id {what}");
        }
    }
    Ok(())
}

/// With the `_id` that it would have written itself.
pub(crate) fn flask_login_takes_a_sign_in_of_rust_for_its_own(site: &Site) -> Result {
    for (login_id, fresh) in [
        (
            Some(flask::login_id(Some("127.0.0.1"), Some(USER_AGENT))),
            "True",
        ),
        (
            Some(flask::login_id(Some("127.0.0.2"), Some(USER_AGENT))),
            "False",
        ),
        (None, "False"),
    ] {
        let request = site.requests()?.begin("")?;
        request.session.log_in("ada")?;
        if let Some(login_id) = &login_id {
            request.session.insert("_id", login_id)?;
        }
        let line = request.end()?.ok_or("a sign-in sets a cookie")?;
        let visitor = Visitor::with_cookie(line.split(';').next().map(str::to_owned));
        same!(
            visitor.dump(site.flask())?["user"],
            "ada",
            "who signed in, {login_id:?}"
        );
        same!(
            visitor.body(site.flask(), "/fresh")?,
            fresh,
            "whether it is fresh, {login_id:?}"
        );
    }
    Ok(())
}
