//! The probe on actix-web; its routes are those of [`anysession_testkit::probe`].

use std::convert::Infallible;
use std::net::SocketAddr;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, Route, guard, rt, web};
use actix_ws::Message;
use anysession_actix::anysession::Sessions;
use anysession_actix::{Session, SessionMiddleware};
use anysession_testkit::{Suite, probe};
use futures_util::stream::unfold;

/// The probe with these sessions.
pub fn app(
    sessions: Sessions,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .route("/none", get().to(async || "ok"))
        .route("/stream/{k}/{v}", get().to(stream))
        .route("/events/{k}/{v}", get().to(stream))
        .route("/socket/{k}/{v}", get().to(socket))
        .service(
            web::resource("/error/{k}/{v}/{status}")
                .route(get().to(answer))
                .wrap(from_fn(fail)),
        )
        .route("/body/{k}", web::post().to(upload))
        .route("/{route:.*}", get().to(answer))
        .wrap(SessionMiddleware::new(sessions))
}

/// Serves the probe with these sessions on this address, and blocks: what the adapter suite asks for.
///
/// # Panics
///
/// If the address cannot be had.
pub fn serve(sessions: Sessions, address: SocketAddr) {
    let server = HttpServer::new(move || app(sessions.clone()))
        .workers(2)
        .disable_signals()
        .bind_auto_h2c(address);
    let served = server.and_then(|server| rt::System::new().block_on(server.run()));
    if let Err(error) = served {
        panic!("the probe cannot be served on {address}: {error}");
    }
}

/// The suite for the ways that actix-web goes.
pub fn declare(suite: Suite) -> Suite {
    suite
        .declares("a_handler_goes_on_when_its_client_leaves")
        .declares("a_handler_goes_on_when_its_client_leaves_over_http_2")
}

/// In actix-web a route for GET is none for HEAD.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn answer(session: Session, request: HttpRequest) -> HttpResponse {
    response_of(probe::answer(&session, request.uri().path(), request.query_string()).await)
}

async fn upload(session: Session, request: HttpRequest, body: String) -> HttpResponse {
    response_of(probe::answer(&session, &format!("{}/{body}", request.path()), "").await)
}

/// A middleware whose error takes the place of the handler's response.
async fn fail(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse, Error> {
    let status = request.match_info().query("status").parse();
    next.call(request).await?;
    let status =
        StatusCode::from_u16(status.unwrap_or_default()).unwrap_or(StatusCode::BAD_REQUEST);
    Err(InternalError::new("an error from further in", status).into())
}

fn response_of(answer: probe::Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = HttpResponse::build(status);
    for header in answer.headers {
        response.append_header(header);
    }
    response.body(answer.body)
}

async fn stream(session: Session, request: HttpRequest) -> HttpResponse {
    let chunks = probe::stream(&session, request.uri().path(), request.query_string());
    let content_type = chunks.content_type();
    let body = unfold(chunks, async |mut chunks| {
        let chunk = chunks.next().await?;
        Some((Ok::<_, Infallible>(chunk.into()), chunks))
    });
    HttpResponse::Ok()
        .content_type(content_type)
        .streaming(body)
}

async fn socket(
    session: Session,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Error> {
    let (response, mut socket, mut messages) = actix_ws::handle(&request, body)?;
    let conversation = probe::socket(&session, request.uri().path());
    rt::spawn(async move {
        while let Some(Ok(message)) = messages.recv().await {
            match message {
                Message::Text(text) => {
                    let reply = conversation.reply(&text).await;
                    if socket.text(reply).await.is_err() {
                        return;
                    }
                }
                Message::Close(_) => break,
                _ => {}
            }
        }
        // If the client has closed it by now, all is well.
        let _ = socket.close(None).await;
    });
    Ok(response)
}
