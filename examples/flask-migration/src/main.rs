//! What has moved out of the Flask application in app.py so far: the pages under /account, and a sign-in that is ready to
//! take over. That both share their sessions is configuration: `SESSION_LAYOUT=flask`.
#![expect(clippy::print_stdout, reason = "says where it listens")]

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::SystemTime;

use anyhow::Context;
use anysession_axum::anysession::flask::{self, DateTime};
use anysession_axum::anysession::{self, Config, Drivers, Flash, Key, Sessions, Timestamp};
use anysession_axum::{Session, SessionLayer};
use askama::Template;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use login_pages::{Choice, Credentials, Theme, is_from_here};

const THEME: Key<Theme> = Key::new("theme");
const VISITS: Key<u64> = Key::new("visits");
/// A `datetime` of Python's.
const SINCE: Key<DateTime> = Key::new("since");

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();

    let drivers = Drivers::default().with(anysession_redis::DRIVER);
    let sessions = Sessions::connect(Config::from_env()?, &drivers).await?;

    let app = Router::new()
        .route("/account", get(account))
        .route("/account/theme", post(choose_theme))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .layer(middleware::from_fn(refuse_other_sites))
        .layer(SessionLayer::new(sessions.clone()));

    #[expect(clippy::disallowed_methods, reason = "not a session's setting")]
    let port = std::env::var("PORT")
        .map_or(Ok(3000), |port| port.parse())
        .context("PORT")?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("Listening on http://{}", listener.local_addr()?);
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    Ok(axum::serve(listener, app)
        .with_graceful_shutdown(stop)
        .await?)
}

/// In the same frame as Flask's pages: a template that Jinja understands, askama understands too.
#[derive(Template)]
#[template(path = "account.html")]
struct Account<'a> {
    user: &'a str,
    theme: Theme,
    messages: Vec<Flash>,
    maker: &'static str,
    minutes: u64,
    visits: u64,
}

async fn account(session: Session) -> Result<Response, AppError> {
    // flask-login's `_user_id`.
    let Some(user) = session.user() else {
        session.flash("error", "Sign in first.")?;
        return Ok(Redirect::to("/").into_response());
    };
    let since = session.get(SINCE)?.map(SystemTime::from);
    let since = since.map_or(session.now(), Timestamp::from);
    let page = Account {
        user: &user,
        theme: session.get(THEME)?.unwrap_or(Theme::Light),
        messages: session.take_flashes()?.to_vec(),
        maker: "Rust",
        minutes: session.now().since(since).as_secs() / 60,
        visits: session.get(VISITS)?.unwrap_or_default(),
    };
    Ok(Html(page.to_string()).into_response())
}

/// Flask shows the message.
async fn choose_theme(session: Session, Form(form): Form<Choice>) -> Result<Redirect, AppError> {
    session.insert(THEME, form.theme)?;
    session.flash("info", format!("The theme is {} now.", form.theme))?;
    Ok(Redirect::to("/"))
}

async fn sign_in(
    session: Session,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(form): Form<Credentials>,
) -> Result<Redirect, AppError> {
    let Some(user) = form.user() else {
        session.flash("error", "Name or password is wrong.")?;
        return Ok(Redirect::to("/"));
    };
    session.log_in(user)?;
    // With this flask-login takes the sign-in for as fresh as one of its own.
    let client = text(&headers, "x-forwarded-for").map_or(peer.ip().to_string(), |chain| {
        chain.split(',').next().unwrap_or(chain).trim().to_owned()
    });
    let login_id = flask::login_id(Some(&client), text(&headers, "user-agent"));
    session.insert("_id", login_id)?;
    session.insert(SINCE, DateTime::from(session.now()))?;
    session.flash("info", format!("Welcome, {user}."))?;
    Ok(Redirect::to("/"))
}

async fn sign_out(session: Session) -> Result<Redirect, AppError> {
    session.destroy();
    session.flash("info", "You are signed out.")?; // in a fresh session
    Ok(Redirect::to("/"))
}

async fn refuse_other_sites(request: Request, next: Next) -> Response {
    if request.method().is_safe() || is_from_here(|name| text(request.headers(), name)) {
        next.run(request).await
    } else {
        StatusCode::FORBIDDEN.into_response()
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// A session that could not be used.
struct AppError(anysession::Error);

impl From<anysession::Error> for AppError {
    fn from(error: anysession::Error) -> Self {
        AppError(error)
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        tracing::error!(error = &self.0 as &dyn Error, "a session could not be used");
        let status = StatusCode::from_u16(self.0.status());
        status
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            .into_response()
    }
}
