//! What only Poem's users can see: errors that are responses, `poem-openapi`, and a middleware that is missing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::sync::{Arc, Mutex};

use anysession_poem::anysession::{Config, MemoryStore, Sessions};
use anysession_poem::{Session, SessionError, SessionMiddleware};
use anysession_testkit::{Fault, FaultyStore, Verb};
use poem::http::{StatusCode, header};
use poem::{Endpoint, EndpointExt, FromRequest, Request, Response, Route, get, handler};
use poem_openapi::param::Path;
use poem_openapi::payload::PlainText;
use poem_openapi::{ApiResponse, OpenApi, OpenApiService};

#[handler]
async fn incr(session: Session) -> Result<String, SessionError> {
    let count = session.update("n", |n: &mut u64| *n += 1)?;
    Ok(count.to_string())
}

#[tokio::test]
async fn an_error_of_the_handler_counts_by_its_status_and_carries_the_cookie() {
    #[handler]
    async fn fail(session: Session, uri: &poem::http::Uri) -> poem::Result<()> {
        session.insert("k", "v").map_err(SessionError::from)?;
        let status = uri.path().trim_start_matches('/').parse();
        Err(StatusCode::from_u16(status.unwrap()).unwrap().into())
    }
    let app = with_sessions(Route::new().at("/:status", get(fail)));
    for (path, status, stored) in [("/404", 404, true), ("/500", 500, false)] {
        let response = ask(&app, path, None).await;
        assert_eq!(response.status(), status);
        assert_eq!(cookie(&response).is_some(), stored, "{path}");
    }
}

#[tokio::test]
async fn what_no_route_answers_is_no_error_outside_of_the_middleware() {
    let app = with_sessions(Route::new().at("/", get(incr)));
    let response = app.call(request("/elsewhere", None)).await;
    assert_eq!(response.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_session_error_shows_its_status_and_nothing_else() {
    #[handler]
    async fn nobody(session: Session) -> Result<(), SessionError> {
        Ok(session.log_in("")?)
    }
    #[handler]
    async fn large(session: Session) -> Result<(), SessionError> {
        Ok(session.insert("k", "x".repeat(1 << 20))?)
    }
    let app = with_sessions(Route::new().at("/nobody", nobody).at("/large", large));
    for (path, status) in [("/nobody", 400), ("/large", 500)] {
        let response = ask(&app, path, None).await;
        assert_eq!(response.status(), status);
        assert_eq!(text(response).await, "");
    }
}

#[tokio::test]
async fn an_operation_of_poem_openapi_takes_the_session() {
    struct Api;

    #[OpenApi]
    impl Api {
        #[oai(path = "/incr", method = "get")]
        async fn incr(&self, session: Session) -> poem::Result<PlainText<String>> {
            let count = session.update("n", |n: &mut u64| *n += 1);
            Ok(PlainText(count.map_err(SessionError::from)?.to_string()))
        }
    }

    let service = OpenApiService::new(Api, "counter", "1");
    let described = service.spec();
    assert!(!described.contains("ession"), "{described}");
    let app = with_sessions(Route::new().nest("/api", service));
    let first = ask(&app, "/api/incr", None).await;
    let cookie = cookie(&first);
    assert_eq!(text(first).await, "1");
    assert_eq!(text(ask(&app, "/api/incr", cookie).await).await, "2");
}

#[tokio::test]
async fn errors_in_poem_openapi_are_what_they_are_elsewhere() {
    #[derive(ApiResponse)]
    enum Refused {
        #[oai(status = 409)]
        Conflict,
        #[oai(status = 500)]
        Broken,
    }
    struct Api;

    #[OpenApi]
    impl Api {
        #[oai(path = "/:status", method = "get")]
        async fn fail(&self, session: Session, status: Path<u16>) -> Result<(), Refused> {
            session.insert("k", "v").unwrap();
            match status.0 {
                409 => Err(Refused::Conflict),
                _ => Err(Refused::Broken),
            }
        }
    }

    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let sessions = Sessions::new(Config::default(), store.clone());
    let app = Route::new().nest("/", OpenApiService::new(Api, "errors", "1"));
    let app = app.with(SessionMiddleware::new(sessions));
    for (path, status, stored) in [("/409", 409, true), ("/500", 500, false)] {
        let response = ask(&app, path, None).await;
        assert_eq!(response.status(), status);
        assert_eq!(cookie(&response).is_some(), stored, "{path}");
    }
    store.once(Verb::Load, Fault::FailBefore);
    let id = format!("__Host-id={}", "a".repeat(43));
    let response = ask(&app, "/409", Some(id)).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(response).await, "");
}

/// Around the application, and once more around a part of it.
#[tokio::test]
async fn the_same_sessions_around_a_route_twice_are_one_session() {
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let sessions = Sessions::new(Config::default(), store.clone());
    let middleware = SessionMiddleware::new(sessions);
    let shop = Route::new().at("/", get(incr)).with(middleware.clone());
    let app = Route::new()
        .nest("/shop", shop)
        .around(async |next, request| {
            let session = Session::from_request_without_body(&request).await?;
            session.insert("n", 41).map_err(SessionError::from)?;
            next.call(request).await
        })
        .with(middleware);
    let response = ask(&app, "/shop", None).await;
    assert_eq!(
        response
            .headers()
            .get_all(header::SET_COOKIE)
            .iter()
            .count(),
        1
    );
    assert_eq!(text(response).await, "42");
    let cost = store.counts();
    assert_eq!((cost.load, cost.put), (0, 1), "one session, stored once");
}

#[tokio::test]
async fn a_middleware_inside_has_the_same_session_as_the_handler() {
    let app = Route::new()
        .at("/", get(incr))
        .around(async |next, request| {
            let session = Session::from_request_without_body(&request).await?;
            session.insert("n", 41).map_err(SessionError::from)?;
            next.call(request).await
        });
    assert_eq!(text(ask(&with_sessions(app), "/", None).await).await, "42");
}

#[tokio::test]
async fn without_the_middleware_the_response_and_an_event_say_what_to_add() {
    let events = Events::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(events.clone())
        .finish();
    let _here = tracing::subscriber::set_default(subscriber);
    let response = ask(&Route::new().at("/", get(incr)), "/", None).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = text(response).await;
    assert!(body.contains(".with(SessionMiddleware"), "{body}");
    let told = String::from_utf8(events.0.lock().unwrap().clone()).unwrap();
    assert!(told.contains("ERROR") && told.contains(&body), "{told}");
}

fn with_sessions(app: impl Endpoint) -> impl Endpoint<Output = Response> {
    let sessions = Sessions::new(Config::default(), Arc::new(MemoryStore::new()));
    app.with(SessionMiddleware::new(sessions))
}

fn request(path: &str, cookie: Option<String>) -> Request {
    let mut request = Request::builder().uri_str(path);
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    request.finish()
}

async fn ask(app: &impl Endpoint, path: &str, cookie: Option<String>) -> Response {
    app.get_response(request(path, cookie)).await
}

/// The session's cookie as a browser sends it back.
fn cookie(response: &Response) -> Option<String> {
    let line = response.header(header::SET_COOKIE)?;
    line.split(';').next().map(str::to_owned)
}

async fn text(response: Response) -> String {
    response.into_body().into_string().await.unwrap()
}

#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<u8>>>);

impl io::Write for Events {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for Events {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
