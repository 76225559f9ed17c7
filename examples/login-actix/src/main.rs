//! Sign in, sign out and what lies between, to be copied. The pages and their forms are in `login-pages`.
#![expect(clippy::print_stdout, reason = "says which address to open")]

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{Form, Redirect};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, ResponseError, get, post};
use anyhow::Context;
use anysession_actix::anysession::{self, Config, Drivers, Key, Sessions};
use anysession_actix::{Session, SessionMiddleware, spawn_cleanup};
use login_pages::{
    Account, Choice, Credentials, Device, Problem, SignIn, Theme, device_name, is_from_here,
};
use tracing_subscriber::EnvFilter;

const THEME: Key<Theme> = Key::new("theme");
const VISITS: Key<u64> = Key::new("visits");

#[actix_web::main]
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

    let middleware = SessionMiddleware::new(sessions.clone());
    let app = move || {
        App::new()
            .service((home, style, sign_in, sign_out))
            .service((choose_theme, end_device, end_other_devices))
            .wrap(from_fn(refuse_other_sites))
            .wrap(middleware.clone())
    };

    #[expect(clippy::disallowed_methods, reason = "not a session's setting")]
    let port = std::env::var("PORT")
        .map_or(Ok(3000), |port| port.parse())
        .context("PORT")?;
    let server = HttpServer::new(app).bind((Ipv4Addr::LOCALHOST, port))?;
    for address in server.addrs() {
        println!("Open http://{address}");
    }
    println!("Sessions: {}", sessions.config());
    if !sessions.config().cookie().is_secure() {
        println!("The cookie goes over plain HTTP, as only this machine reaches 127.0.0.1.");
        println!("Where there is HTTPS, set SESSION_COOKIE_SECURE=true.");
    }
    server.run().await?;
    cleanup.stop().await;
    Ok(())
}

#[get("/")]
async fn home(session: Session) -> Result<HttpResponse, AppError> {
    let theme = session.get(THEME)?.unwrap_or_default();
    let messages = session.take_flashes()?;
    let Some(user) = session.user() else {
        session.save().await?; // now, so that no other request shows these messages
        let messages = messages.to_vec();
        return Ok(page(StatusCode::OK, &SignIn { theme, messages }));
    };
    let visits = session.update(VISITS, |visits| *visits += 1)?;
    session.save().await?;
    let account = Account {
        theme,
        messages: messages.to_vec(),
        user: &user,
        visits,
        permanent: session.is_permanent(),
        devices: session.sessions().await?,
        now: session.now(),
    };
    Ok(page(StatusCode::OK, &account))
}

#[post("/sign-in")]
async fn sign_in(
    session: Session,
    request: HttpRequest,
    form: Form<Credentials>,
) -> Result<Redirect, AppError> {
    if let Some(user) = form.user() {
        session.log_in(user)?; // with a new id, which nobody else can know; the theme stays
        session.set_permanent(form.remember);
        session.set_label(device_name(
            text(request.headers(), "user-agent").unwrap_or_default(),
        ))?;
        session.flash("info", format!("Welcome, {user}."))?;
    } else {
        session.flash("error", "Name or password is wrong.")?;
    }
    Ok(Redirect::to("/").see_other())
}

#[post("/sign-out")]
async fn sign_out(session: Session) -> Result<Redirect, AppError> {
    session.destroy();
    session.flash("info", "You are signed out.")?; // in a fresh session
    Ok(Redirect::to("/").see_other())
}

#[post("/theme")]
async fn choose_theme(session: Session, form: Form<Choice>) -> Result<Redirect, AppError> {
    session.insert(THEME, form.theme)?;
    Ok(Redirect::to("/").see_other())
}

#[post("/devices/end")]
async fn end_device(session: Session, form: Form<Device>) -> Result<Redirect, AppError> {
    if session.end_session(&form.handle).await? {
        session.flash("info", "That device is signed out.")?;
    }
    Ok(Redirect::to("/").see_other())
}

#[post("/devices/end-others")]
async fn end_other_devices(session: Session) -> Result<Redirect, AppError> {
    let ended = session.end_other_sessions().await?;
    session.flash("info", format!("Signed out elsewhere: {ended}."))?;
    Ok(Redirect::to("/").see_other())
}

#[get("/style.css")]
async fn style() -> impl Responder {
    HttpResponse::Ok()
        .content_type("text/css")
        .body(login_pages::STYLE)
}

/// A page for its visitor alone. With `no-store`, "back" does not show it any more after signing out.
fn page(status: StatusCode, page: &impl ToString) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CONTENT_SECURITY_POLICY, login_pages::POLICY))
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("text/html; charset=utf-8")
        .body(page.to_string())
}

fn problem(status: StatusCode) -> HttpResponse {
    page(status, &Problem(status.as_u16()))
}

/// Refuses the forms of other sites (CSRF). The cookie is SameSite=Lax, but that does not stop a page of another port
/// or subdomain, nor a sign-in, which needs no cookie. For all of it to hold, no GET may change anything that matters.
async fn refuse_other_sites(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> actix_web::Result<ServiceResponse<impl MessageBody>> {
    if request.method().is_safe() || is_from_here(|name| text(request.headers(), name)) {
        Ok(next.call(request).await?.map_into_left_body())
    } else {
        let refusal = request.into_response(problem(StatusCode::FORBIDDEN));
        Ok(refusal.map_into_right_body())
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
    fn error_response(&self) -> HttpResponse {
        if let anysession::Error::NotSignedIn = self.0 {
            return HttpResponse::SeeOther()
                .insert_header(("Location", "/"))
                .finish();
        }
        tracing::error!(error = &self.0 as &dyn Error, "a session could not be used");
        let status = StatusCode::from_u16(self.0.status());
        problem(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
    }
}
