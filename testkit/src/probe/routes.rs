//! What each route does.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use anysession::{Error, Flashes, Session, Timestamp};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{PANIC, Query, Refusal};

/// Status and body.
type Acted = Result<(u16, String), Refusal>;

pub(super) async fn act(session: &Session, path: &str, query: &Query<'_>) -> Acted {
    let decoded = decoded(path);
    let parts: Vec<&str> = decoded.iter().map(AsRef::as_ref).collect();
    if change(session, &parts)? {
        return ok();
    }
    match *parts.as_slice() {
        ["get", k] => text(&show(session.get(k)?)),
        ["incr", k] => text(&session.update(k, |n: &mut u64| *n += 1)?),
        ["do", ref steps @ ..] => {
            for step in steps {
                take_step(session, step).await?;
            }
            ok()
        }
        ["renew", k, v] => {
            session.regenerate_id()?;
            session.save().await?;
            query.pass("then").await?;
            session.insert(k, v)?;
            ok()
        }
        ["dump"] => text(&dump(session)?),
        ["read", what] => read(session, what),
        ["headers"] => read(session, "keys"),
        ["fail", k, v] => {
            session.insert(k, v)?;
            Ok((500, String::new()))
        }
        ["panic", k, v] => {
            session.insert(k, v)?;
            std::panic::panic_any(PANIC)
        }
        ["save", k, v, status] => {
            let status = number(status)?;
            session.insert(k, v)?;
            session.save().await?;
            Ok((status, "ok".to_owned()))
        }
        ["status", code] => {
            let status = number(code)?;
            session.keys();
            Ok((status, "ok".to_owned()))
        }
        ["flashes"] => show_flashes(session, &session.take_flashes()?, query).await,
        ["flashes", category] => {
            show_flashes(session, &session.take_flashes_of(category)?, query).await
        }
        ["sessions"] => {
            let list = session.sessions().await?.into_iter().map(|info| {
                json!({
                    "handle": info.handle,
                    "created": info.created.as_millis(),
                    "last_seen": info.last_seen.as_millis(),
                    "expires": info.expires.as_millis(),
                    "current": info.current,
                })
            });
            text(&Value::from_iter(list))
        }
        ["end", handle] => text(&session.end_session(handle).await?),
        ["revoke-others"] => text(&session.end_other_sessions().await?),
        ["end-all"] => text(&session.end_all_sessions().await?),
        _ => Err(no_such_route()),
    }
}

/// What the routes do that go on when their headers have left, before that.
pub(super) fn begin(session: &Session, path: &str) -> Result<(), Refusal> {
    match decoded(path).as_slice() {
        [_route, k, v] => Ok(session.insert(k.as_ref(), v)?),
        _ => Err(no_such_route()),
    }
}

fn decoded(path: &str) -> Vec<Cow<'_, str>> {
    path.trim_start_matches('/')
        .split('/')
        .map(|part| percent_decode_str(part).decode_utf8_lossy())
        .collect()
}

fn no_such_route() -> Refusal {
    Refusal::Text(404, "the probe has no such route".to_owned())
}

/// The routes that say nothing but `ok`. Says whether it was one of them.
fn change(session: &Session, parts: &[&str]) -> Result<bool, Refusal> {
    match *parts {
        ["set", k, v] => {
            let _read: Option<Value> = session.get(k)?;
            session.insert(k, v)?;
        }
        ["body", k, v] | ["error", k, v, _] => session.insert(k, v)?,
        ["remove", k] => session.remove(k),
        ["clear"] => session.clear(),
        ["login", user] => session.log_in(user)?,
        ["logout"] => session.destroy(),
        ["relogin", user] => {
            session.destroy();
            session.log_in(user)?;
        }
        ["regenerate"] => session.regenerate_id()?,
        ["permanent", permanent] => session.set_permanent(number(permanent)?),
        ["lifetime", seconds] => session.set_lifetime(self::seconds(seconds)?),
        ["recent", seconds] => session.require_recent(self::seconds(seconds)?)?,
        ["flash", category, message] => session.flash(category, message)?,
        ["big", bytes] => match session.insert("big", "x".repeat(number(bytes)?)) {
            Err(Error::TooLarge { .. }) => return Err(Refusal::TooLarge),
            inserted => inserted?,
        },
        _ => return Ok(false),
    }
    Ok(true)
}

async fn take_step(session: &Session, step: &str) -> Result<(), Refusal> {
    match step {
        "get" => drop(session.get::<Value>("k")?),
        "set" => session.insert("k", "v")?,
        "remove" => session.remove("k"),
        "clear" => session.clear(),
        "logout" => session.destroy(),
        "regenerate" => session.regenerate_id()?,
        "login" => session.log_in("somebody")?,
        "flash" => session.flash("info", "hello")?,
        "save" => session.save().await?,
        _ => return Err(Refusal::unreadable("a step", step)),
    }
    Ok(())
}

/// Every method that reads and has no route of its own.
fn read(session: &Session, what: &str) -> Acted {
    let time = |time: Option<Timestamp>| json!(time.map(Timestamp::as_millis));
    text(&match what {
        "contains" => json!(session.contains("k")),
        "keys" => json!(session.keys()),
        "user" => json!(session.user().as_deref()),
        "permanent" => json!(session.is_permanent()),
        "lifetime" => json!(session.lifetime().as_secs()),
        "created" => time(session.created()),
        "last-seen" => time(session.last_seen()),
        "signed-in" => time(session.signed_in_at()),
        "nothing" => Value::Null,
        _ => return Err(Refusal::unreadable("a method that reads", what)),
    })
}

async fn show_flashes(session: &Session, flashes: &Flashes, query: &Query<'_>) -> Acted {
    if query.has("save") {
        session.save().await?;
    }
    let flashes = flashes.to_vec().into_iter();
    text(&Value::from_iter(
        flashes.map(|flash| json!([flash.category, flash.message])),
    ))
}

fn dump(session: &Session) -> Result<Value, Refusal> {
    let mut data = Map::new();
    for key in session.keys() {
        let value: Option<Value> = session.get(key.as_str())?;
        data.insert(key, value.unwrap_or_default());
    }
    Ok(json!({
        "data": data,
        "user": session.user().as_deref(),
        "permanent": session.is_permanent(),
    }))
}

fn show(value: Option<Value>) -> String {
    match value {
        None => "-".to_owned(),
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, Refusal> {
    let wanted = std::any::type_name::<T>();
    text.parse()
        .map_err(|_| Refusal::unreadable(&format!("a {wanted}"), text))
}

fn seconds(text: &str) -> Result<Duration, Refusal> {
    Ok(Duration::from_secs(number(text)?))
}

fn ok() -> Acted {
    Ok((200, "ok".to_owned()))
}

fn text(body: &impl ToString) -> Acted {
    Ok((200, body.to_string()))
}
