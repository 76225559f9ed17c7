//! Sign in, sign out and what lies between, to be copied: axum with server-side sessions. The pages are in `login-pages`.
#![expect(clippy::print_stdout, reason = "says which address to open")]

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use anysession_axum::anysession::{self, Clock, Config, Drivers, Key, Sessions, SystemClock};
use anysession_axum::{Session, SessionLayer, spawn_cleanup};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use login_pages::{Account, Problem, SignIn, Theme};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

const THEME: Key<Theme> = Key::new("theme");
const VISITS: Key<u64> = Key::new("visits");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter.from_env_lossy())
        .with_writer(std::io::stderr)
        .init();

    // The SESSION_* variables win over what this example begins with. In production, drop `cookie_secure(false)`.
    let config = Config::builder()
        .url("file://./sessions")
        .cookie_secure(false)
        .with_env()?
        .build()?;
    let drivers = Drivers::default().with(anysession_fs::DRIVER);
    let sessions = Sessions::connect(config, &drivers).await?;
    let cleanup = spawn_cleanup(&sessions, Duration::from_secs(60 * 60));

    let app = Router::new()
        .route("/", get(home))
        .route("/style.css", get(style))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/theme", post(choose_theme))
        .route("/devices/end", post(end_device))
        .route("/devices/end-others", post(end_other_devices))
        .layer(middleware::from_fn(refuse_other_sites))
        .layer(SessionLayer::new(sessions.clone()));

    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port()?)).await?;
    println!("Open http://{}", listener.local_addr()?);
    println!("Sessions: {}", sessions.config());
    println!(
        "By default the cookie goes over plain HTTP, because only this machine can reach 127.0.0.1. \
         Behind HTTPS, set SESSION_COOKIE_SECURE=true."
    );
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped())
        .await?;
    cleanup.stop().await;
    Ok(())
}

async fn home(session: Session) -> Result<Response, AppError> {
    let theme = session.get(THEME)?.unwrap_or_default();
    let messages = session.take_flashes()?;
    let Some(user) = session.user() else {
        session.save().await?; // so that no other request shows the same messages
        let messages = messages.to_vec();
        return Ok(page(&SignIn { theme, messages }));
    };
    let visits = session.update(VISITS, |visits| *visits += 1)?;
    session.save().await?;
    Ok(page(&Account {
        theme,
        messages: messages.to_vec(),
        user: &user,
        visits,
        permanent: session.is_permanent(),
        devices: session.sessions().await?,
        now: SystemClock.now(),
    }))
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    remember: bool,
}

async fn sign_in(session: Session, Form(form): Form<Credentials>) -> Result<Redirect, AppError> {
    match authenticate(&form) {
        Some(user) => {
            session.log_in(user)?; // under a new id, which nobody can have planted; the theme is kept
            session.set_permanent(form.remember);
            session.flash("info", format!("Welcome, {user}."))?;
        }
        None => session.flash("error", "Name or password is wrong.")?,
    }
    Ok(Redirect::to("/"))
}

/// Who it is. Yours looks the user up, compares a password hash, limits the tries, and answers with a primary key.
fn authenticate(form: &Credentials) -> Option<&str> {
    let name = form.name.trim();
    let acceptable = (1..=64).contains(&name.len()) && !name.contains(char::is_control);
    (acceptable && form.password == "demo").then_some(name)
}

async fn sign_out(session: Session) -> Result<Redirect, AppError> {
    session.destroy();
    session.flash("info", "You are signed out.")?; // in a fresh session, under another id
    Ok(Redirect::to("/"))
}

#[derive(Deserialize)]
struct Preference {
    theme: Theme,
}

async fn choose_theme(
    session: Session,
    Form(preference): Form<Preference>,
) -> Result<Redirect, AppError> {
    session.insert(THEME, preference.theme)?;
    Ok(Redirect::to("/"))
}

#[derive(Deserialize)]
struct Device {
    handle: String,
}

async fn end_device(session: Session, Form(device): Form<Device>) -> Result<Redirect, AppError> {
    if session.end_session(&device.handle).await? {
        session.flash("info", "That device is signed out.")?;
    }
    Ok(Redirect::to("/"))
}

async fn end_other_devices(session: Session) -> Result<Redirect, AppError> {
    let ended = session.end_other_sessions().await?;
    session.flash("info", format!("Signed out elsewhere: {ended}."))?;
    Ok(Redirect::to("/"))
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css")], login_pages::STYLE)
}

/// A page for one visitor only: not kept by the browser, so that "back" after signing out shows nothing.
fn page(page: &impl ToString) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, login_pages::POLICY),
    ];
    (headers, Html(page.to_string())).into_response()
}

/// Refuses the forms of other sites (CSRF). The cookie is SameSite=Lax, which does not stop a page on another port or a
/// subdomain, nor a sign-in, which needs no cookie. All of it holds only as long as a GET changes nothing that matters.
async fn refuse_other_sites(request: Request, next: Next) -> Response {
    if request.method().is_safe() || is_from_here(request.headers()) {
        next.run(request).await
    } else {
        problem(StatusCode::FORBIDDEN)
    }
}

fn is_from_here(headers: &HeaderMap) -> bool {
    let header = |name| headers.get(name)?.to_str().ok();
    match (header("sec-fetch-site"), header("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => header("host") // a browser from before 2023
            .is_some_and(|host| {
                origin
                    .split_once("://")
                    .is_some_and(|(_, from)| from == host)
            }),
        (None, None) => true, // not a browser
    }
}

/// What a handler could not do. Without a page of its own, the layer answers the same status with an empty body.
struct AppError(anysession::Error);

impl From<anysession::Error> for AppError {
    fn from(error: anysession::Error) -> Self {
        AppError(error)
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        if matches!(self.0, anysession::Error::NotSignedIn) {
            return Redirect::to("/").into_response();
        }
        tracing::error!(error = &self.0 as &dyn Error, "a session could not be used");
        let status = StatusCode::from_u16(self.0.status());
        problem(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
    }
}

fn problem(status: StatusCode) -> Response {
    let status_code = status.as_u16();
    (
        status,
        page(&Problem {
            status: status_code,
        }),
    )
        .into_response()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the port is not a session's matter"
)]
fn port() -> Result<u16, Box<dyn Error>> {
    match std::env::var("PORT") {
        Ok(port) => Ok(port.parse()?),
        Err(_) => Ok(3000),
    }
}

async fn stopped() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
