//! Sign in, sign out and what lies between, to be copied. The pages and their forms are in `login-pages`.
#![expect(clippy::print_stdout, reason = "says which address to open")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "Rocket hands guards over by value"
)]

use std::error::Error;

use anysession_rocket::anysession::{self, Config, Drivers, Key, Sessions};
use anysession_rocket::{Session, SessionFairing};
use login_pages::{
    Account, Choice, Credentials, Device, Problem, SignIn, Theme, device_name, is_from_here,
};
use rocket::fairing::AdHoc;
use rocket::figment::providers::{Env, Serialized};
use rocket::form::Form;
use rocket::http::{ContentType, Header, Status};
use rocket::outcome::Outcome;
use rocket::request::{self, FromRequest, Request};
use rocket::response::{self, Redirect, Responder};
use rocket::{Orbit, Rocket, catch, catchers, get, launch, post, routes};

const THEME: Key<Theme> = Key::new("theme");
const VISITS: Key<u64> = Key::new("visits");

#[launch]
fn rocket() -> _ {
    let figment = rocket::Config::figment()
        .merge(Serialized::default("port", 3000))
        .merge(Env::raw().only(&["PORT"]).global());

    // What Rocket.toml says under [default.session] wins over this, and what the SESSION_* variables say over both.
    // Where there is HTTPS, leave `cookie_secure(false)` out.
    let defaults = Config::builder()
        .store_type("filesystem") // in ./sessions, unless SESSION_URL names another folder
        .cookie_secure(false);
    let drivers = Drivers::default()
        .with(anysession_fs::DRIVER)
        .with(anysession_redis::DRIVER)
        .with(anysession_sql::SQLITE)
        .with(anysession_sql::POSTGRES)
        .with(anysession_sql::MYSQL);

    rocket::custom(figment)
        .mount("/", routes![home, style, sign_in, sign_out])
        .mount("/", routes![choose_theme, end_device, end_other_devices])
        .register("/", catchers![problem])
        .attach(SessionFairing::connect(defaults, drivers))
        .attach(AdHoc::on_liftoff("Address", |rocket| {
            Box::pin(async { say_where(rocket) })
        }))
}

fn say_where(rocket: &Rocket<Orbit>) {
    let config = rocket.config();
    println!("Open http://{}:{}", config.address, config.port);
    if let Some(sessions) = rocket.state::<Sessions>() {
        println!("Sessions: {}", sessions.config());
        if !sessions.config().cookie().is_secure() {
            println!("The cookie goes over plain HTTP, as only this machine reaches 127.0.0.1.");
            println!("Where there is HTTPS, set SESSION_COOKIE_SECURE=true.");
        }
    }
}

#[get("/")]
async fn home(session: Session) -> Result<Page, AppError> {
    let theme = session.get(THEME)?.unwrap_or_default();
    let messages = session.take_flashes()?;
    let Some(user) = session.user() else {
        session.save().await?; // now, so that no other request shows these messages
        let messages = messages.to_vec();
        return Ok(Page::new(&SignIn { theme, messages }));
    };
    let visits = session.update(VISITS, |visits| *visits += 1)?;
    session.save().await?;
    Ok(Page::new(&Account {
        theme,
        messages: messages.to_vec(),
        user: &user,
        visits,
        permanent: session.is_permanent(),
        devices: session.sessions().await?,
        now: session.now(),
    }))
}

#[post("/sign-in", data = "<form>")]
fn sign_in(
    visitor: Visitor<'_>,
    session: Session,
    form: Form<Credentials>,
) -> Result<Redirect, AppError> {
    if let Some(user) = form.user() {
        session.log_in(user)?; // with a new id, which nobody else can know; the theme stays
        session.set_permanent(form.remember);
        session.set_label(device_name(visitor.user_agent))?;
        session.flash("info", format!("Welcome, {user}."))?;
    } else {
        session.flash("error", "Name or password is wrong.")?;
    }
    Ok(Redirect::to("/"))
}

#[post("/sign-out")]
fn sign_out(_visitor: Visitor<'_>, session: Session) -> Result<Redirect, AppError> {
    session.destroy();
    session.flash("info", "You are signed out.")?; // in a fresh session
    Ok(Redirect::to("/"))
}

#[post("/theme", data = "<form>")]
fn choose_theme(
    _visitor: Visitor<'_>,
    session: Session,
    form: Form<Choice>,
) -> Result<Redirect, AppError> {
    session.insert(THEME, form.theme)?;
    Ok(Redirect::to("/"))
}

#[post("/devices/end", data = "<form>")]
async fn end_device(
    _visitor: Visitor<'_>,
    session: Session,
    form: Form<Device>,
) -> Result<Redirect, AppError> {
    if session.end_session(&form.handle).await? {
        session.flash("info", "That device is signed out.")?;
    }
    Ok(Redirect::to("/"))
}

#[post("/devices/end-others")]
async fn end_other_devices(_visitor: Visitor<'_>, session: Session) -> Result<Redirect, AppError> {
    let ended = session.end_other_sessions().await?;
    session.flash("info", format!("Signed out elsewhere: {ended}."))?;
    Ok(Redirect::to("/"))
}

#[get("/style.css")]
fn style() -> (ContentType, &'static str) {
    (ContentType::CSS, login_pages::STYLE)
}

#[catch(default)]
fn problem(status: Status, _: &Request<'_>) -> Page {
    Page::new(&Problem(status.code))
}

/// A page for its visitor alone. With `no-store`, "back" does not show it any more after signing out.
#[derive(Responder)]
#[response(content_type = "html")]
struct Page {
    text: String,
    security: Header<'static>,
    cache: Header<'static>,
}

impl Page {
    fn new(page: &impl ToString) -> Self {
        Page {
            text: page.to_string(),
            security: Header::new("Content-Security-Policy", login_pages::POLICY),
            cache: Header::new("Cache-Control", "no-store"),
        }
    }
}

/// Who posts a form here. Forms of other sites are refused (CSRF): the cookie is SameSite=Lax, but that does not stop a page
/// of another port or subdomain, nor a sign-in, which needs no cookie. So every route that changes something takes this,
/// and no GET may change anything that matters.
struct Visitor<'r> {
    user_agent: &'r str,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Visitor<'r> {
    type Error = &'static str;

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, Self::Error> {
        let header = |name: &str| request.headers().get_one(name);
        match is_from_here(header) {
            true => Outcome::Success(Visitor {
                user_agent: header("user-agent").unwrap_or_default(),
            }),
            false => Outcome::Error((Status::Forbidden, "the form is another site's")),
        }
    }
}

/// A session that could not be used: the catcher makes a page of it. What fails after the handler, the fairing answers,
/// without a page.
struct AppError(anysession::Error);

impl From<anysession::Error> for AppError {
    fn from(error: anysession::Error) -> Self {
        AppError(error)
    }
}

impl<'r> Responder<'r, 'static> for AppError {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        if let anysession::Error::NotSignedIn = self.0 {
            return Redirect::to("/").respond_to(request);
        }
        tracing::error!(error = &self.0 as &dyn Error, "a session could not be used");
        Err(Status::new(self.0.status()))
    }
}
