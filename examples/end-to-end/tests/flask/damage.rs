//! What is in the store and no session.

use end_to_end::{Result, Visitor, same};

use crate::backend::Format;
use crate::site::{Site, hex};

/// Each under a name that is also its id.
const DAMAGED: [(&str, &[u8]); 12] = [
    ("nothing", b""),
    ("nil", b"\xc0"),
    ("text", b"not a session"),
    ("a-number", b"\x07"),
    ("a-list", b"\x91\x01"),
    ("an-int-for-a-map", b"\x81\x01"),
    ("cut-off", b"\x82\xa1k\xa1v\xa1l"),
    ("cut-off-json", b"{\"k\":\"v\""),
    ("more-behind", b"\x81\xa1k\xa1v\x00"),
    ("no-utf-8-json", b"{\"k\":\"\xff\xfe\"}"),
    // {"_user_id": "mallory"}, pickled.
    (
        "pickle",
        b"\x80\x05\x95\x1c\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x08_user_id\x94\x8c\x07mallory\x94s.",
    ),
    // The native layout, of a later version.
    ("newer", b"aS\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00rest"),
];

/// Read, it is nobody's session; what is written then goes into a new one; and it stays as it is.
pub(crate) fn what_is_no_session_is_nobody_and_stays_as_it_is(site: &Site) -> Result {
    let rust = site.rust();
    for (id, bytes) in DAMAGED {
        let cookie = site.plant(id, bytes)?;
        let visitor = Visitor::with_cookie(Some(cookie.clone()));
        let dump = visitor.dump(rust)?;
        same!(dump["user"].as_str(), None, "who {id} is");
        same!(dump["data"], serde_json::json!({}), "what {id} holds");
        visitor.body(rust, "/set/k/v")?;
        same!(site.raw(&cookie)?, hex(bytes), "what {id} became");
        let fresh = visitor.cookie();
        if fresh.is_none() || fresh.as_ref() == Some(&cookie) {
            return Err(format!("{id} was adopted").into());
        }
        same!(
            visitor.body(rust, "/get/k")?,
            "v",
            "the new session after {id}"
        );
    }
    Ok(())
}

/// Nothing is decoded before it is asked for. Flask answers 500 whatever is asked for.
pub(crate) fn a_value_that_is_no_text_spoils_no_other(site: &Site) -> Result {
    let cookie = site.plant("half-broken", b"\x82\xa1k\xa2\xff\xfe\xa1l\xa1w")?;
    let visitor = Visitor::with_cookie(Some(cookie.clone()));
    same!(visitor.body(site.rust(), "/get/l")?, "w", "the other value");
    visitor.body(site.rust(), "/set/l/x")?;
    same!(
        site.raw(&cookie)?,
        hex(b"\x82\xa1k\xa2\xff\xfe\xa1l\xa1x"),
        "what is stored"
    );
    same!(
        visitor.ask(site.rust(), "/get/k")?.status,
        500,
        "the broken value"
    );
    visitor.body(site.rust(), "/remove/k")?;
    same!(
        visitor.body(site.flask(), "/get/l")?,
        "x",
        "what Flask reads then"
    );
    Ok(())
}

/// An id of any length is one if the store knows it; one that it does not know is not adopted.
pub(crate) fn ids_of_other_lengths_are_ids(site: &Site) -> Result {
    let stored: &[u8] = match site.format {
        Format::MessagePack => b"\x82\xaa_permanent\xc3\xa1k\xa1v",
        Format::Json | Format::PythonJson => br#"{"_permanent":true,"k":"v"}"#,
    };
    let long = "x".repeat(86);
    for id in [
        "c9bf9e57-1685-4c89-bafb-ff5af830be8a",
        "0123456789abcdefABCDEF",
        "short",
        &long,
    ] {
        let cookie = site.plant(id, stored)?;
        for side in site.sides() {
            let visitor = Visitor::with_cookie(Some(cookie.clone()));
            same!(visitor.body(side, "/get/k")?, "v", "{id} on {side}");
        }
        let unknown = cookie.replacen(id, &format!("y{id}"), 1);
        let visitor = Visitor::with_cookie(Some(unknown.clone()));
        visitor.body(site.rust(), "/set/k/v")?;
        same!(
            site.raw(&unknown)?,
            "-",
            "what is stored under an id that was made up"
        );
    }
    Ok(())
}
