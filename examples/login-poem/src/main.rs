//! Sign in, sign out and what lies between, to be copied. The pages and their forms are in `login-pages`.
#![expect(clippy::print_stdout, reason = "says which address to open")]

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context;
use anysession_poem::anysession::{self, Config, Drivers, Key, Sessions};
use anysession_poem::{Session, SessionMiddleware, spawn_cleanup};
use login_pages::{
    Account, Choice, Credentials, Device, Problem, SignIn, Theme, device_name, is_from_here,
};
use poem::error::ResponseError;
use poem::http::{HeaderMap, StatusCode, header};
use poem::listener::TcpAcceptor;
use poem::middleware::SizeLimit;
use poem::web::{Form, Html, Redirect};
use poem::{
    Endpoint, EndpointExt, IntoResponse, Request, Response, Route, Server, get, handler, post,
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

    let small = || SizeLimit::new(4096); // `Form` itself reads a body of any size
    let app = Route::new()
        .at("/", get(home))
        .at("/style.css", get(style))
        .at("/sign-in", post(sign_in).with(small()))
        .at("/sign-out", post(sign_out))
        .at("/theme", post(choose_theme).with(small()))
        .at("/devices/end", post(end_device).with(small()))
        .at("/devices/end-others", post(end_other_devices))
        .around(refuse_other_sites)
        .with(SessionMiddleware::new(sessions.clone()));

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
    Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?)
        .run_with_graceful_shutdown(app, stop, None)
        .await?;
    cleanup.stop().await;
    Ok(())
}

#[handler]
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

#[handler]
async fn sign_in(
    session: Session,
    headers: &HeaderMap,
    Form(form): Form<Credentials>,
) -> Result<Redirect, AppError> {
    if let Some(user) = form.user() {
        session.log_in(user)?; // with a new id, which nobody else can know; the theme stays
        session.set_permanent(form.remember);
        session.set_label(device_name(text(headers, "user-agent").unwrap_or_default()))?;
        session.flash("info", format!("Welcome, {user}."))?;
    } else {
        session.flash("error", "Name or password is wrong.")?;
    }
    Ok(Redirect::see_other("/"))
}

#[handler]
async fn sign_out(session: Session) -> Result<Redirect, AppError> {
    session.destroy();
    session.flash("info", "You are signed out.")?; // in a fresh session
    Ok(Redirect::see_other("/"))
}

#[handler]
async fn choose_theme(session: Session, Form(form): Form<Choice>) -> Result<Redirect, AppError> {
    session.insert(THEME, form.theme)?;
    Ok(Redirect::see_other("/"))
}

#[handler]
async fn end_device(session: Session, Form(form): Form<Device>) -> Result<Redirect, AppError> {
    if session.end_session(&form.handle).await? {
        session.flash("info", "That device is signed out.")?;
    }
    Ok(Redirect::see_other("/"))
}

#[handler]
async fn end_other_devices(session: Session) -> Result<Redirect, AppError> {
    let ended = session.end_other_sessions().await?;
    session.flash("info", format!("Signed out elsewhere: {ended}."))?;
    Ok(Redirect::see_other("/"))
}

#[handler]
fn style() -> impl IntoResponse {
    login_pages::STYLE.with_content_type("text/css")
}

/// A page for its visitor alone. With `no-store`, "back" does not show it any more after signing out.
fn page(page: &impl ToString) -> Response {
    Html(page.to_string())
        .with_header(header::CONTENT_SECURITY_POLICY, login_pages::POLICY)
        .with_header(header::CACHE_CONTROL, "no-store")
        .into_response()
}

fn problem(status: StatusCode) -> Response {
    let problem = page(&Problem(status.as_u16()));
    problem.with_status(status).into_response()
}

/// Refuses the forms of other sites (CSRF). The cookie is SameSite=Lax, but that does not stop a page of another port
/// or subdomain, nor a sign-in, which needs no cookie. For all of it to hold, no GET may change anything that matters.
async fn refuse_other_sites(
    next: impl Endpoint<Output = Response>,
    request: Request,
) -> poem::Result<Response> {
    if request.method().is_safe() || is_from_here(|name| text(request.headers(), name)) {
        next.call(request).await
    } else {
        Ok(problem(StatusCode::FORBIDDEN))
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// A session that could not be used, as a page. What fails after the handler, the middleware answers, without a page.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct AppError(#[from] anysession::Error);

impl ResponseError for AppError {
    fn status(&self) -> StatusCode {
        let status = StatusCode::from_u16(self.0.status());
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn as_response(&self) -> Response {
        if let anysession::Error::NotSignedIn = self.0 {
            return Redirect::see_other("/").into_response();
        }
        tracing::error!(error = &self.0 as &dyn Error, "a session could not be used");
        problem(self.status())
    }
}
