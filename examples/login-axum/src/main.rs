//! Sign in, sign out and what lies between, to be copied. The pages and their forms are in `login-pages`.
#![expect(clippy::print_stdout, reason = "says which address to open")]

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context;
use anysession_axum::anysession::{self, Config, Drivers, Key, Sessions};
use anysession_axum::{Session, SessionLayer, spawn_cleanup};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use login_pages::{
    Account, Choice, Credentials, Device, Problem, SignIn, Theme, device_name, is_from_here,
};
use tracing_subscriber::EnvFilter;

const THEME: Key<Theme> = Key::new("theme");
const VISITS: Key<u64> = Key::new("visits");

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter.from_env_lossy())
        .with_writer(std::io::stderr)
        .init();

    // What the SESSION_* variables say wins over this. Where there is HTTPS, leave `cookie_secure(false)` out.
    let config = Config::builder()
        .store_type("filesystem") // in ./sessions, unless SESSION_URL names another folder
        .cookie_secure(false)
        .with_env()?
        .build()?;
    let drivers = Drivers::default()
        .with(anysession_fs::DRIVER)
        .with(anysession_redis::DRIVER)
        .with(anysession_sql::SQLITE)
        .with(anysession_sql::POSTGRES)
        .with(anysession_sql::MYSQL);
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

    #[expect(clippy::disallowed_methods, reason = "not a session's setting")]
    let port = std::env::var("PORT")
        .map_or(Ok(3000), |port| port.parse())
        .context("PORT")?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("Open http://{}", listener.local_addr()?);
    println!("Sessions: {}", sessions.config());
    if !sessions.config().cookie().is_secure() {
        println!("The cookie goes over plain HTTP, as only this machine reaches 127.0.0.1.");
        println!("Where there is HTTPS, set SESSION_COOKIE_SECURE=true.");
    }
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, app)
        .with_graceful_shutdown(stop)
        .await?;
    cleanup.stop().await;
    Ok(())
}

async fn home(session: Session) -> Result<Response, AppError> {
    let theme = session.get(THEME)?.unwrap_or_default();
    let messages = session.take_flashes()?;
    let Some(user) = session.user() else {
        session.save().await?; // now, so that no other request shows these messages
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
        now: session.now(),
    }))
}

async fn sign_in(
    session: Session,
    headers: HeaderMap,
    Form(form): Form<Credentials>,
) -> Result<Redirect, AppError> {
    if let Some(user) = form.user() {
        session.log_in(user)?; // with a new id, which nobody else can know; the theme stays
        session.set_permanent(form.remember);
        session.set_label(device_name(
            text(&headers, "user-agent").unwrap_or_default(),
        ))?;
        session.flash("info", format!("Welcome, {user}."))?;
    } else {
        session.flash("error", "Name or password is wrong.")?;
    }
    Ok(Redirect::to("/"))
}

async fn sign_out(session: Session) -> Result<Redirect, AppError> {
    session.destroy();
    session.flash("info", "You are signed out.")?; // in a fresh session
    Ok(Redirect::to("/"))
}

async fn choose_theme(session: Session, Form(form): Form<Choice>) -> Result<Redirect, AppError> {
    session.insert(THEME, form.theme)?;
    Ok(Redirect::to("/"))
}

async fn end_device(session: Session, Form(form): Form<Device>) -> Result<Redirect, AppError> {
    if session.end_session(&form.handle).await? {
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

/// A page for its visitor alone. With `no-store`, "back" does not show it any more after signing out.
fn page(page: &impl ToString) -> Response {
    let security = (header::CONTENT_SECURITY_POLICY, login_pages::POLICY);
    let headers = [security, (header::CACHE_CONTROL, "no-store")];
    (headers, Html(page.to_string())).into_response()
}

fn problem(status: StatusCode) -> Response {
    (status, page(&Problem(status.as_u16()))).into_response()
}

/// Refuses the forms of other sites (CSRF). The cookie is SameSite=Lax, but that does not stop a page of another port
/// or subdomain, nor a sign-in, which needs no cookie. For all of it to hold, no GET may change anything that matters.
async fn refuse_other_sites(request: Request, next: Next) -> Response {
    if request.method().is_safe() || is_from_here(|name| text(request.headers(), name)) {
        next.run(request).await
    } else {
        problem(StatusCode::FORBIDDEN)
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// A session that could not be used, as a page. What fails after the handler, the layer answers, without a page.
struct AppError(anysession::Error);

impl From<anysession::Error> for AppError {
    fn from(error: anysession::Error) -> Self {
        AppError(error)
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        if let anysession::Error::NotSignedIn = self.0 {
            return Redirect::to("/").into_response();
        }
        tracing::error!(error = &self.0 as &dyn Error, "a session could not be used");
        let status = StatusCode::from_u16(self.0.status());
        problem(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
    }
}
